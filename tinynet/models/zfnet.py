"""ZFNet (Zeiler and Fergus 2013): AlexNet with smaller first filters at a smaller stride.

AlexNet's 11x11 filters at stride 4 had missed medium frequencies; these are 7x7 at stride 2.
"""

from __future__ import annotations

from tinynet import nn


def zfnet(
    classes: int = 1000,
    *,
    widths: tuple[int, int, int, int, int] = (96, 256, 384, 384, 256),
    strides: tuple[int, int] = (2, 2),
    side: int = 6,
    hidden: int = 4096,
    dropout: float = 0.5,
) -> nn.Sequential:
    """Return the net of figure 3: (N, 3, 224, 224) to (N, classes).

    Parameters
    ----------
    classes : number of scores
    widths : channels of the five convolutions
    strides : of the first two
    side : of the maps that the first linear layer sees, in pixels
    hidden : units of each hidden layer
    dropout : probability after each hidden layer

    Examples
    --------
    >>> import tinynet as tn
    >>> from tinynet.models.zfnet import small_zfnet
    >>> small_zfnet(classes=7)(tn.zeros(1, 3, 32, 32)).shape
    (1, 7)
    """
    a, b, c, d, e = widths
    return nn.Sequential(
        nn.Conv2d(3, a, 7, stride=strides[0], padding=1),  # (N, 96, 110, 110)
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2, padding=1),  # (N, 96, 55, 55)
        nn.LocalResponseNorm(),
        nn.Conv2d(a, b, 5, stride=strides[1]),  # (N, 256, 26, 26)
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2, padding=1),  # (N, 256, 13, 13)
        nn.LocalResponseNorm(),
        nn.Conv2d(b, c, 3, padding=1),  # (N, 384, 13, 13)
        nn.ReLU(),
        nn.Conv2d(c, d, 3, padding=1),  # (N, 384, 13, 13)
        nn.ReLU(),
        nn.Conv2d(d, e, 3, padding=1),  # (N, 256, 13, 13)
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2),  # (N, 256, 6, 6)
        nn.AdaptiveAvgPool2d(side),
        nn.Flatten(),  # (N, 9216)
        nn.Linear(e * side * side, hidden),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(hidden, hidden),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(hidden, classes),
    )


def small_zfnet(classes: int = 10) -> nn.Sequential:
    """Return its plan at the size of (N, 3, 32, 32), too small to need dropout."""
    return zfnet(
        classes, widths=(24, 32, 48, 48, 32), strides=(1, 1), side=3, hidden=64, dropout=0.0
    )
