"""The nodes and constants of an ONNX graph that is being written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet.core.autograd import Variable
from tinynet.core.backend import Array

if TYPE_CHECKING:
    import onnx


class Writer:
    """The nodes and the constants of a graph that is being written.

    Parameters
    ----------
    names : dict of int to str
        Names of arrays, by id: those of parameters and buffers.
    """

    def __init__(self, names: dict[int, str]) -> None:
        self.names = names
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, Array] = {}
        self.values: dict[int, str] = {}  # names of the tensors written so far, by id

    def add(self, op: str, *inputs: str, **attributes: Any) -> str:
        """Add a node; return the name of its output."""
        from onnx import helper

        name = f"{op.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], name, **attributes))
        return name

    def constant(self, value: Array, name: str | None = None) -> str:
        """Return the name of an array: its own if it is a parameter or a buffer."""
        name = name or self.names.get(id(value), f"constant_{len(self.constants)}")
        self.constants[name] = value
        return name

    def integers(self, values: Sequence[int]) -> str:
        """Return the name of a list of integers: shapes, axes, limits."""
        return self.constant(np.array(values, np.int64))

    def number(self, value: float) -> str:
        """Return the name of one float32."""
        return self.constant(np.array(value, np.float32))

    def name_of(self, value: Variable) -> str:
        """Return the name of a tensor: the output of a node, or a constant."""
        return self.values.get(id(value)) or self.constant(value.data)

    def prune(self, outputs: Sequence[str]) -> None:
        """Remove the nodes and constants on which no output depends."""
        wanted = set(outputs)
        kept = []
        for node in reversed(self.nodes):
            if wanted.intersection(node.output):
                kept.append(node)
                wanted.update(node.input)
        self.nodes = kept[::-1]
        self.constants = {name: a for name, a in self.constants.items() if name in wanted}
