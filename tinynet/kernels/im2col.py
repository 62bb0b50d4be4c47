r"""im2col lays every window of an image in a column, so that a convolution is a matrix product.

    columns[n, (c, p, q), (i, j)] = x[n, c, SH*i + DH*p - PH, SW*j + DW*q - PW]       (0 outside)

    gx[n, c, h, w] = sum of gcolumns[n, (c, p, q), (i, j)] over all (p, q, i, j) that read x[n, c, h, w]

col2im is the adjoint: it *adds* every column back to where its pixels came from. A pixel under
K * K overlapping windows receives K * K terms.
"""

from __future__ import annotations

from tinynet.backend import Array, array_module
from tinynet.kernels._kernel import Kernel
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
