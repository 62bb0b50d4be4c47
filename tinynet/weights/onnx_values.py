"""Values and operations of a network that is built from an ONNX file.

While it is built, a value is a shape alone, so that no file makes it compute; whole numbers, such
as the shapes that a network computes for a Reshape, are computed at once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from tinynet import nn
from tinynet.core.backend import Array
from tinynet.core.errors import DataError
from tinynet.weights.onnx_reader import Node

MANY = 4096  # whole numbers in one array that is computed while building


@dataclasses.dataclass(frozen=True)
class Value:
    """A tensor, an array of the file, or whole numbers that are known.

    Parameters
    ----------
    shape : tuple of int
        With the number of images with which the network is built.
    array : array, optional
        Its numbers, if they are known.
    fixed : bool
        Whether `array` is the same for every input.
    name : str
        Of an array in the file.
    trained : bool
        Whether it is an initializer, whose numbers training may change, or a constant.
    """

    shape: tuple[int, ...]
    array: Array | None = None
    fixed: bool = False
    name: str = ""
    trained: bool = False

    @property
    def whole(self) -> bool:
        """Whether these are whole numbers, which NumPy computes."""
        return self.array is not None and self.array.dtype.kind in "iub"


class Built:
    """A node that is being built: its inputs and attributes, asked for by type.

    Parameters
    ----------
    node : Node
    inputs : list of Value or None
        None where an optional input is left out.
    opset : int
    images : int
        The number of images with which the network is built.
    """

    def __init__(self, node: Node, inputs: list[Value | None], opset: int, images: int) -> None:
        self.node = node
        self.inputs = inputs
        self.opset = opset
        self.images = images

    def input(self, i: int) -> Value:
        """Return input i, which has to be there."""
        value = self.inputs[i] if i < len(self.inputs) else None
        if value is None:
            raise ValueError(f"input {i} is missing")
        return value

    def has(self, i: int) -> bool:
        """Return whether input i is given."""
        return i < len(self.inputs) and self.inputs[i] is not None

    def array(self, i: int) -> Array:
        """Return input i, which must be an array of the file."""
        value = self.input(i)
        if value.array is None or not value.fixed:
            raise ValueError(f"input {i} must be an array of the file")
        return value.array

    def numbers(self, i: int) -> list[int]:
        """Return input i as whole numbers, which may have been computed from shapes."""
        value = self.input(i)
        if value.array is None or not value.whole:
            raise ValueError(f"input {i} must be whole numbers that are known")
        return [int(n) for n in value.array.reshape(-1)]

    def ints(self, name: str, default: Any = None) -> list[int]:
        """Return an attribute that is a list of whole numbers."""
        value = self.node.attributes.get(name, default)
        if not isinstance(value, list) or not all(isinstance(n, int) for n in value):
            raise ValueError(f"attribute {name} must be a list of whole numbers")
        return value

    def integer(self, name: str, default: int | None = None) -> int:
        """Return an attribute that is a whole number."""
        value = self.node.attributes.get(name, default)
        if not isinstance(value, int):
            raise ValueError(f"attribute {name} must be a whole number")
        return value

    def number(self, name: str, default: float | None = None) -> float:
        """Return an attribute that is a number."""
        value = self.node.attributes.get(name, default)
        if not isinstance(value, (int, float)):
            raise ValueError(f"attribute {name} must be a number")
        if not np.isfinite(value):
            raise ValueError(f"attribute {name} must be finite; it is {value}")
        return float(str(np.float32(value)))  # 0.0001, not 0.00010000000474974513

    def text(self, name: str, default: str) -> str:
        """Return an attribute that is a text."""
        value = self.node.attributes.get(name, default)
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)

    def axes(self, i: int, default: list[int] | None = None) -> list[int]:
        """Return axes, which newer opsets give as input i and older ones as an attribute."""
        if self.has(i):
            return self.numbers(i)
        return self.ints("axes", default)

    def refuse_unless(self, name: str, wanted: int, default: int) -> None:
        """Raise ValueError where an attribute has another value than the one that is read."""
        found = self.integer(name, default)
        if found != wanted:
            raise ValueError(f"{name}={found} is not known, {wanted} is")


class Operation(nn.Module):
    """An op of the file that is no layer of `tinynet.nn`.

    Parameters
    ----------
    op : str
        Its name in ONNX.
    function : callable
        From the inputs to the output.
    text : str
        Settings, for `print`.
    """

    def __init__(self, op: str, function: Callable[..., Any], text: str = "") -> None:
        self.op = op
        self.function = function
        self.text = text
        self.values: dict[str, nn.Buffer] = {}  # inputs that are arrays of the file, by position

    def __repr__(self) -> str:
        return f"{self.op}({self.text})"

    def hold(self, values: list[Value | None]) -> None:
        """Keep the arrays of the file among the inputs: initializers are trained, the rest not."""
        for i, value in enumerate(values):
            if value is not None and value.array is not None and not value.fixed:
                raise ValueError(f"input {i} is computed from shapes")
            if value is not None and value.array is not None:
                kind = nn.Parameter if value.trained and value.shape else nn.Buffer
                self.values[str(i)] = kind(np.array(value.array, np.float32, order="C"))

    def forward(self, *inputs: Any) -> Any:
        """Return the output; arrays that are kept take their places among the inputs."""
        rest = iter(inputs)
        count = len(inputs) + len(self.values)
        places = map(str, range(count))
        return self.function(*(self.values[i] if i in self.values else next(rest) for i in places))


def whole_numbers(array: Any) -> Value:
    """Return computed whole numbers as a value."""
    array = np.asarray(array)
    if array.size > MANY:
        raise DataError(f"it computes {array.size:,} whole numbers; {MANY:,} are the limit")
    return Value(array.shape, array)
