"""Small training run in memory: recipe, network, images of 4x4, and comparisons of two runs."""

import dataclasses
import math

import numpy as np

from tinynet import nn
from tinynet.core import random
from tinynet.optim import SGD
from tinynet.training.recipes import Recipe
from tinynet.training.runs import Run

RECIPE = Recipe(
    name="tiny",
    about="for tests",
    model="tiny",
    data="points",
    epochs=3,
    batch_size=8,
    lr=0.05,
    schedule=((0.5, 0.1),),
    seed=5,
)


class Points:
    """Images of 1x4x4 whose label is the brighter half; shuffled anew each epoch."""

    def __init__(self, count=44, batch=8, shuffle=True):
        rng = np.random.default_rng(count)
        self.images = rng.standard_normal((count, 1, 4, 4)).astype(np.float32)
        self.labels = (self.images[:, 0, :2].sum((1, 2)) > self.images[:, 0, 2:].sum((1, 2))) * 1
        self.batch, self.shuffle = batch, shuffle
        self.steps = math.ceil(count / batch)

    def batches(self, epoch, first=0):
        order = np.arange(len(self.labels))
        if self.shuffle:
            order = random.generator("points", epoch, seed=1).permutation(order)
        for step in range(first, self.steps):
            rows = order[step * self.batch : (step + 1) * self.batch]
            yield self.images[rows], self.labels[rows]


def tiny_net():
    with random.fork(3):
        return nn.Sequential(
            nn.Conv2d(1, 3, 3, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Dropout(0.5),
            nn.Linear(48, 2),
        )


def new_run(folder, recipe=RECIPE):
    net = tiny_net()
    optimizer = SGD(net.parameters(), lr=recipe.build_schedule(), momentum=0.9)
    folder.mkdir(exist_ok=True)
    return Run(
        folder, recipe, ("low", "high"), net, optimizer, Points(), Points(20, shuffle=False), {}
    )


def assert_same_arrays(a, b):
    assert sorted(a) == sorted(b)
    for name in a:
        np.testing.assert_array_equal(a[name], b[name])


def timeless(records):
    clocks = {"seconds": 0, "images_per_second": 0}
    return [dataclasses.replace(r, **clocks) for r in records]
