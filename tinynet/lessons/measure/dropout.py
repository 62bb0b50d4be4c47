"""Test-time factor of dropout: 1 - p, p or 1 (lesson 09).

1 - p and p are the same only for p = 0.5. Nets are trained the paper's way (a unit is zeroed or
unchanged) and then tested with three factors: 1 - p, which is right; p; and 1, which is no scaling.
"""

from __future__ import annotations

import numpy as np

import tinynet as tn
from tinynet import functions as F
from tinynet import nn
from tinynet.lessons.measure._training import say, scores, spread, train
from tinynet.tensors import Tensor

IMAGES = 500
EPOCHS = 40
LR = 0.02


class PaperDropout(nn.Module):
    """Zeroes units in training; otherwise multiplies by `factor`."""

    def __init__(self, p: float) -> None:
        self.p = p
        self.factor = 1 - p

    def forward(self, x: Tensor) -> Tensor:
        """Return x with units zeroed in training, scaled otherwise."""
        return F.dropout(x, self.p) * (1 - self.p) if self.training else x * self.factor


def main(seeds: int) -> None:
    """Print accuracy and loss for every rate and factor."""
    learn = tn.data.Shapes(train=True)
    test = tn.data.Shapes(train=False)
    images = learn.images[:IMAGES]
    labels = learn.labels[:IMAGES]
    prepare = tn.data.Normalize.fit("standardize", images)
    say(
        f"Drawn shapes, {IMAGES} training pictures, {EPOCHS} epochs, batches of 50, lr {LR}, then "
        "a tenth; two convolutions of 16 and 32 filters, two hidden layers of 256 units with "
        f"dropout after each; {seeds} seeds; mean (least to most)."
    )
    for p in (0.2, 0.5, 0.8):
        found: dict[str, list[tuple[float, float]]] = {"1 - p": [], "p": [], "1": []}
        for seed in range(seeds):
            tn.seed(seed)
            model, layers = _net(p)
            train(model, images, labels, prepare, epochs=EPOCHS, lr=LR, seed=seed, batch=50)
            for name, factor in (("1 - p", 1 - p), ("p", p), ("1", 1.0)):
                for layer in layers:
                    layer.factor = factor
                said = scores(model, test.images, prepare)
                loss = F.cross_entropy(tn.tensor(said), test.labels).item()
                found[name].append((100 * np.mean(said.argmax(axis=1) == test.labels), loss))
        for name, pairs in found.items():
            accuracies, losses = zip(*pairs, strict=True)
            say(
                f"p = {p}, tested with {name:5}: accuracy {spread(accuracies)} %, "
                f"loss {spread(losses, 2)}"
            )


def _net(p: float) -> tuple[nn.Module, list[PaperDropout]]:
    layers = [PaperDropout(p), PaperDropout(p)]
    model = nn.Sequential(
        nn.Conv2d(3, 16, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, ceil_mode=True),
        nn.Conv2d(16, 32, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, ceil_mode=True),
        nn.Flatten(),
        nn.Linear(32 * 8 * 8, 256),
        nn.ReLU(),
        layers[0],
        nn.Linear(256, 256),
        nn.ReLU(),
        layers[1],
        nn.Linear(256, 10),
    )
    return model, layers
