"""Network in network (Lin, Chen and Yan 2014): 1x1 convolutions instead of linear layers."""

from __future__ import annotations

from tinynet import nn
from tinynet.models.conv_bn_relu import ConvBNReLU

Widths = tuple[int, int, int]
"""Channels of the three convolutions of a block."""


def nin(
    classes: int = 10,
    first: Widths = (192, 160, 96),
    second: Widths = (192, 192, 192),
    dropout: float = 0.5,
    batch_norm: bool = False,
) -> nn.Sequential:
    """Return the authors' net for CIFAR-10, (N, 3, 32, 32): 966,986 parameters.

    Parameters
    ----------
    classes : number of scores; each class has a map of its own, whose mean is its score
    first, second : widths of the first two blocks
    dropout : probability after each of these blocks
    batch_norm : whether every convolution has batch normalization

    Examples
    --------
    >>> import tinynet as tn
    >>> from tinynet.models.nin import nin
    >>> nin(classes=7, first=(8, 8, 8), second=(8, 8, 8))(tn.zeros(1, 3, 32, 32)).shape
    (1, 7)
    """
    last = second[2]
    return nn.Sequential(
        *_mlpconv(3, first, 5, batch_norm),  # (N, 96, 32, 32)
        nn.MaxPool2d(3, stride=2, ceil_mode=True),  # (N, 96, 16, 16)
        nn.Dropout(dropout),
        *_mlpconv(first[2], second, 5, batch_norm),  # (N, 192, 16, 16)
        nn.AvgPool2d(3, stride=2, ceil_mode=True),  # (N, 192, 8, 8)
        nn.Dropout(dropout),
        *_mlpconv(last, (last, last, classes), 3, batch_norm),  # (N, classes, 8, 8)
        nn.GlobalAvgPool2d(),
    )


def small_nin(classes: int = 10) -> nn.Sequential:
    """Return the same plan with fewer channels, and batch normalization instead of dropout."""
    return nin(classes, first=(32, 24, 16), second=(32, 32, 32), dropout=0.0, batch_norm=True)


def _mlpconv(inputs: int, widths: Widths, kernel: int, batch_norm: bool) -> list[nn.Module]:
    """Return a convolution and two 1x1 convolutions: a small network at every pixel."""
    a, b, c = widths
    return [
        ConvBNReLU(inputs, a, kernel, batch_norm=batch_norm),
        ConvBNReLU(a, b, 1, batch_norm=batch_norm),
        ConvBNReLU(b, c, 1, batch_norm=batch_norm),
    ]
