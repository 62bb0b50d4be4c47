"""PyTorch versions of the networks, built from tinynet's layers for a fair comparison."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as TF


class Joined(nn.ModuleList):
    """Parallel branches on x, their outputs concatenated along the channels."""

    def forward(self, x: Any) -> Any:
        """Return (N, C1 + C2 + ..., H, W)."""
        return torch.cat([branch(x) for branch in self], 1)


class Sum(nn.ModuleList):
    """Sum of two branches (a residual connection)."""

    def forward(self, x: Any) -> Any:
        """Return the sum."""
        body, shortcut = self
        return body(x) + shortcut(x)


class Subsample(nn.Module):
    """Every stride-th pixel, with channels of zeros appended."""

    def __init__(self, stride: int, new_channels: int) -> None:
        super().__init__()
        self.stride, self.new_channels = stride, new_channels

    def forward(self, x: Any) -> Any:
        """Return (N, C + new_channels, H / stride, W / stride)."""
        kept = x[:, :, :: self.stride, :: self.stride]
        return TF.pad(kept, (0, 0, 0, 0, 0, self.new_channels))


class Weighed(nn.Sequential):
    """Squeeze-and-excitation: each channel is multiplied by a weight computed from all."""

    def forward(self, x: Any) -> Any:
        """Return (N, C, H, W)."""
        return x * super().forward(x)[:, :, None, None]


def to_torch(module: Any) -> Any:
    """Return the PyTorch version of a layer, or of a block of layers."""
    name = type(module).__name__
    if name not in MAKERS:
        raise SystemExit(f"{name} has no PyTorch version here; see benchmarks/torch_models.py.")
    return MAKERS[name](module)


def _chain(*modules: Any) -> nn.Sequential:
    return nn.Sequential(*[to_torch(m) for m in modules if m is not None])


def _conv(layer: Any) -> Any:
    """Return a convolution; asymmetric padding becomes a layer of its own."""
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
    return Joined(map(to_torch, m))


def _dense_layer(m: Any) -> Any:
    new = _chain(m.norm1, m.relu, m.conv1, m.norm2, m.relu, m.conv2)
    return Joined([nn.Identity(), new])


def _dense_net(m: Any) -> Any:
    return nn.Sequential(
        to_torch(m.features), nn.AdaptiveAvgPool2d(1), nn.Flatten(), to_torch(m.classifier)
    )


def _squeeze(m: Any) -> Any:
    pooled = nn.AdaptiveAvgPool2d(1), nn.Flatten()
    return Weighed(*pooled, to_torch(m.fc1), nn.ReLU(), to_torch(m.fc2), nn.Sigmoid())


MAKERS: dict[str, Callable[[Any], Any]] = {
    "Conv2d": _conv,
    "Linear": lambda m: nn.Linear(*m.weight.shape[::-1], bias=m.bias is not None),
    "BatchNorm2d": lambda m: nn.BatchNorm2d(m.num_features, m.eps, m.momentum),
    # its alpha is n times ours, and it has no groups
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
    "Residual": lambda m: Sum(
        [to_torch(m.body), to_torch(m.shortcut) if m.shortcut else nn.Identity()]
    ),
    "Subsample": lambda m: Subsample(m.stride, m.new_channels),
    "ConvBNReLU": lambda m: _chain(m.conv, m.bn, m.relu),
    "Inception": _branches,
    "DenseLayer": _dense_layer,
    "Transition": lambda m: _chain(m.norm, m.relu, m.conv, m.pool),
    "DenseNet": _dense_net,
    "SqueezeExcitation": _squeeze,
    "VGG": lambda m: nn.Sequential(
        to_torch(m.features), to_torch(m.avgpool), nn.Flatten(), to_torch(m.classifier)
    ),
}
