"""Flips on MNIST: test accuracy for five augmentations of the training images (lesson 10).

The test images are not augmented. Each flip is applied to each image with probability one half.
"""

from __future__ import annotations

import numpy as np

import tinynet as tn
from tinynet import nn
from tinynet.core.backend import Array
from tinynet.lessons.measure._training import say, scores, spread, train

WAYS: dict[
    str, tuple[int | tuple[int, int], ...]
] = {  # axes to flip, each flip drawn independently
    "nothing": (),
    "mirrors": (3,),
    "upside down": (2,),
    "half turns": ((2, 3),),
    "mirrors and upside down": (3, 2),
}
IMAGES = 20_000
EPOCHS = 3
LR = 0.02


def main(seeds: int) -> None:
    """Print a table of test accuracies, and how often a 6 is called a 9."""
    learn = tn.data.MNIST(train=True)
    test = tn.data.MNIST(train=False)
    say(
        f"MNIST: the first {IMAGES:,} training pictures, {EPOCHS} epochs, batches of 100, lr {LR}, "
        f"then a tenth; two convolutions of 16 and 32 filters, 5x5; {seeds} seeds; mean (least to "
        "most), in %."
    )
    for name, axes in WAYS.items():
        found = [_one(axes, seed, learn, test) for seed in range(seeds)]
        say(f"{name}\n  all digits {spread([100 * (a == test.labels).mean() for a in found], 2)}")
        each = [
            np.mean([100 * (a[test.labels == d] == d).mean() for a in found]) for d in range(10)
        ]
        say("  digits 0 to 9: " + "  ".join(f"{value:.1f}" for value in each))
        for true, said in ((6, 9), (9, 6), (2, 5), (5, 2)):
            mixed = [100 * (a[test.labels == true] == said).mean() for a in found]
            say(f"  a {true} called {said}: {spread(mixed)}")


def _one(
    axes: tuple[int | tuple[int, int], ...], seed: int, learn: tn.data.MNIST, test: tn.data.MNIST
) -> Array:
    """Return the answers to the test pictures after training with these flips."""

    def disturb(images: Array, rng: np.random.Generator) -> Array:
        for axis in axes:
            chosen = rng.random(len(images)) < 0.5
            images = np.where(chosen[:, None, None, None], np.flip(images, axis), images)
        return images

    tn.seed(seed)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 5, padding=2),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Conv2d(16, 32, 5, padding=2),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * 7 * 7, 10),
    )
    pictures = learn.images[:IMAGES]
    labels = learn.labels[:IMAGES]
    train(model, pictures, labels, _prepared, epochs=EPOCHS, lr=LR, seed=seed, disturb=disturb)
    return scores(model, test.images, _prepared).argmax(axis=1)


def _prepared(images: Array) -> Array:
    return images / 128 - 1
