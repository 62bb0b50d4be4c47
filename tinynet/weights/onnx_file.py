"""The initializers of an .onnx file, read without the package onnx.

    ModelProto    ir_version 1, graph 7
    GraphProto    node 1, initializer 5
    NodeProto     input 1, op_type 4
    TensorProto   dims 1, data_type 2, float_data 4, int32_data 5, int64_data 7, name 8, raw_data 9,
                  double_data 10, external_data 13, data_location 14

Filters are (OC, C // groups, KH, KW) and channels in the order of the network's input. A matrix of
MatMul, or of Gemm without transB, is (in, out): it is turned here.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from tinynet.core import shapes
from tinynet.core.backend import Array
from tinynet.core.errors import DataError
from tinynet.core.pickles import printable, short
from tinynet.weights import batch_norm_eps, conventions
from tinynet.weights.contents import Weights
from tinynet.weights.protobuf import VARINT, Message

GRAPH = 7
FIELDS = {*range(1, 9), 14, 20, 25, 26}  # of ModelProto
DTYPES = {1: "<f4", 2: "u1", 3: "i1", 4: "<u2", 5: "<i2", 6: "<i4", 7: "<i8", 9: "?"}
DTYPES |= {10: "<f2", 11: "<f8", 12: "<u4", 13: "<u8"}
BFLOAT16 = 16
EXTERNAL = 1
EPS = 1e-5  # of a BatchNormalization that states none


def is_model(message: Message) -> bool:
    """Return whether the fields of a message are those of a ModelProto."""
    versions = message.fields.get(1, [])
    return bool(message.parts(GRAPH)) and all(wire == VARINT for wire, _ in versions)


def read(path: Path, message: Message) -> Weights:
    """Return the initializers of an .onnx file by name, matrices as (out, in)."""
    graph = message.messages(GRAPH)[-1]
    arrays: dict[str, Array] = {}
    for tensor in graph.messages(5):
        name = tensor.text(8)
        try:
            arrays[name] = _tensor(tensor)
        except DataError as error:
            raise DataError(f"{path}: its initializer {printable(name)}: {error}") from error
    nodes = graph.messages(1)
    turned = [name for node in nodes for name in _turned(node) if name in arrays]
    arrays |= {name: arrays[name].T for name in turned if arrays[name].ndim == 2}
    if not arrays:
        raise DataError(f"{path}: an .onnx file without initializers: it holds no weights.")
    norms = [lrn for node in nodes if (lrn := _lrn(node)) is not None]
    stated: dict[str, Any] = {"layout": "OIHW", "lrn_alpha": "mean", "lrn": norms}
    epsilons = {name: eps for node in nodes for name, eps in _epsilon(node) if name in arrays}
    if (eps := batch_norm_eps.one_of(epsilons, arrays)) is not None:
        stated["batch_norm_eps"] = eps
    notes = ("Of the .onnx only the initializers, LRN and eps are read; its network is not built.",)
    return Weights(arrays, {conventions.KEY: json.dumps(stated)}, "onnx", notes)


def _turned(node: Message) -> list[str]:
    """Return the names of matrices that a node multiplies from the right as they are."""
    kind = node.text(4)
    names = [bytes(part).decode(errors="replace") for part in node.parts(1)]
    attributes = {a.text(1): a for a in node.messages(5)}
    transposed = "transB" in attributes and attributes["transB"].number(3)
    return names[1:2] if kind == "MatMul" or (kind == "Gemm" and not transposed) else []


def _lrn(node: Message) -> dict[str, float] | None:
    if node.text(4) != "LRN":
        return None
    found = {a.text(1): a for a in node.messages(5)}
    defaults = {"bias": 1.0, "alpha": 1e-4, "beta": 0.75}
    values = {
        name: float(f"{found[name].number_of_32_bits(2, value):.7g}") if name in found else value
        for name, value in defaults.items()
    }
    size = float(found["size"].number(3)) if "size" in found else 1.0
    k = values.pop("bias")
    return {"n": size, "k": k, **values, "groups": 1.0}


def _epsilon(node: Message) -> list[tuple[str, float]]:
    """Return the name of the variance that a batch normalization divides by, and its eps."""
    names = [bytes(part).decode(errors="replace") for part in node.parts(1)]
    if node.text(4) != "BatchNormalization" or len(names) < 5:
        return []
    found = [a for a in node.messages(5) if a.text(1) == "epsilon"]
    eps = found[-1].number_of_32_bits(2, EPS) if found else EPS
    return [(names[4], float(f"{eps:.7g}"))]


def _tensor(message: Message) -> Array:
    shape: tuple[int, ...] = tuple(message.integers(1))
    kind = message.number(2)
    if not shapes.credible(shape):
        raise DataError(f"it claims the shape {short(shape)}, which no array has.")
    if message.number(14) == EXTERNAL or message.parts(13):
        raise DataError(
            "its numbers lie in another file, which is not read. Write them into one: "
            "onnx.save(onnx.load(PATH), NEW)."
        )
    data = _numbers(message, kind)
    if data.size != math.prod(shape):
        raise DataError(f"it should hold {short(shape)}, and has {data.size:,} numbers.")
    return data.reshape(shape)


def _numbers(message: Message, kind: int) -> Array:
    raw = message.parts(9)
    if kind not in DTYPES and kind != BFLOAT16:
        raise DataError(f"it is of data type {kind}, which is not read.")
    dtype: Any = np.dtype(DTYPES.get(kind, "<u2"))
    if raw:
        if len(raw[-1]) % dtype.itemsize:
            raise DataError(f"it has {len(raw[-1]):,} bytes, no whole number of {dtype}.")
        found = np.frombuffer(raw[-1], dtype)
    elif kind in (1, 11):
        found = message.array(4 if kind == 1 else 10, str(DTYPES[kind]))
    else:
        field = 7 if kind == 7 else 11 if kind in (12, 13) else 5
        wide = np.array(message.integers(field), np.int64)
        found = wide.astype(np.uint16).view(dtype) if dtype.itemsize == 2 else wide.astype(dtype)
    if kind == BFLOAT16:
        return (found.astype(np.uint32) << 16).view(np.float32)
    return found
