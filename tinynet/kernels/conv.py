r"""Convolution (the paper's: filters are not flipped), with groups as in AlexNet's two towers.

    y[n, o, i, j] = bias[o] + sum over c, p, q of weight[o, c, p, q] * x[n, c', h, w]
                    with h = SH*i + DH*p - PH, w = SW*j + DW*q - PW

    gx[n, c', h, w]     = sum of weight[o, c, p, q] * gy[n, o, i, j] over all windows that saw it
    gweight[o, c, p, q] = sum over n, i, j of gy[n, o, i, j] * x[n, c', h, w]
    gbias[o]            = sum over n, i, j of gy[n, o, i, j]

c' = c + (C // G) * (group of o): output channel o sees only the C // G channels of its own group.

The reference is im2col and a matrix product per group: (OC // G, K) @ (K, OH*OW) with
K = C // G * KH * KW.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator, Sequence
from typing import Any

from tinynet.core.backend import Array
from tinynet.kernels.codegen.layout import COUNTLESS, MIXED, countless, mixed
from tinynet.kernels.convolution import cuda, gradient_loops, loops, winograd, winograd_gradient
from tinynet.kernels.dispatch import Kernel, unless
from tinynet.kernels.geometry import Padding, Pair, output_shape
from tinynet.kernels.im2col import col2im, im2col
from tinynet.kernels.matmul import gemm


@Kernel
def conv2d_forward(
    x: Array,
    weight: Array,
    bias: Array | None,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
) -> Array:
    """Return y (N, OC, OH, OW) of x (N, C, H, W), weight (OC, C // G, KH, KW), bias (OC,)."""
    kernel = weight.shape[2:]
    OH, OW = output_shape("conv2d", x.shape, kernel, stride, padding, dilation)
    columns = im2col.reference(x, kernel, stride, padding, dilation)
    K = columns.shape[1] // groups
    columns = columns.reshape(len(x), groups, K, OH * OW)
    y = gemm(weight.reshape(groups, weight.shape[0] // groups, -1), columns)
    y = y.reshape(len(x), len(weight), OH, OW)
    return y if bias is None else y + bias[:, None, None]


@Kernel
def conv2d_backward_input(
    gy: Array,
    weight: Array,
    shape: tuple[int, ...],
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
) -> Array:
    """Return gx of `shape` (N, C, H, W): each gy (N, OC, OH, OW) times its filter, put back."""
    N, OC, OH, OW = gy.shape
    filters = weight.reshape(groups, OC // groups, -1)  # (G, OC // G, K)
    columns = gemm(filters.transpose(0, 2, 1), gy.reshape(N, groups, OC // groups, OH * OW))
    columns = columns.reshape(N, groups * filters.shape[2], OH * OW)
    return col2im.reference(columns, shape, weight.shape[2:], stride, padding, dilation)


@Kernel
def conv2d_backward_weight(
    gy: Array,
    x: Array,
    kernel: Pair,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
) -> Array:
    """Return gweight (OC, C // G, KH, KW): gy (N, OC, OH, OW) times what each filter saw of x."""
    N, OC, OH, OW = gy.shape
    columns = im2col.reference(x, kernel, stride, padding, dilation)
    K = columns.shape[1] // groups
    columns = columns.reshape(N, groups, K, OH * OW).transpose(1, 0, 3, 2)  # (G, N, OH*OW, K)
    gy = gy.reshape(N, groups, OC // groups, OH * OW).transpose(1, 2, 0, 3)  # (G, OC//G, N, OH*OW)
    pixels = N * OH * OW
    gy, columns = gy.reshape(groups, OC // groups, pixels), columns.reshape(groups, pixels, K)
    gweight = gemm(gy, columns)
    return gweight.reshape(OC, K // (kernel[0] * kernel[1]), *kernel)


@Kernel
def conv2d_backward_bias(gy: Array) -> Array:
    """Return gbias (OC,) of gy (N, OC, OH, OW)."""
    return gy.sum(axis=(0, 2, 3))


# ---- the same on the microkernel: directly, or with Winograd's fewer multiplications


_direct: contextvars.ContextVar[bool] = contextvars.ContextVar("tinynet.direct", default=False)


@contextlib.contextmanager
def direct() -> Iterator[None]:
    """Inside the block no convolution takes Winograd's way, which rounds differently."""
    token = _direct.set(True)
    try:
        yield
    finally:
        _direct.reset(token)


def _takes_winograd(x_shape: tuple[int, ...], *geometry: Any) -> bool:
    return not _direct.get() and winograd.suits(x_shape, *geometry)


def _around(shape: tuple[int, ...], padding: Sequence[Pair]) -> tuple[int, ...]:
    """Return the shape of images with a border."""
    N, C, *sides = shape
    return N, C, *(size + sum(both) for size, both in zip(sides, padding, strict=True))


def forward_countless(x: Array, weight: Array, bias: Array | None, *geometry: Any) -> bool:
    """Whether the bordered images, or the outputs, of a forward pass are countless."""
    stride, padding, dilation, _ = geometry
    outputs = output_shape("conv2d", x.shape, weight.shape[2:], stride, padding, dilation)
    return countless(_around(x.shape, padding), (len(x), len(weight), *outputs))


def _input_countless(gy: Array, weight: Array, shape: tuple[int, ...], *geometry: Any) -> bool:
    reach = [(d * (k - 1),) * 2 for d, k in zip(geometry[2], weight.shape[2:], strict=True)]
    return countless(_around(gy.shape, reach), shape)


@conv2d_forward.numba
@unless(MIXED, mixed)
@unless(COUNTLESS, forward_countless)
def conv2d_forward_numba(
    x: Array,
    weight: Array,
    bias: Array | None,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
) -> Array:
    """Output pixels, or tiles of them, are the rows of a product that is never built."""
    return fast_forward(x, weight, bias, stride, padding, dilation, groups)


def fast_forward(
    x: Array,
    weight: Array,
    bias: Array | None,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
    *,
    relu: bool = False,
) -> Array:
    """Return y, or max(y, 0)."""
    geometry = stride, padding, dilation, groups
    outputs = output_shape("conv2d", x.shape, weight.shape[2:], stride, padding, dilation)
    if _takes_winograd(x.shape, weight.shape, outputs, *geometry):
        return winograd.forward(x, weight, bias, padding, outputs, groups, relu=relu)
    return loops.forward(x, weight, bias, *geometry, relu=relu)


@conv2d_backward_input.numba
@unless(MIXED, mixed)
@unless(COUNTLESS, _input_countless)
def conv2d_backward_input_numba(
    gy: Array,
    weight: Array,
    shape: tuple[int, ...],
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
) -> Array:
    """Multiply gy with the filters turned round."""
    geometry = stride, padding, dilation, groups
    if _takes_winograd(shape, weight.shape, gy.shape[2:], *geometry):
        return winograd.backward_input(gy, weight, shape, padding, groups)
    return loops.backward_input(gy, weight, shape, *geometry)


@conv2d_backward_weight.numba
@unless(MIXED, mixed)
@unless(
    COUNTLESS,
    lambda gy, x, kernel, stride, padding, *_: countless(_around(x.shape, padding), gy.shape),
)
def conv2d_backward_weight_numba(
    gy: Array,
    x: Array,
    kernel: Pair,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
) -> Array:
    """Multiply the transposed matrices: the sums run over pixels, or tiles of them."""
    geometry = stride, padding, dilation, groups
    weight = (gy.shape[1], x.shape[1] // groups, *kernel)
    if _takes_winograd(x.shape, weight, gy.shape[2:], *geometry):
        return winograd_gradient.backward_weight(gy, x, kernel[0], padding, groups)
    return gradient_loops.backward_weight(gy, x, kernel, *geometry)


@conv2d_backward_bias.numba
@unless(COUNTLESS, lambda gy: countless(gy.shape))
def conv2d_backward_bias_numba(gy: Array) -> Array:
    """Add up in double precision."""
    return gradient_loops.backward_bias(gy)


# ---- the same in threads: conv.cu


@conv2d_forward.cuda
def conv2d_forward_cuda(
    x: Array,
    weight: Array,
    bias: Array | None,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
) -> Array:
    """One block a tile of 64 filters and 64 windows."""
    outputs = output_shape("conv2d", x.shape, weight.shape[2:], stride, padding, dilation)
    return cuda.forward(x, weight, bias, outputs, stride, padding, dilation, groups)


@conv2d_backward_input.cuda
def conv2d_backward_input_cuda(
    gy: Array,
    weight: Array,
    shape: tuple[int, ...],
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
) -> Array:
    """One block a tile of 64 channels and 64 pixels."""
    return cuda.backward_input(gy, weight, shape, stride, padding, dilation, groups)


@conv2d_backward_weight.cuda
def conv2d_backward_weight_cuda(
    gy: Array,
    x: Array,
    kernel: Pair,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
) -> Array:
    """One block a tile of 64 filters and 64 of their weights."""
    return cuda.backward_weight(gy, x, kernel, stride, padding, dilation, groups)


@conv2d_backward_bias.cuda
def conv2d_backward_bias_cuda(gy: Array) -> Array:
    """One block a channel, in double precision."""
    return cuda.backward_bias(gy)
