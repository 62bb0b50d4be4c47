"""Small AlexNets for 32x32 images, which a CPU trains in minutes."""

from __future__ import annotations

from tinynet import nn
from tinynet.models.cross_layers import groups
from tinynet.models.split_accumulation import split_where_towers_meet
from tinynet.nn import init


def small_alexnet(classes: int = 10, cross_at: str = "conv3") -> nn.Sequential:
    """Return AlexNet's plan at the size of 32x32 images: (N, 3, 32, 32) to (N, classes).

    The weights start as N(0, 2 / fan_in), those of the last layer as N(0, 0.01**2): the first loss
    is near ln(classes).

    Parameters
    ----------
    classes : number of scores
    cross_at : "conv3", "conv4" or "nowhere": the convolution behind conv1 that sees all maps; the
        others have two groups
    """
    conv3_groups = groups("conv3", cross_at)
    conv4_groups = groups("conv4", cross_at)
    scores = nn.Linear(512, classes)  # made first, because the order decides the random numbers
    init.set_normal(scores.weight, 0.01)
    model = nn.Sequential(
        nn.Conv2d(3, 64, 5, padding=2),  # (N, 64, 32, 32)
        nn.ReLU(),
        nn.LocalResponseNorm(),
        nn.MaxPool2d(3, stride=2, ceil_mode=True),  # (N, 64, 16, 16)
        nn.Conv2d(64, 128, 5, padding=2, groups=2),  # (N, 128, 16, 16)
        nn.ReLU(),
        nn.LocalResponseNorm(groups=2),
        nn.MaxPool2d(3, stride=2, ceil_mode=True),  # (N, 128, 8, 8)
        nn.Conv2d(128, 192, 3, padding=1, groups=conv3_groups),  # (N, 192, 8, 8)
        nn.ReLU(),
        nn.Conv2d(192, 192, 3, padding=1, groups=conv4_groups),  # (N, 192, 8, 8)
        nn.ReLU(),
        nn.Conv2d(192, 128, 3, padding=1, groups=2),  # (N, 128, 8, 8)
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2, ceil_mode=True),  # (N, 128, 4, 4)
        nn.Flatten(),  # (N, 2048)
        nn.Linear(128 * 4 * 4, 512),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(512, 512),
        nn.ReLU(),
        nn.Dropout(0.5),
        scores,
    )
    split_where_towers_meet(model)
    return model


def demo(classes: int = 10) -> nn.Sequential:
    """Return a small net for (N, 3, 32, 32): two convolutions and one linear layer.

    Examples
    --------
    >>> import tinynet as tn
    >>> tn.models.demo()(tn.zeros(1, 3, 32, 32)).shape
    (1, 10)
    """
    return nn.Sequential(
        nn.Conv2d(3, 16, 5, padding=2),  # (N, 16, 32, 32)
        nn.ReLU(),
        nn.LocalResponseNorm(),
        nn.MaxPool2d(3, stride=2, ceil_mode=True),  # (N, 16, 16, 16)
        nn.Conv2d(16, 32, 5, padding=2),  # (N, 32, 16, 16)
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2, ceil_mode=True),  # (N, 32, 8, 8)
        nn.Flatten(),  # (N, 2048)
        nn.Linear(32 * 8 * 8, classes),
    )
