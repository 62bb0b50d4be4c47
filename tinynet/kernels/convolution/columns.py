"""Convolution on a GPU by im2col and cuBLAS, whose tensor cores no loop of ours can match.

The images are taken a few at a time, so that the columns of those few stay in the cache between the
kernel that writes them and the product that reads them.
"""

from __future__ import annotations

from collections.abc import Iterator

from tinynet.core.backend import Array, array_module
from tinynet.kernels.cuda.launch import cover, in_rows, launch
from tinynet.kernels.geometry import Padding, Pair
from tinynet.kernels.im2col import col2im_cuda, im2col_cuda
from tinynet.kernels.matmul import gemm

COLUMNS = 2**23  # numbers that a GPU's cache may hold


def _slices(images: int, columns: int) -> Iterator[slice]:
    """Cut a batch into parts whose columns, so many for an image, do not exceed COLUMNS."""
    step = max(1, COLUMNS // max(1, columns))
    return (slice(first, min(first + step, images)) for first in range(0, images, step))


def finish(y: Array, bias: Array | None, relu: bool) -> None:
    """Add the bias to y (N, OC, OH, OW) and take the maximum with 0, in place and in one pass."""
    if bias is not None or relu:
        pixels = y.shape[2] * y.shape[3]
        bias = None if bias is None else in_rows(bias)
        launch("conv", "add_bias", cover(y.size), y, bias, y.size, y.shape[1], pixels, relu)


def forward(
    x: Array,
    weight: Array,
    outputs: Pair,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
) -> Array:
    """Return y without the bias: filters (G, OC // G, K) @ columns (N, G, K, OH*OW)."""
    N, OC, kernel = len(x), len(weight), weight.shape[2:]
    filters = in_rows(weight).reshape(groups, OC // groups, -1)
    K, pixels = filters.shape[2], outputs[0] * outputs[1]
    y = array_module(x).empty((N, groups, OC // groups, pixels), x.dtype)
    for part in _slices(N, groups * K * pixels):
        columns = im2col_cuda(x[part], kernel, stride, padding, dilation)
        gemm(filters, columns.reshape(-1, groups, K, pixels), out=y[part])
    return y.reshape(N, OC, *outputs)


def backward_input(
    gy: Array,
    weight: Array,
    shape: tuple[int, ...],
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
) -> Array:
    """Return gx: filters turned (G, K, OC // G) @ gy (N, G, OC // G, OH*OW), put back."""
    (N, OC, OH, OW), kernel = gy.shape, weight.shape[2:]
    filters = in_rows(weight).reshape(groups, OC // groups, -1).swapaxes(1, 2)
    gy = in_rows(gy).reshape(N, groups, OC // groups, OH * OW)
    gx = array_module(gy).empty(shape, gy.dtype)
    for part in _slices(N, groups * filters.shape[1] * OH * OW):
        columns = gemm(filters, gy[part]).reshape(part.stop - part.start, -1, OH * OW)
        few = (part.stop - part.start, *shape[1:])
        gx[part] = col2im_cuda(columns, few, kernel, stride, padding, dilation)
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
    """Return gweight: gy (N, G, OC // G, OH*OW) @ columns turned (N, G, OH*OW, K), added over N."""
    (N, OC, OH, OW), xp = gy.shape, array_module(x)
    K = x.shape[1] // groups * kernel[0] * kernel[1]
    gy = in_rows(gy).reshape(N, groups, OC // groups, OH * OW)
    sums = []
    for part in _slices(N, groups * K * OH * OW):
        columns = im2col_cuda(x[part], kernel, stride, padding, dilation)
        each = gemm(gy[part], columns.reshape(-1, groups, K, OH * OW).swapaxes(2, 3))
        sums.append(added(each))
    gweight = added(xp.stack(sums)) if len(sums) > 1 else sums[0] if sums else None
    shape = OC, x.shape[1] // groups, *kernel
    return xp.zeros(shape, x.dtype) if gweight is None else gweight.reshape(shape)


def added(parts: Array) -> Array:
    """Return the sum over the first axis, in double precision and always in the same order."""
    total = array_module(parts).empty(parts.shape[1:], parts.dtype)
    launch("conv", "add_parts", cover(total.size), in_rows(parts), len(parts), total.size, total)
    return total
