"""CUDA convolution: launches of the kernels in conv.cu, matrix products without im2col.

Arrays on a GPU use `columns` instead, which builds the matrices for cuBLAS.
"""

from __future__ import annotations

import numpy as np

from tinynet.core.backend import Array, array_module
from tinynet.kernels.convolution import columns
from tinynet.kernels.cuda.launch import Grid, cover, in_rows, launch, launches_as_on_a_gpu
from tinynet.kernels.geometry import Geometry, Pair
from tinynet.kernels.matmul import THREADS, tiles

PART = 4096  # terms of a weight's gradient that one block sums
PARTS = 64  # at most: longer sums get longer parts
BLOCKS = 1024  # among which a sum over images is divided: enough to fill a large GPU


def _sizes(
    x_shape: tuple[int, ...], y_shape: tuple[int, ...], geometry: Geometry
) -> tuple[int, ...]:
    """Return the integers that every kernel of conv.cu takes."""
    g = geometry
    return (*x_shape, *y_shape[1:], *g.kernel, *g.stride, *g.corner, *g.dilation, g.groups)


def forward(
    x: Array, weight: Array, bias: Array | None, outputs: Pair, geometry: Geometry, *, relu: bool
) -> Array:
    """Return y, or max(y, 0); the columns of the product are windows."""
    if launches_as_on_a_gpu(x):
        y = columns.forward(x, weight, outputs, geometry)
        columns.finish(y, bias, relu)
        return y
    N = len(x)
    OC = len(weight)
    y = np.empty((N, OC, *outputs), x.dtype)
    sizes = _sizes(x.shape, y.shape, geometry)
    blocks = tiles(OC // geometry.groups, N * outputs[0] * outputs[1])
    grid = Grid((blocks, geometry.groups), (THREADS,))
    bias = None if bias is None else in_rows(bias)
    launch("conv", "conv2d_forward", grid, in_rows(x), in_rows(weight), bias, *sizes, relu, y)
    return y


def backward_input(gy: Array, weight: Array, shape: tuple[int, ...], geometry: Geometry) -> Array:
    """Return gx; the columns of the product are pixels, with the windows that contain them."""
    if launches_as_on_a_gpu(gy):
        return columns.backward_input(gy, weight, shape, geometry)
    N, C, H, W = shape
    gx = np.empty(shape, gy.dtype)
    sizes = _sizes(shape, gy.shape, geometry)
    grid = Grid((tiles(C // geometry.groups, N * H * W), geometry.groups), (THREADS,))
    launch("conv", "conv2d_backward_input", grid, in_rows(gy), in_rows(weight), *sizes, gx)
    return gx


def backward_weight(gy: Array, x: Array, geometry: Geometry) -> Array:
    """Return gweight; the sums run over all output pixels, in parts that are added in order."""
    if launches_as_on_a_gpu(gy):
        return columns.backward_weight(gy, x, geometry)
    N, OC, OH, OW = gy.shape
    KH, KW = geometry.kernel
    members = x.shape[1] // geometry.groups
    terms = N * OH * OW
    part = max(PART, -(-terms // PARTS))
    count = max(1, -(-terms // part))
    parts = np.empty((count, OC, members, KH, KW), x.dtype)
    sizes = _sizes(x.shape, gy.shape, geometry)
    blocks = tiles(OC // geometry.groups, members * KH * KW)
    grid = Grid((blocks, geometry.groups, count), (THREADS,))
    launch("conv", "conv2d_backward_weight", grid, in_rows(gy), in_rows(x), *sizes, part, parts)
    return parts[0] if count == 1 else columns.added(parts)


def backward_bias(gy: Array) -> Array:
    """Return gbias, summed in double precision."""
    N, OC, OH, OW = gy.shape
    gbias = array_module(gy).empty(OC, gy.dtype)
    images, sums = _parts(gy)
    grid = Grid((OC, len(sums)))
    launch("conv", "conv2d_backward_bias", grid, in_rows(gy), N, OC, OH * OW, images, sums)
    launch("conv", "add_sums", cover(OC), gbias, sums, len(sums), OC)
    return gbias


def backward_relu(gy: Array, y: Array) -> tuple[Array, Array]:
    """Return gy where y > 0 and 0 elsewhere, and its gbias, in one pass over both."""
    N, OC, OH, OW = gy.shape
    xp = array_module(gy)
    masked = xp.empty(gy.shape, gy.dtype)
    gbias = xp.empty(OC, gy.dtype)
    images, sums = _parts(gy)
    grid = Grid((OC, len(sums)))
    sizes = N, OC, OH * OW, images
    launch("conv", "relu_backward", grid, in_rows(gy), in_rows(y), *sizes, masked, sums)
    launch("conv", "add_sums", cover(OC), gbias, sums, len(sums), OC)
    return masked, gbias


def _parts(gy: Array) -> tuple[int, Array]:
    """Return the images of one part of the sums over gy, and memory for the sums, (parts, OC)."""
    N, OC = gy.shape[:2]
    images = max(1, N * OC // BLOCKS)
    return images, array_module(gy).empty((-(-N // images), OC), "float64")
