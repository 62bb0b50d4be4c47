"""VGG (Simonyan and Zisserman 2014): only 3x3 filters, and many layers of them.

Three 3x3 convolutions see 7x7 pixels with 27 weights per pair of channels, one 7x7 has 49.
"""

from __future__ import annotations

from collections.abc import Iterator

from tinynet import functions as F
from tinynet import nn
from tinynet.tensors import Tensor

CONVOLUTIONS = {
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}
"""Convolutions of each stage, by the number of layers with weights: the paper's A, B, D and E."""


class VGG(nn.Module):
    """Stages of 3x3 convolutions, each ended by a 2x2 pool; names as in torchvision.

    Parameters
    ----------
    classes : number of scores
    convolutions, widths : number of convolutions, and channels, of each stage
    side : of the maps that the first linear layer sees, in pixels
    hidden : units of each hidden layer
    dropout : probability after each hidden layer
    batch_norm : whether every convolution has batch normalization

    Examples
    --------
    >>> import tinynet as tn
    >>> model = tn.models.build("small-vgg")
    >>> model(tn.zeros(1, 3, 32, 32)).shape
    (1, 10)
    """

    def __init__(
        self,
        classes: int = 1000,
        *,
        convolutions: tuple[int, ...] = CONVOLUTIONS[16],
        widths: tuple[int, ...] = (64, 128, 256, 512, 512),
        side: int = 7,
        hidden: int = 4096,
        dropout: float = 0.5,
        batch_norm: bool = False,
    ) -> None:
        self.features = nn.Sequential(*_stages(convolutions, widths, batch_norm))  # (N, 512, 7, 7)
        self.avgpool = nn.AdaptiveAvgPool2d(side)
        self.classifier = nn.Sequential(
            nn.Linear(widths[-1] * side * side, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return scores (N, classes) for images x (N, 3, side, side)."""
        return self.classifier(F.flatten(self.avgpool(self.features(x))))


def _stages(
    convolutions: tuple[int, ...], widths: tuple[int, ...], batch_norm: bool
) -> Iterator[nn.Module]:
    inputs = 3
    for count, width in zip(convolutions, widths, strict=True):
        for _ in range(count):
            yield nn.Conv2d(inputs, width, 3, padding=1)
            if batch_norm:
                yield nn.BatchNorm2d(width)
            yield nn.ReLU()
            inputs = width
        yield nn.MaxPool2d(2)


def vgg(layers: int, classes: int = 1000, batch_norm: bool = False) -> VGG:
    """Return VGG-11, 13, 16 or 19.

    Parameters
    ----------
    layers : 11, 13, 16 or 19
    classes : number of scores
    batch_norm : whether every convolution has batch normalization

    Raises
    ------
    ValueError : for another number of layers
    """
    if layers not in CONVOLUTIONS:
        known = ", ".join(map(str, CONVOLUTIONS))
        raise ValueError(f"vgg: layers must be one of {known}. Got {layers}.")
    return VGG(classes, convolutions=CONVOLUTIONS[layers], batch_norm=batch_norm)


def small_vgg(classes: int = 10) -> VGG:
    """Return three stages for (N, 3, 32, 32), too small to need dropout."""
    return VGG(
        classes, convolutions=(1, 2, 2), widths=(16, 32, 64), side=4, hidden=128, dropout=0.0
    )
