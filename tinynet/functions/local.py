"""Convolution with unshared weights: every place of the image has filters of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinynet.core.autograd import Function
from tinynet.core.backend import Array
from tinynet.core.errors import ShapeError
from tinynet.kernels.geometry import Padding, Pair, output_shape, padding_pairs, pair
from tinynet.kernels.local import (
    locally_connected2d_backward_input,
    locally_connected2d_backward_weight,
    locally_connected2d_forward,
)

if TYPE_CHECKING:
    from tinynet.tensors import Tensor


class LocallyConnected2d(Function):
    """y[n, o, i, j] = bias[o, i, j] + weight[i, j, o] on window (i, j) of x[n]."""

    def __init__(self, stride: Pair, padding: Padding) -> None:
        self.geometry = stride, padding

    def forward(self, x: Array, weight: Array, bias: Array) -> Array:
        self.saved = x, weight
        return locally_connected2d_forward(x, weight, bias, *self.geometry)

    def backward(self, gy: Array) -> Any:
        x, weight = self.saved
        kernel = weight.shape[4:]
        return (
            locally_connected2d_backward_input(gy, weight, x.shape, *self.geometry)
            if self.needs_grad(0)
            else None,
            locally_connected2d_backward_weight(gy, x, kernel, *self.geometry)
            if self.needs_grad(1)
            else None,
            gy.sum(axis=0),
        )


def locally_connected2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    *,
    stride: int | Pair = 1,
    padding: int | Pair | Padding = 0,
) -> Tensor:
    """Apply to each place of the images its own filters: cuda-convnet's `local` layers.

        y[n, o, i, j] = bias[o, i, j] + sum over c, p, q of
                        weight[i, j, o, c, p, q] * x[n, c, SH*i + p - top, SW*j + q - left]

    Parameters
    ----------
    x : (N, C, H, W)
    weight : (OH, OW, OC, C, KH, KW)
    bias : (OC, OH, OW)
    stride, padding : as for `conv2d`

    Returns
    -------
    (N, OC, OH, OW)
    """
    geometry = (
        pair(stride, "locally_connected2d: stride"),
        padding_pairs(padding, "locally_connected2d: padding"),
    )
    if len(x.shape) != 4 or len(weight.shape) != 6 or x.shape[1] != weight.shape[3]:
        raise ShapeError(
            "locally_connected2d: x must be (N, C, H, W) and weight (OH, OW, OC, C, KH, KW); "
            f"x is {x.shape}, weight is {weight.shape}."
        )
    OH, OW, OC, _, KH, KW = weight.shape
    places = output_shape("locally_connected2d", x.shape, (KH, KW), *geometry)
    if places != (OH, OW) or bias.shape != (OC, OH, OW):
        raise ShapeError(
            f"locally_connected2d: windows on x {x.shape} lie at {places[0]}x{places[1]} places, "
            f"weight has filters for {OH}x{OW}, bias {bias.shape} is for (OC, OH, OW)."
        )
    return LocallyConnected2d(*geometry)(x, weight, bias)
