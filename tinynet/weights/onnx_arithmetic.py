"""Arithmetic and shape operations for the nodes of an ONNX file.

Each function takes a node that is being built and returns a module and the shape of its output.
Whole numbers, such as shapes, are computed by NumPy: see `HOST`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tinynet import functions as F
from tinynet import nn
from tinynet.core.backend import Array
from tinynet.weights.onnx_layers import Layer, Shape
from tinynet.weights.onnx_values import Built, Operation

END = 2**31 - 1  # at most this far do slices reach


def elementwise(function: Callable[..., Any]) -> Layer:
    """Return the builder of an op on one array or on several that are broadcast."""

    def build(b: Built) -> tuple[nn.Module, Shape]:
        shape = np.broadcast_shapes(*(b.input(i).shape for i in range(len(b.inputs))))
        if shape[:1] != _batch(b):
            raise ValueError(f"its inputs do not fit: together they are {shape}")
        operation = Operation(b.node.op, function)
        operation.hold(b.inputs)
        return operation, shape

    return build


def _batch(b: Built) -> Shape:
    """Return (N,) of the inputs that depend on the images."""
    return next((v.shape[:1] for v in b.inputs if v is not None and not v.fixed), (b.images,))


def _sum(*arrays: Any) -> Any:
    total = arrays[0]
    for array in arrays[1:]:
        total = total + array
    return total


def clip(b: Built) -> tuple[nn.Module, Shape]:
    """Clip, whose limits became inputs in opset 11."""
    limits = [
        float(b.array(i).reshape(-1)[0]) if b.has(i) else b.node.attributes.get(name)
        for i, name in ((1, "min"), (2, "max"))
    ]
    low, high = limits
    text = f"min={low}, max={high}"
    return Operation("Clip", lambda x: F.clip(x, low, high), text), b.input(0).shape


def concat(b: Built) -> tuple[nn.Module, Shape]:
    """Concat, not along the axis of images."""
    shapes = [b.input(i).shape for i in range(len(b.inputs))]
    axis = _axis(b.integer("axis"), len(shapes[0]))
    rests = {(*s[:axis], *s[axis + 1 :]) for s in shapes}
    if len(rests) != 1 or axis == 0:
        raise ValueError(f"arrays of {shapes} do not fit along axis {axis}")
    total = sum(shape[axis] for shape in shapes)
    operation = Operation("Concat", lambda *xs: F.concatenate(xs, axis), f"axis={axis}")
    operation.hold(b.inputs)
    return operation, (*shapes[0][:axis], total, *shapes[0][axis + 1 :])


def _axis(axis: int, ndim: int) -> int:
    """Return an axis as a number in 0 .. ndim - 1."""
    if not -ndim <= axis < ndim:
        raise ValueError(f"there is no axis {axis} among {ndim}")
    return axis % ndim


def reshape(b: Built) -> tuple[nn.Module, Shape]:
    """Reshape, in which the first axis stays that of the images."""
    before = b.input(0).shape
    target = b.numbers(1) if b.has(1) else b.ints("shape")
    if len(target) > 32:
        raise ValueError("its shape has more than 32 axes")
    sizes = [before[i] if n == 0 else n for i, n in enumerate(target)]
    known = math.prod(n for n in sizes if n != -1)
    if sizes.count(-1) == 1 and known > 0:
        sizes[sizes.index(-1)] = math.prod(before) // known
    if math.prod(sizes) != math.prod(before) or min(sizes, default=0) < 0:
        raise ValueError(f"{before} cannot take the shape {target}")
    return _shaped(b, before, tuple(sizes))


def _shaped(b: Built, before: Shape, after: Shape) -> tuple[nn.Module, Shape]:
    """Return the module that gives arrays this shape, for any number of images.

    Groups of channels may become images of their own, as they do around a grouped LRN.
    """
    if not after or after[0] % b.images:
        raise ValueError(f"{before} becomes {after}, which takes images together")
    if len(after) == 2 and after[0] == before[0]:
        return nn.Flatten(), after
    rest = after[1:]
    return Operation(b.node.op, lambda x: x.reshape(-1, *rest), f"{rest}"), after


def squeeze(b: Built) -> tuple[nn.Module, Shape]:
    """Squeeze."""
    before = b.input(0).shape
    axes = b.axes(1, [i for i, n in enumerate(before) if n == 1 and i])
    gone = {_axis(axis, len(before)) for axis in axes}
    if any(before[i] != 1 for i in gone) or 0 in gone:
        raise ValueError(f"axes {axes} of {before} cannot be taken away")
    return _shaped(b, before, tuple(n for i, n in enumerate(before) if i not in gone))


def unsqueeze(b: Built) -> tuple[nn.Module, Shape]:
    """Unsqueeze."""
    before = b.input(0).shape
    axes = b.axes(1)
    ndim = len(before) + len(axes)
    new = {_axis(axis, ndim) for axis in axes}
    rest = iter(before)
    return _shaped(b, before, tuple(1 if i in new else next(rest) for i in range(ndim)))


def transpose(b: Built) -> tuple[nn.Module, Shape]:
    """Transpose, in which the axis of images stays the first."""
    shape = b.input(0).shape
    order = tuple(b.ints("perm", list(range(len(shape)))[::-1]))
    if sorted(order) != list(range(len(shape))) or order[0] != 0:
        raise ValueError(f"perm={order} of {shape} moves the images")
    moved = Operation("Transpose", lambda x: x.transpose(*order), f"{order}")
    return moved, tuple(shape[i] for i in order)


def reduce(function: Callable[..., Any]) -> Layer:
    """Return the builder of a reduction, over other axes than that of images."""

    def build(b: Built) -> tuple[nn.Module, Shape]:
        shape = b.input(0).shape
        axes = tuple(_axis(axis, len(shape)) for axis in b.axes(1))
        if 0 in axes or not axes:
            raise ValueError(f"axes {axes} would take images together")
        keep = bool(b.integer("keepdims", 1))
        text = f"axes={axes}, keepdims={keep}"
        operation = Operation(b.node.op, lambda x: function(x, axes, keepdims=keep), text)
        sizes = [1 if i in axes else n for i, n in enumerate(shape) if keep or i not in axes]
        return operation, tuple(sizes)

    return build


def pad(b: Built) -> tuple[nn.Module, Shape]:
    """Pad with zeros."""
    shape = b.input(0).shape
    if b.text("mode", "constant") != "constant":
        raise ValueError(f"mode={b.text('mode', '')} is not known, constant is")
    value = float(b.array(2).reshape(-1)[0]) if b.has(2) else b.number("value", 0.0)
    widths = b.numbers(1) if b.has(1) else b.ints("pads")
    if value or len(widths) != 2 * len(shape) or b.has(3) or min(widths) < 0:
        raise ValueError(
            f"it pads {shape} by {widths} with {value}; zeros around all axes are known"
        )
    pairs = tuple(zip(widths[: len(shape)], widths[len(shape) :], strict=True))
    operation = Operation("Pad", lambda x: F.pad(x, pairs), f"{pairs[1:]}")
    return operation, tuple(n + sum(pair) for n, pair in zip(shape, pairs, strict=True))


def slice_(b: Built) -> tuple[nn.Module, Shape]:
    """Slice, not along the axis of images."""
    shape = b.input(0).shape
    index = [slice(None)] * len(shape)
    for axis, part in _slices(b, len(shape)):
        index[axis] = part
    sizes = [len(range(*part.indices(n))) for part, n in zip(index, shape, strict=True)]
    if sizes[0] != shape[0] or index[0].step not in (None, 1) or min(sizes) < 1:
        raise ValueError(f"it takes {sizes} of {shape}")
    operation = Operation("Slice", lambda x: x[tuple(index)], f"{index[1:]}")
    return operation, tuple(sizes)


def _slices(b: Built, ndim: int) -> list[tuple[int, slice]]:
    """Return axis and slice of a node; the limits became inputs in opset 10."""
    if b.has(1):
        starts = b.numbers(1)
        ends = b.numbers(2)
        axes = b.numbers(3) if b.has(3) else list(range(len(starts)))
        steps = b.numbers(4) if b.has(4) else [1] * len(starts)
    else:
        starts = b.ints("starts")
        ends = b.ints("ends")
        axes = b.ints("axes", list(range(len(starts))))
        steps = [1] * len(starts)
    found = []
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        stop = None if step < 0 and end < -END // 2 else end
        found.append((_axis(axis, ndim), slice(start, stop, step)))
    return found


def gather(b: Built) -> tuple[nn.Module, Shape]:
    """Gather: whole numbers of one axis that is not that of images."""
    shape = b.input(0).shape
    axis = _axis(b.integer("axis", 0), len(shape))
    numbers = np.asarray(b.array(1), np.int64)
    if axis == 0 or (numbers.size and not -shape[axis] <= numbers.min() <= numbers.max()):
        raise ValueError(f"it takes {numbers.shape} numbers of axis {axis} of {shape}")
    if numbers.size and numbers.max() >= shape[axis]:
        raise ValueError(f"number {numbers.max()} of axis {axis} of {shape} is not there")
    index = (slice(None),) * axis + (int(numbers) if numbers.ndim == 0 else numbers,)
    operation = Operation("Gather", lambda x: x[index], f"axis={axis}")
    return operation, (*shape[:axis], *numbers.shape, *shape[axis + 1 :])


def cast(b: Built) -> tuple[nn.Module, Shape]:
    """Cast to a floating-point type: all of them are float32 here."""
    if b.integer("to") not in (1, 10, 11, 16):
        raise ValueError("an array that depends on the images can only be cast to float")
    return nn.Identity(), b.input(0).shape


def _take(b: Built, x: Array, numbers: Array) -> Array:
    return np.take(x, numbers, axis=b.integer("axis", 0))


def _cut(b: Built, x: Array, *_: Array) -> Array:
    for axis, part in _slices(b, x.ndim):
        x = x[(slice(None),) * axis + (part,)]
    return x


HOST: dict[str, Callable[..., Any]] = {  # of whole numbers: (node, arrays) to an array
    "Gather": _take,
    "Slice": _cut,
    "Concat": lambda b, *xs: np.concatenate(xs, b.integer("axis")),
    "Unsqueeze": lambda b, x, *_: np.expand_dims(x, tuple(b.axes(1))),
    "Squeeze": lambda b, x, *_: x.reshape(-1) if x.size > 1 else x.reshape(()),
    "Cast": lambda b, x: x.astype(np.int64) if b.integer("to") in (6, 7) else x,
    "Identity": lambda b, x: x,
    "Add": lambda b, x, y: x + y,
    "Sub": lambda b, x, y: x - y,
    "Mul": lambda b, x, y: x * y,
    "Div": lambda b, x, y: x // y,
}

FOLDED: dict[str, Callable[..., Any]] = {  # of arrays of the file: (node, array, ...) to an array
    "Identity": lambda b, x: x.copy(),
    "Cast": lambda b, x: x,
    "Transpose": lambda b, x: x.transpose(b.ints("perm", list(range(x.ndim))[::-1])),
    "Reshape": lambda b, x, *_: x.reshape(b.numbers(1) if b.has(1) else b.ints("shape")),
}

OPERATIONS: dict[str, Layer] = {
    "Add": elementwise(lambda a, b: a + b),
    "Sub": elementwise(lambda a, b: a - b),
    "Mul": elementwise(lambda a, b: a * b),
    "Div": elementwise(lambda a, b: a / b),
    "Pow": elementwise(lambda a, b: a**b),
    "Sum": elementwise(_sum),
    "Neg": elementwise(lambda a: -a),
    "Abs": elementwise(F.abs),
    "Exp": elementwise(F.exp),
    "Log": elementwise(F.log),
    "Sqrt": elementwise(F.sqrt),
    "Clip": clip,
    "Concat": concat,
    "Reshape": reshape,
    "Squeeze": squeeze,
    "Unsqueeze": unsqueeze,
    "Transpose": transpose,
    "ReduceMean": reduce(F.mean),
    "ReduceSum": reduce(F.sum),
    "ReduceMax": reduce(F.max),
    "ReduceMin": reduce(F.min),
    "Pad": pad,
    "Slice": slice_,
    "Gather": gather,
    "Cast": cast,
}
