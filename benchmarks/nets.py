"""The three networks that are timed, in tinynet and, layer by layer the same, in PyTorch.

S is cuda-convnet's `cifar-18pct` with the paper's LRN, A the small AlexNet for 32x32 images, L the
AlexNet of 2012.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tinynet as tn

MODELS = {"S": "cifar-18pct-lrn", "A": "small-alexnet", "L": "alexnet"}
BATCH = {"S": 128, "A": 128, "L": 16}
CLASSES = {"S": 10, "A": 10, "L": 1000}


def shape(net: str) -> tuple[int, int, int, int]:
    """Return (N, C, H, W) of the batch that is timed."""
    return (BATCH[net], *tn.models.INPUT_SHAPES[MODELS[net]])


def ours(net: str) -> tn.nn.Module:
    """Return the network in tinynet."""
    return tn.models.build(MODELS[net], CLASSES[net])


def layers(model: tn.nn.Module) -> list[tn.nn.Module]:
    """Return the layers of a network in order, groups of layers unpacked."""
    return [m for _, m in model.named_modules() if not list(m.named_modules())[1:]]


def theirs(net: str) -> Any:
    """Return the same network in PyTorch, built from the settings of our layers."""
    import torch

    return torch.nn.Sequential(*[_twin(layer) for layer in layers(ours(net))])


def _twin(layer: Any) -> Any:
    """Return PyTorch's version of one layer. Its LRN has n times our alpha, and knows no groups."""
    from torch import nn

    make: dict[str, Callable[[Any], Any]] = {
        "Conv2d": _twin_of_conv,
        "Linear": lambda m: nn.Linear(*m.weight.shape[::-1]),
        "ReLU": lambda m: nn.ReLU(inplace=True),
        "MaxPool2d": lambda m: nn.MaxPool2d(m.kernel_size, m.stride, ceil_mode=m.ceil_mode),
        "AvgPool2d": lambda m: nn.AvgPool2d(m.kernel_size, m.stride, ceil_mode=m.ceil_mode),
        "LocalResponseNorm": lambda m: nn.LocalResponseNorm(m.n, m.alpha * m.n, m.beta, m.k),
        "Dropout": lambda m: nn.Dropout(m.p),
        "Flatten": lambda m: nn.Flatten(),
    }
    return make[type(layer).__name__](layer)


def _twin_of_conv(layer: Any) -> Any:
    """Return PyTorch's convolution; padding that differs between sides is a layer of its own."""
    from torch import nn

    (top, bottom), (left, right) = layer.padding
    OC, C, *kernel = layer.weight.shape
    padding, groups = (top, left), layer.groups
    conv = nn.Conv2d(C * groups, OC, kernel, layer.stride, padding, groups=groups)
    if padding == (bottom, right):
        return conv
    return nn.Sequential(nn.ZeroPad2d((0, right - left, 0, bottom - top)), conv)
