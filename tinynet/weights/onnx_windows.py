"""ONNX operators (opset 18) for convolution, pooling and normalization.

Conventions that differ:

    LRN         alpha is divided by the size of the window; groups become a reshape around it
    pooling     a partial last window becomes padding at the far side. ONNX has `ceil_mode`, but
                runtimes disagree on a window that begins in the padding, and on the divisor
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinynet.core.autograd import Function
from tinynet.functions import conv, norm, pool
from tinynet.kernels.geometry import Padding, Pair
from tinynet.weights.onnx_writer import Writer

Write = Callable[[Writer, Any, list[str]], str]


def _conv(w: Writer, node: conv.Conv2d, inputs: list[str]) -> str:
    g = node.geometry
    settings = {"strides": g.stride, "pads": _pads(g.padding), "dilations": g.dilation}
    y = w.add("Conv", *inputs, **settings, group=g.groups)
    return w.add("Relu", y) if node.relu else y


def _max_pool(w: Writer, node: pool.MaxPool2d, inputs: list[str]) -> str:
    y = w.add("MaxPool", *inputs, **_windows(node), pads=_pads(_covered(node)))
    return w.add("Relu", y) if node.relu else y


def _avg_pool(w: Writer, node: pool.AvgPool2d, inputs: list[str]) -> str:
    """Pixels of the padding count in the divisor or not; those beyond it never do."""
    (x,) = inputs
    padding = node.geometry.padding
    covered = _covered(node)
    if covered != padding and not any(map(sum, padding)) and _is_plain_ceil(node):
        return w.add("AveragePool", x, **_windows(node), ceil_mode=1)  # which all runtimes agree on
    counts = node.count_include_pad and any(map(sum, padding))
    if counts and covered != padding:
        return _counted_in_part(w, node, x, covered)
    pads = _pads(covered)
    return w.add("AveragePool", x, **_windows(node), pads=pads, count_include_pad=int(counts))


def _counted_in_part(w: Writer, node: pool.AvgPool2d, x: str, covered: Padding) -> str:
    """Zeros on all sides, means of whole windows, and a factor for those that hang over.

    onnxruntime before 1.21 moves the zeros into the pooling, which must therefore count them.
    """
    (top, bottom), (left, right) = covered
    x = w.add("Pad", x, w.integers([0, 0, top, left, 0, 0, bottom, right]))
    y = w.add("AveragePool", x, **_windows(node), count_include_pad=1)
    return w.add("Mul", y, w.constant(_shares(node)))


def _shares(node: Any) -> np.ndarray[Any, Any]:
    """Return the pixels of a window over those of it that lie in the image and its padding."""
    g = node.geometry
    shape = node.inputs[0].data.shape
    outputs = g.output_shape("pool", shape, ceil_mode=True)
    rows, columns = (
        k / np.minimum(k, size + sum(border) - s * np.arange(n))
        for n, size, border, k, s in zip(
            outputs, shape[2:], g.padding, g.kernel, g.stride, strict=True
        )
    )
    return np.outer(rows, columns).astype(np.float32)


def _windows(node: Any) -> dict[str, Any]:
    return {"kernel_shape": node.geometry.kernel, "strides": node.geometry.stride}


def _covered(node: Any) -> Padding:
    """Return the padding with which whole windows alone cover what the windows of a node cover.

    The far sides grow where a last window hangs over.
    """
    g = node.geometry
    if not node.ceil_mode:
        return g.padding
    shape = node.inputs[0].data.shape
    extent = g.extent(g.output_shape("pool", shape, ceil_mode=True))
    vertical, horizontal = (
        (before, max(0, covered - size - before))
        for covered, size, (before, _) in zip(extent, shape[2:], g.padding, strict=True)
    )
    return vertical, horizontal


def _is_plain_ceil(node: Any) -> bool:
    """Return whether each axis has room for a window, and none was left out beyond the image."""
    g = node.geometry
    shape = node.inputs[0].data.shape
    outputs = g.output_shape("pool", shape, ceil_mode=True)
    return all(
        size >= k and n == -(-(size - k) // s) + 1
        for n, size, k, s in zip(outputs, shape[2:], g.kernel, g.stride, strict=True)
    )


def _pads(padding: Padding) -> tuple[int, ...]:
    (top, bottom), (left, right) = padding
    return top, left, bottom, right


def _adaptive(w: Writer, node: pool.AdaptiveAvgPool2d, inputs: list[str]) -> str:
    sizes = node.inputs[0].data.shape[2:]
    outputs: Pair = node.outputs
    if outputs == (1, 1):
        return w.add("GlobalAveragePool", *inputs)
    if not any(size % n for size, n in zip(sizes, outputs, strict=True)):
        sides = [size // n for size, n in zip(sizes, outputs, strict=True)]
        return w.add("AveragePool", *inputs, kernel_shape=sides, strides=sides)
    rows, columns = node.saved
    y = w.add("MatMul", w.constant(rows), *inputs)
    return w.add("MatMul", y, w.constant(columns.T))


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
    (x,) = inputs
    n = node.n
    mean = w.add(
        "AveragePool",
        w.add("Mul", x, x),
        kernel_shape=(n, n),
        pads=(n // 2,) * 4,
        count_include_pad=1,
    )
    scale = w.add("Add", w.add("Mul", mean, w.number(node.alpha * n * n)), w.number(node.k))
    return w.add("Div", x, w.add("Pow", scale, w.number(node.beta)))


def _batch_norm(w: Writer, node: norm.BatchNorm, inputs: list[str]) -> str:
    x, weight, bias, *added = inputs
    running = w.constant(node.mean), w.constant(node.var)
    y = w.add("BatchNormalization", x, weight, bias, *running, epsilon=node.eps)
    if added:
        y = w.add("Add", y, *added)
    return w.add("Relu", y) if node.relu else y


def more_channels(w: Writer, x: str, before: int, channels: int, after: int) -> str:
    """Add channels of zeros around those of x: filters of one pixel, which keep a channel each.

    ONNX's Pad computes the same, but not every runtime has it for channels.
    """
    filters = np.zeros((before + channels + after, channels, 1, 1), np.float32)
    filters[before : before + channels, :, 0, 0] = np.eye(channels)
    return w.add("Conv", x, w.constant(filters), kernel_shape=(1, 1))


def strided(w: Writer, x: str, steps: Pair) -> str:
    """Add what keeps every SH-th row and SW-th column: windows of one pixel.

    A slice with a step computes the same, but not every runtime has it.
    """
    return w.add("MaxPool", x, kernel_shape=(1, 1), strides=steps)


WRITERS: dict[type[Function], Write] = {
    conv.Conv2d: _conv,
    pool.MaxPool2d: _max_pool,
    pool.AvgPool2d: _avg_pool,
    pool.AdaptiveAvgPool2d: _adaptive,
    norm.LocalResponseNorm: _lrn,
    norm.SpatialResponseNorm: _map_norm,
    norm.BatchNorm: _batch_norm,
}
