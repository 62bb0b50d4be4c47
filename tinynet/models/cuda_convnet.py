"""CIFAR-10 networks of cuda-convnet, the library in which AlexNet was written.

Each function names the layer file that it follows. These networks take pixels 0..255 minus the mean
image; therefore the first layer starts with a standard deviation of 1e-4.
"""

from __future__ import annotations

from tinynet import nn
from tinynet.nn import init


def cifar_quick(classes: int = 10) -> nn.Sequential:
    """Return the net of 26 % error in 80 seconds of 2011: 145,578 parameters.

    Its layer file is `layers-80sec.cfg`; images are (N, 3, 32, 32).

    Examples
    --------
    >>> import tinynet as tn
    >>> from tinynet.models.cuda_convnet import cifar_quick
    >>> cifar_quick()(tn.zeros(1, 3, 32, 32)).shape
    (1, 10)
    """
    net = nn.Sequential(
        nn.Conv2d(3, 32, 5, padding=2),  # (N, 32, 32, 32)
        nn.MaxPool2d(3, stride=2, ceil_mode=True),  # (N, 32, 16, 16)
        nn.ReLU(),
        nn.Conv2d(32, 32, 5, padding=2),  # (N, 32, 16, 16)
        nn.ReLU(),
        nn.AvgPool2d(3, stride=2, ceil_mode=True),  # (N, 32, 8, 8)
        nn.Conv2d(32, 64, 5, padding=2),  # (N, 64, 8, 8)
        nn.ReLU(),
        nn.AvgPool2d(3, stride=2, ceil_mode=True),  # (N, 64, 4, 4)
        nn.Flatten(),
        nn.Linear(64 * 4 * 4, 64),
        nn.ReLU(),
        nn.Linear(64, classes),
    )
    _initialize(net, (1e-4, 0.01, 0.01, 0.1, 0.1))
    return net


def cifar_18pct(classes: int = 10, across_maps: bool = False) -> nn.Sequential:
    """Return the net of 18 % error without augmentation: 89,578 parameters.

    Its layer file, `layers-18pct.cfg`, normalizes over 3x3 pixels of the same map (type `rnorm`);
    images are (N, 3, 32, 32).

    Parameters
    ----------
    classes : number of scores
    across_maps : normalize over 3 channels at the same pixel instead, as in the paper
    """

    def norm() -> nn.Module:
        if across_maps:
            return nn.LocalResponseNorm(n=3, k=1.0, alpha=5e-5 / 3, beta=0.75)
        return nn.SpatialResponseNorm(n=3, k=1.0, alpha=5e-5 / 9, beta=0.75)

    net = nn.Sequential(
        nn.Conv2d(3, 32, 5, padding=2),  # (N, 32, 32, 32)
        nn.MaxPool2d(3, stride=2, ceil_mode=True),  # (N, 32, 16, 16)
        nn.ReLU(),
        norm(),
        nn.Conv2d(32, 32, 5, padding=2),  # (N, 32, 16, 16)
        nn.ReLU(),
        nn.AvgPool2d(3, stride=2, ceil_mode=True),  # (N, 32, 8, 8)
        norm(),
        nn.Conv2d(32, 64, 5, padding=2),  # (N, 64, 8, 8)
        nn.ReLU(),
        nn.AvgPool2d(3, stride=2, ceil_mode=True),  # (N, 64, 4, 4)
        nn.Flatten(),
        nn.Linear(64 * 4 * 4, classes),
    )
    _initialize(net, (1e-4, 0.01, 0.01, 0.01))
    return net


def cifar_13pct(classes: int = 10) -> nn.Sequential:
    """Return the net of 13 % error, for crops (N, 3, 24, 24): 1,116,490 parameters.

    Its layer file is `layers-conv-local-13pct.cfg`. The last two layers have filters of
    their own for every place.
    """
    net = nn.Sequential(
        nn.Conv2d(3, 64, 5, padding=2),  # (N, 64, 24, 24)
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2, ceil_mode=True),  # (N, 64, 12, 12)
        nn.Conv2d(64, 64, 5, padding=2),  # (N, 64, 12, 12)
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2, ceil_mode=True),  # (N, 64, 6, 6)
        *_local(32, classes),
    )
    _initialize(net, (1e-4, 0.01, 0.04, 0.04, 0.01))
    return net


def cifar_11pct(classes: int = 10) -> nn.Sequential:
    """Return the net of 11 % error, for crops (N, 3, 24, 24): 2,112,970 parameters.

    Its layer file is `layers-conv-local-11pct.cfg`: the 13 % net with normalization across maps,
    and 64 filters instead of 32 at each place of the first locally connected layer.
    """
    net = nn.Sequential(
        nn.Conv2d(3, 64, 5, padding=2),  # (N, 64, 24, 24)
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2, ceil_mode=True),  # (N, 64, 12, 12)
        nn.LocalResponseNorm(n=9, k=1.0, alpha=1e-3 / 9, beta=0.75),
        nn.Conv2d(64, 64, 5, padding=2),  # (N, 64, 12, 12)
        nn.ReLU(),
        nn.LocalResponseNorm(n=9, k=1.0, alpha=1e-3 / 9, beta=0.75),
        nn.MaxPool2d(3, stride=2, ceil_mode=True),  # (N, 64, 6, 6)
        *_local(64, classes),
    )
    _initialize(net, (1e-4, 0.01, 0.04, 0.04, 0.01))
    return net


def _local(filters: int, classes: int) -> tuple[nn.Module, ...]:
    """Return two layers with filters of their own at each of 6x6 places, and the scores."""
    return (
        nn.LocallyConnected2d(64, filters, size=6, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.LocallyConnected2d(filters, 32, size=6, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * 6 * 6, classes),
    )


def _initialize(net: nn.Sequential, stds: tuple[float, ...]) -> None:
    """Give the weights, in order, their standard deviations."""
    weights = [p for name, p in net.named_parameters() if name.endswith("weight")]
    for weight, std in zip(weights, stds, strict=True):
        init.set_normal(weight, std)
