r"""Average pooling over windows that may overlap.

    y[n, c, i, j]  = sum over p, q of x[n, c, SH*i + p - PH, SW*j + q - PW] / count[i, j]
    gx[n, c, h, w] = sum of gy[n, c, i, j] / count[i, j] over the windows with (h, w)

count[i, j] is the number of pixels of window (i, j) inside the image and, with `count_include_pad`,
its padding. Pixels beyond the padding, under a window of `ceil_mode`, are never counted.
"""

from __future__ import annotations

import numpy as np

from tinynet.core.backend import Array, array_module
from tinynet.kernels.codegen.layout import channels_first, channels_last, grain_size
from tinynet.kernels.codegen.native import In2, In4, Out4, native
from tinynet.kernels.cuda.launch import cover, in_rows, launch
from tinynet.kernels.dispatch import Kernel
from tinynet.kernels.geometry import Geometry, Pair, frame, unframe, windows


def window_counts(
    shape: tuple[int, ...], geometry: Geometry, count_include_pad: bool, outputs: Pair
) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """Return count (OH, OW), the divisor of each window: its counted rows times its columns."""
    sides = []
    for size, kernel, stride, (before, after), out in zip(
        shape[2:], geometry.kernel, geometry.stride, geometry.padding, outputs, strict=True
    ):
        low, high = (-before, size + after) if count_include_pad else (0, size)
        start = np.arange(out) * stride - before
        sides.append(np.minimum(start + kernel, high) - np.maximum(start, low))
    return np.outer(*sides)


@Kernel
def avg_pool2d_forward(
    x: Array, geometry: Geometry, ceil_mode: bool, count_include_pad: bool
) -> Array:
    """Return y (N, C, OH, OW), the mean of each window of x (N, C, H, W)."""
    outputs = geometry.output_shape("avg_pool2d", x.shape, ceil_mode=ceil_mode)
    framed = frame(x, geometry, outputs, fill=0)
    total = windows(framed, geometry, outputs).sum(axis=(2, 3))
    count = window_counts(x.shape, geometry, count_include_pad, outputs)
    return total / array_module(x).asarray(count, x.dtype)


@Kernel
def avg_pool2d_backward(
    gy: Array, shape: tuple[int, ...], geometry: Geometry, count_include_pad: bool
) -> Array:
    """Return gx of `shape` (N, C, H, W): every gy (N, C, OH, OW) divided among its window."""
    KH, KW = geometry.kernel
    SH, SW = geometry.stride
    OH, OW = gy.shape[2:]
    xp = array_module(gy)
    count = window_counts(shape, geometry, count_include_pad, (OH, OW))
    each = gy / xp.asarray(count, gy.dtype)
    framed = xp.zeros((*shape[:2], *geometry.extent((OH, OW))), gy.dtype)
    for p in range(KH):
        for q in range(KW):
            framed[:, :, p : p + SH * OH : SH, q : q + SW * OW : SW] += each
    return unframe(framed, shape, geometry)


# ---- Numba: loops over (N, H, W, C); one window at a time, all channels at once


@avg_pool2d_forward.numba
def avg_pool2d_forward_numba(
    x: Array, geometry: Geometry, ceil_mode: bool, count_include_pad: bool
) -> Array:
    """One pass over x."""
    outputs = geometry.output_shape("avg_pool2d", x.shape, ceil_mode=ceil_mode)
    count = window_counts(x.shape, geometry, count_include_pad, outputs).astype(np.float32)
    y = np.empty((len(x), *outputs, x.shape[1]), np.float32)
    sizes = (*geometry.kernel, *geometry.stride, *geometry.corner)
    _forward_loops(len(x), channels_last(x), *sizes, count, y, grain=grain_size(x[:1].size))
    return channels_first(y)


@native
def _forward_loops(  # noqa: C901  one loop per axis
    lo: int,
    hi: int,
    x: In4,
    KH: int,
    KW: int,
    SH: int,
    SW: int,
    PH: int,
    PW: int,
    count: In2,
    y: Out4,
) -> None:
    H = x.shape[1]
    W = x.shape[2]
    _, OH, OW, C = y.shape
    for n in range(lo, hi):
        for i in range(OH):
            for j in range(OW):
                for c in range(C):
                    y[n, i, j, c] = 0
                for p in range(max(0, PH - SH * i), min(KH, H + PH - SH * i)):
                    for q in range(max(0, PW - SW * j), min(KW, W + PW - SW * j)):
                        h = SH * i + p - PH
                        w = SW * j + q - PW
                        for c in range(C):
                            y[n, i, j, c] += x[n, h, w, c]
                for c in range(C):
                    y[n, i, j, c] /= count[i, j]


@avg_pool2d_backward.numba
def avg_pool2d_backward_numba(
    gy: Array, shape: tuple[int, ...], geometry: Geometry, count_include_pad: bool
) -> Array:
    """Each pixel gathers from the windows that contain it: no two threads write to one place."""
    N, C, H, W = shape
    outputs = gy.shape[2], gy.shape[3]
    count = window_counts(shape, geometry, count_include_pad, outputs).astype(np.float32)
    gx = np.empty((N, H, W, C), np.float32)
    sizes = (*geometry.kernel, *geometry.stride, *geometry.corner)
    _backward_loops(N, channels_last(gy), *sizes, count, gx, grain=grain_size(C * H * W))
    return channels_first(gx)


@native
def _backward_loops(  # noqa: C901  one loop per axis
    lo: int,
    hi: int,
    gy: In4,
    KH: int,
    KW: int,
    SH: int,
    SW: int,
    PH: int,
    PW: int,
    count: In2,
    gx: Out4,
) -> None:
    OH = gy.shape[1]
    OW = gy.shape[2]
    _, H, W, C = gx.shape
    for n in range(lo, hi):
        for h in range(H):
            for w in range(W):
                for c in range(C):
                    gx[n, h, w, c] = 0
                for p in range((h + PH) % SH, KH, SH):  # in the order in which the reference adds
                    i = (h + PH - p) // SH
                    for q in range((w + PW) % SW, KW, SW):
                        j = (w + PW - q) // SW
                        if 0 <= i < OH and 0 <= j < OW:
                            for c in range(C):
                                gx[n, h, w, c] += gy[n, i, j, c] / count[i, j]


# ---- CUDA: avg_pool.cu


@avg_pool2d_forward.cuda
def avg_pool2d_forward_cuda(
    x: Array, geometry: Geometry, ceil_mode: bool, count_include_pad: bool
) -> Array:
    """One thread per output."""
    outputs = geometry.output_shape("avg_pool2d", x.shape, ceil_mode=ceil_mode)
    N, C, H, W = x.shape
    y = array_module(x).empty((N, C, *outputs), x.dtype)
    border = (*geometry.padding[0], *geometry.padding[1])
    sizes = (N * C, H, W, *outputs, *geometry.kernel, *geometry.stride, *border)
    grid = cover(y.size)
    launch("avg_pool", "avg_pool2d_forward", grid, in_rows(x), *sizes, count_include_pad, y)
    return y


@avg_pool2d_backward.cuda
def avg_pool2d_backward_cuda(
    gy: Array, shape: tuple[int, ...], geometry: Geometry, count_include_pad: bool
) -> Array:
    """One thread per pixel."""
    N, C, H, W = shape
    gx = array_module(gy).empty(shape, gy.dtype)
    border = (*geometry.padding[0], *geometry.padding[1])
    sizes = (N * C, H, W, *gy.shape[2:], *geometry.kernel, *geometry.stride, *border)
    grid = cover(gx.size)
    launch("avg_pool", "avg_pool2d_backward", grid, in_rows(gy), *sizes, count_include_pad, gx)
    return gx


_forward_loops.followed_by(_backward_loops)
