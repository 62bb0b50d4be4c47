"""AlexNet at the size of 32x32 images: its plan and, in `demo`, only its ideas.

A processor trains them in minutes.
"""

from __future__ import annotations

from tinynet import nn
from tinynet.nn import init
from tinynet.nn.layers import split_accumulation


def small_alexnet(classes: int = 10, sees_all: str = "conv3") -> nn.Sequential:
    """Return AlexNet's plan at the size of 32x32 images: (N, 3, 32, 32) to (N, classes).

    Five convolutions, all but the first and `sees_all` in two groups, LRN after the first two,
    overlapping pooling that rounds up (32, 16, 8, 4), two hidden layers with dropout. The weights
    start as N(0, 2 / fan_in), those of the last layer as N(0, 0.01**2): the first loss is near
    ln(classes). Gradients are added up in halves where both towers would see what they belong to.
    """
    third, fourth = (1 if layer == sees_all else 2 for layer in ("conv3", "conv4"))
    scores = nn.Linear(512, classes)
    init.set_normal(scores.weight, 0.01)
    return nn.Sequential(
        split_accumulation(nn.Conv2d(3, 64, 5, padding=2)),  # (N, 64, 32, 32)
        nn.ReLU(),
        nn.LocalResponseNorm(),
        nn.MaxPool2d(3, stride=2, ceil_mode=True),  # (N, 64, 16, 16)
        nn.Conv2d(64, 128, 5, padding=2, groups=2),
        nn.ReLU(),
        nn.LocalResponseNorm(groups=2),
        nn.MaxPool2d(3, stride=2, ceil_mode=True),  # (N, 128, 8, 8)
        split_accumulation(nn.Conv2d(128, 192, 3, padding=1, groups=third), third == 1),
        nn.ReLU(),
        split_accumulation(nn.Conv2d(192, 192, 3, padding=1, groups=fourth), fourth == 1),
        nn.ReLU(),
        nn.Conv2d(192, 128, 3, padding=1, groups=2),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2, ceil_mode=True),  # (N, 128, 4, 4)
        nn.Flatten(),
        split_accumulation(nn.Linear(128 * 4 * 4, 512)),
        nn.ReLU(),
        nn.Dropout(0.5),
        split_accumulation(nn.Linear(512, 512)),
        nn.ReLU(),
        nn.Dropout(0.5),
        scores,
    )


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
