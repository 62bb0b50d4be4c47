"""CUDA convolution: which kernels compute it, and the sums of gradients in conv.cu.

`tile` computes it without im2col. Where it does not apply (float64; windows that do not fit into
shared memory; the gradient of an input under windows with a stride), `columns` builds the matrices
for cuBLAS.
"""

from __future__ import annotations

from typing import Any

from tinynet.core.backend import Array, array_module
from tinynet.kernels.convolution import columns, tile
from tinynet.kernels.cuda.launch import Grid, cover, in_rows, launch
from tinynet.kernels.geometry import Geometry, Pair

Needed = tuple[bool, bool, bool]
"""Which of gx, gweight and gbias are needed."""

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
    return added(_weight_parts(gy, x, geometry), None, gy.dtype)[0]


def backward_bias(gy: Array) -> Array:
    """Return gbias, summed in double precision."""
    return added(None, _sums(gy), gy.dtype)[1]


def backward_relu(gy: Array, y: Array) -> tuple[Array, Array]:
    """Return gy where y > 0 and 0 elsewhere, and its gbias, in one pass over both."""
    masked, sums = _masked(gy, y)
    return masked, added(None, sums, gy.dtype)[1]


def backward(
    gy: Array, x: Array, weight: Array, y: Array | None, geometry: Geometry, needed: Needed
) -> tuple[Array | None, Array | None, Array | None]:
    """Return gx, gweight and gbias; the last steps of the two sums are one launch."""
    sums = None
    if y is not None:
        gy, sums = _masked(gy, y)
    elif needed[2]:
        sums = _sums(gy)
    gx = backward_input(gy, weight, x.shape, geometry) if needed[0] else None
    parts = _weight_parts(gy, x, geometry) if needed[1] else None
    return gx, *added(parts, sums if needed[2] else None, gy.dtype)


def _weight_parts(gy: Array, x: Array, geometry: Geometry) -> Array:
    """Return gweight in parts."""
    parts = tile.weight_parts(gy, x, geometry)
    return columns.weight_parts(gy, x, geometry) if parts is None else parts


def _sums(gy: Array) -> Array:
    """Return the sums over gy (N, OC, OH, OW) of each share of the images, (shares, OC)."""
    N, OC, OH, OW = gy.shape
    images, sums = _shares(gy)
    grid = Grid((OC, len(sums)))
    launch("conv", "conv2d_backward_bias", grid, in_rows(gy), N, OC, OH * OW, images, sums)
    return sums


def _masked(gy: Array, y: Array) -> tuple[Array, Array]:
    """Return gy where y > 0 and 0 elsewhere, and the sums over it as `_sums` does."""
    N, OC, OH, OW = gy.shape
    masked = array_module(gy).empty(gy.shape, gy.dtype)
    images, sums = _shares(gy)
    grid = Grid((OC, len(sums)))
    sizes = N, OC, OH * OW, images
    launch("conv", "relu_backward", grid, in_rows(gy), in_rows(y), *sizes, masked, sums)
    return masked, sums


def _shares(gy: Array) -> tuple[int, Array]:
    """Return the images of one share of the sums over gy, and memory for the sums."""
    N, OC = gy.shape[:2]
    images = max(1, N * OC // BLOCKS)
    return images, array_module(gy).empty((-(-N // images), OC), "float64")


def added(parts: Array | None, sums: Array | None, dtype: Any) -> tuple[Any, Any]:
    """Return gweight and gbias, added in double precision and always in the same order."""
    gweight = gbias = None
    several = None if parts is None or len(parts) == 1 else in_rows(parts)
    count = size = shares = channels = 0
    if several is not None:
        gweight = array_module(several).empty(several.shape[1:], dtype)
        count, size = len(several), gweight.size
    elif parts is not None:
        gweight = parts[0]
    if sums is not None:
        shares, channels = sums.shape
        gbias = array_module(sums).empty(channels, dtype)
    outputs = None if several is None else gweight, gbias
    numbers = several, count, size, sums, shares, channels
    launch("conv", "add_parts", cover(size + channels), *outputs, *numbers)
    return gweight, gbias
