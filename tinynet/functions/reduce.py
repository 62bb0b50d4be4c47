"""Many numbers into fewer: sum, mean, maximum, along NumPy's axes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from numpy.lib.array_utils import normalize_axis_tuple

from tinynet.core.autograd import Function
from tinynet.core.backend import Array, array_module

if TYPE_CHECKING:
    from tinynet.tensors import Tensor

Axis = int | tuple[int, ...] | None


def _axes(axis: Axis, ndim: int) -> tuple[int, ...]:
    """Return the axes as numbers in 0 .. ndim - 1; None means all of them."""
    return tuple(range(ndim)) if axis is None else tuple(normalize_axis_tuple(axis, ndim))


def _restore(g: Array, axes: tuple[int, ...], ndim: int) -> Array:
    """Return g with axes of length 1 where `axes` were summed away."""
    kept = iter(g.shape)
    return g.reshape([1 if i in axes else next(kept) for i in range(ndim)])


class Sum(Function):
    """y = the sum of x along some axes."""

    def __init__(self, axis: Axis, keepdims: bool) -> None:
        self.axis, self.keepdims = axis, keepdims

    def forward(self, x: Array) -> Array:
        self.saved = x.shape
        return x.sum(axis=self.axis, keepdims=self.keepdims)

    def backward(self, gy: Array) -> Any:
        shape = self.saved
        if not self.keepdims:
            gy = _restore(gy, _axes(self.axis, len(shape)), len(shape))
        return array_module(gy).broadcast_to(gy, shape)


class Max(Function):
    """y = the maximum of x along some axes; of equal values the first in row-major order wins."""

    def __init__(self, axis: Axis, keepdims: bool) -> None:
        self.axis, self.keepdims = axis, keepdims

    def forward(self, x: Array) -> Array:
        axes = _axes(self.axis, x.ndim)
        order = [i for i in range(x.ndim) if i not in axes] + sorted(axes)
        moved = x.transpose(order)
        kept = moved.shape[: x.ndim - len(axes)]
        together = math.prod(moved.shape[len(kept) :])
        rows = moved.reshape(*kept, together)  # the reduced axes as one
        winner = rows.argmax(axis=-1)
        self.saved = winner, rows.shape, moved.shape, order
        y = array_module(x).take_along_axis(rows, winner[..., None], axis=-1)[..., 0]
        return _restore(y, axes, x.ndim) if self.keepdims else y

    def backward(self, gy: Array) -> Any:
        winner, rows, moved, order = self.saved
        xp = array_module(gy)
        grows = xp.zeros_like(gy, shape=rows)
        xp.put_along_axis(grows, winner[..., None], gy.reshape(winner.shape)[..., None], axis=-1)
        back = sorted(range(len(order)), key=order.__getitem__)
        return grows.reshape(moved).transpose(back)


def sum(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Return the sum along `axis` (an int, a tuple, or None for all)."""
    return Sum(axis, keepdims)(x)


def mean(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Return the mean along `axis` (an int, a tuple, or None for all)."""
    count = math.prod(x.shape[a] for a in _axes(axis, len(x.shape)))
    return sum(x, axis, keepdims) / count


def max(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Return the maximum along `axis`; the gradient goes to the first of equal values."""
    return Max(axis, keepdims)(x)
