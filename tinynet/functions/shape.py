"""The same numbers in another arrangement: every backward is the arrangement undone."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet.core.autograd import Function
from tinynet.core.backend import Array, array_module, transfer
from tinynet.core.errors import ShapeError
from tinynet.core.hooks import constant

if TYPE_CHECKING:
    from tinynet.tensors import Tensor


class Reshape(Function):
    """y = x with another shape, elements in row-major order."""

    returns_view = True

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape

    def forward(self, x: Array) -> Array:
        self.saved = x.shape
        return x.reshape(self.shape)

    def backward(self, gy: Array) -> Any:
        return gy.reshape(self.saved)


class Transpose(Function):
    """y = x with its axes in another order."""

    returns_view = True

    def __init__(self, axes: tuple[int, ...]) -> None:
        self.axes = axes

    def forward(self, x: Array) -> Array:
        return x.transpose(self.axes)

    def backward(self, gy: Array) -> Any:
        return gy.transpose(sorted(range(len(self.axes)), key=self.axes.__getitem__))


class Getitem(Function):
    """y = x[index]; an element that was picked twice receives both gradients."""

    returns_view = True

    def __init__(self, index: Any) -> None:
        self.index = index

    def forward(self, x: Array) -> Array:
        self.saved = x.shape
        return x[self.index]

    def backward(self, gy: Array) -> Any:
        xp = array_module(gy)
        gx = xp.zeros_like(gy, shape=self.saved)
        parts = self.index if isinstance(self.index, tuple) else (self.index,)
        if all(p is None or p is ... or isinstance(p, (int, slice)) for p in parts):
            gx[self.index] = gy  # each element was picked at most once
        else:
            xp.add.at(gx, self.index, gy)
        return gx


class Concatenate(Function):
    """y = the inputs one after the other along an axis."""

    def __init__(self, axis: int) -> None:
        self.axis = axis

    def forward(self, *xs: Array) -> Array:
        self.saved = [x.shape[self.axis] for x in xs]
        return array_module(xs[0]).concatenate(xs, axis=self.axis)

    def backward(self, gy: Array) -> Any:
        axis, end, gradients = self.axis % gy.ndim, 0, []
        for size in self.saved:
            begin, end = end, end + size
            gradients.append(gy[(slice(None),) * axis + (slice(begin, end),)])
        return tuple(gradients)


class Pad(Function):
    """y = x with zeros around it."""

    def __init__(self, widths: tuple[tuple[int, int], ...]) -> None:
        self.widths = widths

    def forward(self, x: Array) -> Array:
        shape = tuple(n + a + b for n, (a, b) in zip(x.shape, self.widths, strict=True))
        y = array_module(x).zeros_like(x, shape=shape)  # its memory in the order of x's
        y[self._inside(y)] = x
        return y

    def backward(self, gy: Array) -> Any:
        return gy[self._inside(gy)]

    def _inside(self, y: Array) -> tuple[slice, ...]:
        return tuple(slice(a, n - b) for n, (a, b) in zip(y.shape, self.widths, strict=True))


def reshape(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return x with `shape`; one entry may be -1."""
    try:
        return Reshape(shape)(x)
    except ValueError:
        raise ShapeError(
            f"reshape: {x.data.size} elements of shape {x.shape} cannot take the shape {shape}."
        ) from None


def transpose(x: Tensor, axes: tuple[int, ...] | None = None) -> Tensor:
    """Return x with its axes in the order `axes`; None reverses them."""
    ndim = len(x.shape)
    order = tuple(range(ndim))[::-1] if axes is None else tuple(a + ndim * (a < 0) for a in axes)
    if sorted(order) != list(range(ndim)):
        raise ShapeError(f"transpose: axes {axes} must name each axis of shape {x.shape} once.")
    return Transpose(order)(x)


def getitem(x: Tensor, index: Any) -> Tensor:
    """Return x[index], with NumPy's basic and advanced indexing."""
    if x.device.kind == "cuda":  # where arrays of places have to lie too
        parts = index if isinstance(index, tuple) else (index,)
        parts = tuple(
            constant(lambda p=p: transfer(np.asarray(p), x.device))  # type: ignore[misc]
            if isinstance(p, (list, np.ndarray))
            else p
            for p in parts
        )
        index = parts if isinstance(index, tuple) else parts[0]
    return Getitem(index)(x)


def concatenate(xs: Sequence[Tensor], axis: int) -> Tensor:
    """Return the tensors joined along `axis`; the other axes must agree."""
    shapes = [x.shape for x in xs]
    if not shapes:
        raise ShapeError("concatenate: there is nothing to join, the list is empty.")
    if not all(-len(s) <= axis < len(s) for s in shapes):
        raise ShapeError(f"concatenate: there is no axis {axis} in the shapes {shapes}.")
    rests = {tuple(n for i, n in enumerate(s) if i != axis % len(s)) for s in shapes}
    if len(rests) != 1:
        raise ShapeError(f"concatenate: only axis {axis} may differ between the shapes {shapes}.")
    return Concatenate(axis)(*xs)


def pad(x: Tensor, widths: Sequence[tuple[int, int]]) -> Tensor:
    """Return x with zeros around it: `widths` has (before, after) for each axis."""
    try:
        given = tuple((operator.index(before), operator.index(after)) for before, after in widths)
    except (TypeError, ValueError):
        given = ()
    if len(given) != len(x.shape) or min((w for both in given for w in both), default=0) < 0:
        raise ShapeError(
            f"pad: widths needs a (before, after), whole numbers and not negative, for each of the "
            f"{len(x.shape)} axes of shape {x.shape}, got {widths}."
        )
    return Pad(given)(x)


def flatten(x: Tensor) -> Tensor:
    """Return x (N, ...) as (N, features)."""
    return reshape(x, (x.shape[0], math.prod(x.shape[1:])))
