"""Does overlapping pooling reduce overfitting? Windows 2/2 against 3/2 on few pictures (lesson 07).

The two nets differ in the pooling windows alone: the outputs have the same sizes, the weights the
same shapes and the same first values. Overfitting is what the training pictures, asked again after
training, are recognised better than test pictures.
"""

from __future__ import annotations

from typing import Any

import tinynet as tn
from tinynet import nn
from tinynet.backend import Array
from tinynet.lessons.measure._training import say, scores, spread, train

WINDOWS = {"2 x 2 every 2": 2, "3 x 3 every 2": 3}
SETTINGS = {"shapes": (500, 20), "cifar10": (1000, 20)}  # training pictures, epochs
LR = 0.02


def main(seeds: int) -> None:
    """Print, for both windows, the accuracy on pictures that were learnt and on others."""
    for data in ("shapes", "cifar10"):
        if data != "shapes" and not tn.data.find(data):
            say(f"{data}: not found, left out. tinynet data get {data}")
            continue
        count, epochs = SETTINGS[data]
        learn, test = (tn.data.open_dataset(data, train=part) for part in (True, False))
        say(
            f"{data}: {count} training pictures, {epochs} epochs, batches of 50, lr {LR}, then a "
            f"tenth; two convolutions of 16 and 32 filters, 5x5; {seeds} seeds; mean (least to "
            "most), in %."
        )
        gaps = {}
        for name, k in WINDOWS.items():
            runs = [_one(k, seed, learn, test, count, epochs) for seed in range(seeds)]
            known, unknown = zip(*runs, strict=True)
            gaps[name] = [a - b for a, b in runs]
            say(f"{name}  learnt {spread(known)}  test {spread(unknown)}  gap {spread(gaps[name])}")
        less = [a - b for a, b in zip(*gaps.values(), strict=True)]
        say(f"seed by seed, overlap makes the gap smaller by {spread(less)} points")


def _one(k: int, seed: int, learn: Any, test: Any, count: int, epochs: int) -> tuple[float, float]:
    """Return the accuracies in % on learnt and on test pictures."""
    tn.seed(seed)
    model = nn.Sequential(
        nn.Conv2d(3, 16, 5, padding=2), nn.ReLU(), nn.MaxPool2d(k, 2, ceil_mode=True),
        nn.Conv2d(16, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(k, 2, ceil_mode=True),
        nn.Flatten(), nn.Linear(32 * 8 * 8, 10),
    )  # fmt: skip
    pictures, labels = learn.images[:count], learn.labels[:count]
    train(model, pictures, labels, _prepared, epochs=epochs, lr=LR, seed=seed, batch=50)
    pairs = (pictures, labels), (test.images, test.labels)
    known, unknown = (
        100 * (scores(model, images, _prepared).argmax(axis=1) == right).mean()
        for images, right in pairs
    )
    return float(known), float(unknown)


def _prepared(images: Array) -> Array:
    return images / 64 - 2
