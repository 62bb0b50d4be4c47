"""ONNX import: a module from the nodes of a file.

Each node becomes a layer of `tinynet.nn`, or an `Operation`. The names of the layers are those of
their arrays in the file ("features.0" for features.0.weight), so that the weights keep their names.
"""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np

from tinynet import nn
from tinynet.core.backend import Array
from tinynet.core.errors import DataError, ShapeError
from tinynet.core.pickles import printable, short
from tinynet.tensors import Tensor
from tinynet.weights import onnx_reader
from tinynet.weights.onnx_arithmetic import FOLDED, HOST, OPERATIONS
from tinynet.weights.onnx_layers import LAYERS
from tinynet.weights.onnx_reader import Graph, Node
from tinynet.weights.onnx_values import MANY, Built, Value, whole_numbers

IMAGES = 2  # with which a network is built whose file leaves the number open
PART = 60  # characters of a name
STATE = ("weight", "bias", "running_mean", "running_var")  # where a layer keeps inputs 1, 2, ...
RESERVED = {"input_shape", "metadata", "_steps", "_input", "_outputs"}
MISTAKES = (ValueError, TypeError, IndexError, KeyError, ArithmeticError, ShapeError)


def from_onnx(path: Path | str) -> OnnxNetwork:
    """Return the network of an ONNX file, which runs and trains like any other module.

    Initializers become parameters, and constants stay as they are. Dropout and batch normalization
    follow `train` and `eval`. The number of images may be any, also where the file names one.

    Parameters
    ----------
    path : Path or str
        Of one input (N, ...), made of the ops that exist here. `docs/networks.md` lists them.

    Returns
    -------
    OnnxNetwork
        In evaluation mode.

    Raises
    ------
    DataError
        The package onnx is missing, the file is damaged, or it has an op that is not known; the
        message names the op and its node.

    Examples
    --------
    >>> import tempfile
    >>> import tinynet as tn
    >>> from tinynet import nn
    >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 2))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tn.weights.save_onnx(model, f"{folder}/net.onnx", (3, 8, 8))
    ...     again = tn.weights.from_onnx(f"{folder}/net.onnx")
    >>> again(tn.zeros(1, 3, 8, 8)).shape
    (1, 2)
    >>> again.state_dict().keys() == model.state_dict().keys()
    True
    """
    path = Path(path)
    graph = onnx_reader.read(path)
    try:
        with nn.init.skip_init(), np.errstate(all="ignore"):  # weights may be NaN or infinite
            return OnnxNetwork(graph).eval()
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


class Group(nn.Module):
    """Layers of an `OnnxNetwork` under one name; the network calls them one by one."""


@dataclasses.dataclass(frozen=True)
class Step:
    """A layer with the names of its inputs and of its output."""

    layer: nn.Module
    inputs: tuple[str, ...]
    output: str


class Steps:
    """The order in which the layers are called; not a list, so that it holds no layers twice."""

    def __init__(self) -> None:
        self.all: list[Step] = []
        self.last: dict[str, int] = {}  # the step that reads a value last

    def add(self, step: Step) -> None:
        """Add a step at the end."""
        self.last.update(dict.fromkeys(step.inputs, len(self.all)))
        self.all.append(step)


class OnnxNetwork(nn.Module):
    """A network that was read from an ONNX file: see `from_onnx`.

    Attributes
    ----------
    input_shape : tuple of int
        Shape of an input without the batch axis.
    metadata : dict of str to str
        What the file says about itself.
    """

    def __init__(self, graph: Graph) -> None:
        self.input_shape = tuple(n or 1 for n in graph.shape[1:])
        self.metadata = graph.metadata
        self._input = graph.input
        self._outputs = graph.outputs
        self._steps = Steps()
        builder = Builder(self, self._steps, graph)
        for node in graph.nodes:
            builder.build(node)
        for name in graph.outputs:
            value = builder.values[name]
            if value.array is not None:
                raise DataError(f"its output {printable(name)} does not depend on the images.")
            if value.shape[:1] != (builder.images,):
                raise DataError(
                    f"its output {printable(name)} has the shape {short(value.shape)} for "
                    f"{builder.images} images, which takes images together."
                )
            self._steps.last[name] = len(graph.nodes)

    def forward(self, x: Tensor) -> Any:
        """Return the output of the network, a tuple if the file has several."""
        values = {self._input: x}
        for i, step in enumerate(self._steps.all):
            inputs = [values[name] for name in step.inputs]
            for name in step.inputs:
                if self._steps.last[name] == i:
                    values.pop(name, None)
            values[step.output] = step.layer(*inputs)
        results = tuple(values[name] for name in self._outputs)
        return results[0] if len(results) == 1 else results


class Builder:
    """The values and names of a network that is being built, node by node."""

    def __init__(self, network: OnnxNetwork, steps: Steps, graph: Graph) -> None:
        self.network = network
        self.steps = steps
        self.opset = graph.opset
        self.images = graph.shape[0] or IMAGES
        self.values = {
            name: Value(a.shape, a, fixed=True, name=name, trained=a.dtype.kind == "f")
            for name, a in graph.arrays.items()
        }
        self.values[graph.input] = Value((self.images, *network.input_shape))
        self.owners: dict[str, nn.Buffer] = {}  # the first holder of an array of the file
        self.counts: dict[str, int] = {}  # of ops without a name

    def build(self, node: Node) -> None:
        """Make the layer of a node, and note the value of its output."""
        where = f"node {node.name} ({printable(node.op)})"
        if not node.outputs or not node.outputs[0]:
            raise DataError(f"{where} has no output.")
        unknown = [name for name in node.inputs if name and name not in self.values]
        if unknown:
            raise DataError(
                f"{where} reads {printable(unknown[0])}, an output that is not computed."
            )
        inputs = [self.values[name] if name else None for name in node.inputs]
        built = Built(node, inputs, self.opset, self.images)
        try:
            self.values[node.outputs[0]] = _known(built) or self._layer(built)
        except DataError as error:
            raise DataError(f"{where}: {error}") from None
        except MISTAKES as error:
            raise DataError(f"{where}: {printable(str(error)).rstrip('.')}.") from None

    def _layer(self, built: Built) -> Value:
        """Make and place the layer of a node; return its output."""
        node = built.node
        make = LAYERS.get(node.op) or OPERATIONS.get(node.op)
        if make is None:
            raise DataError("tinynet does not know this op.")
        moving = [
            name
            for name, value in zip(node.inputs, built.inputs, strict=True)
            if value is not None and value.array is None
        ]
        if not moving:
            raise DataError("it does not depend on the images.")
        layer, shape = make(built)
        self._share(layer, built)
        self._place(layer, built)
        self.steps.add(Step(layer, tuple(moving), node.outputs[0]))
        return Value(shape)

    def _share(self, layer: nn.Module, built: Built) -> None:
        """Let layers that read one array of the file hold one parameter."""
        for value, attribute in zip(built.inputs[1:], STATE, strict=False):
            held = vars(layer).get(attribute)
            if value is None or not isinstance(held, nn.Buffer):
                continue
            first = self.owners.setdefault(value.name or str(id(value)), held)
            if first is not held and first.shape == held.shape and type(first) is type(held):
                vars(layer)[attribute] = first
            elif not value.trained and isinstance(held, nn.Parameter):
                _fix(layer, attribute, held)

    def _place(self, layer: nn.Module, built: Built) -> None:
        """Make a layer an attribute of the network, under the name of its arrays or its node."""
        *groups, name = _path(built) or self._numbered(built.node.op)
        inside: nn.Module = self.network
        for group in groups:
            found = vars(inside).get(group)
            if not isinstance(found, nn.Module):
                group = _free(inside, group)
                setattr(inside, group, Group())
            inside = vars(inside)[group]
        setattr(inside, _free(inside, name), layer)

    def _numbered(self, op: str) -> list[str]:
        name = op.lower()
        self.counts[name] = self.counts.get(name, 0) + 1
        return [f"{name}{self.counts[name]}"]


def _fix(layer: nn.Module, attribute: str, held: nn.Buffer) -> None:
    """Make a parameter a buffer, which training does not change."""
    vars(layer)[attribute] = nn.Buffer(held.data)


def _known(built: Built) -> Value | None:
    """Return the output of a node if it is an array or whole numbers, which need no layer."""
    node = built.node
    inputs = [value for value in built.inputs if value is not None]
    if node.op == "Constant":
        array = _constant(node)
        return Value(array.shape, array, fixed=True)
    if node.op == "Shape":
        return whole_numbers(np.array(inputs[0].shape, np.int64))
    if inputs and all(value.whole for value in inputs) and node.op in HOST:
        arrays = [value.array for value in inputs]
        if sum(value.array.size for value in inputs if value.array is not None) > MANY:
            raise DataError(f"it computes with more than {MANY:,} whole numbers.")
        return whole_numbers(HOST[node.op](built, *arrays))
    if inputs and inputs[0].fixed and node.op in FOLDED:
        array = FOLDED[node.op](built, inputs[0].array)
        name = node.outputs[0]
        return Value(array.shape, array, fixed=True, name=name, trained=inputs[0].trained)
    return None


def _constant(node: Node) -> Array:
    """Return the array of a node Constant."""
    for name, value in node.attributes.items():
        if name == "value" and isinstance(value, np.ndarray):
            return value
        if name in ("value_float", "value_floats"):
            return np.array(value, np.float32)
        if name in ("value_int", "value_ints"):
            return np.array(value, np.int64)
    raise DataError("its constant is none of array, number and list.")


def _path(built: Built) -> list[str]:
    """Return the name of a layer in parts: that of its arrays, else that of its node."""
    names = [v.name for v in built.inputs if v is not None and v.trained and v.name]
    if built.node.op in LAYERS and names and not all(n.startswith("onnx::") for n in names):
        stem = re.sub(r"[._/](weight|bias|scale|gamma|kernel|w|b)(_\d+)?$", "", names[0])
        return _parts(stem.split("."))
    parts = [part for part in built.node.name.split("/") if part]
    if built.node.name == (built.node.outputs[0] or "") and "/" not in built.node.name:
        return []  # it has no name of its own
    kept: list[str] = []
    for part in parts[:-1] or parts:
        if kept and part.startswith(f"{kept[-1]}."):
            kept[-1] = part
        else:
            kept.append(part)
    return _parts(".".join(kept).split("."))


def _parts(names: list[str]) -> list[str]:
    """Return names that attributes can have."""
    plain = (re.sub(r"\W", "_", name, flags=re.ASCII)[:PART] for name in names[:8])
    return [name for name in plain if name.strip("_")]


def _free(inside: nn.Module, name: str) -> str:
    """Return a name that no layer and no method has yet."""
    free = name
    number = 2
    while hasattr(nn.Module, free) or free in vars(inside) or free in RESERVED:
        free = f"{name}_{number}"
        number += 1
    return free
