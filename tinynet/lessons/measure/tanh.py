"""Speed of tanh and ReLU: epochs to 25 % training error on drawn shapes (lesson 04).

As for the paper's Figure 1: four layers, no regularization, and for each activation its own
learning rate, the fastest of RATES. Weights begin as N(0, 2 / fan_in), those of the last layer as
N(0, 0.01**2): the first loss is log(10).
"""

from __future__ import annotations

import collections
import math

import numpy as np

import tinynet as tn
from tinynet import nn
from tinynet.core.backend import Array
from tinynet.lessons.measure._training import say, spread
from tinynet.nn import init

ACTIVATIONS = {"ReLU": nn.ReLU, "tanh": nn.Tanh}
RATES = 0.005, 0.01, 0.02
BATCH = 50
LOOK_BACK = 1000  # pictures
FILTERS = (16, 16, 32)
LIMIT = 10  # a run is given up after LIMIT epochs


def standardised(images: Array) -> Array:
    """Return pictures (N, C, H, W) with mean 0 and deviation 1 in each channel, float32."""
    x = images.astype(np.float32)
    axes = (0, 2, 3)
    return (x - x.mean(axes, keepdims=True)) / x.std(axes, keepdims=True)


def four_layers(activation: str) -> nn.Sequential:
    """Return three convolutions with max-pooling and a linear layer."""
    act = ACTIVATIONS[activation]
    (a, b, c) = FILTERS
    scores = nn.Linear(c * 16, 10)
    init.set_normal(scores.weight, 0.01)
    return nn.Sequential(
        nn.Conv2d(3, a, 5, padding=2),
        act(),
        nn.MaxPool2d(3, stride=2, ceil_mode=True),
        nn.Conv2d(a, b, 5, padding=2),
        act(),
        nn.MaxPool2d(3, stride=2, ceil_mode=True),
        nn.Conv2d(b, c, 3, padding=1),
        act(),
        nn.MaxPool2d(3, stride=2, ceil_mode=True),
        nn.Flatten(),
        scores,
    )


def epochs_needed(activation: str, lr: float, seed: int, images: Array, labels: Array) -> float:
    """Return the epochs until at most 25 % of the last 1,000 images were misclassified, or inf."""
    tn.seed(seed)
    model = four_layers(activation)
    optimizer = tn.optim.SGD(model.parameters(), lr, momentum=0.9)
    loader = tn.data.DataLoader((images, labels), BATCH, shuffle=True, seed=seed)
    state = tn.State()
    wrong: collections.deque[float] = collections.deque(maxlen=LOOK_BACK // BATCH)
    before = 0  # images of this epoch that were classified correctly
    try:
        for _ in tn.fit(model, optimizer, loader, epochs=LIMIT, state=state, every_step=True):
            if state.step == 0:  # the record of a whole epoch
                before = 0
                continue
            wrong.append((BATCH - (state.metrics.correct - before)) / BATCH)
            before = state.metrics.correct
            if len(wrong) == wrong.maxlen and np.mean(wrong) <= 0.25:
                return (state.epoch * len(labels) + state.metrics.images) / len(labels)
    except FloatingPointError:
        return math.inf
    return math.inf


def main(seeds: int) -> None:
    """Print a table: for each activation the epochs at every learning rate."""
    shapes = tn.data.Shapes(train=True, seed=0)
    images = standardised(shapes.images)
    say(
        f"Shapes, {len(shapes):,} pictures; filters {FILTERS}; batches of {BATCH}, momentum 0.9, "
        f"no weight decay. Epochs to 25 % error on the last {LOOK_BACK:,} training images, as "
        f"classified before the update; never: not within {LIMIT}. {seeds} seeds: mean "
        "(least to most) of the runs that reached it."
    )
    for name in ACTIVATIONS:
        for lr in RATES:
            found = [epochs_needed(name, lr, seed, images, shapes.labels) for seed in range(seeds)]
            ended = [epochs for epochs in found if epochs < math.inf]
            told = spread(ended, 2) if ended else "none ended"
            say(f"{name:5} lr {lr:<6}{told}, {seeds - len(ended)} of {seeds} never")
