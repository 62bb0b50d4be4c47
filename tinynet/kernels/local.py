r"""Locally connected layer, cuda-convnet's `local`: a convolution with unshared filters.

    y[n, o, i, j] = bias[o, i, j] + sum over c, p, q of weight[i, j, o, c, p, q] * x[n, c, h, w]
                    with h = SH*i + p - PH, w = SW*j + q - PW

    gx[n, c, h, w]             = sum over o of weight * gy[n, o, i, j], over windows with (h, w)
    gweight[i, j, o, c, p, q]  = sum over n of gy[n, o, i, j] * x[n, c, h, w]
    gbias[o, i, j]             = sum over n of gy[n, o, i, j]

The reference is one matrix product for each place: its windows (N, C*KH*KW) times its filters. It
runs on a GPU too, where cuBLAS computes all places at once, so this op has no CUDA kernel.
"""

from __future__ import annotations

from tinynet.core.backend import Array, array_module
from tinynet.kernels.codegen.layout import exceeds_int32, mixed_dtypes
from tinynet.kernels.convolution import local_loops
from tinynet.kernels.dispatch import Kernel
from tinynet.kernels.gemm import gemm
from tinynet.kernels.geometry import Geometry, Pair, frame, unframe, windows


def columns_of(x: Array, geometry: Geometry, outputs: Pair) -> Array:
    """Return the window at each place, (OH, OW, N, C*KH*KW)."""
    framed = frame(x, geometry, outputs, fill=0)
    view = windows(framed, geometry, outputs).transpose(4, 5, 0, 1, 2, 3)
    return view.reshape(*outputs, len(x), x.shape[1] * geometry.kernel[0] * geometry.kernel[1])


@Kernel
def locally_connected2d_forward(x: Array, weight: Array, bias: Array, geometry: Geometry) -> Array:
    """Return y (N, OC, OH, OW) of x (N, C, H, W), weight (OH, OW, OC, C, KH, KW), bias."""
    OH, OW, OC = weight.shape[:3]
    columns = columns_of(x, geometry, (OH, OW))
    filters = weight.reshape(OH, OW, OC, columns.shape[3])
    return gemm(columns, filters.swapaxes(2, 3)).transpose(2, 3, 0, 1) + bias


@Kernel
def locally_connected2d_backward_input(
    gy: Array, weight: Array, shape: tuple[int, ...], geometry: Geometry
) -> Array:
    """Return gx of `shape` (N, C, H, W): each gy (N, OC, OH, OW) times its filter, put back."""
    SH, SW = geometry.stride
    OH, OW, OC, C, KH, KW = weight.shape
    columns = gemm(gy.transpose(2, 3, 0, 1), weight.reshape(OH, OW, OC, C * KH * KW))
    parts = columns.reshape(OH, OW, len(gy), C, KH, KW).transpose(2, 3, 4, 5, 0, 1)
    extent = geometry.extent((OH, OW))
    framed = array_module(gy).zeros((*shape[:2], *extent), columns.dtype)
    for p in range(KH):
        for q in range(KW):
            framed[:, :, p : p + SH * OH : SH, q : q + SW * OW : SW] += parts[:, :, p, q]
    return unframe(framed, shape, geometry)


@Kernel
def locally_connected2d_backward_weight(gy: Array, x: Array, geometry: Geometry) -> Array:
    """Return gweight (OH, OW, OC, C, KH, KW): gy (N, OC, OH, OW) times the window at each place."""
    OC, OH, OW = gy.shape[1:]
    columns = columns_of(x, geometry, (OH, OW))
    gweight = gemm(gy.transpose(2, 3, 1, 0), columns)
    return gweight.reshape(OH, OW, OC, x.shape[1], *geometry.kernel)


# ---- Numba: the microkernel


@locally_connected2d_forward.numba
@mixed_dtypes
@exceeds_int32(lambda x, weight, bias, geometry: [x.shape, (len(x), *bias.shape)])
def locally_connected2d_forward_numba(
    x: Array, weight: Array, bias: Array, geometry: Geometry
) -> Array:
    """No columns are built, and nothing is multiplied by padding."""
    geometry.check_filters("locally_connected2d", weight.shape)
    return local_loops.forward(x, weight, bias, geometry)


@locally_connected2d_backward_input.numba
@mixed_dtypes
@exceeds_int32(lambda gy, weight, shape, geometry: [gy.shape, shape])
def locally_connected2d_backward_input_numba(
    gy: Array, weight: Array, shape: tuple[int, ...], geometry: Geometry
) -> Array:
    """Each pixel gathers from the places of its windows: the forward product, ends exchanged."""
    geometry.check_filters("locally_connected2d", weight.shape)
    return local_loops.backward_input(gy, weight, shape, geometry)


@locally_connected2d_backward_weight.numba
@mixed_dtypes
@exceeds_int32(lambda gy, x, geometry: [gy.shape, x.shape])
def locally_connected2d_backward_weight_numba(gy: Array, x: Array, geometry: Geometry) -> Array:
    """Sum over the images, for each place and each pixel of its window."""
    return local_loops.backward_weight(gy, x, geometry)
