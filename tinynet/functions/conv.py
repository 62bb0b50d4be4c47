"""Convolution and its derivatives; the arithmetic is in kernels/conv.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinynet.core.autograd import Function
from tinynet.core.backend import Array
from tinynet.core.errors import ShapeError, warn_of_float64
from tinynet.kernels.conv import conv2d_backward, conv2d_forward, conv2d_relu_forward
from tinynet.kernels.geometry import Geometry, Padding, Pair
from tinynet.words import sentence

if TYPE_CHECKING:
    from tinynet.tensors import Tensor


Shape = tuple[int, ...]


class Conv2d(Function):
    """y[n, o] = bias[o] + sum over c of weight[o, c] correlated with x[n, c]."""

    takes_bfloat16 = True

    def __init__(self, geometry: Geometry, *, relu: bool = False, split: bool = False) -> None:
        self.geometry = geometry
        self.relu = relu
        self.split = split  # see `split_conv2d`

    def forward(self, x: Array, weight: Array, bias: Array | None = None) -> Array:
        convolve = conv2d_relu_forward if self.relu else conv2d_forward
        y = convolve(x, weight, bias, self.geometry)
        self.saved = x, weight, y if self.relu else None
        return y

    def backward(self, gy: Array) -> Any:
        x, weight, y = self.saved
        needed = self.needs_grad(0), self.needs_grad(1), len(self.inputs) == 3
        gradients = conv2d_backward(gy, x, weight, y, self.geometry, needed, self.split)
        return gradients[: len(self.inputs)]


def conv2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Pair = 1,
    padding: int | Pair | Padding = 0,
    dilation: int | Pair = 1,
    groups: int = 1,
) -> Tensor:
    """Correlate images with filters (the paper's convolution).

        y[n, o, i, j] = bias[o] + sum over c, p, q of
                        weight[o, c, p, q] * x[n, c, SH*i + DH*p - top, SW*j + DW*q - left]

    A NaN or an infinity in x makes every output not finite whose window holds it. Winograd's method
    (filters of 3x3 and 5x5 with stride 1 on a CPU) shares work among neighbors: there, outputs of
    the same image at most 4 pixels away may not be finite either. All others do not change.

    Parameters
    ----------
    x : (N, C, H, W)
    weight : (OC, C // groups, KH, KW)
    bias : (OC,), optional
    stride : int or (height, width)
        Pixels from one window to the next.
    padding : int, (height, width) or ((top, bottom), (left, right))
        Zeros around the image, in pixels.
    dilation : int or (height, width)
        Pixels from one tap of a filter to the next.
    groups : int
        Output channels of group g see only the input channels of group g, as conv2, conv4 and
        conv5 of AlexNet, each on its own GPU (section 3.5).

    Returns
    -------
    (N, OC, OH, OW), with OH = (H + top + bottom - (DH * (KH - 1) + 1)) // SH + 1

    Raises
    ------
    ShapeError
        The channels of x, weight, bias and groups do not fit together, or no window fits.

    >>> import tinynet as tn
    >>> from tinynet import functions as F
    >>> F.conv2d(tn.ones(1, 3, 32, 32), tn.ones(8, 3, 5, 5), padding=2).shape
    (1, 8, 32, 32)
    """
    return _conv2d(x, weight, bias, stride, padding, dilation, groups, relu=False)


def conv2d_relu(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Pair = 1,
    padding: int | Pair | Padding = 0,
    dilation: int | Pair = 1,
    groups: int = 1,
) -> Tensor:
    """Return relu(conv2d(...)) in one pass over memory: bit for bit the same. See `conv2d`."""
    return _conv2d(x, weight, bias, stride, padding, dilation, groups, relu=True)


def split_conv2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Pair = 1,
    padding: int | Pair | Padding = 0,
    dilation: int | Pair = 1,
    groups: int = 1,
    *,
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
    _check(x.shape, weight.shape, None if bias is None else bias.shape, groups)
    kernel = weight.shape[2], weight.shape[3]
    geometry = Geometry.of(kernel, stride, padding, dilation, groups, op="conv2d")
    geometry.output_shape("conv2d", x.shape)
    warn_of_float64("conv2d", x, weight)
    op = Conv2d(geometry, relu=relu, split=split)
    return op(x, weight) if bias is None else op(x, weight, bias)


def _check(x: Shape, weight: Shape, bias: Shape | None, groups: int) -> None:
    """Raise a ShapeError where images, filters and groups do not fit together."""
    if len(x) != 4 or len(weight) != 4:
        said = sentence(
            "conv2d: x must be (N, C, H, W) and weight (OC, C // groups, KH, KW); "
            "x is {x}, weight is {weight}.",
            x=x,
            weight=weight,
        )
        raise ShapeError(said)
    C = x[1]
    OC, CG = weight[:2]
    if groups < 1 or OC % groups or C % groups:
        said = sentence(
            "conv2d: groups={groups} must divide the {channels} channels of x and the {filters} of "
            "weight. x is {x}.{hint}",
            groups=groups,
            channels=C,
            filters=OC,
            x=x,
            hint=_hint(x, weight, groups),
        )
        raise ShapeError(said)
    if CG * groups != C:
        said = sentence(
            "conv2d: x has {channels} channels, but weight {weight} with groups={groups} expects "
            "{expected}. x is {x}.{hint}",
            channels=C,
            weight=weight,
            groups=groups,
            expected=CG * groups,
            x=x,
            hint=_hint(x, weight, groups),
        )
        raise ShapeError(said)
    if bias is not None and bias != (OC,):
        told = "conv2d: bias must be ({filters},), one number per filter; it is {bias}."
        raise ShapeError(sentence(told, filters=OC, bias=bias))


def _hint(x: Shape, weight: Shape, groups: int) -> str:
    """Return what would make the channels of x and weight fit, if that is clear."""
    C = x[1]
    OC, CG = weight[:2]
    if x[3] == CG * groups:
        return sentence(" Is x channels-last? x.transpose(0, 3, 1, 2).")
    if CG and C % CG == 0 and OC % (C // CG) == 0:
        return sentence(" With groups={groups} they would fit.", groups=C // CG)
    return ""
