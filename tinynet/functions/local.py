"""Convolution with unshared weights: every place of the image has filters of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinynet.autograd import Function
from tinynet.backend import Array, array_module
from tinynet.errors import ShapeError
from tinynet.kernels.geometry import (
    Padding,
    Pair,
    frame,
    output_shape,
    padding_pairs,
    pair,
    unframe,
    windows,
)
from tinynet.kernels.matmul import gemm

if TYPE_CHECKING:
    from tinynet.tensor import Tensor

WHOLE = (1, 1)  # no dilation


class LocallyConnected2d(Function):
    """y[n, o, i, j] = bias[o, i, j] + weight[i, j, o] on window (i, j) of x[n].

    One matrix product for each place: its windows (N, C*KH*KW) times its filters.
    """

    def __init__(self, stride: Pair, padding: Padding) -> None:
        self.stride, self.padding = stride, padding

    def forward(self, x: Array, weight: Array, bias: Array) -> Array:
        OH, OW, OC, C, KH, KW = weight.shape
        framed = frame(x, (KH, KW), self.stride, self.padding, WHOLE, (OH, OW), fill=0)
        seen = windows(framed, (KH, KW), self.stride, WHOLE, (OH, OW))
        columns = seen.transpose(4, 5, 0, 1, 2, 3).reshape(OH, OW, len(x), C * KH * KW)
        self.saved = columns, weight, x.shape
        y = gemm(columns, weight.reshape(OH, OW, OC, -1).swapaxes(2, 3))  # (OH, OW, N, OC)
        return y.transpose(2, 3, 0, 1) + bias

    def backward(self, gy: Array) -> Any:
        columns, weight, shape = self.saved
        OH, OW, OC, C, KH, KW = weight.shape
        g = gy.transpose(2, 3, 0, 1)  # (OH, OW, N, OC)
        gweight, gbias = gemm(g.swapaxes(2, 3), columns).reshape(weight.shape), gy.sum(axis=0)
        if not self.needs_grad(0):
            return None, gweight, gbias
        gcolumns = gemm(g, weight.reshape(OH, OW, OC, -1))
        parts = gcolumns.reshape(OH, OW, shape[0], C, KH, KW).transpose(2, 3, 4, 5, 0, 1)
        return self._fold(parts, shape), gweight, gbias

    def _fold(self, parts: Array, shape: tuple[int, ...]) -> Array:
        """Add the windows' gradients (N, C, KH, KW, OH, OW) where the windows lay."""
        (SH, SW), (N, C, KH, KW, OH, OW) = self.stride, parts.shape
        height, width = SH * (OH - 1) + KH, SW * (OW - 1) + KW
        framed = array_module(parts).zeros_like(parts, shape=(N, C, height, width))
        for p in range(KH):
            for q in range(KW):
                framed[:, :, p : p + SH * OH : SH, q : q + SW * OW : SW] += parts[:, :, p, q]
        return unframe(framed, shape, self.padding)


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
