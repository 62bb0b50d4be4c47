"""ONNX operators (opset 18) for the ops of tinynet.

Conventions that differ:

    LRN         alpha is divided by the size of the window; groups become a reshape around it
    pooling     a partial last window is ceil_mode; values beyond the image never count
    dropout     is left out; only the scale factor of the paper's dropout remains
    batch       its axis is called "batch" and has any length
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet.core.autograd import Function
from tinynet.core.backend import Array
from tinynet.core.errors import DataError
from tinynet.functions import conv, elementwise, loss, norm, pool, reduce, shape, transfer
from tinynet.functions.matmul import Linear, Matmul

if TYPE_CHECKING:
    import onnx

END = 2**31 - 1  # of a slice without an end


class Writer:
    """The nodes and the constants of a graph that is being written."""

    def __init__(self, names: dict[int, str]) -> None:
        self.names = names  # of arrays, by id
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, Array] = {}

    def add(self, op: str, *inputs: str, **attributes: Any) -> str:
        """Add a node; return the name of its output."""
        from onnx import helper

        name = f"{op.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], name, **attributes))
        return name

    def constant(self, value: Array) -> str:
        """Return the name of an array: its own if it is a parameter or a buffer."""
        name = self.names.get(id(value), f"constant_{len(self.constants)}")
        self.constants[name] = value
        return name

    def integers(self, values: Sequence[int]) -> str:
        """Return the name of a list of integers: shapes, axes, limits."""
        return self.constant(np.array(values, np.int64))


# ---- one function for each op: it adds the equivalent nodes


def _conv(w: Writer, node: conv.Conv2d, inputs: list[str]) -> str:
    g = node.geometry
    settings = {"strides": g.stride, "pads": _pads(g.padding), "dilations": g.dilation}
    y = w.add("Conv", *inputs, **settings, group=g.groups)
    return w.add("Relu", y) if node.relu else y


def _linear(w: Writer, node: Function, inputs: list[str]) -> str:
    return w.add("Gemm", *inputs, transB=1)


def _max_pool(w: Writer, node: pool.MaxPool2d, inputs: list[str]) -> str:
    y = w.add("MaxPool", *inputs, **_windows(node))
    return w.add("Relu", y) if node.relu else y


def _avg_pool(w: Writer, node: pool.AvgPool2d, inputs: list[str]) -> str:
    padded = any(map(sum, node.geometry.padding))
    counts = int(node.count_include_pad and padded)  # values beyond the padding do not count
    return w.add("AveragePool", *inputs, count_include_pad=counts, **_windows(node))


def _adaptive(w: Writer, node: Function, inputs: list[str]) -> str:
    rows, columns = node.saved
    y = w.add("MatMul", w.constant(rows), *inputs)
    return w.add("MatMul", y, w.constant(columns.T))


def _windows(node: Any) -> dict[str, Any]:
    return {
        "kernel_shape": node.geometry.kernel,
        "strides": node.geometry.stride,
        "pads": _pads(node.geometry.padding),
        "ceil_mode": int(node.ceil_mode),
    }


def _pads(padding: Any) -> tuple[int, ...]:
    (top, bottom), (left, right) = padding
    return top, left, bottom, right


def _lrn(w: Writer, node: norm.LocalResponseNorm, inputs: list[str]) -> str:
    """ONNX puts alpha before the mean of the squares, the paper before their sum."""
    (x,) = inputs
    _, C, H, W = node.inputs[0].data.shape
    settings = {"size": node.n, "alpha": node.alpha * node.n, "beta": node.beta, "bias": node.k}
    if node.groups == 1:
        return w.add("LRN", x, **settings)
    apart = w.add("Reshape", x, w.integers([-1, C // node.groups, H, W]))
    return w.add("Reshape", w.add("LRN", apart, **settings), w.integers([-1, C, H, W]))


def _map_norm(w: Writer, node: norm.SpatialResponseNorm, inputs: list[str]) -> str:
    def number(value: float) -> str:
        return w.constant(np.array(value, np.float32))

    (x,) = inputs
    n = node.n
    half = node.n // 2
    mean = w.add(
        "AveragePool",
        w.add("Mul", x, x),
        kernel_shape=(n, n),
        pads=(half,) * 4,
        count_include_pad=1,
    )
    scale = w.add("Add", w.add("Mul", mean, number(node.alpha * n * n)), number(node.k))
    return w.add("Div", x, w.add("Pow", scale, number(node.beta)))


def _batch_norm(w: Writer, node: norm.BatchNorm, inputs: list[str]) -> str:
    running = w.constant(node.mean), w.constant(node.var)
    y = w.add("BatchNormalization", *inputs, *running, epsilon=node.eps)
    return w.add("Relu", y) if node.relu else y


def _reshape(w: Writer, node: shape.Reshape, inputs: list[str]) -> str:
    before = node.inputs[0].data
    after = before.reshape(node.shape).shape
    if len(after) == 2 and after[0] == len(before):
        return w.add("Flatten", *inputs)
    return w.add("Reshape", *inputs, w.integers([-1, *after[1:]]))


def _slice(w: Writer, node: shape.Getitem, inputs: list[str]) -> str:
    parts = node.index if isinstance(node.index, tuple) else (node.index,)
    if not all(isinstance(p, slice) and (p.step or 1) > 0 for p in parts):
        raise DataError(f"ONNX: only slices can be exported, not [{node.index}].")
    if parts[0] != slice(None) and inputs[0] not in w.constants:
        raise DataError(
            f"ONNX: the file must hold for any number of images, and [{parts[0]}] takes some "
            "of them, so this network cannot be exported."
        )
    starts = [p.start or 0 for p in parts]
    ends = [END if p.stop is None else p.stop for p in parts]
    steps = [p.step or 1 for p in parts]
    lists = starts, ends, range(len(parts)), steps
    return w.add("Slice", *inputs, *map(w.integers, lists))


def _pad(w: Writer, node: shape.Pad, inputs: list[str]) -> str:
    before, after = zip(*node.widths, strict=True)
    return w.add("Pad", *inputs, w.integers([*before, *after]))


def _reduced(op: str) -> Callable[[Writer, Any, list[str]], str]:
    def write(w: Writer, node: Any, inputs: list[str]) -> str:
        axes = reduce._axes(node.axis, node.inputs[0].data.ndim)
        return w.add(op, *inputs, w.integers(axes), keepdims=int(node.keepdims))

    return write


def _along_axis(op: str) -> Callable[[Writer, Any, list[str]], str]:
    return lambda w, node, inputs: w.add(op, *inputs, axis=node.axis)


def _same(op: str) -> Callable[[Writer, Any, list[str]], str]:
    return lambda w, node, inputs: w.add(op, *inputs)


WRITERS: dict[type[Function], Callable[[Writer, Any, list[str]], str]] = {
    conv.Conv2d: _conv,
    Linear: _linear,
    Matmul: _same("MatMul"),
    pool.MaxPool2d: _max_pool,
    pool.AvgPool2d: _avg_pool,
    pool.AdaptiveAvgPool2d: _adaptive,
    norm.LocalResponseNorm: _lrn,
    norm.SpatialResponseNorm: _map_norm,
    norm.BatchNorm: _batch_norm,
    shape.Reshape: _reshape,
    shape.Transpose: lambda w, node, inputs: w.add("Transpose", *inputs, perm=node.axes),
    shape.Concatenate: lambda w, node, inputs: w.add("Concat", *inputs, axis=node.axis),
    shape.Getitem: _slice,
    shape.Pad: _pad,
    reduce.Sum: _reduced("ReduceSum"),
    transfer.Transfer: lambda w, node, inputs: inputs[0],
    elementwise.ReLU: _same("Relu"),
    loss.Softmax: _along_axis("Softmax"),
    loss.LogSoftmax: _along_axis("LogSoftmax"),
    **{
        function: _same(function.__name__)
        for function in (
            elementwise.Add,
            elementwise.Sub,
            elementwise.Mul,
            elementwise.Div,
            elementwise.Pow,
            elementwise.Neg,
            elementwise.Exp,
            elementwise.Log,
            elementwise.Sqrt,
            elementwise.Tanh,
            elementwise.Sigmoid,
        )
    },
}
