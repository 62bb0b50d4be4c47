"""Convolution with its derivatives; the arithmetic is in kernels/conv.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinynet.core.autograd import Function
from tinynet.core.backend import Array
from tinynet.core.errors import ShapeError, warn_of_float64
from tinynet.kernels.conv import (
    conv2d_backward_bias,
    conv2d_backward_input,
    conv2d_backward_weight,
    conv2d_forward,
)
from tinynet.kernels.geometry import Padding, Pair, output_shape, padding_pairs, pair
from tinynet.kernels.relu import conv2d_relu_backward, conv2d_relu_forward

if TYPE_CHECKING:
    from tinynet.tensors import Tensor


Shape = tuple[int, ...]


class Conv2d(Function):
    """y[n, o] = bias[o] + sum over c of weight[o, c] correlated with x[n, c]."""

    def __init__(
        self,
        stride: Pair,
        padding: Padding,
        dilation: Pair,
        groups: int,
        *,
        relu: bool = False,
        split: bool = False,
    ) -> None:
        self.geometry = stride, padding, dilation, groups
        self.relu = relu
        self.split = split  # see `split_conv2d`

    def forward(self, x: Array, weight: Array, bias: Array | None = None) -> Array:
        convolve = conv2d_relu_forward if self.relu else conv2d_forward
        y = convolve(x, weight, bias, *self.geometry)
        self.saved = x, weight, y if self.relu else None
        return y

    def backward(self, gy: Array) -> Any:
        (x, weight, y), gbias = self.saved, None
        if self.relu:
            gy, gbias = conv2d_relu_backward(gy, y)
        elif len(self.inputs) == 3:
            gbias = conv2d_backward_bias(gy)
        kernel = weight.shape[2:]
        gradients = (
            self._gx(gy, weight, x.shape) if self.needs_grad(0) else None,
            conv2d_backward_weight(gy, x, kernel, *self.geometry) if self.needs_grad(1) else None,
            gbias,
        )
        return gradients[: len(self.inputs)]

    def _gx(self, gy: Array, weight: Array, shape: Shape) -> Array:
        """Return gx: one sum over all filters, or the sum over each half of them, added."""
        if not self.split:
            return conv2d_backward_input(gy, weight, shape, *self.geometry)
        half = len(weight) // 2
        gx = conv2d_backward_input(gy[:, :half], weight[:half], shape, *self.geometry)
        gx += conv2d_backward_input(gy[:, half:], weight[half:], shape, *self.geometry)
        return gx


def conv2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    stride: int | Pair = 1,
    padding: int | Pair | Padding = 0,
    dilation: int | Pair = 1,
    groups: int = 1,
) -> Tensor:
    """Correlate images with filters (the paper's convolution).

        y[n, o, i, j] = bias[o] + sum over c, p, q of
                        weight[o, c, p, q] * x[n, c, SH*i + DH*p - top, SW*j + DW*q - left]

    Parameters
    ----------
    x : (N, C, H, W)
    weight : (OC, C // groups, KH, KW)
    bias : (OC,), optional
    stride, dilation : int or (height, width)
    padding : int, (height, width) or ((top, bottom), (left, right))
        Zeros around the image.
    groups : int
        Output channels of group g see only the input channels of group g, as conv2, conv4 and
        conv5 of AlexNet, each on its own GPU (section 3.5).

    Returns
    -------
    (N, OC, OH, OW), with OH = (H + top + bottom - (DH * (KH - 1) + 1)) // SH + 1
    """
    return _conv2d(x, weight, bias, stride, padding, dilation, groups, relu=False)


def conv2d_relu(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    stride: int | Pair = 1,
    padding: int | Pair | Padding = 0,
    dilation: int | Pair = 1,
    groups: int = 1,
) -> Tensor:
    """Return relu(conv2d(...)), the same numbers, in one pass over memory: see `conv2d`."""
    return _conv2d(x, weight, bias, stride, padding, dilation, groups, relu=True)


def split_conv2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    stride: int | Pair = 1,
    padding: int | Pair | Padding = 0,
    dilation: int | Pair = 1,
    groups: int = 1,
    relu: bool = False,
) -> Tensor:
    """Convolution whose input gradient is summed as two devices with half of the filters sum it.

    The gradient of x is summed over each half of the filters first, then the two sums are added:
    equal to `conv2d` up to rounding, and equal to two towers bit for bit. Not a public function:
    models set it with `nn.layers.split_accumulation`. Needs groups=1 and an even number of filters.
    """
    if groups > 1 or weight.shape[0] % 2:
        raise ShapeError(
            f"conv2d: a split sum needs groups=1 and an even number of filters; groups={groups}, "
            f"weight is {weight.shape}."
        )
    return _conv2d(x, weight, bias, stride, padding, dilation, groups, relu=relu, split=True)


def _conv2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: int | Pair,
    padding: int | Pair | Padding,
    dilation: int | Pair,
    groups: int,
    *,
    relu: bool,
    split: bool = False,
) -> Tensor:
    geometry = pair(stride, "conv2d: stride"), padding_pairs(padding, "conv2d: padding")
    spread = pair(dilation, "conv2d: dilation")
    _check(x.shape, weight.shape, None if bias is None else bias.shape, groups)
    kernel = weight.shape[2], weight.shape[3]
    output_shape("conv2d", x.shape, kernel, *geometry, spread)
    warn_of_float64("conv2d", x, weight)
    op = Conv2d(*geometry, spread, groups, relu=relu, split=split)
    return op(x, weight) if bias is None else op(x, weight, bias)


def _check(x: Shape, weight: Shape, bias: Shape | None, groups: int) -> None:
    """Raise a ShapeError where images, filters and groups do not fit together."""
    if len(x) != 4 or len(weight) != 4:
        raise ShapeError(
            f"conv2d: x must be (N, C, H, W) and weight (OC, C // groups, KH, KW); "
            f"x is {x}, weight is {weight}."
        )
    (_, C, _, _), (OC, CG, _, _) = x, weight
    if groups < 1 or OC % groups or C % groups:
        raise ShapeError(
            f"conv2d: groups={groups} must divide the {C} channels of x and the {OC} of weight."
        )
    if CG * groups != C:
        fits = C // CG if CG and C % CG == 0 and OC % (C // CG) == 0 else None
        hint = f" With groups={fits} they would fit." if fits else ""
        raise ShapeError(
            f"conv2d: x has {C} channels, but weight {weight} with groups={groups} expects "
            f"{CG * groups}. x is {x}.{hint}"
        )
    if bias is not None and bias != (OC,):
        raise ShapeError(f"conv2d: bias must be ({OC},), one number per filter; it is {bias}.")
