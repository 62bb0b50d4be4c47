"""Inception-v4 (Szegedy et al. 2017): branches of 1x1, 3x3, 1x7 and 7x1 convolutions.

Figures 3 to 8 of the paper, in the order in which an image passes them. A branch is written as its
layers, (channels, kernel) or (channels, kernel, stride); those at stride 2 have no padding.
"""

from __future__ import annotations

from tinynet import nn
from tinynet.kernels.geometry import Pair
from tinynet.models.conv_bn_relu import ConvBNReLU

Layer = tuple[int, int | Pair] | tuple[int, int | Pair, int]
ROW7 = (1, 7)
COLUMN7 = (7, 1)
ROW3 = (1, 3)
COLUMN3 = (3, 1)


class Builder:
    """The parts of the network, with all widths divided by `shrink`.

    Parameters
    ----------
    shrink : 1 for the paper's network

    Examples
    --------
    >>> import tinynet as tn
    >>> from tinynet.models.inception_v4 import Builder
    >>> Builder(shrink=16).reduce_a()(tn.zeros(1, 24, 35, 35)).shape
    (1, 64, 17, 17)
    """

    def __init__(self, shrink: int = 1) -> None:
        self.shrink = shrink

    def width(self, channels: int) -> int:
        """Return a width of the paper, divided by `shrink`."""
        return channels // self.shrink

    def chain(self, inputs: int, *layers: Layer) -> nn.Sequential:
        """Return convolutions one after the other; all channels are widths of the paper."""
        units = []
        channels = self.width(inputs)
        for width, kernel, *rest in layers:
            stride = rest[0] if rest else 1
            padding = 0 if stride == 2 else None
            units.append(ConvBNReLU(channels, self.width(width), kernel, stride, padding))
            channels = self.width(width)
        return nn.Sequential(*units)

    def pooled(self, inputs: int, outputs: int) -> nn.Sequential:
        """Return the branch that begins with a mean over 3x3."""
        pool = nn.AvgPool2d(3, 1, padding=1, count_include_pad=False)
        return nn.Sequential(pool, self.chain(inputs, (outputs, 1)))

    def stem(self) -> nn.Sequential:
        """Return figure 3: (N, 3, 299, 299) to (N, 384, 35, 35)."""
        # made before the other layers, because the order decides the random numbers
        long = self.chain(160, (64, 1), (64, ROW7), (64, COLUMN7))
        return nn.Sequential(
            ConvBNReLU(3, self.width(32), 3, 2, 0),  # (N, 32, 149, 149)
            ConvBNReLU(self.width(32), self.width(32), 3, 1, 0),  # (N, 32, 147, 147)
            self.chain(32, (64, 3)),  # (N, 64, 147, 147)
            nn.Concatenate(nn.MaxPool2d(3, 2), self.chain(64, (96, 3, 2))),  # (N, 160, 73, 73)
            nn.Concatenate(
                nn.Sequential(self.chain(160, (64, 1)), self._unpadded()),
                nn.Sequential(long, self._unpadded()),
            ),  # (N, 192, 71, 71)
            nn.Concatenate(self.chain(192, (192, 3, 2)), nn.MaxPool2d(3, 2)),  # (N, 384, 35, 35)
        )

    def _unpadded(self) -> ConvBNReLU:
        return ConvBNReLU(self.width(64), self.width(96), 3, 1, 0)

    def a(self) -> nn.Concatenate:
        """Return figure 4: (N, 384, 35, 35) to the same shape."""
        return nn.Concatenate(
            self.chain(384, (96, 1)),
            self.chain(384, (64, 1), (96, 3)),
            self.chain(384, (64, 1), (96, 3), (96, 3)),
            self.pooled(384, 96),
        )

    def reduce_a(self) -> nn.Concatenate:
        """Return figure 7: (N, 384, 35, 35) to (N, 1024, 17, 17)."""
        return nn.Concatenate(
            self.chain(384, (384, 3, 2)),
            self.chain(384, (192, 1), (224, 3), (256, 3, 2)),
            nn.MaxPool2d(3, 2),
        )

    def b(self) -> nn.Concatenate:
        """Return figure 5: (N, 1024, 17, 17) to the same shape."""
        return nn.Concatenate(
            self.chain(1024, (384, 1)),
            self.chain(1024, (192, 1), (224, ROW7), (256, COLUMN7)),
            self.chain(1024, (192, 1), (192, COLUMN7), (224, ROW7), (224, COLUMN7), (256, ROW7)),
            self.pooled(1024, 128),
        )

    def reduce_b(self) -> nn.Concatenate:
        """Return figure 8: (N, 1024, 17, 17) to (N, 1536, 8, 8)."""
        return nn.Concatenate(
            self.chain(1024, (192, 1), (192, 3, 2)),
            self.chain(1024, (256, 1), (256, ROW7), (320, COLUMN7), (320, 3, 2)),
            nn.MaxPool2d(3, 2),
        )

    def c(self) -> nn.Concatenate:
        """Return figure 6: (N, 1536, 8, 8) to the same shape; two branches fork once more."""

        def fork(inputs: int) -> nn.Concatenate:
            return nn.Concatenate(
                self.chain(inputs, (256, ROW3)), self.chain(inputs, (256, COLUMN3))
            )

        return nn.Concatenate(
            self.chain(1536, (256, 1)),
            nn.Sequential(self.chain(1536, (384, 1)), fork(384)),
            nn.Sequential(self.chain(1536, (384, 1), (448, COLUMN3), (512, ROW3)), fork(512)),
            self.pooled(1536, 256),
        )


def inception_v4(classes: int = 1000, shrink: int = 1) -> nn.Sequential:
    """Return the network of figure 9: (N, 3, 299, 299) to (N, classes).

    Parameters
    ----------
    classes : number of scores
    shrink : divisor of all widths
    """
    parts = Builder(shrink)
    return _assemble(parts, parts.stem(), (4, 7, 3), classes)


def small_inception_v4(classes: int = 10) -> nn.Sequential:
    """Return one module of each kind with a sixteenth of the channels, for (N, 3, 32, 32)."""
    parts = Builder(shrink=16)
    stem = nn.Sequential(
        ConvBNReLU(3, 24, 3),  # (N, 24, 32, 32)
        nn.MaxPool2d(2),  # (N, 24, 16, 16)
    )
    return _assemble(parts, stem, (1, 1, 1), classes)


def _assemble(
    parts: Builder, stem: nn.Module, counts: tuple[int, int, int], classes: int
) -> nn.Sequential:
    a, b, c = counts
    return nn.Sequential(
        stem,
        *(parts.a() for _ in range(a)),
        parts.reduce_a(),
        *(parts.b() for _ in range(b)),
        parts.reduce_b(),
        *(parts.c() for _ in range(c)),
        nn.GlobalAvgPool2d(),
        nn.Dropout(0.2),
        nn.Linear(parts.width(1536), classes),
    )
