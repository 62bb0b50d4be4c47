"""Safe reader of pickles that hold NumPy arrays, such as the batches of CIFAR-10.

NumPy pickles an array as a call and a state:

    _reconstruct(ndarray, (0,), b"b")         an array without contents
    (1, shape, dtype, column-major, bytes)    its state, set by BUILD
    dtype("u1", ...), (3, "<", ...)           a dtype, and its state with the byte order

The machine of `pickles` learns these names and no other. Nothing is imported or called:
`_reconstruct` makes a `PickledArray`, and BUILD fills it with numbers.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinynet.core import pickles, shapes
from tinynet.core.backend import Array
from tinynet.core.errors import DataError
from tinynet.core.pickles import LITERALS, Machine, Name, short

RECONSTRUCT = {"numpy.core.multiarray _reconstruct", "numpy._core.multiarray _reconstruct"}
ARRAY = "numpy ndarray"
DTYPE = "numpy dtype"
KINDS = "biuf"  # of dtypes: numbers
MOST = 200_000  # instructions; a batch of CIFAR-10 with its file names has about 50,000


class PickledArray:
    """An array of a pickle; `array` is None until its state is set."""

    def __init__(self) -> None:
        self.array: Array | None = None


class PickledDtype:
    """A dtype of a pickle, whose byte order is set later."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype


def read_arrays(program: bytes, largest: int) -> Any:
    """Return the contents of a pickle of dicts, lists, numbers, text and NumPy arrays of numbers.

    Parameters
    ----------
    program : bytes
    largest : int
        The number of bytes that such a file has at most.

    Raises
    ------
    DataError
        If it is damaged or larger, or if it names anything but NumPy's arrays.
    """
    if len(program) > largest:
        raise DataError(f"its pickle has {len(program):,} bytes; {largest:,} are the limit.")
    return pickles.execute(ArrayMachine(pickles.no_tensors, pickles.no_tensors), program)[0]


class ArrayMachine(Machine):
    """The machine of `pickles` for arrays of numbers instead of tensors."""

    names = frozenset({*RECONSTRUCT, ARRAY, DTYPE})
    literals = frozenset({*LITERALS, "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"})
    purpose = "arrays"
    needed = "a NumPy array"
    most = MOST

    def _do_reduce(self, _: Any) -> None:
        arguments = self.stack.pop()
        name = self.stack.pop()
        if name in RECONSTRUCT and isinstance(name, Name) and _makes_an_array(arguments):
            self.stack.append(PickledArray())
        elif name == DTYPE and isinstance(name, Name):
            self.stack.append(PickledDtype(_dtype(arguments)))
        else:
            raise DataError(f"its pickle calls {short(name)}, which is not needed here.")

    def _do_build(self, _: Any) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        if isinstance(target, PickledDtype):
            target.dtype = _ordered(target.dtype, state)
        elif isinstance(target, PickledArray) and target.array is None:
            target.array = _array(state)
        else:
            raise DataError("its pickle sets attributes of something that is no array.")


def _makes_an_array(arguments: Any) -> bool:
    return isinstance(arguments, tuple) and bool(arguments) and arguments[0] == ARRAY


def _dtype(arguments: Any) -> np.dtype[Any]:
    """Return a dtype of numbers by its name, such as "u1"."""
    name = arguments[0] if isinstance(arguments, tuple) and arguments else None
    known = isinstance(name, str) and name[:1] in KINDS and name[1:].isdecimal() and len(name) < 4
    if not known:
        raise DataError(f"its pickle has an array of dtype {short(name)}; numbers are read.")
    try:
        return np.dtype(name)
    except TypeError:
        raise DataError(f"its pickle has an array of dtype {name}, which is unknown.") from None


def _ordered(dtype: np.dtype[Any], state: Any) -> np.dtype[Any]:
    """Return a dtype in the byte order of its state."""
    order = state[1] if isinstance(state, tuple) and len(state) > 1 else None
    if order == ">":
        return dtype.newbyteorder(">")
    if not isinstance(order, str) or order not in ("<", "|", "="):
        raise DataError(f"its pickle has a dtype in the byte order {short(order)}.")
    return dtype.newbyteorder("<")


def _array(state: Any) -> Array:
    """Return the array of a state, after comparing its shape with the bytes that are there."""
    if not isinstance(state, tuple) or len(state) != 5:
        raise DataError("its pickle has an array without a state.")
    _, shape, dtype, column_major, content = state
    if isinstance(content, str):  # the bytes of Python 2, which pickletools decodes as Latin-1
        content = content.encode("latin-1")
    if not isinstance(dtype, PickledDtype) or not isinstance(content, bytes):
        raise DataError("its pickle has an array that is not made of numbers.")
    size = math.prod(shape) * dtype.dtype.itemsize if shapes.credible(shape) else -1
    if size != len(content):
        raise DataError(
            f"its pickle has an array of {short(shape)} of {dtype.dtype}, and {len(content):,} "
            "bytes for it."
        )
    array = np.frombuffer(content, dtype.dtype)
    return array.reshape(shape, order="F" if column_major is True else "C")
