"""Overlapping pooling and overfitting: windows 2/2 against 3/2 on few images (lesson 07).

The two nets differ only in the pooling windows: the outputs have the same sizes, the weights the
same shapes and the same initial values. Overfitting is the accuracy on the training images, after
training, minus the accuracy on the test images.
"""

from __future__ import annotations

import tinynet as tn
from tinynet import nn
from tinynet.lessons.measure._training import prepared, say, scores, spread, train

WINDOWS = {"2 x 2 every 2": 2, "3 x 3 every 2": 3}
SCHEDULES = ((0.02, 20), (0.01, 30))  # learning rate, epochs
COUNT = 500  # training pictures


def main(seeds: int) -> None:
    """Print, for both windows, the accuracy on training and on test images."""
    learn = tn.data.Shapes(train=True, seed=0)
    test = tn.data.Shapes(train=False, seed=0)
    for lr, epochs in SCHEDULES:
        say(
            f"{COUNT} training pictures, {epochs} epochs, batches of 50, lr {lr}, then a tenth; "
            f"convolutions of 16 and 32 filters, 5x5; {seeds} seeds; mean (least to most), in %."
        )
        gaps = {}
        for name, k in WINDOWS.items():
            runs = [_one(k, seed, learn, test, lr, epochs) for seed in range(seeds)]
            known, unknown = zip(*runs, strict=True)
            gaps[name] = [a - b for a, b in runs]
            say(f"{name}  learnt {spread(known)}  test {spread(unknown)}  gap {spread(gaps[name])}")
        less = [a - b for a, b in zip(*gaps.values(), strict=True)]
        say(f"seed by seed, overlap makes the gap smaller by {spread(less)} points")


def _one(
    k: int, seed: int, learn: tn.data.Shapes, test: tn.data.Shapes, lr: float, epochs: int
) -> tuple[float, float]:
    """Return the accuracies in % on training and on test images."""
    tn.seed(seed)
    model = nn.Sequential(
        nn.Conv2d(3, 16, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(k, 2, ceil_mode=True),
        nn.Conv2d(16, 32, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(k, 2, ceil_mode=True),
        nn.Flatten(),
        nn.Linear(32 * 8 * 8, 10),
    )
    pictures = learn.images[:COUNT]
    labels = learn.labels[:COUNT]
    train(model, pictures, labels, prepared, epochs=epochs, lr=lr, seed=seed, batch=50)
    pairs = (pictures, labels), (test.images, test.labels)
    known, unknown = (
        100 * (scores(model, images, prepared).argmax(axis=1) == right).mean()
        for images, right in pairs
    )
    return float(known), float(unknown)
