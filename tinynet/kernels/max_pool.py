r"""Max-pooling over windows that may overlap, as in AlexNet: 3x3 windows every 2 pixels.

    y[n, c, i, j]  = max over p, q of x[n, c, SH*i + p - PH, SW*j + q - PW]     (-infinity outside)
    gx[n, c, h, w] = sum of gy[n, c, i, j] over the windows whose argmax is (h, w)

A pixel can be the argmax of several overlapping windows, so backward adds. Of equal values the
first in row-major order is the argmax (PyTorch, Caffe); the code of 2012 gave the gradient to all
of them.

A fused ReLU takes the maximum with 0 as well. A window without a positive value then has no argmax
and passes no gradient.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinynet.core.backend import Array, array_module
from tinynet.core.bfloat16 import empty, words_of
from tinynet.kernels.codegen.layout import channels_first, channels_last, grain_size
from tinynet.kernels.codegen.native import (
    NO_FLOOR,
    In4,
    Out4,
    Real,
    UInt8In4,
    UInt8Out4,
    helper,
    native,
)
from tinynet.kernels.codegen.vectors import max_pool_backward, max_pool_forward
from tinynet.kernels.cuda.launch import cover, in_rows, launch
from tinynet.kernels.dispatch import Kernel, bfloat16_too, fallback_if
from tinynet.kernels.geometry import Geometry, frame, unframe, windows

NO_ARGMAX = 255  # argmax of a window without a positive value; other windows use 0 to 254


@Kernel
def max_pool2d_forward(x: Array, geometry: Geometry, ceil_mode: bool) -> tuple[Array, Array]:
    """Return y (N, C, OH, OW) and the argmax p * KW + q inside each window (uint8, or int32)."""
    xp = array_module(x)
    outputs = geometry.output_shape("max_pool2d", x.shape, ceil_mode=ceil_mode)
    taps = geometry.kernel[0] * geometry.kernel[1]
    framed = frame(x, geometry, outputs, fill=_lowest(x.dtype))
    view = windows(framed, geometry, outputs).transpose(0, 1, 4, 5, 2, 3)
    view = view.reshape(*x.shape[:2], *outputs, taps)
    argmax = view.argmax(axis=-1)  # the first of equal values
    y = xp.take_along_axis(view, argmax[..., None], axis=-1)[..., 0]
    return y, argmax.astype(xp.uint8 if taps <= 256 else xp.int32)


def _lowest(dtype: np.dtype[Any]) -> float:
    """Return what no element of this type is below."""
    if dtype.kind == "f":
        return -np.inf
    return np.iinfo(dtype).min if dtype.kind in "iu" else 0


@Kernel
def max_pool2d_backward(
    gy: Array, argmax: Array, shape: tuple[int, ...], geometry: Geometry
) -> Array:
    """Return gx of `shape` (N, C, H, W): every gy (N, C, OH, OW) goes to its window's argmax."""
    KH, KW = geometry.kernel
    SH, SW = geometry.stride
    OH, OW = gy.shape[2:]
    framed = array_module(gy).zeros((*shape[:2], *geometry.extent((OH, OW))), gy.dtype)
    for p in range(KH):
        for q in range(KW):
            passes = argmax == p * KW + q
            framed[:, :, p : p + SH * OH : SH, q : q + SW * OW : SW] += gy * passes
    return unframe(framed, shape, geometry)


@Kernel
def max_pool2d_relu_forward(x: Array, geometry: Geometry, ceil_mode: bool) -> tuple[Array, Array]:
    """Return max(y, 0) of what max_pool2d_forward returns, and the argmax or NO_ARGMAX.

    Windows have at most NO_ARGMAX pixels.
    """
    y, argmax = max_pool2d_forward(x, geometry, ceil_mode)
    xp = array_module(x)
    return xp.maximum(y, 0), xp.where(y <= 0, xp.uint8(NO_ARGMAX), argmax)


large_windows = fallback_if(
    "windows of more than 256 pixels: the argmax is stored in a byte",
    lambda *arguments: any(
        isinstance(a, Geometry) and a.kernel[0] * a.kernel[1] > 256 for a in arguments
    ),
)
wide_argmax = fallback_if(
    "an argmax of more than a byte", lambda gy, argmax, *_: argmax.dtype != np.uint8
)


# ---- Numba: loops over (N, H, W, C); one window at a time, all channels at once


@max_pool2d_forward.numba
@large_windows
def max_pool2d_forward_numba(x: Array, geometry: Geometry, ceil_mode: bool) -> tuple[Array, Array]:
    """One pass over x; the argmax takes a byte."""
    return _fast_forward(x, geometry, ceil_mode, NO_FLOOR, 0)


@max_pool2d_relu_forward.numba
def max_pool2d_relu_forward_numba(
    x: Array, geometry: Geometry, ceil_mode: bool
) -> tuple[Array, Array]:
    """One pass over x, in which the maximum starts at 0 instead of minus infinity."""
    return _fast_forward(x, geometry, ceil_mode, 0.0, NO_ARGMAX)


def _fast_forward(
    x: Array, geometry: Geometry, ceil_mode: bool, floor: float, none: int
) -> tuple[Array, Array]:
    """Return y, at least `floor`, and the argmax, or `none` where nothing exceeds the floor."""
    outputs = geometry.output_shape("max_pool2d", x.shape, ceil_mode=ceil_mode)
    y = np.empty((len(x), *outputs, x.shape[1]), np.float32)
    argmax = np.empty(y.shape, np.uint8)
    sizes = (*geometry.kernel, *geometry.stride, *geometry.corner)
    grain = grain_size(x[:1].size)
    _forward_loops(len(x), channels_last(x), *sizes, y, argmax, floor, none, grain=grain)
    return channels_first(y), channels_first(argmax)


@native
def _forward_loops(
    lo: int,
    hi: int,
    x: In4,
    KH: int,
    KW: int,
    SH: int,
    SW: int,
    PH: int,
    PW: int,
    y: Out4,
    argmax: UInt8Out4,
    floor: Real,
    none: int,
) -> None:
    for n in range(lo, hi):
        pool_image(x, n, KH, KW, SH, SW, PH, PW, y, argmax, n, floor, none)


@helper
def pool_image(
    x: Array,
    image: int,
    KH: int,
    KW: int,
    SH: int,
    SW: int,
    PH: int,
    PW: int,
    y: Array,
    argmax: Array,
    n: int,
    floor: float,
    none: int,
) -> None:
    """Write the maxima of x[image] and their taps into y[n] and argmax[n]."""
    _, H, W, C = x.shape
    OH = y.shape[1]
    OW = y.shape[2]
    for i in range(OH):
        for j in range(OW):
            top = SH * i - PH
            left = SW * j - PW
            p = max(0, -top)  # the part of the window that is inside the image
            q = max(0, -left)
            rows = min(KH, H - top) - p
            cols = min(KW, W - left) - q
            x0 = ((image * H + top + p) * W + left + q) * C
            y0 = ((n * OH + i) * OW + j) * C
            tap = p * KW + q
            max_pool_forward(
                x, x0, rows, cols, W * C, C, tap, KW, 1, y, y0, argmax, y0, C, floor, none
            )


@max_pool2d_backward.numba
@wide_argmax
def max_pool2d_backward_numba(
    gy: Array, argmax: Array, shape: tuple[int, ...], geometry: Geometry
) -> Array:
    """Each pixel gathers from the windows that contain it: no two threads write to one place."""
    N, C, H, W = shape
    gx = np.empty((N, H, W, C), np.float32)
    taps = np.ascontiguousarray(argmax.transpose(0, 2, 3, 1))
    sizes = (*geometry.kernel, *geometry.stride, *geometry.corner)
    _backward_loops(N, channels_last(gy), taps, *sizes, gx, grain=grain_size(C * H * W))
    return channels_first(gx)


@native
def _backward_loops(
    lo: int,
    hi: int,
    gy: In4,
    argmax: UInt8In4,
    KH: int,
    KW: int,
    SH: int,
    SW: int,
    PH: int,
    PW: int,
    gx: Out4,
) -> None:
    _, H, W, C = gx.shape
    down = windows_along(H, PH, KH, SH, gy.shape[1])
    across = windows_along(W, PW, KW, SW, gy.shape[2])
    for n in range(lo, hi):
        for h in range(H):
            for w in range(W):
                gx0 = ((n * H + h) * W + w) * C
                gather_gradient(gy, argmax, n, down[h], across[w], KW, SH, SW, gx, gx0)


@helper
def gather_gradient(
    gy: Array,
    argmax: Array,
    n: int,
    down: Array,
    across: Array,
    KW: int,
    SH: int,
    SW: int,
    gx: Array,
    gx0: int,
) -> None:
    """Write into gx[gx0:] what gy[n] contributes to the channels of a pixel.

    `down` and `across` are the pixel's rows of the tables that `windows_along` returns.
    """
    _, OH, OW, C = gy.shape
    last = down[0]
    right = across[0]
    rows = down[1]
    cols = across[1]
    # Backwards: in the last window this pixel is nearest to the corner.
    gy0 = ((n * OH + last) * OW + right) * C
    tap = down[2] * KW + across[2]
    tap_down = SH * KW
    max_pool_backward(
        gy, gy0, rows, cols, -OW * C, -C, tap, tap_down, SW, gx, gx0, argmax, gy0, C, NO_FLOOR, 0
    )


@helper
def windows_along(size: int, before: int, K: int, S: int, windows: int) -> Array:
    """Return, for each row (or column), its last window, how many contain it, its place in it."""
    found = np.empty((size, 3), np.int64)
    for i in range(size):
        place = i + before
        last = min(place // S, windows - 1)
        first = max(0, (place - K) // S + 1)
        found[i, 0] = last
        found[i, 1] = max(0, last - first + 1)
        found[i, 2] = place - S * last
    return found


# ---- CUDA: max_pool.cu


@max_pool2d_forward.cuda
@bfloat16_too
@large_windows
def max_pool2d_forward_cuda(x: Array, geometry: Geometry, ceil_mode: bool) -> tuple[Array, Array]:
    """One thread per output; the argmax takes a byte."""
    return _launch_forward(x, geometry, ceil_mode, -np.inf, 0)


@max_pool2d_relu_forward.cuda
@bfloat16_too
def max_pool2d_relu_forward_cuda(
    x: Array, geometry: Geometry, ceil_mode: bool
) -> tuple[Array, Array]:
    """One thread per output; the maximum starts at 0 instead of minus infinity."""
    return _launch_forward(x, geometry, ceil_mode, 0.0, NO_ARGMAX)


def _launch_forward(
    x: Array, geometry: Geometry, ceil_mode: bool, floor: float, none: int
) -> tuple[Array, Array]:
    """Return what `_fast_forward` returns."""
    outputs = geometry.output_shape("max_pool2d", x.shape, ceil_mode=ceil_mode)
    N, C, H, W = x.shape
    y = empty(x, (N, C, *outputs))
    argmax = array_module(words_of(x)).empty(y.shape, np.uint8)
    numbers = N * C, H, W, *outputs, *geometry.corner, floor, none
    arrays = in_rows(x), *numbers, y, argmax
    launch("max_pool", "max_pool2d_forward", cover(y.size), *arrays, **_constants(geometry))
    return y, argmax


def _constants(geometry: Geometry) -> dict[str, int]:
    """Return the constants of a build of max_pool.cu."""
    return dict(zip(("KH", "KW", "SH", "SW"), (*geometry.kernel, *geometry.stride), strict=True))


@max_pool2d_backward.cuda
@bfloat16_too
@wide_argmax
def max_pool2d_backward_cuda(
    gy: Array, argmax: Array, shape: tuple[int, ...], geometry: Geometry
) -> Array:
    """One thread per cell of pixels that have the same windows."""
    N, C, H, W = shape
    down, across = (
        -(-(size + before) // (stride if stride <= 4 else 1))
        for size, before, stride in zip((H, W), geometry.corner, geometry.stride, strict=True)
    )
    gx = empty(gy, shape)
    sizes = N * C, H, W, *gy.shape[2:], *geometry.corner, down, across
    arrays = in_rows(gy), in_rows(argmax), *sizes, gx
    grid = cover(N * C * down * across)
    launch("max_pool", "max_pool2d_backward", grid, *arrays, **_constants(geometry))
    return gx


_forward_loops.followed_by(_backward_loops)
