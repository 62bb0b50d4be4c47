"""GPU convolution by im2col and cuBLAS, which uses tensor cores.

A few images at a time are processed, so that their columns stay in the cache between the kernel
that writes them and the product that reads them.
"""

from __future__ import annotations

from collections.abc import Iterator

from tinynet.core.backend import Array, array_module
from tinynet.kernels.cuda.launch import cover, in_rows, launch
from tinynet.kernels.gemm import gemm
from tinynet.kernels.geometry import Geometry, Pair
from tinynet.kernels.im2col import col2im_into, im2col_cuda, im2col_of_batch

COLUMNS = 2**23  # numbers that fit into the cache of a GPU


def _slices(images: int, columns: int) -> Iterator[slice]:
    """Split a batch with `columns` numbers per image into parts of at most COLUMNS numbers."""
    step = max(1, COLUMNS // max(1, columns))
    return (slice(first, min(first + step, images)) for first in range(0, images, step))


def finish(y: Array, bias: Array | None, relu: bool) -> None:
    """Add the bias to y (N, OC, OH, OW) and take the maximum with 0, in place and in one pass."""
    if bias is not None or relu:
        pixels = y.shape[2] * y.shape[3]
        bias = None if bias is None else in_rows(bias)
        launch("conv", "add_bias", cover(y.size), y, bias, y.size, y.shape[1], pixels, relu)


def forward(x: Array, weight: Array, outputs: Pair, geometry: Geometry) -> Array:
    """Return y without the bias: filters (G, OC // G, K) @ columns (N, G, K, OH*OW)."""
    N = len(x)
    OC = len(weight)
    G = geometry.groups
    filters = in_rows(weight).reshape(G, OC // G, -1)
    K = filters.shape[2]
    pixels = outputs[0] * outputs[1]
    y = array_module(x).empty((N, G, OC // G, pixels), x.dtype)
    for part in _slices(N, G * K * pixels):
        columns = im2col_cuda(x[part], geometry)
        gemm(filters, columns.reshape(-1, G, K, pixels), out=y[part])
    return y.reshape(N, OC, *outputs)


def backward_input(gy: Array, weight: Array, shape: tuple[int, ...], geometry: Geometry) -> Array:
    """Return gx: transposed filters (G, K, OC // G) @ gy (N, G, OC // G, OH*OW), then col2im."""
    N, OC, OH, OW = gy.shape
    G = geometry.groups
    filters = in_rows(weight).reshape(G, OC // G, -1).swapaxes(1, 2)
    gy = in_rows(gy).reshape(N, G, OC // G, OH * OW)
    gx = array_module(gy).empty(shape, gy.dtype)
    for part in _slices(N, G * filters.shape[1] * OH * OW):
        col2im_into(gx[part], gemm(filters, gy[part]), geometry)
    return gx


def weight_parts(gy: Array, x: Array, geometry: Geometry) -> Array:
    """Return gweight in parts, (parts, OC, C // G, KH, KW), of some images each.

    gy (G, OC // G, N*OH*OW) @ transposed columns (G, N*OH*OW, K).
    """
    N, OC, OH, OW = gy.shape
    G = geometry.groups
    KH, KW = geometry.kernel
    xp = array_module(x)
    K = x.shape[1] // G * KH * KW
    gy = in_rows(gy).reshape(N, OC, OH * OW)
    shape = OC, x.shape[1] // G, KH, KW
    slices = list(_slices(N, G * K * OH * OW))
    if not slices:
        return xp.zeros((1, *shape), x.dtype)
    sums = xp.empty((len(slices), G, OC // G, K), x.dtype)
    for part, total in zip(slices, sums, strict=True):
        columns = im2col_of_batch(x[part], geometry).reshape(G, K, -1)
        images = in_rows(gy[part].swapaxes(0, 1)).reshape(G, OC // G, -1)  # side by side
        gemm(images, columns.swapaxes(1, 2), out=total)
    return sums.reshape(-1, *shape)
