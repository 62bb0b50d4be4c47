"""ONNX operators (opset 18) for the ops of tinynet; `onnx_windows` has those of images.

Conventions that differ:

    dropout     is left out; only the scale factor of the paper's dropout remains
    mean        a sum, divided by the number of elements, becomes one node
    batch       its axis is called "batch" and has any length
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinynet.core.autograd import Function
from tinynet.core.backend import Array, is_array, to_numpy
from tinynet.core.errors import DataError
from tinynet.functions import elementwise, loss, reduce, shape, transfer
from tinynet.functions.matmul import Linear, Matmul
from tinynet.weights import onnx_windows
from tinynet.weights.onnx_windows import Write
from tinynet.weights.onnx_writer import Writer

END = 2**31 - 1  # of a slice without an end
PIXELS = (2, 3)  # the axes of an image that are not N and C


def _linear(w: Writer, node: Linear, inputs: list[str]) -> str:
    y = w.add("Gemm", *inputs, transB=1)
    return w.add("Relu", y) if node.relu else y


def _div(w: Writer, node: elementwise.Div, inputs: list[str]) -> str:
    """Write a / b; a sum divided by its number of elements is a mean."""
    a, b = node.inputs
    total = a.creator
    if isinstance(total, reduce.Sum) and b.data.size == 1 and inputs[1] in w.constants:
        x = total.inputs[0]
        axes = reduce._axes(total.axis, x.data.ndim)
        if float(b.data) == math.prod(x.data.shape[axis] for axis in axes):
            return _mean(w, w.name_of(x), axes, x.data.ndim, total.keepdims)
    return w.add("Div", *inputs)


def _mean(w: Writer, x: str, axes: tuple[int, ...], ndim: int, keepdims: bool) -> str:
    if ndim != 4 or tuple(sorted(axes)) != PIXELS:
        return w.add("ReduceMean", x, w.integers(axes), keepdims=int(keepdims))
    y = w.add("GlobalAveragePool", x)
    return y if keepdims else w.add("Flatten", y)


def _reshape(w: Writer, node: shape.Reshape, inputs: list[str]) -> str:
    before = node.inputs[0].data
    after = before.reshape(node.shape).shape
    if len(after) == 2 and after[0] == len(before):
        return w.add("Flatten", *inputs)
    return w.add("Reshape", *inputs, w.integers([-1, *after[1:]]))


def _getitem(w: Writer, node: shape.Getitem, inputs: list[str]) -> str:
    """Write slices, then whole numbers and one list of them, the last axis first."""
    (x,) = inputs
    before = node.inputs[0].data.shape
    parts = _parts(node.index, len(before))
    if parts[0] != slice(None) and x not in w.constants:
        raise DataError(
            f"ONNX: the file must hold for any number of images, and [{parts[0]}] takes some "
            "of them, so this network cannot be exported."
        )
    x = _sliced(w, x, parts, before)
    for axis, part in reversed(list(enumerate(parts))):
        if not isinstance(part, slice):
            numbers = _numbers(part).astype(np.int64) % before[axis]
            x = w.add("Gather", x, w.constant(numbers), axis=axis)
    return x


def _numbers(part: Any) -> Array:
    """Return whole numbers of an index as a NumPy array."""
    return to_numpy(part) if is_array(part) else np.asarray(part)


def _parts(index: Any, ndim: int) -> list[Any]:
    """Return a slice, a whole number or a list of numbers for each axis, or refuse the index."""
    parts = list(index) if isinstance(index, tuple) else [index]
    gaps = [i for i, part in enumerate(parts) if part is ...]
    for i in gaps[:1]:
        parts[i : i + 1] = [slice(None)] * (ndim - len(parts) + 1)
    parts += [slice(None)] * (ndim - len(parts))
    slices = [p for p in parts if isinstance(p, slice)]
    numbers = [p for p in parts if isinstance(p, (int, np.integer)) and not isinstance(p, bool)]
    lists = [p for p in parts if isinstance(p, list) or is_array(p)]
    known = len(slices) + len(numbers) + len(lists) == len(parts) == ndim
    mixed = len(lists) > 1 or (lists and numbers)  # NumPy may move the axis of a list to the front
    if not known or mixed or any(_numbers(p).dtype.kind not in "iu" for p in lists):
        raise DataError(
            "ONNX: slices, whole numbers and one list of them can be exported as an index, not "
            f"[{index}]."
        )
    return parts


def _sliced(w: Writer, x: str, parts: list[Any], before: tuple[int, ...]) -> str:
    """Add the slices among the parts of an index."""
    cut = [
        (axis, part)
        for axis, part in enumerate(parts)
        if isinstance(part, slice) and part.indices(before[axis]) != (0, before[axis], 1)
    ]
    if not cut:
        return x
    steps = {axis: part.step or 1 for axis, part in cut}
    whole = all(part.start in (None, 0) and part.stop is None for _, part in cut)
    if len(before) == 4 and whole and steps.keys() <= set(PIXELS) and min(steps.values()) > 0:
        return onnx_windows.strided(w, x, (steps.get(2, 1), steps.get(3, 1)))
    starts, ends = zip(*(_limits(part) for _, part in cut), strict=True)
    lists = starts, ends, [axis for axis, _ in cut], list(steps.values())
    return w.add("Slice", x, *map(w.integers, lists))


def _limits(part: slice) -> tuple[int, int]:
    """Return start and end of a slice; the default depends on its direction."""
    backwards = (part.step or 1) < 0
    start = (END if backwards else 0) if part.start is None else part.start
    return start, ((-END if backwards else END) if part.stop is None else part.stop)


def _pad(w: Writer, node: shape.Pad, inputs: list[str]) -> str:
    before, after = zip(*node.widths, strict=True)
    if len(before) == 4 and not any(before[i] + after[i] for i in (0, *PIXELS)):
        channels = node.inputs[0].data.shape[1]
        return onnx_windows.more_channels(w, inputs[0], before[1], channels, after[1])
    return w.add("Pad", *inputs, w.integers([*before, *after]))


def _clip(w: Writer, node: elementwise.Clip, inputs: list[str]) -> str:
    limits = ["" if limit is None else w.number(limit) for limit in (node.low, node.high)]
    return w.add("Clip", *inputs, *limits)


def _reduced(op: str) -> Write:
    def write(w: Writer, node: Any, inputs: list[str]) -> str:
        axes = reduce._axes(node.axis, node.inputs[0].data.ndim)
        return w.add(op, *inputs, w.integers(axes), keepdims=int(node.keepdims))

    return write


def _sum(w: Writer, node: reduce.Sum, inputs: list[str]) -> str:
    """Write a sum; that of channels as one filter of ones, since some runtimes drop the other."""
    x = node.inputs[0].data
    axes = reduce._axes(node.axis, x.ndim)
    if x.ndim == 4 and axes == (1,) and node.keepdims:
        ones = w.constant(np.ones((1, x.shape[1], 1, 1), np.float32))
        return w.add("Conv", *inputs, ones, kernel_shape=(1, 1))
    return w.add("ReduceSum", *inputs, w.integers(axes), keepdims=int(node.keepdims))


def _along_axis(op: str) -> Write:
    return lambda w, node, inputs: w.add(op, *inputs, axis=node.axis)


def _same(op: str) -> Write:
    return lambda w, node, inputs: w.add(op, *inputs)


WRITERS: dict[type[Function], Write] = {
    **onnx_windows.WRITERS,
    Linear: _linear,
    Matmul: _same("MatMul"),
    shape.Reshape: _reshape,
    shape.Transpose: lambda w, node, inputs: w.add("Transpose", *inputs, perm=node.axes),
    shape.Concatenate: lambda w, node, inputs: w.add("Concat", *inputs, axis=node.axis),
    shape.Getitem: _getitem,
    shape.Pad: _pad,
    reduce.Sum: _sum,
    reduce.Max: _reduced("ReduceMax"),
    reduce.Min: _reduced("ReduceMin"),
    transfer.Transfer: lambda w, node, inputs: inputs[0],
    transfer.Clone: lambda w, node, inputs: inputs[0],
    elementwise.Div: _div,
    elementwise.Clip: _clip,
    elementwise.ReLU: _same("Relu"),
    loss.Softmax: _along_axis("Softmax"),
    loss.LogSoftmax: _along_axis("LogSoftmax"),
    **{
        function: _same(function.__name__)
        for function in (
            elementwise.Abs,
            elementwise.Add,
            elementwise.Sub,
            elementwise.Mul,
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
