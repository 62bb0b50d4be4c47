"""Network in network (Lin, Chen and Yan 2014): 1x1 convolutions, and no linear layer at all."""

from __future__ import annotations

from tinynet import nn
from tinynet.models.conv_unit import ConvUnit

Widths = tuple[int, int, int]


def nin(
    classes: int = 10,
    first: Widths = (192, 160, 96),
    second: Widths = (192, 192, 192),
    dropout: float = 0.5,
    batch_norm: bool = False,
) -> nn.Sequential:
    """Return the authors' net for CIFAR-10, (N, 3, 32, 32): 966,986 parameters."""
    last = second[2]
    return nn.Sequential(
        *_mlpconv(3, first, 5, batch_norm),
        nn.MaxPool2d(3, stride=2, ceil_mode=True),
        nn.Dropout(dropout),
        *_mlpconv(first[2], second, 5, batch_norm),
        nn.AvgPool2d(3, stride=2, ceil_mode=True),
        nn.Dropout(dropout),
        *_mlpconv(last, (last, last, classes), 3, batch_norm),
        nn.GlobalAvgPool2d(),  # each class has a map of its own
    )


def small_nin(classes: int = 10) -> nn.Sequential:
    """Return the same plan with fewer channels, and batch normalization in the place of dropout."""
    return nin(classes, first=(32, 24, 16), second=(32, 32, 32), dropout=0.0, batch_norm=True)


def _mlpconv(inputs: int, widths: Widths, kernel: int, batch_norm: bool) -> list[nn.Module]:
    """Return a convolution and two layers of 1x1: a small network at every pixel."""
    a, b, c = widths
    return [
        ConvUnit(inputs, a, kernel, batch_norm=batch_norm),
        ConvUnit(a, b, 1, batch_norm=batch_norm),
        ConvUnit(b, c, 1, batch_norm=batch_norm),
    ]
