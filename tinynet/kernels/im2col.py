r"""im2col lays every window of an image in a column, so that a convolution is a matrix product.

    columns[n, (c, p, q), (i, j)] = x[n, c, SH*i + DH*p - PH, SW*j + DW*q - PW]       (0 outside)

    gx[n, c, h, w] = sum over all (p, q, i, j) that read it of gcolumns[n, (c, p, q), (i, j)]

col2im is the adjoint: it *adds* every column back to where its pixels came from. A pixel under
K * K overlapping windows receives K * K terms.
"""

from __future__ import annotations

import numpy as np

from tinynet.core.backend import Array, array_module
from tinynet.kernels.codegen.layout import share
from tinynet.kernels.codegen.native import In4, In5, Out4, Out5, native
from tinynet.kernels.cuda.launch import cover, in_rows, launch
from tinynet.kernels.dispatch import Kernel
from tinynet.kernels.geometry import Padding, Pair, frame, output_shape, unframe, windows


@Kernel
def im2col(x: Array, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair) -> Array:
    """Return the columns (N, C*KH*KW, OH*OW) of x (N, C, H, W)."""
    N, C = x.shape[:2]
    OH, OW = output_shape("im2col", x.shape, kernel, stride, padding, dilation)
    framed = frame(x, kernel, stride, padding, dilation, (OH, OW), fill=0)
    view = windows(framed, kernel, stride, dilation, (OH, OW))  # (N, C, KH, KW, OH, OW)
    return view.reshape(N, C * kernel[0] * kernel[1], OH * OW)


@Kernel
def col2im(
    columns: Array,
    shape: tuple[int, ...],
    kernel: Pair,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
) -> Array:
    """Return gx of `shape` (N, C, H, W): the columns (N, C*KH*KW, OH*OW) added back in place."""
    (KH, KW), (SH, SW), (DH, DW) = kernel, stride, dilation
    OH, OW = output_shape("col2im", shape, kernel, stride, padding, dilation)
    columns = columns.reshape(*shape[:2], KH, KW, OH, OW)
    height, width = SH * (OH - 1) + DH * (KH - 1) + 1, SW * (OW - 1) + DW * (KW - 1) + 1
    framed = array_module(columns).zeros((*shape[:2], height, width), columns.dtype)
    for p in range(KH):
        for q in range(KW):
            rows, cols = slice(DH * p, DH * p + SH * OH, SH), slice(DW * q, DW * q + SW * OW, SW)
            framed[:, :, rows, cols] += columns[:, :, p, q]
    return unframe(framed, shape, padding)


# ---- the same in loops, over the planes (n, c) of contiguous arrays


@im2col.numba
def im2col_numba(x: Array, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair) -> Array:
    """Row by row of each plane; no bordered copy is made."""
    N, C, H, W = x.shape
    OH, OW = output_shape("im2col", x.shape, kernel, stride, padding, dilation)
    columns = np.empty((N * C, *kernel, OH, OW), np.float32)
    _im2col_loops(
        N * C, np.ascontiguousarray(x).reshape(N * C, 1, H, W), *stride, padding[0][0],
        padding[1][0], *dilation, columns, grain=share(columns[:1].size),
    )  # fmt: skip
    return columns.reshape(N, C * kernel[0] * kernel[1], OH * OW)


@native
def _im2col_loops(
    lo: int, hi: int, x: In4, SH: int, SW: int, PH: int, PW: int, DH: int, DW: int, columns: Out5
) -> None:
    H, W = x.shape[2], x.shape[3]
    KH, KW, OH, OW = columns.shape[1], columns.shape[2], columns.shape[3], columns.shape[4]
    for plane in range(lo, hi):
        for p in range(KH):
            for q in range(KW):
                for i in range(OH):
                    h = SH * i + DH * p - PH
                    for j in range(OW):
                        w = SW * j + DW * q - PW
                        inside = 0 <= h < H and 0 <= w < W
                        columns[plane, p, q, i, j] = x[plane, 0, h, w] if inside else np.float32(0)


@col2im.numba
def col2im_numba(
    columns: Array,
    shape: tuple[int, ...],
    kernel: Pair,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
) -> Array:
    """Every plane belongs to one thread, which adds in the reference's order."""
    N, C, H, W = shape
    outputs = output_shape("col2im", shape, kernel, stride, padding, dilation)
    gx = np.empty((N * C, 1, H, W), np.float32)
    columns = np.ascontiguousarray(columns).reshape(N * C, *kernel, *outputs)
    _col2im_loops(
        N * C, columns, *stride, padding[0][0], padding[1][0], *dilation, gx,
        grain=share(columns[:1].size),
    )  # fmt: skip
    return gx.reshape(shape)


@native
def _col2im_loops(  # noqa: C901  windows on images are many loops
    lo: int, hi: int, columns: In5, SH: int, SW: int, PH: int, PW: int, DH: int, DW: int, gx: Out4
) -> None:
    H, W = gx.shape[2], gx.shape[3]
    KH, KW, OH, OW = columns.shape[1], columns.shape[2], columns.shape[3], columns.shape[4]
    for plane in range(lo, hi):
        for h in range(H):
            for w in range(W):
                gx[plane, 0, h, w] = 0
        for p in range(KH):
            for q in range(KW):
                for i in range(OH):
                    h = SH * i + DH * p - PH
                    for j in range(OW):
                        w = SW * j + DW * q - PW
                        if 0 <= h < H and 0 <= w < W:
                            gx[plane, 0, h, w] += columns[plane, p, q, i, j]


# ---- the same in threads: im2col.cu


@im2col.cuda
def im2col_cuda(x: Array, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair) -> Array:
    """One thread an element of the columns."""
    N, C, H, W = x.shape
    OH, OW = output_shape("im2col", x.shape, kernel, stride, padding, dilation)
    columns = array_module(x).empty((N, C * kernel[0] * kernel[1], OH * OW), x.dtype)
    launch(
        "im2col", "im2col", cover(columns.size), in_rows(x), N * C, H, W, OH, OW, *kernel,
        *stride, padding[0][0], padding[1][0], *dilation, columns,
    )  # fmt: skip
    return columns


@col2im.cuda
def col2im_cuda(
    columns: Array,
    shape: tuple[int, ...],
    kernel: Pair,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
) -> Array:
    """One thread a pixel."""
    N, C, H, W = shape
    OH, OW = output_shape("col2im", shape, kernel, stride, padding, dilation)
    gx = array_module(columns).empty(shape, columns.dtype)
    launch(
        "im2col", "col2im", cover(gx.size), in_rows(columns), N * C, H, W, OH, OW, *kernel,
        *stride, padding[0][0], padding[1][0], *dilation, gx,
    )  # fmt: skip
    return gx
