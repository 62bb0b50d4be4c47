"""Launches the convolutions of conv.cu: matrix products whose matrices are never built."""

from __future__ import annotations

from tinynet.backend import Array, array_module
from tinynet.kernels._cuda import Grid, cover, in_rows, launch
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
) -> Array:
    """Return y; the columns of the product are windows."""
    N, OC = len(x), len(weight)
    y = array_module(x).empty((N, OC, *outputs), x.dtype)
    sizes = _sizes(x.shape, y.shape, weight.shape[2:], stride, padding, dilation, groups)
    grid = Grid((tiles(OC // groups, N * outputs[0] * outputs[1]), groups), (THREADS,))
    bias = None if bias is None else in_rows(bias)
    launch("conv", "conv2d_forward", grid, in_rows(x), in_rows(weight), bias, *sizes, y)
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
    N, C, H, W = shape
    gx = array_module(gy).empty(shape, gy.dtype)
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
    (N, OC, OH, OW), members, xp = gy.shape, x.shape[1] // groups, array_module(x)
    terms = N * OH * OW
    part = max(PART, -(-terms // PARTS))
    count = max(1, -(-terms // part))
    parts = xp.empty((count, OC, members, *kernel), x.dtype)
    sizes = _sizes(x.shape, gy.shape, kernel, stride, padding, dilation, groups)
    grid = Grid((tiles(OC // groups, members * kernel[0] * kernel[1]), groups, count), (THREADS,))
    launch("conv", "conv2d_backward_weight", grid, in_rows(gy), in_rows(x), *sizes, part, parts)
    if count == 1:
        return parts[0]
    gweight = xp.empty(parts.shape[1:], x.dtype)
    launch("conv", "add_parts", cover(gweight.size), parts, count, gweight.size, gweight)
    return gweight


def backward_bias(gy: Array) -> Array:
    """Return gbias; one block a channel."""
    N, OC, OH, OW = gy.shape
    gbias = array_module(gy).empty(OC, gy.dtype)
    launch("conv", "conv2d_backward_bias", Grid((OC,)), in_rows(gy), N, OC, OH * OW, gbias)
    return gbias
