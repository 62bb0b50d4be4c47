"""LRN in training: the paper's against that of a copied Keras post (lesson 08).

Four layers in one small net: none; a constant gain of k**-beta, to which LRN reduces where the
squares are small; the paper's; the post's, which sums all channels over 5x5 pixels.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import tinynet as tn
from tinynet import nn
from tinynet.lessons.measure._training import say, scores, spread, train
from tinynet.nn.mistakes import KerasPostLRN
from tinynet.tensors import Tensor

EPOCHS = 4
LR = 0.02


class Gain(nn.Module):
    """x * 2**-0.75: LRN without neighbours."""

    def forward(self, x: Tensor) -> Tensor:
        """Return x times a constant."""
        return x * 2**-0.75


LAYERS: dict[str, Callable[[], nn.Module] | None] = {
    "none": None,
    "constant gain": Gain,
    "paper, alpha 1e-4": lambda: nn.LocalResponseNorm(alpha=1e-4),
    "post, alpha 1e-4": lambda: KerasPostLRN(alpha=1e-4),
    "paper, alpha 0.1": lambda: nn.LocalResponseNorm(alpha=0.1),
    "post, alpha 0.1": lambda: KerasPostLRN(alpha=0.1),
}


def main(seeds: int) -> None:
    """Print loss, accuracy and time of each layer."""
    learn = tn.data.Shapes(train=True)
    test = tn.data.Shapes(train=False)
    prepare = tn.data.Normalize.fit("standardize", learn.images)
    say(
        f"Drawn shapes, {EPOCHS} epochs, batches of 50, lr {LR}, then a tenth; two convolutions of "
        f"16 and 32 filters, the layer after each ReLU; {seeds} seeds; mean (least to most)."
    )
    for name, make in LAYERS.items():
        losses = []
        found = []
        started = time.perf_counter()
        for seed in range(seeds):
            tn.seed(seed)
            model = _net(make)
            loss = train(
                model,
                learn.images,
                learn.labels,
                prepare,
                epochs=EPOCHS,
                lr=LR,
                seed=seed,
                batch=50,
            )
            losses.append(loss)
            right = scores(model, test.images, prepare).argmax(axis=1) == test.labels
            found.append(100 * right.mean())
        seconds = (time.perf_counter() - started) / seeds
        say(
            f"{name:18} last training loss {spread(losses, 3)}  test accuracy "
            f"{spread(found)} %  {seconds:.0f} s a run"
        )


def _net(make: Callable[[], nn.Module] | None) -> nn.Module:
    layer = [] if make is None else [make()]
    return nn.Sequential(
        nn.Conv2d(3, 16, 5, padding=2),
        nn.ReLU(),
        *layer,
        nn.MaxPool2d(3, 2, ceil_mode=True),
        nn.Conv2d(16, 32, 5, padding=2),
        nn.ReLU(),
        *layer,
        nn.MaxPool2d(3, 2, ceil_mode=True),
        nn.Flatten(),
        nn.Linear(32 * 8 * 8, 10),
    )
