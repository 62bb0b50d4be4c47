"""The same network in PyTorch, made from the layers of ours, for a race on equal terms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as TF


class Joined(nn.ModuleList):
    """Branches that all see x, their channels one after the other."""

    def forward(self, x: Any) -> Any:
        """Return (N, C1 + C2 + ..., H, W)."""
        return torch.cat([branch(x) for branch in self], 1)


class Sum(nn.ModuleList):
    """Two branches, added."""

    def forward(self, x: Any) -> Any:
        """Return the sum."""
        body, shortcut = self
        return body(x) + shortcut(x)


class Subsample(nn.Module):
    """Every stride-th pixel, and channels of zeros behind."""

    def __init__(self, stride: int, new_channels: int) -> None:
        super().__init__()
        self.stride, self.new_channels = stride, new_channels

    def forward(self, x: Any) -> Any:
        """Return (N, C + new_channels, H / stride, W / stride)."""
        kept = x[:, :, :: self.stride, :: self.stride]
        return TF.pad(kept, (0, 0, 0, 0, 0, self.new_channels))


class Weighed(nn.Sequential):
    """Each channel times a number that the layers inside make of all of them."""

    def forward(self, x: Any) -> Any:
        """Return (N, C, H, W)."""
        return x * super().forward(x)[:, :, None, None]


def twin(module: Any) -> Any:
    """Return PyTorch's version of a layer, or of a block of layers."""
    name = type(module).__name__
    if name not in MAKERS:
        raise SystemExit(f"{name} has no twin in PyTorch here; see benchmarks/twins.py.")
    return MAKERS[name](module)


def _chain(*modules: Any) -> nn.Sequential:
    return nn.Sequential(*[twin(m) for m in modules if m is not None])


def _conv(layer: Any) -> Any:
    """Return a convolution; padding that differs between sides is a layer of its own."""
    (top, bottom), (left, right) = layer.padding
    OC, C, *kernel = layer.weight.shape
    conv = nn.Conv2d(
        C * layer.groups, OC, kernel, layer.stride, (top, left), layer.dilation, layer.groups,
        bias=layer.bias is not None,
    )  # fmt: skip
    if (top, left) == (bottom, right):
        return conv
    return nn.Sequential(nn.ZeroPad2d((0, right - left, 0, bottom - top)), conv)


def _max_pool(m: Any) -> Any:
    return nn.MaxPool2d(m.kernel_size, m.stride, m.padding, ceil_mode=m.ceil_mode)


def _avg_pool(m: Any) -> Any:
    return nn.AvgPool2d(m.kernel_size, m.stride, m.padding, m.ceil_mode, m.count_include_pad)


def _branches(m: Any) -> Any:
    return Joined(map(twin, m))


def _dense_layer(m: Any) -> Any:
    new = _chain(m.norm1, m.relu, m.conv1, m.norm2, m.relu, m.conv2)
    return Joined([nn.Identity(), new])


def _dense_net(m: Any) -> Any:
    return nn.Sequential(
        twin(m.features), nn.AdaptiveAvgPool2d(1), nn.Flatten(), twin(m.classifier)
    )


def _squeeze(m: Any) -> Any:
    pooled = nn.AdaptiveAvgPool2d(1), nn.Flatten()
    return Weighed(*pooled, twin(m.fc1), nn.ReLU(), twin(m.fc2), nn.Sigmoid())


MAKERS: dict[str, Callable[[Any], Any]] = {
    "Conv2d": _conv,
    "Linear": lambda m: nn.Linear(*m.weight.shape[::-1], bias=m.bias is not None),
    "BatchNorm2d": lambda m: nn.BatchNorm2d(len(m.weight.data), m.eps, m.momentum),
    # its alpha is n times ours, and it knows no groups
    "LocalResponseNorm": lambda m: nn.LocalResponseNorm(m.n, m.alpha * m.n, m.beta, m.k),
    "ReLU": lambda m: nn.ReLU(inplace=True),
    "MaxPool2d": _max_pool,
    "AvgPool2d": _avg_pool,
    "AdaptiveAvgPool2d": lambda m: nn.AdaptiveAvgPool2d(m.output_size),
    "GlobalAvgPool2d": lambda m: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    "Dropout": lambda m: nn.Dropout(m.p),
    "Flatten": lambda m: nn.Flatten(),
    "Sequential": lambda m: _chain(*m),
    "Concatenate": _branches,
    "Residual": lambda m: Sum([twin(m.body), twin(m.shortcut) if m.shortcut else nn.Identity()]),
    "Subsample": lambda m: Subsample(m.stride, m.new_channels),
    "ConvUnit": lambda m: _chain(m.conv, m.bn, m.relu),
    "Inception": _branches,
    "DenseLayer": _dense_layer,
    "Transition": lambda m: _chain(m.norm, m.relu, m.conv, m.pool),
    "DenseNet": _dense_net,
    "SqueezeExcitation": _squeeze,
    "VGG": lambda m: nn.Sequential(
        twin(m.features), twin(m.avgpool), nn.Flatten(), twin(m.classifier)
    ),
}
