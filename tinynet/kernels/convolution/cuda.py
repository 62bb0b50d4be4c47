"""CUDA convolution: which kernels compute it, and the sums of gradients in conv.cu.

`tile` computes it without im2col. Where it does not apply (float64; windows that do not fit into
shared memory; the gradient of an input under windows with a stride), `columns` builds the matrices
for cuBLAS.
"""

from __future__ import annotations

from tinynet.core.backend import Array, array_module
from tinynet.kernels.convolution import columns, tile
from tinynet.kernels.cuda.launch import Grid, cover, in_rows, launch
from tinynet.kernels.geometry import Geometry, Pair

BLOCKS = 1024  # among which a sum over images is divided: enough to fill a large GPU


def forward(
    x: Array, weight: Array, bias: Array | None, outputs: Pair, geometry: Geometry, *, relu: bool
) -> Array:
    """Return y, or max(y, 0)."""
    y = tile.forward(x, weight, bias, outputs, geometry, relu=relu)
    if y is None:
        y = columns.forward(x, weight, outputs, geometry)
        columns.finish(y, bias, relu)
    return y


def backward_input(gy: Array, weight: Array, shape: tuple[int, ...], geometry: Geometry) -> Array:
    """Return gx."""
    gx = tile.backward_input(gy, weight, shape, geometry)
    return columns.backward_input(gy, weight, shape, geometry) if gx is None else gx


def backward_weight(gy: Array, x: Array, geometry: Geometry) -> Array:
    """Return gweight."""
    gweight = tile.backward_weight(gy, x, geometry)
    return columns.backward_weight(gy, x, geometry) if gweight is None else gweight


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
