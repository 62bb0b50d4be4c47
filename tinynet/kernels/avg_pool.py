r"""Average pooling over windows that may overlap.

    y[n, c, i, j]  = sum over p, q of x[n, c, SH*i + p - PH, SW*j + q - PW] / count[i, j]
    gx[n, c, h, w] = sum of gy[n, c, i, j] / count[i, j] over the windows that see (h, w)

count[i, j] is the number of pixels of window (i, j) inside the image and, with `count_include_pad`,
its padding. What hangs over the padding in `ceil_mode` is never counted.
"""

from __future__ import annotations

import numpy as np

from tinynet.core.backend import Array, array_module
from tinynet.kernels.codegen.layout import channels_first, channels_last, share
from tinynet.kernels.codegen.native import In2, In4, Out4, native
from tinynet.kernels.cuda.launch import cover, in_rows, launch
from tinynet.kernels.dispatch import Kernel
from tinynet.kernels.geometry import Padding, Pair, frame, output_shape, unframe, windows


def window_counts(
    shape: tuple[int, ...],
    kernel: Pair,
    stride: Pair,
    padding: Padding,
    count_include_pad: bool,
    outputs: Pair,
) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """Return count (OH, OW), the divisor of each window: rows that count times columns that do."""
    sides = []
    for size, k, s, (before, after), out in zip(
        shape[2:], kernel, stride, padding, outputs, strict=True
    ):
        low, high = (-before, size + after) if count_include_pad else (0, size)
        start = np.arange(out) * s - before
        sides.append(np.minimum(start + k, high) - np.maximum(start, low))
    return np.outer(*sides)


@Kernel
def avg_pool2d_forward(
    x: Array,
    kernel: Pair,
    stride: Pair,
    padding: Padding,
    ceil_mode: bool,
    count_include_pad: bool,
) -> Array:
    """Return y (N, C, OH, OW), the mean of each window of x (N, C, H, W)."""
    whole = (1, 1)
    outputs = output_shape("avg_pool2d", x.shape, kernel, stride, padding, ceil_mode=ceil_mode)
    framed = frame(x, kernel, stride, padding, whole, outputs, fill=0)
    total = windows(framed, kernel, stride, whole, outputs).sum(axis=(2, 3))
    count = window_counts(x.shape, kernel, stride, padding, count_include_pad, outputs)
    return total / array_module(x).asarray(count, x.dtype)


@Kernel
def avg_pool2d_backward(
    gy: Array,
    shape: tuple[int, ...],
    kernel: Pair,
    stride: Pair,
    padding: Padding,
    count_include_pad: bool,
) -> Array:
    """Return gx of `shape` (N, C, H, W): every gy (N, C, OH, OW), shared out over its window."""
    (KH, KW), (SH, SW), (OH, OW), xp = kernel, stride, gy.shape[2:], array_module(gy)
    count = window_counts(shape, kernel, stride, padding, count_include_pad, (OH, OW))
    share = gy / xp.asarray(count, gy.dtype)
    framed = xp.zeros((*shape[:2], SH * (OH - 1) + KH, SW * (OW - 1) + KW), gy.dtype)
    for p in range(KH):
        for q in range(KW):
            framed[:, :, p : p + SH * OH : SH, q : q + SW * OW : SW] += share
    return unframe(framed, shape, padding)


# ---- the same in loops, over (N, H, W, C): a window walks, all channels at once


@avg_pool2d_forward.numba
def avg_pool2d_forward_numba(
    x: Array,
    kernel: Pair,
    stride: Pair,
    padding: Padding,
    ceil_mode: bool,
    count_include_pad: bool,
) -> Array:
    """One pass over x."""
    outputs = output_shape("avg_pool2d", x.shape, kernel, stride, padding, ceil_mode=ceil_mode)
    count = window_counts(x.shape, kernel, stride, padding, count_include_pad, outputs)
    y = np.empty((len(x), *outputs, x.shape[1]), np.float32)
    _forward_loops(
        len(x), channels_last(x), *kernel, *stride, padding[0][0], padding[1][0],
        count.astype(np.float32), y, grain=share(x[:1].size),
    )  # fmt: skip
    return channels_first(y)


@native
def _forward_loops(  # noqa: C901  windows on images are many loops
    lo: int, hi: int, x: In4, KH: int, KW: int, SH: int, SW: int, PH: int, PW: int,
    count: In2, y: Out4,
) -> None:  # fmt: skip
    H, W = x.shape[1], x.shape[2]
    OH, OW, C = y.shape[1], y.shape[2], y.shape[3]
    for n in range(lo, hi):
        for i in range(OH):
            for j in range(OW):
                for c in range(C):
                    y[n, i, j, c] = 0
                for p in range(max(0, PH - SH * i), min(KH, H + PH - SH * i)):
                    for q in range(max(0, PW - SW * j), min(KW, W + PW - SW * j)):
                        h, w = SH * i + p - PH, SW * j + q - PW
                        for c in range(C):
                            y[n, i, j, c] += x[n, h, w, c]
                for c in range(C):
                    y[n, i, j, c] /= count[i, j]


@avg_pool2d_backward.numba
def avg_pool2d_backward_numba(
    gy: Array,
    shape: tuple[int, ...],
    kernel: Pair,
    stride: Pair,
    padding: Padding,
    count_include_pad: bool,
) -> Array:
    """Every pixel asks the windows that it lies in: nobody writes to another's place."""
    N, C, H, W = shape
    count = window_counts(shape, kernel, stride, padding, count_include_pad, gy.shape[2:])
    gx = np.empty((N, H, W, C), np.float32)
    _backward_loops(
        N, channels_last(gy), *kernel, *stride, padding[0][0], padding[1][0],
        count.astype(np.float32), gx, grain=share(C * H * W),
    )  # fmt: skip
    return channels_first(gx)


@native
def _backward_loops(  # noqa: C901  windows on images are many loops
    lo: int, hi: int, gy: In4, KH: int, KW: int, SH: int, SW: int, PH: int, PW: int,
    count: In2, gx: Out4,
) -> None:  # fmt: skip
    OH, OW = gy.shape[1], gy.shape[2]
    H, W, C = gx.shape[1], gx.shape[2], gx.shape[3]
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


# ---- the same in threads: avg_pool.cu


@avg_pool2d_forward.cuda
def avg_pool2d_forward_cuda(
    x: Array,
    kernel: Pair,
    stride: Pair,
    padding: Padding,
    ceil_mode: bool,
    count_include_pad: bool,
) -> Array:
    """One thread an output."""
    outputs = output_shape("avg_pool2d", x.shape, kernel, stride, padding, ceil_mode=ceil_mode)
    N, C, H, W = x.shape
    y = array_module(x).empty((N, C, *outputs), x.dtype)
    launch(
        "avg_pool", "avg_pool2d_forward", cover(y.size), in_rows(x), N * C, H, W, *outputs,
        *kernel, *stride, *padding[0], *padding[1], count_include_pad, y,
    )  # fmt: skip
    return y


@avg_pool2d_backward.cuda
def avg_pool2d_backward_cuda(
    gy: Array,
    shape: tuple[int, ...],
    kernel: Pair,
    stride: Pair,
    padding: Padding,
    count_include_pad: bool,
) -> Array:
    """One thread a pixel."""
    N, C, H, W = shape
    gx = array_module(gy).empty(shape, gy.dtype)
    launch(
        "avg_pool", "avg_pool2d_backward", cover(gx.size), in_rows(gy), N * C, H, W,
        *gy.shape[2:], *kernel, *stride, *padding[0], *padding[1], count_include_pad, gx,
    )  # fmt: skip
    return gx
