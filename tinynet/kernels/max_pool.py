r"""Max-pooling over windows that may overlap, as in AlexNet: 3x3 windows every 2 pixels.

    y[n, c, i, j]  = max over p, q of x[n, c, SH*i + p - PH, SW*j + q - PW]     (-infinity outside)
    gx[n, c, h, w] = sum of gy[n, c, i, j] over the windows whose winner is (h, w)

A pixel can win several overlapping windows, so backward adds. Of equal values the first in
row-major order wins (PyTorch, Caffe); the code of 2012 gave the gradient to all of them.
"""

from __future__ import annotations

import numpy as np

from tinynet.core.backend import Array, array_module
from tinynet.kernels.codegen.layout import channels_first, channels_last, share
from tinynet.kernels.codegen.native import (
    NOTHING,
    In4,
    Out4,
    Real,
    TagsIn4,
    TagsOut4,
    helper,
    native,
)
from tinynet.kernels.codegen.vectors import largest, won
from tinynet.kernels.cuda.launch import cover, in_rows, launch
from tinynet.kernels.dispatch import Kernel, unless
from tinynet.kernels.geometry import Padding, Pair, frame, output_shape, unframe, windows


@Kernel
def max_pool2d_forward(
    x: Array, kernel: Pair, stride: Pair, padding: Padding, ceil_mode: bool
) -> tuple[Array, Array]:
    """Return y (N, C, OH, OW) and the winner p * KW + q inside each window (uint8, or int32)."""
    xp, (KH, KW), whole = array_module(x), kernel, (1, 1)
    outputs = output_shape("max_pool2d", x.shape, kernel, stride, padding, ceil_mode=ceil_mode)
    framed = frame(x, kernel, stride, padding, whole, outputs, fill=-xp.inf)
    view = windows(framed, kernel, stride, whole, outputs)
    view = view.transpose(0, 1, 4, 5, 2, 3).reshape(*x.shape[:2], *outputs, KH * KW)
    winner = view.argmax(axis=-1)  # the first of equal values
    y = xp.take_along_axis(view, winner[..., None], axis=-1)[..., 0]
    return y, winner.astype(xp.uint8 if KH * KW <= 256 else xp.int32)


@Kernel
def max_pool2d_backward(
    gy: Array,
    winner: Array,
    shape: tuple[int, ...],
    kernel: Pair,
    stride: Pair,
    padding: Padding,
) -> Array:
    """Return gx of `shape` (N, C, H, W): every gy (N, C, OH, OW) goes to its window's winner."""
    (KH, KW), (SH, SW), (OH, OW) = kernel, stride, gy.shape[2:]
    size = SH * (OH - 1) + KH, SW * (OW - 1) + KW
    framed = array_module(gy).zeros((*shape[:2], *size), gy.dtype)
    for p in range(KH):
        for q in range(KW):
            won = winner == p * KW + q
            framed[:, :, p : p + SH * OH : SH, q : q + SW * OW : SW] += gy * won
    return unframe(framed, shape, padding)


too_wide = unless(
    "windows of more than 256 pixels: the winner takes a byte",
    lambda x, kernel, *_: kernel[0] * kernel[1] > 256,
)
tags_too_wide = unless(
    "winners in more than a byte", lambda gy, winner, *_: winner.dtype != np.uint8
)


# ---- the same in loops, over (N, H, W, C): a window walks, all channels at once


@max_pool2d_forward.numba
@too_wide
def max_pool2d_forward_numba(
    x: Array, kernel: Pair, stride: Pair, padding: Padding, ceil_mode: bool
) -> tuple[Array, Array]:
    """One pass over x; the winner takes a byte."""
    return fast_forward(x, kernel, stride, padding, ceil_mode, NOTHING, 0)


def fast_forward(
    x: Array, kernel: Pair, stride: Pair, padding: Padding, ceil_mode: bool, floor: float, none: int
) -> tuple[Array, Array]:
    """Return y, at least `floor`, and the winner, or `none` where nothing exceeds the floor."""
    outputs = output_shape("max_pool2d", x.shape, kernel, stride, padding, ceil_mode=ceil_mode)
    y = np.empty((len(x), *outputs, x.shape[1]), np.float32)
    winner, grain = np.empty(y.shape, np.uint8), share(x[:1].size)
    corner = padding[0][0], padding[1][0]
    _forward_loops(
        len(x), channels_last(x), *kernel, *stride, *corner, y, winner, floor, none, grain=grain
    )
    return channels_first(y), channels_first(winner)


@native
def _forward_loops(
    lo: int, hi: int, x: In4, KH: int, KW: int, SH: int, SW: int, PH: int, PW: int,
    y: Out4, winner: TagsOut4, floor: Real, none: int,
) -> None:  # fmt: skip
    H, W = x.shape[1], x.shape[2]
    OH, OW, C = y.shape[1], y.shape[2], y.shape[3]
    for n in range(lo, hi):
        for i in range(OH):
            for j in range(OW):
                top, left = SH * i - PH, SW * j - PW  # the window, and what of it is inside
                p, q = max(0, -top), max(0, -left)
                rows, cols = min(KH, H - top) - p, min(KW, W - left) - q
                at = ((n * H + top + p) * W + left + q) * C
                out = ((n * OH + i) * OW + j) * C
                tag = p * KW + q
                largest(x, at, rows, cols, W * C, C, tag, KW, 1, y, out, winner, out, C,
                        floor, none)  # fmt: skip


@max_pool2d_backward.numba
@tags_too_wide
def max_pool2d_backward_numba(
    gy: Array,
    winner: Array,
    shape: tuple[int, ...],
    kernel: Pair,
    stride: Pair,
    padding: Padding,
) -> Array:
    """Every pixel asks the windows that it lies in: nobody writes to another's place."""
    N, C, H, W = shape
    gx, tags = np.empty((N, H, W, C), np.float32), winner.transpose(0, 2, 3, 1)
    _backward_loops(
        N, channels_last(gy), np.ascontiguousarray(tags), *kernel, *stride, padding[0][0],
        padding[1][0], gx, grain=share(C * H * W),
    )  # fmt: skip
    return channels_first(gx)


@native
def _backward_loops(
    lo: int, hi: int, gy: In4, winner: TagsIn4, KH: int, KW: int, SH: int, SW: int, PH: int,
    PW: int, gx: Out4,
) -> None:  # fmt: skip
    OH, OW = gy.shape[1], gy.shape[2]
    H, W, C = gx.shape[1], gx.shape[2], gx.shape[3]
    across = np.empty((W, 2), np.int64)
    for w in range(W):
        across[w, 0], across[w, 1] = _windows_of(w + PW, KW, SW, OW)
    for n in range(lo, hi):
        for h in range(H):
            last, rows = _windows_of(h + PH, KH, SH, OH)
            for w in range(W):
                right, cols = across[w, 0], across[w, 1]
                # Backwards: the last window has this pixel nearest to its corner.
                tag = (h + PH - SH * last) * KW + w + PW - SW * right
                at = ((n * OH + last) * OW + right) * C
                won(gy, at, rows, cols, -OW * C, -C, tag, SH * KW, SW,
                    gx, ((n * H + h) * W + w) * C, winner, at, C, NOTHING, 0)  # fmt: skip


@helper
def _windows_of(place: int, K: int, S: int, windows: int) -> tuple[int, int]:
    """Return the last window that a row (or column) of the framed image lies in, and how many."""
    last = min(place // S, windows - 1)
    first = max(0, (place - K) // S + 1)
    return last, max(0, last - first + 1)


# ---- the same in threads: max_pool.cu


@max_pool2d_forward.cuda
@too_wide
def max_pool2d_forward_cuda(
    x: Array, kernel: Pair, stride: Pair, padding: Padding, ceil_mode: bool
) -> tuple[Array, Array]:
    """One thread an output; the winner takes a byte."""
    return launch_forward(x, kernel, stride, padding, ceil_mode, -np.inf, 0)


def launch_forward(
    x: Array, kernel: Pair, stride: Pair, padding: Padding, ceil_mode: bool, floor: float, none: int
) -> tuple[Array, Array]:
    """Return what `fast_forward` returns."""
    outputs = output_shape("max_pool2d", x.shape, kernel, stride, padding, ceil_mode=ceil_mode)
    xp, (N, C, H, W) = array_module(x), x.shape
    y = xp.empty((N, C, *outputs), x.dtype)
    winner = xp.empty(y.shape, xp.uint8)
    launch(
        "max_pool", "max_pool2d_forward", cover(y.size), in_rows(x), N * C, H, W, *outputs,
        *kernel, *stride, padding[0][0], padding[1][0], floor, none, y, winner,
    )  # fmt: skip
    return y, winner


@max_pool2d_backward.cuda
@tags_too_wide
def max_pool2d_backward_cuda(
    gy: Array,
    winner: Array,
    shape: tuple[int, ...],
    kernel: Pair,
    stride: Pair,
    padding: Padding,
) -> Array:
    """One thread a pixel."""
    N, C, H, W = shape
    gx = array_module(gy).empty(shape, gy.dtype)
    launch(
        "max_pool", "max_pool2d_backward", cover(gx.size), in_rows(gy), in_rows(winner), N * C,
        H, W, *gy.shape[2:], *kernel, *stride, padding[0][0], padding[1][0], gx,
    )  # fmt: skip
    return gx
