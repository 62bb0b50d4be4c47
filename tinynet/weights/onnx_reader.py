"""Reading an ONNX file that may be hostile: sizes, names and order are checked before use.

The package `onnx` decodes the file. Its messages take many times the bytes of a file of tiny
fields, so the fields are counted first.
"""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet.core import shapes
from tinynet.core.backend import Array
from tinynet.core.errors import DataError
from tinynet.core.extras import install_command
from tinynet.core.pickles import printable, short
from tinynet.data.files import open_regular
from tinynet.weights.protobuf import Count, Value, fields_of

if TYPE_CHECKING:
    import onnx

BYTES = 1 << 30  # of a file, and of one with external data
OTHERS = 1 << 24  # bytes of all fields but the arrays
NODES = 20_000
MODEL_GRAPH = 7  # number of the field ModelProto.graph
GRAPH_ARRAY = 5  # of GraphProto.initializer
TYPES = {1: "f4", 2: "u1", 3: "i1", 5: "i2", 6: "i4", 7: "i8", 9: "?", 10: "f2", 11: "f8"}
"""NumPy's names of TensorProto.DataType, as far as they are read."""
LISTS = {1: "float_data", 11: "double_data", 7: "int64_data"}  # the other types: int32_data
EXTERNAL = 1  # TensorProto.DataLocation


@dataclasses.dataclass(frozen=True)
class Node:
    """A node of a graph: an op with its inputs, outputs and attributes."""

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Graph:
    """A checked file.

    Parameters
    ----------
    nodes : tuple of Node
        In an order in which each finds its inputs.
    arrays : dict of str to array
        The initializers.
    input : str
    shape : tuple of int or None
        Of the input; None where any length is allowed.
    outputs : tuple of str
    opset : int
    metadata : dict of str to str
    """

    nodes: tuple[Node, ...]
    arrays: dict[str, Array]
    input: str
    shape: tuple[int | None, ...]
    outputs: tuple[str, ...]
    opset: int
    metadata: dict[str, str]


def read(path: Path) -> Graph:
    """Return the graph in an ONNX file.

    Raises
    ------
    DataError
        The package onnx is missing, or the file is none, damaged, or not what such files should be.
    """
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError:
        raise DataError(
            "ONNX: the package onnx is needed, and not installed. "
            f"{install_command('onnx')} brings it."
        ) from None
    with open_regular(path) as file:
        size = file.seek(0, 2)
        if size > BYTES:
            raise DataError(f"{path}: {size:,} bytes; an .onnx of at most {BYTES:,} is read.")
        file.seek(0)
        data = file.read()
    try:
        _count(data)
        model = onnx.load_model_from_string(data)
    except (DecodeError, ValueError) as error:
        why = printable(str(error)).rstrip(".")
        raise DataError(f"{path}: not an ONNX file, or a damaged one ({why}).") from None
    try:
        return _checked(model, path)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def _count(data: bytes) -> None:
    """Raise DataError at a file whose messages would take much more memory than itself."""
    count = Count()
    others = 0
    for number, _, value in fields_of(memoryview(data), count):
        if number != MODEL_GRAPH or isinstance(value, int):
            others += _size(value)
            continue
        for inner, _, part in fields_of(value, count):
            if inner != GRAPH_ARRAY or isinstance(part, int):
                others += _size(part)
                continue
            for _field in fields_of(part, count):
                pass
    if others > OTHERS:
        raise DataError(f"its nodes and names take {others:,} bytes; {OTHERS:,} are the limit")


def _size(value: Value) -> int:
    return 1 if isinstance(value, int) else len(value)


def _check_external(model: onnx.ModelProto) -> None:
    """Raise DataError at external arrays of too many bytes, which may all be the same ones."""
    tensors = [a.t for node in model.graph.node for a in node.attribute if a.type == a.TENSOR]
    claimed = sum(
        math.prod(tensor.dims) * np.dtype(TYPES.get(tensor.data_type, "f8")).itemsize
        for tensor in (*model.graph.initializer, *tensors)
        if tensor.data_location == EXTERNAL and shapes.credible(tuple(tensor.dims))
    )
    if claimed > BYTES:
        raise DataError(
            f"its arrays in other files have {claimed:,} bytes; {BYTES:,} are the limit."
        )


def _checked(model: onnx.ModelProto, path: Path) -> Graph:
    graph = model.graph
    if not graph.node:
        raise DataError("not an ONNX file of a network: its graph has no nodes.")
    if len(graph.node) > NODES:
        raise DataError(f"it has {len(graph.node):,} nodes; {NODES:,} are the limit.")
    if graph.sparse_initializer:
        raise DataError("its arrays are sparse, which is not read.")
    _check_external(model)
    arrays = {text(a.name): array_of(a, path) for a in graph.initializer}
    inputs = [v for v in graph.input if text(v.name) not in arrays]
    if len(inputs) != 1 or not graph.output:
        raise DataError(
            f"a network here takes one array and returns one or more; this file takes "
            f"{len(inputs)} and returns {len(graph.output)}."
        )
    nodes = tuple(_node(node, path) for node in graph.node)
    outputs = tuple(text(v.name) for v in graph.output)
    name = text(inputs[0].name)
    _check_order(nodes, {name, *arrays}, outputs)
    opsets = {entry.domain: entry.version for entry in model.opset_import}
    return Graph(
        nodes,
        arrays,
        name,
        _shape(inputs[0]),
        outputs,
        int(opsets.get("", opsets.get("ai.onnx", 1))),
        {text(entry.key): text(entry.value) for entry in model.metadata_props},
    )


def _shape(value: onnx.ValueInfoProto) -> tuple[int | None, ...]:
    """Return the shape of the input of a graph."""
    kind = value.type.tensor_type
    if kind.elem_type != 1:
        raise DataError(f"its input {printable(text(value.name))} is not float32.")
    dims = tuple(
        d.dim_value if d.HasField("dim_value") and d.dim_value > 0 else None for d in kind.shape.dim
    )
    if not dims or any(n is None for n in dims[1:]):
        raise DataError(
            "the axes of its input behind the first must have lengths that the file states; they "
            f"are {short(dims)}."
        )
    if not shapes.credible(tuple(n or 1 for n in dims)):
        raise DataError(f"its input claims the shape {short(dims)}, which no array has.")
    return dims


def _node(node: onnx.NodeProto, path: Path) -> Node:
    from onnx import helper

    op = text(node.op_type)
    inputs = tuple(map(text, node.input))
    outputs = tuple(map(text, node.output))
    name = printable(text(node.name) or (outputs[0] if outputs else ""))
    if node.domain not in ("", "ai.onnx"):
        raise DataError(
            f"node {name}: tinynet does not know the op {printable(op)} of "
            f"{printable(text(node.domain))}."
        )
    attributes = {}
    for a in node.attribute:
        if a.type == a.TENSOR:
            attributes[text(a.name)] = array_of(a.t, path)
        elif a.type in (a.FLOAT, a.INT, a.STRING, a.FLOATS, a.INTS, a.STRINGS):
            attributes[text(a.name)] = helper.get_attribute_value(a)
        else:
            raise DataError(
                f"node {name} ({printable(op)}): its attribute {printable(text(a.name))} is "
                "none of number, text, list and array."
            )
    return Node(op, name, inputs, outputs, attributes)


def _check_order(nodes: tuple[Node, ...], known: set[str], outputs: tuple[str, ...]) -> None:
    """Raise DataError where a node reads what nothing before it has computed."""
    for node in nodes:
        for name in node.inputs:
            if name and name not in known:
                raise DataError(
                    f"node {node.name} ({printable(node.op)}) reads {printable(name)}, which no "
                    "node before it computes: an input is missing, or the nodes form a circle."
                )
        for name in node.outputs:
            if name and name in known:
                raise DataError(f"{printable(name)} is computed twice, by node {node.name}.")
            known.add(name)
    for name in outputs:
        if name not in known:
            raise DataError(f"its output {printable(name)} is computed by no node.")


def text(value: str | bytes) -> str:
    """Return a name as text: one that is no UTF-8 comes as bytes."""
    return value if isinstance(value, str) else value.decode("utf-8", "backslashreplace")


def array_of(tensor: onnx.TensorProto, path: Path) -> Array:
    """Return an array of a file; float64 and float16 become float32."""
    name = printable(text(tensor.name))
    shape = tuple(tensor.dims)
    if not shapes.credible(shape):
        raise DataError(f"{name} claims the shape {short(shape)}, which no array has.")
    if tensor.data_type not in TYPES:
        raise DataError(f"{name} is of the type {tensor.data_type}, which is not read.")
    dtype = np.dtype(TYPES[tensor.data_type]).newbyteorder("<")
    count = math.prod(shape)
    if tensor.data_location == EXTERNAL:
        raw = _external(tensor, path, count * dtype.itemsize)
    elif tensor.HasField("raw_data"):
        raw = tensor.raw_data
    else:
        raw = _listed(tensor, dtype)
    if len(raw) != count * dtype.itemsize:
        raise DataError(
            f"{name} has the shape {short(shape)} and {len(raw):,} bytes, which are not "
            f"{count * dtype.itemsize:,}."
        )
    array = np.frombuffer(raw, dtype).reshape(shape)
    return array.astype(np.float32) if dtype.kind == "f" else array.astype(dtype.newbyteorder("="))


def _listed(tensor: onnx.TensorProto, dtype: np.dtype[Any]) -> bytes:
    """Return the bytes of numbers that are written as a list."""
    values = getattr(tensor, LISTS.get(tensor.data_type, "int32_data"))
    if tensor.data_type == 10:  # float16 is written as the integers of its bits
        return np.array(values, np.uint16).tobytes()
    return np.array(values, dtype).tobytes()


def _external(tensor: onnx.TensorProto, path: Path, size: int) -> bytes:
    """Return the bytes of an array in another file, which must lie in the same folder."""
    name = printable(text(tensor.name))
    said = {text(entry.key): text(entry.value) for entry in tensor.external_data}
    location = said.get("location", "")
    if not location or Path(location).name != location or location in (".", ".."):
        raise DataError(
            f"{name} lies in another file, {printable(location)}, which is not in the folder of "
            "this one, so it is not read."
        )
    there = path.parent / location
    if there.is_symlink():
        raise DataError(f"{name} lies in {printable(location)}, which is a link: not read.")
    try:
        offset = int(said.get("offset") or 0)
        length = int(said.get("length") or size)
    except ValueError:
        raise DataError(f"{name}: offset and length of its data are no numbers.") from None
    with open_regular(there) as file:
        end = file.seek(0, 2)
        if length != size or offset < 0 or offset + length > min(end, BYTES):
            raise DataError(
                f"{name} claims the bytes {short(offset)} to {short(offset + length)} of "
                f"{printable(location)}, which has {end:,}, for {size:,} bytes."
            )
        file.seek(offset)
        return file.read(length)
