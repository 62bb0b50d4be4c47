"""Launches the convolutions of conv.cu: matrix products whose matrices are never built.

Arrays on a GPU go to `conv_columns`: there the matrices are built, for cuBLAS.
"""

from __future__ import annotations

import numpy as np

from tinynet.core.backend import Array, array_module
from tinynet.kernels.convolution import columns
from tinynet.kernels.cuda.launch import Grid, in_rows, launch
from tinynet.kernels.geometry import Padding, Pair
from tinynet.kernels.matmul import THREADS, tiles

PART = 4096  # terms of a weight's gradient that are added up in one go
PARTS = 64  # or more of them, where there would be more parts than this


def _sizes(
    x_shape: tuple[int, ...],
    y_shape: tuple[int, ...],
    kernel: Pair,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
) -> tuple[int, ...]:
    """Return the numbers that every kernel of conv.cu takes."""
    corner = padding[0][0], padding[1][0]
    return *x_shape, *y_shape[1:], *kernel, *stride, *corner, *dilation, groups


def forward(
    x: Array,
    weight: Array,
    bias: Array | None,
    outputs: Pair,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
    *,
    relu: bool = False,
) -> Array:
    """Return y, or max(y, 0); the columns of the product are windows."""
    if not isinstance(x, np.ndarray):
        y = columns.forward(x, weight, outputs, stride, padding, dilation, groups)
        columns.finish(y, bias, relu)
        return y
    N, OC = len(x), len(weight)
    y = np.empty((N, OC, *outputs), x.dtype)
    sizes = _sizes(x.shape, y.shape, weight.shape[2:], stride, padding, dilation, groups)
    grid = Grid((tiles(OC // groups, N * outputs[0] * outputs[1]), groups), (THREADS,))
    bias = None if bias is None else in_rows(bias)
    launch("conv", "conv2d_forward", grid, in_rows(x), in_rows(weight), bias, *sizes, relu, y)
    return y


def backward_input(
    gy: Array,
    weight: Array,
    shape: tuple[int, ...],
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
) -> Array:
    """Return gx; the columns of the product are pixels, with the windows that saw them."""
    if not isinstance(gy, np.ndarray):
        geometry = stride, padding, dilation, groups
        return columns.backward_input(gy, weight, shape, *geometry)
    N, C, H, W = shape
    gx = np.empty(shape, gy.dtype)
    sizes = _sizes(shape, gy.shape, weight.shape[2:], stride, padding, dilation, groups)
    grid = Grid((tiles(C // groups, N * H * W), groups), (THREADS,))
    launch("conv", "conv2d_backward_input", grid, in_rows(gy), in_rows(weight), *sizes, gx)
    return gx


def backward_weight(
    gy: Array,
    x: Array,
    kernel: Pair,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
) -> Array:
    """Return gweight; the sums run over all output pixels, in parts that are added in order."""
    if not isinstance(gy, np.ndarray):
        return columns.backward_weight(gy, x, kernel, stride, padding, dilation, groups)
    (N, OC, OH, OW), members = gy.shape, x.shape[1] // groups
    terms = N * OH * OW
    part = max(PART, -(-terms // PARTS))
    count = max(1, -(-terms // part))
    parts = np.empty((count, OC, members, *kernel), x.dtype)
    sizes = _sizes(x.shape, gy.shape, kernel, stride, padding, dilation, groups)
    grid = Grid((tiles(OC // groups, members * kernel[0] * kernel[1]), groups, count), (THREADS,))
    launch("conv", "conv2d_backward_weight", grid, in_rows(gy), in_rows(x), *sizes, part, parts)
    return parts[0] if count == 1 else columns.added(parts)


def backward_bias(gy: Array) -> Array:
    """Return gbias; one block a channel."""
    N, OC, OH, OW = gy.shape
    gbias = array_module(gy).empty(OC, gy.dtype)
    launch("conv", "conv2d_backward_bias", Grid((OC,)), in_rows(gy), N, OC, OH * OW, gbias)
    return gbias


def backward_relu(gy: Array, y: Array) -> tuple[Array, Array]:
    """Return gy where y > 0, and its gbias; one block a channel, one pass over both."""
    N, OC, OH, OW = gy.shape
    before, gbias = (array_module(gy).empty(s, gy.dtype) for s in (gy.shape, OC))
    sizes = N, OC, OH * OW
    launch("conv", "relu_backward", Grid((OC,)), in_rows(gy), in_rows(y), *sizes, before, gbias)
    return before, gbias
