"""The layers: each holds the settings, and the parameters, of one function.

Weights start as N(0, 2 / fan_in) (He et al. 2015), biases at 0. A model of `tinynet.models` whose
paper or configuration file says otherwise sets its own initial values.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tinynet import functions as F
from tinynet.core.errors import ShapeError
from tinynet.functions.conv import split_conv2d
from tinynet.functions.matmul import split_linear
from tinynet.kernels.geometry import Padding, Pair, output_shape, padding_pairs, pair
from tinynet.nn import init
from tinynet.nn.activation import ReLU
from tinynet.nn.module import Buffer, Module, Parameter
from tinynet.tensors import Tensor


class BeforeReLU(Module):
    """A layer with a second forward, `with_relu`, that does the ReLU behind it in the same pass."""

    with_relu: Callable[[Tensor], Tensor]  # max(forward(x), 0)

    def together_with(self, following: Module) -> Callable[[Tensor], Tensor] | None:
        """Return `with_relu` where a ReLU follows; an inherited one would miss a new forward."""
        own = "with_relu" in vars(type(self))
        return self.with_relu if own and type(following) is ReLU else None


class Conv2d(BeforeReLU):
    """Convolution: see `functions.conv2d`. weight is (out, in // groups, KH, KW), bias (out,)."""

    _split = False  # see `split_accumulation`

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Pair,
        stride: int | Pair = 1,
        padding: int | Pair | Padding = 0,
        dilation: int | Pair = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise ShapeError(
                f"Conv2d: groups={groups} must divide in_channels={in_channels} and "
                f"out_channels={out_channels}."
            )
        self.stride = pair(stride, "Conv2d: stride")
        self.padding = padding_pairs(padding, "Conv2d: padding")
        self.dilation, self.groups = pair(dilation, "Conv2d: dilation"), groups
        kernel = pair(kernel_size, "Conv2d: kernel_size")
        self.weight = Parameter(init.he((out_channels, in_channels // groups, *kernel)))
        self.bias = Parameter(np.zeros(out_channels, np.float32)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, out_channels, OH, OW) for x (N, in_channels, H, W)."""
        return self._apply(x)

    def with_relu(self, x: Tensor) -> Tensor:
        """Return max(forward(x), 0)."""
        return self._apply(x, relu=True)

    def _apply(self, x: Tensor, relu: bool = False) -> Tensor:
        convolve: Callable[..., Tensor] = F.conv2d_relu if relu else F.conv2d
        if self._split:
            convolve = functools.partial(split_conv2d, relu=relu)
        return convolve(
            x, self.weight, self.bias, stride=self.stride, padding=self.padding,
            dilation=self.dilation, groups=self.groups,
        )  # fmt: skip


class Linear(Module):
    """Fully connected: see `functions.linear`. weight is (out, in), bias (out,)."""

    _split = False  # see `split_accumulation`

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        self.weight = Parameter(init.he((out_features, in_features)))
        self.bias = Parameter(np.zeros(out_features, np.float32)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, out_features) for x (N, in_features)."""
        return (split_linear if self._split else F.linear)(x, self.weight, self.bias)


def split_accumulation(layer: Any, on: bool = True) -> Any:
    """Let a Conv2d or Linear sum as two devices with half of its units each; return the layer.

    For models that must equal their two-tower form bit for bit (docs/decisions/0032).
    """
    layer._split = on
    return layer


class LocallyConnected2d(Module):
    """Filters of their own for every place of maps (H, W): see `functions.locally_connected2d`.

    weight is (OH, OW, out, in, KH, KW), bias (out, OH, OW).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        size: int | Pair,
        kernel_size: int | Pair,
        stride: int | Pair = 1,
        padding: int | Pair | Padding = 0,
    ) -> None:
        self.stride = pair(stride, "LocallyConnected2d: stride")
        self.padding = padding_pairs(padding, "LocallyConnected2d: padding")
        kernel = pair(kernel_size, "LocallyConnected2d: kernel_size")
        maps = (0, in_channels, *pair(size, "LocallyConnected2d: size"))
        places = output_shape("LocallyConnected2d", maps, kernel, self.stride, self.padding)
        filters = init.he((out_channels * math.prod(places), in_channels, *kernel))
        self.weight = Parameter(filters.reshape(*places, out_channels, in_channels, *kernel))
        self.bias = Parameter(np.zeros((out_channels, *places), np.float32))

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, out_channels, OH, OW) for x (N, in_channels, H, W)."""
        return F.locally_connected2d(
            x, self.weight, self.bias, stride=self.stride, padding=self.padding
        )


class MaxPool2d(BeforeReLU):
    """Maximum of each window: see `functions.max_pool2d`."""

    def __init__(
        self,
        kernel_size: int | Pair,
        stride: int | Pair | None = None,
        padding: int | Pair | Padding = 0,
        ceil_mode: bool = False,
    ) -> None:
        self.kernel_size, self.stride = kernel_size, stride
        self.padding, self.ceil_mode = padding, ceil_mode

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C, OH, OW) for x (N, C, H, W)."""
        return self._apply(F.max_pool2d, x)

    def with_relu(self, x: Tensor) -> Tensor:
        """Return max(forward(x), 0)."""
        return self._apply(F.max_pool2d_relu, x)

    def _apply(self, function: Callable[..., Tensor], x: Tensor) -> Tensor:
        return function(
            x, self.kernel_size, self.stride, padding=self.padding, ceil_mode=self.ceil_mode
        )


class AvgPool2d(Module):
    """Mean of each window: see `functions.avg_pool2d`."""

    def __init__(
        self,
        kernel_size: int | Pair,
        stride: int | Pair | None = None,
        padding: int | Pair | Padding = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C, OH, OW) for x (N, C, H, W)."""
        return F.avg_pool2d(
            x,
            self.kernel_size,
            self.stride,
            padding=self.padding,
            ceil_mode=self.ceil_mode,
            count_include_pad=self.count_include_pad,
        )


class GlobalAvgPool2d(Module):
    """Mean of each map: (N, C, H, W) to (N, C)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C)."""
        return F.global_avg_pool2d(x)


class AdaptiveAvgPool2d(Module):
    """Means over windows that make maps of one size: see `functions.adaptive_avg_pool2d`."""

    def __init__(self, output_size: int | Pair) -> None:
        self.output_size = pair(output_size, "AdaptiveAvgPool2d: output_size")

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C, OH, OW) for x (N, C, H, W)."""
        return F.adaptive_avg_pool2d(x, self.output_size)


class LocalResponseNorm(Module):
    """The paper's normalization across channels: see `functions.local_response_norm`."""

    def __init__(
        self,
        n: int = 5,
        k: float = 2.0,
        alpha: float = 1e-4,
        beta: float = 0.75,
        groups: int = 1,
    ) -> None:
        _check_window("LocalResponseNorm", n)
        self.n, self.k, self.alpha, self.beta, self.groups = n, k, alpha, beta, groups

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C, H, W), each value divided by a power of the squares around it."""
        return F.local_response_norm(
            x, self.n, k=self.k, alpha=self.alpha, beta=self.beta, groups=self.groups
        )


class SpatialResponseNorm(Module):
    """Normalization within each map: see `functions.spatial_response_norm`."""

    def __init__(self, n: int = 5, k: float = 1.0, alpha: float = 4e-5, beta: float = 0.75) -> None:
        _check_window("SpatialResponseNorm", n)
        self.n, self.k, self.alpha, self.beta = n, k, alpha, beta

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C, H, W), each value divided by a power of the squares around it."""
        return F.spatial_response_norm(x, self.n, k=self.k, alpha=self.alpha, beta=self.beta)


def _check_window(layer: str, n: int) -> None:
    if n < 1 or n % 2 == 0:
        raise ValueError(f"{layer}: n must be odd, so that the window has a middle. Got n={n}.")


class BatchNorm2d(BeforeReLU):
    """Batch normalization of each channel: see `functions.batch_norm`."""

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        self.eps, self.momentum = eps, momentum
        self.weight = Parameter(np.ones(num_features, np.float32))
        self.bias = Parameter(np.zeros(num_features, np.float32))
        self.running_mean = Buffer(np.zeros(num_features, np.float32))
        self.running_var = Buffer(np.ones(num_features, np.float32))

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C, H, W); in training the running values move."""
        return self._apply(F.batch_norm, x)

    def with_relu(self, x: Tensor) -> Tensor:
        """Return max(forward(x), 0)."""
        return self._apply(F.batch_norm_relu, x)

    def _apply(self, function: Callable[..., Tensor], x: Tensor) -> Tensor:
        return function(
            x,
            self.weight,
            self.bias,
            self.running_mean,
            self.running_var,
            training=self.training,
            momentum=self.momentum,
            eps=self.eps,
        )


class Dropout(Module):
    """Elements become 0 with probability p, in training only: see `functions.dropout`.

    Those that stay are divided by 1 - p in training, as everywhere today ("inverted"). With
    ``inverted=False`` they stay as they are, and all are multiplied by 1 - p otherwise: the paper's
    way (section 4.2). Both agree in evaluation up to the factor, which the next layer must learn.
    """

    def __init__(self, p: float = 0.5, inverted: bool = True) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"Dropout: p is a probability, 0 to 1. Got p={p}.")
        self.p, self.inverted = p, inverted

    def forward(self, x: Tensor) -> Tensor:
        """Return x with some elements zeroed."""
        y = F.dropout(x, self.p, training=self.training)
        return y if self.inverted else y * (1 - self.p)


class Flatten(Module):
    """(N, ...) to (N, features)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, features)."""
        return F.flatten(x)
