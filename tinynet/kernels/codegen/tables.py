"""Offset tables: positions in an image of the rows and columns of a matrix that is never built.

The microkernel multiplies x[rows[p] + cols[k]] by w[k]. The tables are computed from integers only
and cached for the next call of the same layer. They hold 32-bit offsets, counted in floats.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from tinynet.core.backend import Array
from tinynet.kernels.codegen.microkernel import host_shape
from tinynet.kernels.geometry import Pair

Axis = tuple[int, int, int]  # count, step, offset of the first


class Table(NamedTuple):
    """Offsets, with their minimum and maximum for the bounds check."""

    places: Array
    low: int
    high: int


@functools.lru_cache(maxsize=128)
def offsets(*axes: Axis) -> Table:
    """Return the offsets of all combinations, the last axis fastest."""
    along = [first + step * np.arange(count) for count, step, first in axes]
    places = functools.reduce(np.add.outer, along).reshape(-1)
    low = int(places.min())
    high = int(places.max())
    if not -(2**31) <= low <= high < 2**31:
        raise OverflowError(f"conv2d: offsets of {high} do not fit in 32 bits.")
    return Table(np.ascontiguousarray(places, np.int32), low, high)


@functools.lru_cache(maxsize=128)
def tiles(*axes: Axis) -> Table:
    """Return the offsets in tiles (T, P); the last offset is repeated to fill the last tile."""
    flat, low, high = offsets(*axes)
    pixels = host_shape().pixels
    padded = np.concatenate([flat, np.repeat(flat[-1:], -len(flat) % pixels)])
    return Table(padded.reshape(-1, pixels), low, high)


def guard(x: Array, rows: Table, cols: Table, group: int, groups: int) -> None:
    """Raise unless x[rows + cols + first channel of a group] is inside x; kernels do not check."""
    low = rows.low + cols.low
    high = rows.high + cols.high + group * (groups - 1)
    if low < 0 or high >= x.size:
        raise IndexError(
            f"conv2d: a window reaches {low}..{high} of {x.size} numbers. Please report this bug."
        )


class Images(NamedTuple):
    """Shape of contiguous (N, H, W, C) images; converts pixel steps into steps in floats."""

    N: int
    H: int
    W: int
    C: int

    def axes(self, count: Pair, stride: Pair, first: Pair = (0, 0)) -> tuple[Axis, Axis, Axis]:
        """Return the axes n, i, j of a grid of pixels in each image."""
        row = self.W * self.C
        return (
            (self.N, self.H * row, 0),
            (count[0], stride[0] * row, first[0] * row),
            (count[1], stride[1] * self.C, first[1] * self.C),
        )


class Phase(NamedTuple):
    """Along one axis: the pixels first, first + S, ... and the taps that can lie over them.

    Tap number t lies over pixel number k (from 0) in the window begin + k - (before + t * step).
    """

    first: int
    pixels: int
    begin: int
    taps: tuple[int, ...]
    before: int
    step: int

    @property
    def reach(self) -> tuple[int, int]:
        """The first and the last output that this phase reads; they may be outside the array."""
        return (
            self.begin - self.before - self.step * (len(self.taps) - 1),
            self.begin - self.before + self.pixels - 1,
        )


def phases(size: int, kernel: int, stride: int, before: int, dilation: int) -> list[Phase]:
    """Return the pixels grouped by the taps over them: one phase per remainder of the stride."""
    found = []
    for remainder in range(stride):
        first = (remainder - before) % stride
        taps = tuple(p for p in range(kernel) if dilation * p % stride == remainder)
        if first < size and taps:
            outputs = [dilation * p // stride for p in taps]
            step = outputs[1] - outputs[0] if len(taps) > 1 else 0
            count = len(range(first, size, stride))
            begin = (first + before) // stride
            found.append(Phase(first, count, begin, taps, outputs[0], step))
    return found


def border(found: list[Phase], size: int) -> Pair:
    """Return the zeros before and after `size` outputs that the phases read."""
    low = min((p.reach[0] for p in found), default=0)
    high = max((p.reach[1] for p in found), default=0)
    return max(0, -low), max(0, high - (size - 1))
