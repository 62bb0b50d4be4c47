"""Training 40 layers: skips, batch normalization and He's initial weights (lesson 18).

All eight combinations in one net for the drawn shapes, each with two learning rates; the better one
counts. Without He's rule the weights start as N(0, 0.01**2), as in AlexNet.
"""

from __future__ import annotations

import itertools

import tinynet as tn
from tinynet import nn
from tinynet.lessons.measure._training import say, scores, spread, train

LAYERS = 40
WIDTH = 16
PICTURES = 2000
EPOCHS = 3
RATES = (0.01, 0.1)


def main(seeds: int) -> None:
    """Print the test accuracy of each combination."""
    say(
        f"Drawn shapes: {PICTURES:,} training pictures, {EPOCHS} epochs, batches of 50; {LAYERS} "
        f"convolutions of {WIDTH} filters, 3x3, on 8x8 maps; {seeds} seeds; test accuracy in %, "
        f"mean (least to most), at the better of the rates {RATES}."
    )
    for skip, norm, he in itertools.product((False, True), repeat=3):
        found = {rate: [accuracy(skip, norm, he, rate, s) for s in range(seeds)] for rate in RATES}
        rate = max(found, key=lambda rate: sum(found[rate]))
        used = [name for name, on in (("skips", skip), ("batch norm", norm), ("He", he)) if on]
        say(f"{' + '.join(used) or 'nothing':24} {spread(found[rate])}  at {rate}")


def accuracy(skip: bool, norm: bool, he: bool, rate: float, seed: int) -> float:
    """Train one net; return its accuracy on the test pictures, 10 where the loss is not finite."""
    learn = tn.data.Shapes(train=True)
    test = tn.data.Shapes(train=False)
    prepare = tn.data.Normalize.fit("standardize", learn.images)
    images = learn.images[:PICTURES]
    labels = learn.labels[:PICTURES]
    tn.seed(seed)
    model = net(skip, norm, he)
    loss = train(
        model, images, labels, prepare, epochs=EPOCHS, lr=rate, seed=seed, batch=50, weight_decay=0
    )
    if loss != loss:  # NaN
        return 10.0
    return float(100 * (scores(model, test.images, prepare).argmax(axis=1) == test.labels).mean())


def net(skip: bool, norm: bool, he: bool) -> nn.Sequential:
    """Return the net: a stem, LAYERS / 2 blocks of two convolutions, a linear layer."""
    layers = [nn.Conv2d(3, WIDTH, 5, stride=2, padding=2), nn.ReLU(), nn.MaxPool2d(2)]
    for _ in range(LAYERS // 2):
        parts: list[nn.Module] = []
        for last in (False, True):
            parts.append(nn.Conv2d(WIDTH, WIDTH, 3, padding=1, bias=not norm))
            parts += [nn.BatchNorm2d(WIDTH)] if norm else []
            parts += [] if last else [nn.ReLU()]
        body = nn.Sequential(*parts)
        layers += [nn.Residual(body) if skip else body, nn.ReLU()]
    model = nn.Sequential(*layers, nn.GlobalAvgPool2d(), nn.Linear(WIDTH, 10))
    for parameter in model.parameters():
        if len(parameter.shape) == 4 and not he:
            nn.init.set_normal(parameter, 0.01)
    return model
