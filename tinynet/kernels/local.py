r"""Convolution whose filters are not shared: each place (i, j) has its own. cuda-convnet's `local`.

    y[n, o, i, j] = bias[o, i, j] + sum over c, p, q of weight[i, j, o, c, p, q] * x[n, c, h, w]
                    with h = SH*i + p - PH, w = SW*j + q - PW

    gx[n, c, h, w]             = sum over o of weight * gy[n, o, i, j], over all windows that saw it
    gweight[i, j, o, c, p, q]  = sum over n of gy[n, o, i, j] * x[n, c, h, w]
    gbias[o, i, j]             = sum over n of gy[n, o, i, j]

The reference is one matrix product for each place: its windows (N, C*KH*KW) times its filters. It
is written for a GPU too, where cuBLAS computes all places at once: there is no CUDA code of ours.
"""

from __future__ import annotations

from tinynet.core.backend import Array, array_module
from tinynet.kernels.codegen.layout import COUNTLESS, MIXED, countless, mixed
from tinynet.kernels.convolution import local_loops
from tinynet.kernels.dispatch import Kernel, unless
from tinynet.kernels.geometry import Padding, Pair, frame, unframe, windows
from tinynet.kernels.matmul import gemm

WHOLE = (1, 1)  # no dilation


def columns_of(x: Array, kernel: Pair, stride: Pair, padding: Padding, outputs: Pair) -> Array:
    """Return what each place sees, (OH, OW, N, C*KH*KW)."""
    framed = frame(x, kernel, stride, padding, WHOLE, outputs, fill=0)
    seen = windows(framed, kernel, stride, WHOLE, outputs).transpose(4, 5, 0, 1, 2, 3)
    return seen.reshape(*outputs, len(x), x.shape[1] * kernel[0] * kernel[1])


@Kernel
def locally_connected2d_forward(
    x: Array, weight: Array, bias: Array, stride: Pair, padding: Padding
) -> Array:
    """Return y (N, OC, OH, OW) of x (N, C, H, W), weight (OH, OW, OC, C, KH, KW), bias."""
    OH, OW, OC, C, KH, KW = weight.shape
    columns = columns_of(x, (KH, KW), stride, padding, (OH, OW))
    filters = weight.reshape(OH, OW, OC, C * KH * KW)
    return gemm(columns, filters.swapaxes(2, 3)).transpose(2, 3, 0, 1) + bias


@Kernel
def locally_connected2d_backward_input(
    gy: Array, weight: Array, shape: tuple[int, ...], stride: Pair, padding: Padding
) -> Array:
    """Return gx of `shape` (N, C, H, W): each gy (N, OC, OH, OW) times its filter, put back."""
    (SH, SW), (OH, OW, OC, C, KH, KW) = stride, weight.shape
    columns = gemm(gy.transpose(2, 3, 0, 1), weight.reshape(OH, OW, OC, C * KH * KW))
    parts = columns.reshape(OH, OW, len(gy), C, KH, KW).transpose(2, 3, 4, 5, 0, 1)
    sides = SH * (OH - 1) + KH, SW * (OW - 1) + KW
    framed = array_module(gy).zeros((*shape[:2], *sides), columns.dtype)
    for p in range(KH):
        for q in range(KW):
            framed[:, :, p : p + SH * OH : SH, q : q + SW * OW : SW] += parts[:, :, p, q]
    return unframe(framed, shape, padding)


@Kernel
def locally_connected2d_backward_weight(
    gy: Array, x: Array, kernel: Pair, stride: Pair, padding: Padding
) -> Array:
    """Return gweight (OH, OW, OC, C, KH, KW): gy (N, OC, OH, OW) times what each place saw."""
    OC, OH, OW = gy.shape[1:]
    columns = columns_of(x, kernel, stride, padding, (OH, OW))
    gweight = gemm(gy.transpose(2, 3, 1, 0), columns)
    return gweight.reshape(OH, OW, OC, x.shape[1], *kernel)


# ---- the same on the microkernel


@locally_connected2d_forward.numba
@unless(MIXED, mixed)
@unless(COUNTLESS, lambda x, weight, bias, *_: countless(x.shape, (len(x), *bias.shape)))
def locally_connected2d_forward_numba(
    x: Array, weight: Array, bias: Array, stride: Pair, padding: Padding
) -> Array:
    """Build no columns, and multiply nothing with the padding."""
    return local_loops.forward(x, weight, bias, stride, padding)


@locally_connected2d_backward_input.numba
@unless(MIXED, mixed)
@unless(COUNTLESS, lambda gy, weight, shape, *_: countless(gy.shape, shape))
def locally_connected2d_backward_input_numba(
    gy: Array, weight: Array, shape: tuple[int, ...], stride: Pair, padding: Padding
) -> Array:
    """Every pixel asks the places that see it: the same product with the ends exchanged."""
    return local_loops.backward_input(gy, weight, shape, stride, padding)


@locally_connected2d_backward_weight.numba
@unless(MIXED, mixed)
@unless(COUNTLESS, lambda gy, x, *_: countless(gy.shape, x.shape))
def locally_connected2d_backward_weight_numba(
    gy: Array, x: Array, kernel: Pair, stride: Pair, padding: Padding
) -> Array:
    """For each place and each pixel that it sees, a product that sums over the images."""
    return local_loops.backward_weight(gy, x, kernel, stride, padding)
