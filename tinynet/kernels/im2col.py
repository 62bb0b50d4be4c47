r"""im2col: every window of an image as a column, so that a convolution is a matrix product.

    columns[n, (c, p, q), (i, j)] = x[n, c, SH*i + DH*p - PH, SW*j + DW*q - PW]       (0 outside)

    gx[n, c, h, w] = sum of gcolumns[n, (c, p, q), (i, j)] over all (p, q, i, j) that read (h, w)

col2im is the adjoint: it *adds* every column back to the pixels that it was copied from. A pixel
under K * K overlapping windows receives K * K terms.
"""

from __future__ import annotations

import numpy as np

from tinynet.core.backend import Array, array_module
from tinynet.kernels.codegen.layout import grain_size
from tinynet.kernels.codegen.native import In4, In5, Out4, Out5, native
from tinynet.kernels.cuda.launch import cover, in_rows, launch
from tinynet.kernels.dispatch import Kernel
from tinynet.kernels.geometry import Geometry, frame, unframe, windows


@Kernel
def im2col(x: Array, geometry: Geometry) -> Array:
    """Return the columns (N, C*KH*KW, OH*OW) of x (N, C, H, W)."""
    N, C = x.shape[:2]
    KH, KW = geometry.kernel
    OH, OW = geometry.output_shape("im2col", x.shape)
    framed = frame(x, geometry, (OH, OW), fill=0)
    view = windows(framed, geometry, (OH, OW))  # (N, C, KH, KW, OH, OW)
    return view.reshape(N, C * KH * KW, OH * OW)


@Kernel
def col2im(columns: Array, shape: tuple[int, ...], geometry: Geometry) -> Array:
    """Return gx of `shape` (N, C, H, W): the columns (N, C*KH*KW, OH*OW) added back in place."""
    KH, KW = geometry.kernel
    SH, SW = geometry.stride
    DH, DW = geometry.dilation
    OH, OW = geometry.output_shape("col2im", shape)
    columns = columns.reshape(*shape[:2], KH, KW, OH, OW)
    extent = geometry.extent((OH, OW))
    framed = array_module(columns).zeros((*shape[:2], *extent), columns.dtype)
    for p in range(KH):
        for q in range(KW):
            rows = slice(DH * p, DH * p + SH * OH, SH)
            cols = slice(DW * q, DW * q + SW * OW, SW)
            framed[:, :, rows, cols] += columns[:, :, p, q]
    return unframe(framed, shape, geometry)


# ---- Numba: loops over the planes (n, c) of contiguous arrays


@im2col.numba
def im2col_numba(x: Array, geometry: Geometry) -> Array:
    """Row by row of each plane, without a bordered copy."""
    N, C, H, W = x.shape
    KH, KW = geometry.kernel
    OH, OW = geometry.output_shape("im2col", x.shape)
    planes = np.ascontiguousarray(x).reshape(N * C, 1, H, W)
    columns = np.empty((N * C, KH, KW, OH, OW), np.float32)
    steps = (*geometry.stride, *geometry.corner, *geometry.dilation)
    _im2col_loops(N * C, planes, *steps, columns, grain=grain_size(columns[:1].size))
    return columns.reshape(N, C * KH * KW, OH * OW)


@native
def _im2col_loops(
    lo: int, hi: int, x: In4, SH: int, SW: int, PH: int, PW: int, DH: int, DW: int, columns: Out5
) -> None:
    H = x.shape[2]
    W = x.shape[3]
    _, KH, KW, OH, OW = columns.shape
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
def col2im_numba(columns: Array, shape: tuple[int, ...], geometry: Geometry) -> Array:
    """Each plane belongs to one thread, which adds in the order of the reference."""
    N, C, H, W = shape
    outputs = geometry.output_shape("col2im", shape)
    gx = np.empty((N * C, 1, H, W), np.float32)
    columns = np.ascontiguousarray(columns).reshape(N * C, *geometry.kernel, *outputs)
    steps = (*geometry.stride, *geometry.corner, *geometry.dilation)
    _col2im_loops(N * C, columns, *steps, gx, grain=grain_size(columns[:1].size))
    return gx.reshape(shape)


@native
def _col2im_loops(  # noqa: C901  one loop per axis
    lo: int, hi: int, columns: In5, SH: int, SW: int, PH: int, PW: int, DH: int, DW: int, gx: Out4
) -> None:
    H = gx.shape[2]
    W = gx.shape[3]
    _, KH, KW, OH, OW = columns.shape
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


# ---- CUDA: im2col.cu


@im2col.cuda
def im2col_cuda(x: Array, geometry: Geometry) -> Array:
    """One thread per window."""
    N, C = x.shape[:2]
    KH, KW = geometry.kernel
    OH, OW = geometry.output_shape("im2col", x.shape)
    columns = array_module(x).empty((N, C * KH * KW, OH * OW), x.dtype)
    _launch_im2col(x, geometry, columns, C * KH * KW * OH * OW, OH * OW)
    return columns


def im2col_of_batch(x: Array, geometry: Geometry) -> Array:
    """Return the columns of all images side by side, (C*KH*KW, N*OH*OW): CUDA only."""
    N, C = x.shape[:2]
    KH, KW = geometry.kernel
    OH, OW = geometry.output_shape("im2col", x.shape)
    columns = array_module(x).empty((C * KH * KW, N * OH * OW), x.dtype)
    _launch_im2col(x, geometry, columns, OH * OW, N * OH * OW)
    return columns


def _launch_im2col(
    x: Array, geometry: Geometry, columns: Array, image_step: int, tap_step: int
) -> None:
    N, C, H, W = x.shape
    if x.size == 0:  # the kernel reads a pixel for each tap, of padding too
        columns.fill(0)
        return
    OH, OW = geometry.output_shape("im2col", x.shape)
    sizes = (N * C, H, W, OH, OW, *geometry.kernel)
    steps = (*geometry.stride, *geometry.corner, *geometry.dilation)
    order = (C, image_step, tap_step)
    grid = cover(N * C * OH * OW)
    launch("im2col", "im2col", grid, in_rows(x), *sizes, *steps, *order, columns)


@col2im.cuda
def col2im_cuda(columns: Array, shape: tuple[int, ...], geometry: Geometry) -> Array:
    """One thread per pixel."""
    gx = array_module(columns).empty(shape, columns.dtype)
    col2im_into(gx, columns, geometry)
    return gx


def col2im_into(gx: Array, columns: Array, geometry: Geometry) -> None:
    """Write the columns, added back in place, to gx (N, C, H, W), which is row-major."""
    N, C, H, W = gx.shape
    outputs = geometry.output_shape("col2im", gx.shape)
    sizes = (N * C, H, W, *outputs, *geometry.kernel)
    steps = (*geometry.stride, *geometry.corner, *geometry.dilation)
    launch("im2col", "col2im", cover(gx.size), in_rows(columns), *sizes, *steps, gx)
