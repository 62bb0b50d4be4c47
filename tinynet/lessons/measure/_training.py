"""Shared parts of the experiments: preprocessing, training, scores, mean and range."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence

import numpy as np

import tinynet as tn
from tinynet import nn
from tinynet.core.backend import Array
from tinynet.core.random import at_step
from tinynet.training.metrics import RunningMetrics
from tinynet.training.steps import train_step

Prepare = Callable[[Array], Array]
Disturb = Callable[[Array, np.random.Generator], Array]


def prepared(images: Array) -> Array:
    """Return bytes 0..255 as floats -2..2."""
    return images / 64 - 2


def train(
    model: nn.Module,
    images: Array,
    labels: Array,
    prepare: Prepare,
    *,
    epochs: int,
    lr: float,
    seed: int,
    batch: int = 100,
    weight_decay: float = 5e-4,
    disturb: Disturb = lambda images, rng: images,
) -> float:
    """Train with momentum 0.9, the last quarter at lr / 10; return the last epoch's mean loss.

    `disturb` augments the bytes (N, C, H, W), then `prepare` turns them into floats. `tn.fit` would
    draw other flips and dropout masks than those of the published tables, so this loop draws its
    own. The loss is NaN where training stopped because it was not finite.
    """
    optimizer = tn.optim.SGD(model.parameters(), lr, momentum=0.9, weight_decay=weight_decay)
    loader = tn.data.DataLoader((images, labels), batch, shuffle=True, seed=seed)
    model.train()
    metrics = RunningMetrics()
    for epoch in range(epochs):
        optimizer.lr = lr if epoch < 0.75 * epochs else lr / 10
        rng = np.random.default_rng([seed, epoch])
        metrics = RunningMetrics()
        for step, chosen in enumerate(loader.indices(epoch)):
            at_step(epoch * len(labels) + step)
            x = prepare(disturb(images[chosen], rng)).astype(np.float32)
            try:
                train_step(model, optimizer, x, labels[chosen], metrics=metrics)
            except FloatingPointError:
                return math.nan
    return metrics.means[0]


def scores(model: nn.Module, images: Array, prepare: Prepare) -> Array:
    """Return the scores of images, (N, classes)."""
    model.eval()
    with tn.no_grad():
        parts = [
            model(tn.tensor(prepare(images[i : i + 250]).astype(np.float32))).numpy()
            for i in range(0, len(images), 250)
        ]
    return np.concatenate(parts)


def spread(values: Sequence[float], digits: int = 1) -> str:
    """Return "mean (least to most)"."""
    low = min(values)
    middle = sum(values) / len(values)
    high = max(values)
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def say(text: str) -> None:
    """Print a line and flush."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
