"""Channels-last memory layout (N, H, W, C), which the compiled loops read.

The channel is the vector axis of all fast loops. Callers see (N, C, H, W) arrays all the same: what
is returned is a transposed view.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar

import numpy as np

from tinynet.core.backend import Array
from tinynet.kernels.codegen.native import In3, In4, Out3, Out4, native
from tinynet.kernels.codegen.vectors import move
from tinynet.kernels.dispatch import fallback_if
from tinynet.kernels.geometry import Padding

P = ParamSpec("P")
R = TypeVar("R")

LINE = 64  # bytes of a cache line
GRAIN = 1 << 15  # elements worth waking a thread for, in loops that are bound by memory


def _is_mixed(*arrays: Any) -> bool:
    """Return whether an array has another dtype than float32, which the loops are written for."""
    return any(isinstance(a, np.ndarray) and a.dtype != np.float32 for a in arrays)


mixed_dtypes = fallback_if("images or weights that are not float32", _is_mixed)


MINIMUM_SIZE = 1 << 12  # elements

below_minimum_size = fallback_if(
    f"fewer than {MINIMUM_SIZE} numbers, for which Numba need not be loaded",
    lambda x, *_: x.size < MINIMUM_SIZE,
)


def _has_gaps(*arrays: Array) -> bool:
    """Return whether elements are not contiguous, or two arrays differ in memory order."""
    first = arrays[0]
    whole = first.transpose(np.argsort(first.strides)[::-1]).flags.c_contiguous
    return not whole or any(a.strides != first.strides for a in arrays)


with_gaps = fallback_if("arrays with gaps, or in different memory orders", _has_gaps)


def exceeds_int32(
    shapes: Callable[..., Sequence[tuple[int, ...]]],
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorate a fast version whose tables hold 32-bit offsets.

    The reference runs where an array of one of `shapes(*args)` is empty or has 2**31 elements.
    """

    def exceeds(*args: Any, **kwargs: Any) -> bool:
        sizes = [math.prod(shape) for shape in shapes(*args, **kwargs)]
        return min(sizes) == 0 or max(sizes) >= 2**31

    return fallback_if("no images, or 2**31 numbers or more in them", exceeds)


def grain_size(per_unit: int) -> int:
    """Return how many units of `per_unit` elements are worth waking a thread for."""
    return -(-GRAIN // max(per_unit, 1))


def line_aligned(shape: tuple[int, ...]) -> Array:
    """Return an uninitialized float64 array that begins at a cache line, for sums in memory.

    A vector that crosses a line is stored and loaded again far more slowly: sums of 16 channels
    over the pixels of a batch took twice as long where they began 16 bytes behind a line.
    """
    size = math.prod(shape)
    room = np.empty(size + LINE // 8)
    begin = -room.ctypes.data % LINE // 8
    return room[begin : begin + size].reshape(shape)


def channels_last(x: Array) -> Array:
    """Return x (N, C, H, W) as a contiguous (N, H, W, C), without a copy where it already is."""
    N, C, H, W = x.shape
    last = x.transpose(0, 2, 3, 1)
    if last.flags.c_contiguous:
        return last
    if not x.flags.c_contiguous or x.size == 0:
        return np.ascontiguousarray(last)
    y = np.empty((N, H, W, C), np.float32)
    _interleave(N, x.reshape(N, C, H * W), y.reshape(N, H * W, C), grain=grain_size(C * H * W))
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
    _border(N, inner, top, left, y, grain=grain_size(y[0].size))
    return y


@native
def _interleave(lo: int, hi: int, x: In3, y: Out3) -> None:
    """X (N, C, HW) -> y (N, HW, C)."""
    C = x.shape[1]
    HW = x.shape[2]
    for n in range(lo, hi):
        for first in range(0, HW, 16):  # a strip of pixels stays in the cache
            for c in range(C):
                for i in range(first, min(first + 16, HW)):
                    y[n, i, c] = x[n, c, i]


@native
def _border(lo: int, hi: int, x: In4, top: int, left: int, y: Out4) -> None:
    """X (N, H, W, C) -> y, with zeros around it."""
    H = x.shape[1]
    row = x.shape[2] * x.shape[3]
    begin = left * x.shape[3]
    end = y.shape[2] * x.shape[3]
    flat = y.reshape(-1)
    for n in range(lo, hi):
        for i in range(y.shape[1]):
            at = (n * y.shape[1] + i) * end
            inside = top <= i < top + H
            flat[at : at + (begin if inside else end)] = 0
            if inside:
                move(x, (n * H + i - top) * row, flat, at + begin, row)
                flat[at + begin + row : at + end] = 0
