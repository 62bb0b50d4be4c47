"""Shape operations: reshape, transpose, indexing, concatenation, padding.

The backward pass of each is the arrangement undone.
"""

from __future__ import annotations

import copy
import math
import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Never

import numpy as np

from tinynet.core.autograd import Function, Variable, require_tensors
from tinynet.core.backend import Array, array_module, concatenated, transfer
from tinynet.core.errors import ShapeError, refuse_keywords
from tinynet.core.hooks import constant
from tinynet.words import sentence

if TYPE_CHECKING:
    from tinynet.tensors import Tensor


class Reshape(Function):
    """y = x with another shape, elements in row-major order."""

    takes_bfloat16 = True

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape

    def forward(self, x: Array) -> Array:
        self.saved = x.shape
        return x.reshape(self.shape)

    def backward(self, gy: Array) -> Any:
        return gy.reshape(self.saved)


class Transpose(Function):
    """y = x with its axes in another order."""

    def __init__(self, axes: tuple[int, ...]) -> None:
        self.axes = axes

    def forward(self, x: Array) -> Array:
        return x.transpose(self.axes)

    def backward(self, gy: Array) -> Any:
        return gy.transpose(sorted(range(len(self.axes)), key=self.axes.__getitem__))


class Getitem(Function):
    """y = x[index]; an element that was picked twice receives both gradients."""

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
        return concatenated(xs, self.axis)

    def backward(self, gy: Array) -> Any:
        axis = self.axis % gy.ndim
        gradients = []
        begin = 0
        for size in self.saved:
            end = begin + size
            gradients.append(gy[(slice(None),) * axis + (slice(begin, end),)])
            begin = end
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
    """Return x with `shape`, elements in row-major order; one entry may be -1.

    Raises
    ------
    ShapeError
        If the number of elements differs.

    Examples
    --------
    >>> import tinynet as tn
    >>> from tinynet import functions as F
    >>> F.reshape(tn.tensor([1.0, 2.0, 3.0, 4.0]), (2, -1))
    tensor([[1., 2.],
            [3., 4.]])
    """
    try:
        return Reshape(shape)(x)
    except ValueError:
        said = "reshape: {count} elements of shape {x} cannot take the shape {shape}."
        found = sentence(said, count=x.data.size, x=x.shape, shape=shape)
        raise ShapeError(found) from None


def transpose(x: Tensor, axes: tuple[int, ...] | None = None) -> Tensor:
    """Return x with its axes in the order `axes`; None reverses them.

    It is NumPy's transpose, PyTorch's permute: it names all axes. PyTorch's ``x.transpose(0, 1)``,
    which exchanges two, is ``F.transpose(x, (1, 0))`` for a matrix.

    Raises
    ------
    ShapeError
        If `axes` does not name each axis once.

    Examples
    --------
    >>> import tinynet as tn
    >>> from tinynet import functions as F
    >>> F.transpose(tn.zeros(2, 3, 4), (0, 2, 1)).shape
    (2, 4, 3)
    """
    ndim = len(x.shape)
    order = tuple(range(ndim))[::-1] if axes is None else tuple(a + ndim * (a < 0) for a in axes)
    if sorted(order) != list(range(ndim)):
        said = "transpose: axes {axes} must name each axis of shape {x} once."
        raise ShapeError(sentence(said, axes=axes, x=x.shape))
    return Transpose(order)(x)


def getitem(x: Tensor, index: Any) -> Tensor:
    """Return x[index], with NumPy's basic and advanced indexing.

    An element that is picked twice gets both gradients.

    Raises
    ------
    IndexError
        If an index is out of range.
    TypeError
        If an index is a tensor, which holds floating-point numbers.

    Examples
    --------
    >>> import tinynet as tn
    >>> from tinynet import functions as F
    >>> F.getitem(tn.tensor([1.0, 2.0, 3.0]), [0, 0, 2])
    tensor([1., 1., 3.])
    """
    index = _owned(index)
    if x.device.kind == "cuda":  # where index arrays have to lie too
        parts = index if isinstance(index, tuple) else (index,)
        parts = tuple(
            constant(lambda p=p: transfer(np.asarray(p), x.device))  # type: ignore[misc]
            if isinstance(p, (list, np.ndarray))
            else p
            for p in parts
        )
        index = parts if isinstance(index, tuple) else parts[0]
    return Getitem(index)(x)


def _owned(index: Any) -> Any:
    """Return an index that stays as it is until the backward pass."""
    if isinstance(index, tuple):
        return tuple(map(_owned, index))
    if isinstance(index, Variable):
        raise TypeError(
            "getitem: an index is made of whole numbers or booleans, and a tensor holds "
            "floating-point numbers. Give an array: x[np.array([0, 2])], or x[y > 0]."
        )
    return copy.deepcopy(index) if isinstance(index, (list, np.ndarray)) else index


def squeeze(x: Tensor, axis: int | None = None, **unknown: Never) -> Tensor:
    """Return x without axes of length 1: all of them, or the one that `axis` names.

    Raises
    ------
    ShapeError
        If the named axis is not there, or longer than 1.

    Examples
    --------
    >>> import tinynet as tn
    >>> from tinynet import functions as F
    >>> F.squeeze(tn.zeros(1, 3, 1), axis=2).shape
    (1, 3)
    """
    refuse_keywords("squeeze", unknown)
    if axis is None:
        return reshape(x, tuple(n for n in x.shape if n != 1))
    ndim = len(x.shape)
    if not -ndim <= axis < ndim or x.shape[axis] != 1:
        raise ShapeError(
            f"squeeze: axis {axis} of shape {x.shape} must be there and have length 1."
        )
    return reshape(x, tuple(n for i, n in enumerate(x.shape) if i != axis % ndim))


def unsqueeze(x: Tensor, axis: int, **unknown: Never) -> Tensor:
    """Return x with one more axis, of length 1, which is axis number `axis` of the result.

    Raises
    ------
    ShapeError
        If the result has no such axis.

    Examples
    --------
    >>> import tinynet as tn
    >>> from tinynet import functions as F
    >>> F.unsqueeze(tn.zeros(2, 3), axis=-1).shape
    (2, 3, 1)
    """
    refuse_keywords("unsqueeze", unknown)
    ndim = len(x.shape) + 1
    if not -ndim <= axis < ndim:
        raise ShapeError(f"unsqueeze: axis {axis} must be in -{ndim}..{ndim - 1} for {x.shape}.")
    shape = list(x.shape)
    shape.insert(axis % ndim, 1)
    return reshape(x, tuple(shape))


def concatenate(xs: Sequence[Tensor], axis: int = 0, **unknown: Never) -> Tensor:
    """Return the tensors joined along `axis`; the other axes must agree.

    Raises
    ------
    ShapeError
        If there is nothing to join, or the shapes do not fit.

    Examples
    --------
    >>> import tinynet as tn
    >>> from tinynet import functions as F
    >>> F.concatenate([tn.ones(2), tn.zeros(1)])
    tensor([1., 1., 0.])
    """
    refuse_keywords("concatenate", unknown)
    require_tensors("concatenate", *xs)
    shapes = [x.shape for x in xs]
    if not shapes:
        raise ShapeError(sentence("concatenate: there is nothing to join, the list is empty."))
    if not all(-len(s) <= axis < len(s) for s in shapes):
        said = "concatenate: there is no axis {axis} in the shapes {shapes}."
        raise ShapeError(sentence(said, axis=axis, shapes=shapes))
    rests = {tuple(n for i, n in enumerate(s) if i != axis % len(s)) for s in shapes}
    if len(rests) != 1:
        said = "concatenate: only axis {axis} may differ between the shapes {shapes}."
        raise ShapeError(sentence(said, axis=axis, shapes=shapes))
    return Concatenate(axis)(*xs)


cat = concatenate  # PyTorch's name


def stack(xs: Sequence[Tensor], axis: int = 0, **unknown: Never) -> Tensor:
    """Return tensors of one shape joined along a new axis, axis number `axis` of the result.

    Raises
    ------
    ShapeError
        If there is nothing to join, or the shapes differ.

    Examples
    --------
    >>> import tinynet as tn
    >>> from tinynet import functions as F
    >>> F.stack([tn.zeros(3), tn.ones(3)], axis=1).shape
    (3, 2)
    """
    refuse_keywords("stack", unknown)
    require_tensors("stack", *xs)
    shapes = [x.shape for x in xs]
    if len(set(shapes)) != 1:
        said = sentence("stack: it joins tensors of one shape, got {shapes}.", shapes=shapes)
        raise ShapeError(said)
    return concatenate([unsqueeze(x, axis) for x in xs], axis)


def pad(x: Tensor, widths: Sequence[tuple[int, int]]) -> Tensor:
    """Return x with zeros around it.

    Parameters
    ----------
    x : any shape
    widths : (before, after) for each axis, in elements

    Raises
    ------
    ShapeError
        If `widths` does not have a pair of whole numbers, not negative, for each axis.

    Examples
    --------
    >>> import tinynet as tn
    >>> from tinynet import functions as F
    >>> F.pad(tn.ones(2), [(1, 0)])
    tensor([0., 1., 1.])
    """
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


def flatten(x: Tensor, start: int = 1) -> Tensor:
    """Return x (N, ...) as (N, features): the axes from `start` on become one.

    Raises
    ------
    ShapeError
        If x has no axis before `start`.

    Examples
    --------
    >>> import tinynet as tn
    >>> from tinynet import functions as F
    >>> F.flatten(tn.zeros(2, 3, 4)).shape
    (2, 12)
    """
    if not 0 <= start <= len(x.shape):
        raise ShapeError(f"flatten: there is no axis {start} in the shape {x.shape}.")
    return reshape(x, (*x.shape[:start], math.prod(x.shape[start:])))
