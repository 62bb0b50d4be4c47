"""Exchange between two towers: at conv3, at conv4, or nowhere (lesson 13).

The three patterns of `models.CROSS_LAYERS`, in towers with a quarter of small-alexnet's
widths; fc6 and fc7 always see both towers. conv3 or conv4 has twice the weights where it sees all
maps, so the networks differ in size, as they did in 2012.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

import tinynet as tn
from tinynet.lessons.measure._training import prepared, say, scores, spread, train
from tinynet.models.cross_layers import CROSS_LAYERS
from tinynet.models.two_towers import SMALL, TwoTowers

PLAN = dataclasses.replace(SMALL, widths=(8, 16, 24, 24, 16), hidden=64)
IMAGES = 6_000
EPOCHS = 6
LR = 0.02


def main(seeds: int) -> None:
    """Print a table: parameters, training loss and test accuracy of each pattern."""
    learn = tn.data.CIFAR10(train=True)
    test = tn.data.CIFAR10(train=False)
    say(
        f"CIFAR-10: the first {IMAGES:,} training pictures, {len(test.labels):,} to test, "
        f"{EPOCHS} epochs, batches of 100, lr {LR}, then a tenth; towers of "
        f"{'-'.join(map(str, PLAN.widths))} maps; {seeds} seeds; mean (least to most)."
    )
    for pattern in CROSS_LAYERS:
        losses = []
        right = []
        for seed in range(seeds):
            tn.seed(seed)
            model = TwoTowers(PLAN, 10, cross_at=pattern)
            pictures = learn.images[:IMAGES]
            labels = learn.labels[:IMAGES]
            losses.append(train(model, pictures, labels, prepared, epochs=EPOCHS, lr=LR, seed=seed))
            answers = scores(model, test.images, prepared).argmax(axis=1)
            right.append(100 * float(np.mean(answers == test.labels)))
        size = sum(math.prod(p.shape) for p in model.parameters())
        say(
            f"{pattern:8} {size:,} parameters  training loss {spread(losses, 3)}  "
            f"test accuracy {spread(right, 2)} %"
        )
