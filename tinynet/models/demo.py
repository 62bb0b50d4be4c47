"""A network small enough for a demonstration: AlexNet's ideas in two convolutions."""

from __future__ import annotations

from tinynet import nn


def demo(classes: int = 10) -> nn.Sequential:
    """Return a net for (N, 3, 32, 32): two convolutions, LRN, overlapping pools, one linear."""
    return nn.Sequential(
        nn.Conv2d(3, 16, 5, padding=2),
        nn.ReLU(),
        nn.LocalResponseNorm(),
        nn.MaxPool2d(3, stride=2, ceil_mode=True),  # (N, 16, 16, 16)
        nn.Conv2d(16, 32, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2, ceil_mode=True),  # (N, 32, 8, 8)
        nn.Flatten(),
        nn.Linear(32 * 8 * 8, classes),
    )
