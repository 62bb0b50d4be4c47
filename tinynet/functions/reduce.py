"""Reductions: sum, mean, maximum, minimum, variance, along NumPy's axes.

`axis` is an int, a tuple of them, or None for all axes; `keepdims` leaves axes of length 1 in
their place. An axis that x does not have raises NumPy's AxisError, a ValueError.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Never

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from tinynet.core.autograd import Function
from tinynet.core.backend import Array, array_module, real, wide
from tinynet.core.errors import refuse_keywords
from tinynet.functions.transfer import Cast

if TYPE_CHECKING:
    from tinynet.tensors import Tensor

Axis = int | tuple[int, ...] | None


def _axes(axis: Axis, ndim: int) -> tuple[int, ...]:
    """Return the axes as numbers in 0 .. ndim - 1; None means all of them."""
    return tuple(range(ndim)) if axis is None else tuple(normalize_axis_tuple(axis, ndim))


def _count(x: Tensor, axis: Axis) -> int:
    """Return how many elements are reduced to one."""
    return math.prod(x.shape[a] for a in _axes(axis, len(x.shape)))


def _restore(g: Array, axes: tuple[int, ...], ndim: int) -> Array:
    """Return g with axes of length 1 where `axes` were summed away."""
    kept = iter(g.shape)
    return g.reshape([1 if i in axes else next(kept) for i in range(ndim)])


class Sum(Function):
    """y = the sum of x along some axes."""

    def __init__(self, axis: Axis, keepdims: bool) -> None:
        self.axis = axis
        self.keepdims = keepdims

    def forward(self, x: Array) -> Array:
        self.saved = x.shape
        return x.sum(axis=self.axis, keepdims=self.keepdims)

    def backward(self, gy: Array) -> Any:
        shape = self.saved
        if not self.keepdims:
            gy = _restore(gy, _axes(self.axis, len(shape)), len(shape))
        return array_module(gy).broadcast_to(gy, shape)


class Max(Function):
    """y = the maximum of x along some axes; of equal values the first in row-major order counts."""

    def __init__(self, axis: Axis, keepdims: bool) -> None:
        self.axis = axis
        self.keepdims = keepdims

    def place(self, rows: Array) -> Array:
        """Return where the wanted element of each row is."""
        return rows.argmax(axis=-1)

    def forward(self, x: Array) -> Array:
        axes = _axes(self.axis, x.ndim)
        order = [i for i in range(x.ndim) if i not in axes] + sorted(axes)
        moved = x.transpose(order)
        kept = moved.shape[: x.ndim - len(axes)]
        together = math.prod(moved.shape[len(kept) :])
        rows = moved.reshape(*kept, together)  # the reduced axes as one
        place = self.place(rows)
        self.saved = place, rows.shape, moved.shape, order
        y = array_module(x).take_along_axis(rows, place[..., None], axis=-1)[..., 0]
        return _restore(y, axes, x.ndim) if self.keepdims else y

    def backward(self, gy: Array) -> Any:
        place, rows, moved, order = self.saved
        xp = array_module(gy)
        grows = xp.zeros_like(gy, shape=rows)
        xp.put_along_axis(grows, place[..., None], gy.reshape(place.shape)[..., None], axis=-1)
        back = sorted(range(len(order)), key=order.__getitem__)
        return grows.reshape(moved).transpose(back)


class Min(Max):
    """y = the minimum of x along some axes; of equal values the first in row-major order counts."""

    def place(self, rows: Array) -> Array:
        """Return where the smallest element of each row is."""
        return rows.argmin(axis=-1)


class Std(Function):
    """y = sqrt(sum of (x - mean)**2 / count); where all values are equal the gradient is 0."""

    def __init__(self, axis: Axis, count: int, keepdims: bool) -> None:
        self.axis = axis
        self.count = count
        self.keepdims = keepdims

    def forward(self, x: Array) -> Array:
        axes = _axes(self.axis, x.ndim)
        kind = real(x).dtype
        x = wide(x)
        centered = x - x.mean(axis=axes, keepdims=True)
        variance = (centered * centered).sum(axis=axes, keepdims=True) / self.count
        deviation = array_module(x).sqrt(variance)
        self.saved = centered, deviation
        if self.keepdims:
            return deviation.astype(kind, copy=False)
        return deviation.astype(kind, copy=False).reshape(
            [n for i, n in enumerate(x.shape) if i not in axes]
        )

    def backward(self, gy: Array) -> Any:
        centered, deviation = self.saved
        xp = array_module(gy)
        divisor = xp.where(deviation > 0, deviation, xp.ones_like(deviation)) * self.count
        return centered * (gy.reshape(deviation.shape) / divisor)


def _singles(x: Tensor) -> Tensor:
    """Return float16 as float32: the sum of 70,000 ones is more than float16 can hold."""
    return Cast(np.float32)(x) if x.dtype == np.float16 else x


def _halves(y: Tensor, x: Tensor) -> Tensor:
    """Return y in float16 if x has that type."""
    return Cast(x.dtype)(y) if x.dtype == np.float16 else y


def sum(x: Tensor, axis: Axis = None, keepdims: bool = False, **unknown: Never) -> Tensor:
    """Return the sum along `axis`.

    >>> import tinynet as tn
    >>> from tinynet import functions as F
    >>> F.sum(tn.tensor([[1.0, 2.0], [3.0, 4.0]]), axis=0)
    tensor([4., 6.])
    """
    refuse_keywords("sum", unknown)
    return Sum(axis, keepdims)(x)


def mean(x: Tensor, axis: Axis = None, keepdims: bool = False, **unknown: Never) -> Tensor:
    """Return the mean along `axis`.

    >>> import tinynet as tn
    >>> from tinynet import functions as F
    >>> F.mean(tn.tensor([[1.0, 2.0], [3.0, 4.0]]), axis=1)
    tensor([1.5, 3.5])
    """
    refuse_keywords("mean", unknown)
    return _halves(sum(_singles(x), axis, keepdims) / _count(x, axis), x)


def max(x: Tensor, axis: Axis = None, keepdims: bool = False, **unknown: Never) -> Tensor:
    """Return the maximum along `axis`; the gradient goes to the first of equal values.

    >>> import tinynet as tn
    >>> from tinynet import functions as F
    >>> F.max(tn.tensor([[1.0, 2.0], [3.0, 4.0]]), axis=1)
    tensor([2., 4.])
    """
    refuse_keywords("max", unknown)
    return Max(axis, keepdims)(x)


def min(x: Tensor, axis: Axis = None, keepdims: bool = False, **unknown: Never) -> Tensor:
    """Return the minimum along `axis`; the gradient goes to the first of equal values.

    >>> import tinynet as tn
    >>> from tinynet import functions as F
    >>> F.min(tn.tensor([[1.0, 2.0], [3.0, 4.0]]), axis=1)
    tensor([1., 3.])
    """
    refuse_keywords("min", unknown)
    return Min(axis, keepdims)(x)


def var(
    x: Tensor, axis: Axis = None, *, ddof: int = 0, keepdims: bool = False, **unknown: Never
) -> Tensor:
    """Return the variance along `axis`: the mean of (x - mean)**2.

    Parameters
    ----------
    x : any shape
    ddof : int
        The sum of squares is divided by count - ddof. 0 as in NumPy; PyTorch's default is 1.

    Raises
    ------
    ValueError
        If `ddof` is not less than the number of elements.

    Examples
    --------
    >>> import tinynet as tn
    >>> from tinynet import functions as F
    >>> F.var(tn.tensor([1.0, 2.0, 3.0, 4.0]))
    tensor(1.25)
    """
    refuse_keywords("var", unknown)
    count = _degrees_of_freedom("var", x, axis, ddof)
    centered = _singles(x) - mean(_singles(x), axis, keepdims=True)
    return _halves(sum(centered * centered, axis, keepdims) / count, x)


def std(
    x: Tensor, axis: Axis = None, *, ddof: int = 0, keepdims: bool = False, **unknown: Never
) -> Tensor:
    """Return the standard deviation along `axis`: the square root of `var`.

    Its gradient is 0 where all values are equal, as in PyTorch.

    Parameters
    ----------
    x : any shape
    ddof : int
        The sum of squares is divided by count - ddof. 0 as in NumPy; PyTorch's default is 1.

    Raises
    ------
    ValueError
        If `ddof` is not less than the number of elements.

    Examples
    --------
    >>> import tinynet as tn
    >>> from tinynet import functions as F
    >>> F.std(tn.tensor([1.0, 3.0]))
    tensor(1.)
    """
    refuse_keywords("std", unknown)
    return Std(axis, _degrees_of_freedom("std", x, axis, ddof), keepdims)(x)


def _degrees_of_freedom(op: str, x: Tensor, axis: Axis, ddof: int) -> int:
    """Return the number of reduced elements less ddof, which has to be positive."""
    count = _count(x, axis)
    if count <= ddof:
        raise ValueError(f"{op}: ddof={ddof} must be less than the number of elements, {count}.")
    return count - ddof
