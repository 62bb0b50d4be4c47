"""Locally connected layer: a convolution whose filters are not shared between places."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinynet.core.autograd import Function
from tinynet.core.backend import Array
from tinynet.core.errors import ShapeError
from tinynet.kernels.geometry import Geometry, Padding, Pair
from tinynet.kernels.local import (
    locally_connected2d_backward_input,
    locally_connected2d_backward_weight,
    locally_connected2d_forward,
)

if TYPE_CHECKING:
    from tinynet.tensors import Tensor


class LocallyConnected2d(Function):
    """y[n, o, i, j] = bias[o, i, j] + weight[i, j, o] on window (i, j) of x[n]."""

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry

    def forward(self, x: Array, weight: Array, bias: Array) -> Array:
        self.saved = x, weight
        return locally_connected2d_forward(x, weight, bias, self.geometry)

    def backward(self, gy: Array) -> Any:
        x, weight = self.saved
        gx = None
        gweight = None
        if self.needs_grad(0):
            gx = locally_connected2d_backward_input(gy, weight, x.shape, self.geometry)
        if self.needs_grad(1):
            gweight = locally_connected2d_backward_weight(gy, x, self.geometry)
        return gx, gweight, gy.sum(axis=0)


def locally_connected2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    stride: int | Pair = 1,
    padding: int | Pair | Padding = 0,
) -> Tensor:
    """Apply filters of its own to each place of the images: cuda-convnet's `local` layers.

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

    Raises
    ------
    ShapeError
        x, weight and bias do not fit together, or no window fits.

    >>> import tinynet as tn
    >>> from tinynet import functions as F
    >>> weight = tn.ones(2, 2, 5, 3, 3, 3)  # for 2 x 2 places, 5 filters of 3 channels each
    >>> F.locally_connected2d(tn.ones(1, 3, 4, 4), weight, tn.ones(5, 2, 2)).shape
    (1, 5, 2, 2)
    """
    if len(x.shape) != 4 or len(weight.shape) != 6 or x.shape[1] != weight.shape[3]:
        fits = len(x.shape) == 4 and len(weight.shape) == 6 and x.shape[3] == weight.shape[3]
        hint = " Is x channels-last? x.transpose(0, 3, 1, 2)." if fits else ""
        raise ShapeError(
            "locally_connected2d: x must be (N, C, H, W) and weight (OH, OW, OC, C, KH, KW); "
            f"x is {x.shape}, weight is {weight.shape}.{hint}"
        )
    OH, OW, OC, _, KH, KW = weight.shape
    geometry = Geometry.of((KH, KW), stride, padding, op="locally_connected2d")
    places = geometry.output_shape("locally_connected2d", x.shape)
    if places != (OH, OW) or bias.shape != (OC, OH, OW):
        raise ShapeError(
            f"locally_connected2d: windows on x {x.shape} lie at {places[0]}x{places[1]} places, "
            f"weight has filters for {OH}x{OW}, bias {bias.shape} is for (OC, OH, OW)."
        )
    return LocallyConnected2d(geometry)(x, weight, bias)
