"""Layers for the nodes of an ONNX file: convolution, pooling, normalization, activations.

Each function takes a node that is being built and returns a module, and the shape of its output.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tinynet import functions as F
from tinynet import nn
from tinynet.core.backend import Array
from tinynet.kernels.geometry import Geometry, Padding
from tinynet.weights.onnx_values import Built, Operation

Shape = tuple[int, ...]
Layer = Callable[[Built], tuple[nn.Module, Shape]]


def _image(b: Built) -> Shape:
    """Return the shape (N, C, H, W) of the first input."""
    shape = b.input(0).shape
    if len(shape) != 4:
        raise ValueError(f"its input must be (N, C, H, W), and is {shape}")
    return shape


def _assigned(layer: Any, **arrays: Array | None) -> Any:
    """Give parameters and buffers of a layer their values."""
    for name, array in arrays.items():
        target = getattr(layer, name)
        if array is None:
            continue
        if target.shape != array.shape:
            raise ValueError(f"its {name} is {array.shape}, and must be {target.shape}")
        target.data = np.array(array, np.float32, order="C")
    return layer


def conv(b: Built) -> tuple[nn.Module, Shape]:
    """Conv with filters in the file."""
    N, C, H, W = _image(b)
    weight = b.array(1)
    groups = b.integer("group", 1)
    if weight.ndim != 4 or groups < 1 or weight.shape[1] * groups != C:
        raise ValueError(f"its filters are {weight.shape} for {C} channels in {groups} groups")
    kernel = weight.shape[2:]
    if b.ints("kernel_shape", list(kernel)) != list(kernel):
        raise ValueError(f"kernel_shape is not that of its filters, {kernel}")
    strides = _pair(b.ints("strides", [1, 1]))
    dilations = _pair(b.ints("dilations", [1, 1]))
    padding = _padding(b, (H, W), kernel, strides, dilations)
    bias = b.array(2) if b.has(2) else None
    layer = nn.Conv2d(
        C, len(weight), kernel, strides, padding, dilations, groups, bias=bias is not None
    )
    geometry = Geometry(kernel, strides, padding, dilations)
    outputs = geometry.output_shape("Conv", (N, C, H, W))
    return _assigned(layer, weight=weight, bias=bias), (N, len(weight), *outputs)


def _pair(numbers: list[int]) -> tuple[int, int]:
    height, width = numbers
    return height, width


def _padding(
    b: Built, size: Shape, kernel: Shape, strides: Shape, dilations: Shape = (1, 1)
) -> Padding:
    """Return ((top, bottom), (left, right)) of a node, also for auto_pad."""
    auto = b.text("auto_pad", "NOTSET")
    if auto == "NOTSET":
        top, left, bottom, right = b.ints("pads", [0, 0, 0, 0])
        return (top, bottom), (left, right)
    if auto == "VALID":
        return (0, 0), (0, 0)
    if auto not in ("SAME_UPPER", "SAME_LOWER"):
        raise ValueError(f"auto_pad={auto} is not known")
    sides = []
    for n, k, s, d in zip(size, kernel, strides, dilations, strict=True):
        total = max(0, (-(-n // s) - 1) * s + (k - 1) * d + 1 - n)
        less = total // 2
        more = total - less
        sides.append((less, more) if auto == "SAME_UPPER" else (more, less))
    return sides[0], sides[1]


def gemm(b: Built) -> tuple[nn.Module, Shape]:
    """Gemm with a matrix in the file: a fully connected layer."""
    b.refuse_unless("transA", 0, 0)
    weight = b.array(1) if b.integer("transB", 0) else b.array(1).T
    weight = weight * np.float32(b.number("alpha", 1.0))
    bias = b.array(2) * np.float32(b.number("beta", 1.0)) if b.has(2) else None
    return _linear(b, weight, bias)


def matmul(b: Built) -> tuple[nn.Module, Shape]:
    """MatMul: a fully connected layer if a matrix in the file is on the right."""
    first = b.input(0)
    second = b.input(1)
    if second.fixed and second.trained and len(second.shape) == len(first.shape) == 2:
        return _linear(b, b.array(1).T, None)
    if min(len(first.shape), len(second.shape)) < 2 or first.shape[-1] != second.shape[-2]:
        raise ValueError(f"matrices of {first.shape} and {second.shape} do not fit")
    front = np.broadcast_shapes(first.shape[:-2], second.shape[:-2])
    product = Operation("MatMul", F.matmul)
    product.hold(b.inputs)
    return product, (*front, first.shape[-2], second.shape[-1])


def _linear(b: Built, weight: Array, bias: Array | None) -> tuple[nn.Module, Shape]:
    shape = b.input(0).shape
    if weight.ndim != 2 or len(shape) != 2 or shape[1] != weight.shape[1]:
        raise ValueError(f"its matrix is {weight.shape[::-1]} for an input of {shape}")
    if bias is not None:
        bias = np.broadcast_to(bias.reshape(-1), len(weight))
    layer = nn.Linear(weight.shape[1], len(weight), bias=bias is not None)
    return _assigned(layer, weight=weight, bias=bias), (shape[0], len(weight))


def batch_norm(b: Built) -> tuple[nn.Module, Shape]:
    """BatchNormalization; ONNX weighs the old running average, nn.BatchNorm2d the new batch."""
    b.refuse_unless("spatial", 1, 1)
    shape = _image(b)
    layer = nn.BatchNorm2d(shape[1], b.number("epsilon", 1e-5), 1 - b.number("momentum", 0.9))
    layer.momentum = round(layer.momentum, 7)  # 1 - 0.9 as float32
    weight, bias, mean, var = (b.array(i) for i in range(1, 5))
    return _assigned(layer, weight=weight, bias=bias, running_mean=mean, running_var=var), shape


def lrn(b: Built) -> tuple[nn.Module, Shape]:
    """LRN; ONNX divides alpha by the size of the window."""
    n = b.integer("size")
    alpha = float(f"{b.number('alpha', 1e-4) / max(1, n):.8g}")
    beta = b.number("beta", 0.75)
    return nn.LocalResponseNorm(n, k=b.number("bias", 1.0), alpha=alpha, beta=beta), _image(b)


def dropout(b: Built) -> tuple[nn.Module, Shape]:
    """Dropout, whose ratio became an input in opset 12."""
    ratio = float(b.array(1).reshape(-1)[0]) if b.has(1) else b.number("ratio", 0.5)
    return nn.Dropout(round(ratio, 7)), b.input(0).shape


def softmax(b: Built) -> tuple[nn.Module, Shape]:
    """Softmax; before opset 13 over all axes from `axis` on."""
    shape = b.input(0).shape
    name = b.node.op
    axis = b.integer("axis", -1 if b.opset >= 13 else 1)
    axis = range(len(shape))[axis]
    function = F.softmax if name == "Softmax" else F.log_softmax
    if b.opset >= 13 or axis == len(shape) - 1:
        if name == "Softmax":
            return nn.Softmax(axis), shape
        return Operation(name, lambda x: function(x, axis), f"axis={axis}"), shape

    def together(x: Any) -> Any:
        flat = x.reshape(*x.shape[:axis], -1)
        return function(flat, axis).reshape(*x.shape)

    return Operation(name, together, f"axes from {axis} on"), shape


def pool(b: Built) -> tuple[nn.Module, Shape]:
    """MaxPool and AveragePool."""
    shape = _image(b)
    kernel = _pair(b.ints("kernel_shape"))
    strides = _pair(b.ints("strides", [1, 1]))
    if b.ints("dilations", [1, 1]) != [1, 1]:
        raise ValueError("dilated windows are not known")
    padding = _padding(b, shape[2:], kernel, strides)
    ceil = bool(b.integer("ceil_mode", 0))
    geometry = Geometry(kernel, strides, padding)
    outputs = geometry.output_shape(b.node.op, shape, ceil_mode=ceil)
    counts = bool(b.integer("count_include_pad", 0)) and b.node.op == "AveragePool"
    after = (*shape[:2], *outputs)
    if not ceil and any(2 * max(p) > k for p, k in zip(padding, kernel, strict=True)):
        if counts:
            raise ValueError(f"its padding {padding}, which counts, is more than half the window")
        return _reaching_out(b, geometry, outputs), after
    if b.node.op == "MaxPool":
        return nn.MaxPool2d(kernel, strides, padding, ceil_mode=ceil), after
    layer = nn.AvgPool2d(kernel, strides, padding, ceil_mode=ceil, count_include_pad=counts)
    return layer, after


def _reaching_out(b: Built, geometry: Geometry, outputs: Shape) -> nn.Module:
    """Return a pooling whose last windows reach out of the image by more than half.

    That is `ceil_mode`, for an image that ends where the windows end.
    """
    g = geometry
    shape = b.input(0).shape
    sides = []
    for size, end, (before, _), k in zip(
        shape[2:], g.extent(_pair(list(outputs))), g.padding, g.kernel, strict=True
    ):
        seen = min(size, end - before)
        sides.append((seen, (before, min(end - before - seen, k // 2))))
    (height, vertical), (width, horizontal) = sides
    within = Geometry(g.kernel, g.stride, (vertical, horizontal))
    seen_shape = (*shape[:2], height, width)
    if within.output_shape(b.node.op, seen_shape, ceil_mode=True) != outputs:
        raise ValueError(f"its padding {g.padding} is more than half the window")
    settings = g.kernel, g.stride, within.padding

    def function(x: Any) -> Any:
        seen = x[:, :, :height, :width]
        if b.node.op == "MaxPool":
            return F.max_pool2d(seen, *settings, ceil_mode=True)
        return F.avg_pool2d(seen, *settings, ceil_mode=True, count_include_pad=False)

    return Operation(b.node.op, function, f"kernel_size={g.kernel}, stride={g.stride}")


def global_average(b: Built) -> tuple[nn.Module, Shape]:
    """GlobalAveragePool, whose output keeps the axes of the pixels."""
    N, C, _, _ = _image(b)
    return nn.AdaptiveAvgPool2d(1), (N, C, 1, 1)


def global_max(b: Built) -> tuple[nn.Module, Shape]:
    """GlobalMaxPool."""
    N, C, _, _ = _image(b)
    return Operation("GlobalMaxPool", lambda x: F.max(x, (2, 3), keepdims=True)), (N, C, 1, 1)


def flatten(b: Built) -> tuple[nn.Module, Shape]:
    """Flatten; only the axes behind N can become one."""
    shape = b.input(0).shape
    if b.integer("axis", 1) not in (1, 1 - len(shape)):
        raise ValueError(f"axis={b.integer('axis', 1)} would take images together")
    return nn.Flatten(), (shape[0], math.prod(shape[1:]))


def same(make: Callable[[], nn.Module]) -> Layer:
    """Return the builder of a layer without settings that keeps the shape."""
    return lambda b: (make(), b.input(0).shape)


LAYERS: dict[str, Layer] = {
    "Conv": conv,
    "Gemm": gemm,
    "MatMul": matmul,
    "BatchNormalization": batch_norm,
    "LRN": lrn,
    "Dropout": dropout,
    "Softmax": softmax,
    "LogSoftmax": softmax,
    "MaxPool": pool,
    "AveragePool": pool,
    "GlobalAveragePool": global_average,
    "GlobalMaxPool": global_max,
    "Flatten": flatten,
    "Relu": same(nn.ReLU),
    "Sigmoid": same(nn.Sigmoid),
    "Tanh": same(nn.Tanh),
    "Identity": same(nn.Identity),
}
