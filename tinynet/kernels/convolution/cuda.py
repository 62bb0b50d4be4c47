"""CUDA convolution: which kernels compute it, and the sums of gradients in conv.cu.

`tile` computes it without im2col. Where it does not apply (float64; windows that do not fit into
shared memory; the gradient of an input under windows with a stride), `columns` builds the matrices
for cuBLAS.
"""

from __future__ import annotations

from typing import Any

from tinynet.core.backend import Array
from tinynet.core.bfloat16 import BFloat16, empty
from tinynet.kernels.bfloat16 import bfloat16, floats
from tinynet.kernels.convolution import columns, tile
from tinynet.kernels.convolution.parts import parts_of
from tinynet.kernels.cuda.launch import Grid, in_rows, launch
from tinynet.kernels.gemm import stores_bfloat16
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
        y = columns.forward(floats(x), weight, outputs, geometry)
        columns.finish(y, bias, relu)
        y = bfloat16(y) if relu and stores_bfloat16(x) else y
    return y


def backward_input(gy: Array, weight: Array, shape: tuple[int, ...], geometry: Geometry) -> Array:
    """Return gx."""
    gx = tile.backward_input(gy, weight, shape, geometry)
    return columns.backward_input(floats(gy), weight, shape, geometry) if gx is None else gx


def backward_weight(gy: Array, x: Array, geometry: Geometry) -> Array:
    """Return gweight."""
    parts = _weight_parts(gy, x, geometry)
    return added(parts, None, parts.dtype)[0]


def backward_bias(gy: Array) -> Array:
    """Return gbias, summed in double precision."""
    return added(None, _sums(gy), _real(gy))[1]


def backward_relu(gy: Array, y: Array) -> tuple[Array, Array]:
    """Return gy where y > 0 and 0 elsewhere, and its gbias, in one pass over both."""
    masked, sums = _masked(gy, y)
    return masked, added(None, sums, _real(gy))[1]


def backward(
    gy: Array, x: Array, weight: Array, y: Array | None, geometry: Geometry, needed: Needed
) -> tuple[Array | None, Array | None, Array | None]:
    """Return gx, gweight and gbias."""
    sums = gx = None
    if y is not None:
        gy, sums = _masked(gy, y)
    elif needed[2]:
        sums = _sums(gy)
    parts = _weight_parts(gy, x, geometry) if needed[1] else None
    todo, gweight, gbias = parts_of(parts, sums if needed[2] else None, _real(gy))
    if needed[0]:
        stored = isinstance(x, BFloat16)
        gx = tile.backward_input(gy, weight, x.shape, geometry, todo, stored=stored)
    if gx is None:
        todo.add()
        if needed[0]:
            gx = columns.backward_input(floats(gy), weight, x.shape, geometry)
    return gx, gweight, gbias


def _weight_parts(gy: Array, x: Array, geometry: Geometry) -> Array:
    """Return gweight in parts."""
    parts = tile.weight_parts(gy, x, geometry)
    return columns.weight_parts(floats(gy), floats(x), geometry) if parts is None else parts


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
    masked = empty(gy, gy.shape)
    images, sums = _shares(gy)
    grid = Grid((OC, len(sums)))
    sizes = N, OC, OH * OW, images
    launch("conv", "relu_backward", grid, in_rows(gy), in_rows(y), *sizes, masked, sums)
    return masked, sums


def _shares(gy: Array) -> tuple[int, Array]:
    """Return the images of one share of the sums over gy, and memory for the sums."""
    N, OC = gy.shape[:2]
    images = max(1, N * OC // BLOCKS)
    return images, empty(gy, (-(-N // images), OC), dtype="float64")


def _real(x: Array) -> Any:
    """Return the type in which sums over x are stored."""
    return "float32" if isinstance(x, BFloat16) else x.dtype


def added(parts: Array | None, sums: Array | None, dtype: Any) -> tuple[Any, Any]:
    """Return gweight and gbias."""
    todo, gweight, gbias = parts_of(parts, sums, dtype)
    todo.add()
    return gweight, gbias
