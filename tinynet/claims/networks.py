"""Small networks with exchangeable parts: what the claims are measured on.

All are for (N, 3, side, side) and return (N, classes). Weights start by He's rule and biases at 0
where nothing else is said; the last layer starts as N(0, 0.01**2), so that the first loss is near
ln(classes).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tinynet import models, nn
from tinynet.core import random
from tinynet.nn import init
from tinynet.nn.mistakes import KerasPostLRN
from tinynet.tensors import Tensor

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}


class Gain(nn.Module):
    """x * 2**-0.75: LRN with k = 2 reduces to it where the squares are small."""

    def forward(self, x: Tensor) -> Tensor:
        """Return x times a constant."""
        return x * 2**-0.75


NORMS: dict[str, Callable[[int], nn.Module]] = {  # by the number of channels
    "lrn": lambda channels: nn.LocalResponseNorm(),
    "lrn-strong": lambda channels: nn.LocalResponseNorm(alpha=0.1),
    "lrn-cifar": lambda channels: nn.LocalResponseNorm(n=9, k=1.0, alpha=1e-3 / 9),
    "keras-post": lambda channels: KerasPostLRN(),
    "keras-post-strong": lambda channels: KerasPostLRN(alpha=0.1),
    "gain": lambda channels: Gain(),
    "batch": nn.BatchNorm2d,
}


def four_layers(
    classes: int,
    *,
    activation: str = "relu",
    norm: str | None = None,
    norm_first: bool = True,
    window: int = 3,
    hidden: Sequence[int] = (),
    dropout: float = 0.0,
    inverted_dropout: bool = True,
    bias: float = 0.0,
    std: float | None = None,
    widths: Sequence[int] = (16, 16, 32),
    side: int = 32,
) -> nn.Sequential:
    """Return three convolutions with max-pooling and a linear layer: the plan of section 3.3.

    Parameters
    ----------
    activation : "relu", "tanh" or "sigmoid"
    norm : name in `NORMS`, or None
        After the first two activations.
    norm_first : bool
        Normalize before pooling, as in the paper, or after it.
    window : int
        Side of a pooling window; the stride is 2.
    hidden : units of hidden linear layers
    dropout : float
        Of each hidden layer's outputs.
    inverted_dropout : bool
        See `nn.Dropout`.
    bias : float
        Initial biases of all layers but the first and the last.
    std : float or None
        Standard deviation of the initial weights, in place of He's rule.
    widths : three channel counts
    side : int
        Of the images, in pixels.
    """
    act = ACTIVATIONS[activation]
    layers: list[nn.Module] = []
    channels = 3
    for place, width in enumerate(widths):
        layers += [nn.Conv2d(channels, width, 5, padding=2), act()]
        pool = nn.MaxPool2d(window, stride=2, ceil_mode=True)
        between = [NORMS[norm](width)] if norm and place < 2 else []
        layers += [*between, pool] if norm_first else [pool, *between]
        channels = width
        side = (side + 1) // 2
    layers.append(nn.Flatten())
    units = channels * side**2
    for count in hidden:
        layers += [nn.Linear(units, count), act()]
        layers += [nn.Dropout(dropout, inverted=inverted_dropout)] if dropout else []
        units = count
    layers.append(nn.Linear(units, classes))
    return _initialized(nn.Sequential(*layers), bias, std)


def five_convolutions(
    classes: int,
    *,
    groups: Sequence[int] = (1, 1, 1, 1, 1),
    without: Sequence[int] = (),
    norm: str = "lrn",
    widths: Sequence[int] = (16, 32, 48, 48, 32),
    hidden: int = 64,
    hidden_layers: int = 2,
    bias: float = 0.0,
    std: float | None = None,
    side: int = 32,
) -> nn.Sequential:
    """Return AlexNet's plan with few channels: five convolutions, two hidden layers with dropout.

    Parameters
    ----------
    groups : of each convolution
        2 splits it over two towers, which do not see each other's maps.
    without : numbers of layers that are left out
        2 to 5 are convolutions, 6 and 7 hidden layers.
    norm : "lrn", within each tower, or "batch"
        After the first two convolutions.
    widths, hidden : numbers of channels, and of units in each hidden layer
    hidden_layers : int
    bias, std, side : see `four_layers`
    """
    layers: list[nn.Module] = []
    channels = 3
    for place, (width, count) in enumerate(zip(widths, groups, strict=True), start=1):
        if place not in without:
            kernel = 5 if place < 3 else 3
            layers.append(nn.Conv2d(channels, width, kernel, padding=kernel // 2, groups=count))
            layers.append(nn.ReLU())
            channels = width
        if place < 3 and place not in without:
            towers = max(groups)
            lrn = nn.LocalResponseNorm(groups=towers if place > 1 else 1)
            layers.append(lrn if norm == "lrn" else nn.BatchNorm2d(channels))
        if place in (1, 2, 5):
            layers.append(nn.MaxPool2d(3, stride=2, ceil_mode=True))
            side = (side + 1) // 2
    layers.append(nn.Flatten())
    units = channels * side**2
    for place in range(6, 6 + hidden_layers):
        if place not in without:
            layers += [nn.Linear(units, hidden), nn.ReLU(), nn.Dropout()]
            units = hidden
    layers.append(nn.Linear(units, classes))
    return _initialized(nn.Sequential(*layers), bias, std)


def deep(
    classes: int,
    *,
    layers: int = 20,
    skip: bool = True,
    batch_norm: bool = True,
    std: float | None = None,
    width: int = 16,
) -> nn.Sequential:
    """Return a stem, `layers` convolutions of 3x3 on maps of 8x8 in blocks of two, a linear layer.

    Parameters
    ----------
    layers : int, even
    skip : bool
        Add the input of each block to its output.
    batch_norm : bool
        After each convolution of a block.
    std : float or None
        See `four_layers`.
    width : channels
    """
    parts = [nn.Conv2d(3, width, 5, stride=2, padding=2), nn.ReLU(), nn.MaxPool2d(2)]
    for _ in range(layers // 2):
        block: list[nn.Module] = []
        for last in (False, True):
            block.append(nn.Conv2d(width, width, 3, padding=1, bias=not batch_norm))
            block += [nn.BatchNorm2d(width)] if batch_norm else []
            block += [] if last else [nn.ReLU()]
        body = nn.Sequential(*block)
        parts += [nn.Residual(body) if skip else body, nn.ReLU()]
    parts += [nn.GlobalAvgPool2d(), nn.Linear(width, classes)]
    return _initialized(nn.Sequential(*parts), 0.0, std)


def _initialized(net: nn.Sequential, bias: float, std: float | None) -> nn.Sequential:
    """Set the initial biases between the first and the last layer, and the weights."""
    layers = [m for m in net.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    for layer in layers[1:-1]:
        if bias and layer.bias is not None:
            init.set_constant(layer.bias, bias)
    for layer in layers:
        if std is not None:
            init.set_normal(layer.weight, std)
    init.set_normal(layers[-1].weight, 0.01)
    return net


NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "four-layers": four_layers,
    "five-convolutions": five_convolutions,
    "deep": deep,
}


def build(name: str, options: dict[str, Any], classes: int, seed: int) -> nn.Module:
    """Return a network of this page, or of `tn.models`, with the initial weights of a seed.

    Examples
    --------
    >>> from tinynet.claims import networks
    >>> len(networks.build("four-layers", {"hidden": [64]}, classes=10, seed=0))
    13
    """
    if name not in NETWORKS:
        return models.build(name, classes, seed)
    random.seed(seed)
    return NETWORKS[name](classes, **options)
