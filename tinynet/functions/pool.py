"""Pooling and its derivatives; the arithmetic is in kernels/max_pool.py and avg_pool.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinynet.core.autograd import Function
from tinynet.core.backend import Array, array_module, real, wide
from tinynet.core.errors import ShapeError
from tinynet.functions.elementwise import ReLU
from tinynet.kernels.avg_pool import avg_pool2d_backward, avg_pool2d_forward
from tinynet.kernels.gemm import gemm
from tinynet.kernels.geometry import Geometry, Padding, Pair, pair
from tinynet.kernels.max_pool import (
    NO_ARGMAX,
    max_pool2d_backward,
    max_pool2d_forward,
    max_pool2d_relu_forward,
)
from tinynet.words import sentence

if TYPE_CHECKING:
    from tinynet.tensors import Tensor


class MaxPool2d(Function):
    """y[n, c, i, j] = max of x[n, c] in window (i, j); ties: the first in row-major order."""

    takes_bfloat16 = True

    def __init__(self, geometry: Geometry, ceil_mode: bool, *, relu: bool = False) -> None:
        self.geometry = geometry
        self.ceil_mode = ceil_mode
        self.relu = relu

    def forward(self, x: Array) -> Array:
        pool = max_pool2d_relu_forward if self.relu else max_pool2d_forward
        y, argmax = pool(x, self.geometry, self.ceil_mode)
        self.saved = argmax, x.shape
        return y

    def backward(self, gy: Array) -> Any:
        argmax, shape = self.saved
        return max_pool2d_backward(gy, argmax, shape, self.geometry)


class AvgPool2d(Function):
    """y[n, c, i, j] = mean of x[n, c] in window (i, j)."""

    def __init__(self, geometry: Geometry, ceil_mode: bool, count_include_pad: bool) -> None:
        self.geometry = geometry
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, x: Array) -> Array:
        self.saved = x.shape
        x = real(x)
        y = avg_pool2d_forward(wide(x), self.geometry, self.ceil_mode, self.count_include_pad)
        return y.astype(x.dtype, copy=False)

    def backward(self, gy: Array) -> Any:
        return avg_pool2d_backward(gy, self.saved, self.geometry, self.count_include_pad)


class AdaptiveAvgPool2d(Function):
    """y[n, c, i, j] = mean of x[n, c] over rows i*H//OH .. and columns j*W//OW ..: see below."""

    def __init__(self, outputs: Pair) -> None:
        self.outputs = outputs

    def forward(self, x: Array) -> Array:
        x = real(x)
        single = wide(x)
        sides = zip(x.shape[2:], self.outputs, strict=True)
        rows, columns = (_pooling_weights(size, outputs, single) for size, outputs in sides)
        self.saved = rows, columns
        return gemm(gemm(rows, single), columns.T).astype(x.dtype, copy=False)

    def backward(self, gy: Array) -> Any:
        rows, columns = self.saved
        return gemm(gemm(rows.T, gy), columns)


def _pooling_weights(size: int, outputs: int, like: Array) -> Array:
    """Return (outputs, size): the weight of each pixel in the mean of each window."""
    xp = array_module(like)
    i = xp.arange(outputs)[:, None]
    pixel = xp.arange(size)
    seen = (i * size // outputs <= pixel) & (pixel < -(-(i + 1) * size // outputs))
    return (seen / seen.sum(axis=1, keepdims=True)).astype(like.dtype)


def max_pool2d(
    x: Tensor,
    kernel_size: int | Pair,
    stride: int | Pair | None = None,
    padding: int | Pair | Padding = 0,
    *,
    ceil_mode: bool = False,
) -> Tensor:
    """Return the maximum of each window of x (N, C, H, W) as (N, C, OH, OW).

    AlexNet's overlapping pooling is ``max_pool2d(x, 3, 2)`` (section 3.4). The maximum of a window
    with a NaN is NaN.

    Parameters
    ----------
    kernel_size : int or (height, width)
        Pixels of a window.
    stride : int or (height, width), optional
        Pixels from one window to the next. None: the kernel size, so that windows do not overlap.
    padding : int, (height, width) or ((top, bottom), (left, right))
        Pixels around the image that are never the maximum; at most half the window.
    ceil_mode : bool
        Let a last window hang over the end, as cuda-convnet and Caffe did.

    Returns
    -------
    (N, C, OH, OW), with OH = (H + top + bottom - KH) // SH + 1, rounded up in `ceil_mode`

    Raises
    ------
    ShapeError
        x has no four axes, no window fits, or the padding exceeds half the window.

    >>> import tinynet as tn
    >>> from tinynet import functions as F
    >>> F.max_pool2d(tn.ones(1, 96, 55, 55), 3, 2).shape
    (1, 96, 27, 27)
    """
    geometry = pooling_geometry("max_pool2d", x, kernel_size, stride, padding, ceil_mode)
    return MaxPool2d(geometry, ceil_mode)(x)


def max_pool2d_relu(
    x: Tensor,
    kernel_size: int | Pair,
    stride: int | Pair | None = None,
    padding: int | Pair | Padding = 0,
    *,
    ceil_mode: bool = False,
) -> Tensor:
    """Return relu(max_pool2d(...)) in one pass over memory: bit for bit the same."""
    geometry = pooling_geometry("max_pool2d", x, kernel_size, stride, padding, ceil_mode)
    KH, KW = geometry.kernel
    if KH * KW > NO_ARGMAX:
        return ReLU()(MaxPool2d(geometry, ceil_mode)(x))
    return MaxPool2d(geometry, ceil_mode, relu=True)(x)


def avg_pool2d(
    x: Tensor,
    kernel_size: int | Pair,
    stride: int | Pair | None = None,
    padding: int | Pair | Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """Return the mean of each window of x (N, C, H, W) as (N, C, OH, OW).

    Parameters
    ----------
    kernel_size, stride, padding, ceil_mode : as for `max_pool2d`
        Padding is zeros.
    count_include_pad : bool
        Whether the pixels of the padding count in the divisor. Pixels beyond the padding, where a
        window of `ceil_mode` hangs over, never count.

    >>> import tinynet as tn
    >>> from tinynet import functions as F
    >>> F.avg_pool2d(tn.ones(1, 8, 6, 6), 2).shape
    (1, 8, 3, 3)
    """
    geometry = pooling_geometry("avg_pool2d", x, kernel_size, stride, padding, ceil_mode)
    return AvgPool2d(geometry, ceil_mode, count_include_pad)(x)


def adaptive_avg_pool2d(x: Tensor, output_size: int | Pair) -> Tensor:
    """Return means over windows of x (N, C, H, W) as (N, C, OH, OW), whatever H and W are.

    Window i of OH begins at row floor(i * H / OH) and ends before row ceil((i + 1) * H / OH), as in
    PyTorch: the windows cover the image and overlap by one row where OH does not divide H.

    Parameters
    ----------
    output_size : int or (height, width)
    """
    if len(x.shape) != 4 or 0 in x.shape[2:]:
        raise ShapeError(
            f"adaptive_avg_pool2d: x must be (N, C, H, W) with pixels; it is {x.shape}."
        )
    outputs = pair(output_size, "adaptive_avg_pool2d: output_size")
    return x if x.shape[2:] == outputs else AdaptiveAvgPool2d(outputs)(x)


def global_avg_pool2d(x: Tensor) -> Tensor:
    """Return the mean of each map of x (N, C, H, W) as (N, C)."""
    if len(x.shape) != 4:
        raise ShapeError(f"global_avg_pool2d: x must be (N, C, H, W); it is {x.shape}.")
    return x.mean(axis=(2, 3))


def pooling_geometry(
    op: str,
    x: Tensor,
    kernel_size: int | Pair,
    stride: int | Pair | None,
    padding: int | Pair | Padding,
    ceil_mode: bool,
) -> Geometry:
    """Return the windows, or raise a ShapeError where they do not fit."""
    if len(x.shape) != 4:
        raise ShapeError(sentence("{op}: x must be (N, C, H, W); it is {x}.", op=op, x=x.shape))
    stride = kernel_size if stride is None else stride
    geometry = Geometry.of(kernel_size, stride, padding, op=op)
    if any(2 * max(side) > k for side, k in zip(geometry.padding, geometry.kernel, strict=True)):
        said = sentence(
            "{op}: padding may be at most half the window, or a window would see no pixel. "
            "The window is {window}, the padding {padding}.",
            op=op,
            window=geometry.kernel,
            padding=geometry.padding,
        )
        raise ShapeError(said)
    geometry.output_shape(op, x.shape, ceil_mode=ceil_mode)
    return geometry
