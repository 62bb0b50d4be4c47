"""Shared parts of the experiments: preprocessing, training loop, scores, mean and range."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import numpy as np

import tinynet as tn
from tinynet import functions as F
from tinynet import nn
from tinynet.core.backend import Array
from tinynet.core.random import at_step

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

    `disturb` augments the bytes (N, C, H, W), then `prepare` turns them into floats.
    """
    optimizer = tn.optim.SGD(model.parameters(), lr, momentum=0.9, weight_decay=weight_decay)
    total, model = 0.0, model.train()
    for epoch in range(epochs):
        optimizer.lr = lr if epoch < 0.75 * epochs else lr / 10
        rng = np.random.default_rng([seed, epoch])
        total = 0.0
        order = tn.data.epoch_order(len(labels), seed, epoch)
        for step, chosen in enumerate(tn.data.batch_indices(order, batch)):
            at_step(epoch * len(labels) + step)
            x = prepare(disturb(images[chosen], rng)).astype(np.float32)
            loss = F.cross_entropy(model(tn.tensor(x)), labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(chosen)
    return total / len(labels)


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
