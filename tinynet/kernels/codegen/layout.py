"""Images in the order that the compiled loops like: (N, H, W, C), the channel innermost.

The channel is the vector axis of everything that is fast here. To whoever reads them, arrays are
(N, C, H, W) all the same: what is returned is a transposed view.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinynet.core.backend import Array
from tinynet.kernels.codegen.native import In3, In4, Out3, Out4, native
from tinynet.kernels.codegen.vectors import move
from tinynet.kernels.geometry import Padding

GRAIN = 1 << 15  # elements that are worth waking a thread for, in loops that mostly move memory
MIXED = "images or weights that are not float32"
COUNTLESS = "no images, or 2**31 numbers or more in them"


def mixed(*arrays: Any) -> bool:
    """Whether one of the arguments is an array of another type than the loops are written for."""
    return any(isinstance(a, np.ndarray) and a.dtype != np.float32 for a in arrays)


def countless(*shapes: tuple[int, ...]) -> bool:
    """Whether an offset into one of these shapes does not fit in 32 bits, or there is none."""
    sizes = [math.prod(shape) for shape in shapes]
    return min(sizes) == 0 or max(sizes) >= 2**31


def share(per_unit: int) -> int:
    """How many units of so many elements make a piece worth waking a thread for."""
    return -(-GRAIN // max(per_unit, 1))


def channels_last(x: Array) -> Array:
    """Return x (N, C, H, W) as a contiguous (N, H, W, C), without a copy where it already is."""
    N, C, H, W = x.shape
    last = x.transpose(0, 2, 3, 1)
    if last.flags.c_contiguous:
        return last
    if not x.flags.c_contiguous or x.size == 0:
        return np.ascontiguousarray(last)
    y = np.empty((N, H, W, C), np.float32)
    _interleave(N, x.reshape(N, C, H * W), y.reshape(N, H * W, C), grain=share(C * H * W))
    return y


def channels_first(y: Array) -> Array:
    """Return the (N, C, H, W) view of an (N, H, W, C) array."""
    return y.transpose(0, 3, 1, 2)


def bordered(x: Array, padding: Padding) -> Array:
    """Return x (N, C, H, W) as (N, H, W, C) inside a border of zeros."""
    (top, bottom), (left, right) = padding
    inner = channels_last(x)
    if not (top or bottom or left or right):
        return inner
    N, H, W, C = inner.shape
    y = np.empty((N, top + H + bottom, left + W + right, C), np.float32)
    _border(N, inner, top, left, y, grain=share(y[0].size))
    return y


@native
def _interleave(lo: int, hi: int, x: In3, y: Out3) -> None:
    """X (N, C, HW) -> y (N, HW, C)."""
    C, HW = x.shape[1], x.shape[2]
    for n in range(lo, hi):
        for first in range(0, HW, 16):  # a strip of pixels stays in the cache
            for c in range(C):
                for i in range(first, min(first + 16, HW)):
                    y[n, i, c] = x[n, c, i]


@native
def _border(lo: int, hi: int, x: In4, top: int, left: int, y: Out4) -> None:
    """X (N, H, W, C) -> y, with zeros around it."""
    H, row = x.shape[1], x.shape[2] * x.shape[3]
    begin, end = left * x.shape[3], y.shape[2] * x.shape[3]
    flat = y.reshape(-1)
    for n in range(lo, hi):
        for i in range(y.shape[1]):
            at, inside = (n * y.shape[1] + i) * end, top <= i < top + H
            flat[at : at + (begin if inside else end)] = 0
            if inside:
                move(x, (n * H + i - top) * row, flat, at + begin, row)
                flat[at + begin + row : at + end] = 0
