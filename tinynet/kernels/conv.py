r"""Convolution (the paper's: filters are not flipped), with groups as in AlexNet's two towers.

    y[n, o, i, j] = bias[o] + sum over c, p, q of weight[o, c, p, q] * x[n, c', h, w]
                    with h = SH*i + DH*p - PH, w = SW*j + DW*q - PW

    gx[n, c', h, w]     = sum of weight[o, c, p, q] * gy[n, o, i, j] over all windows with (h, w)
    gweight[o, c, p, q] = sum over n, i, j of gy[n, o, i, j] * x[n, c', h, w]
    gbias[o]            = sum over n, i, j of gy[n, o, i, j]

c' = c + (C // G) * (group of o): output channel o uses only the C // G channels of its own group.

The reference is im2col and a matrix product per group: (OC // G, K) @ (K, OH*OW) with
K = C // G * KH * KW.

A fused ReLU takes the maximum with 0 before y is written. Its backward pass masks gy with y > 0 and
sums the gradient of the bias in the same pass over memory. `conv2d_backward` computes all three
gradients: on a CPU by the kernels for each of them, on a GPU in fewer launches.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator, Sequence

from tinynet.core.backend import Array, array_module
from tinynet.kernels.codegen.layout import exceeds_int32, mixed_dtypes
from tinynet.kernels.convolution import cuda, gradient_loops, loops, winograd, winograd_gradient
from tinynet.kernels.dispatch import Kernel, bfloat16_too, fallback_if
from tinynet.kernels.gemm import gemm, sums_in_halves
from tinynet.kernels.geometry import Geometry, Pair
from tinynet.kernels.im2col import col2im, im2col

Shape = tuple[int, ...]


def _output_shape(x_shape: Shape, weight_shape: Shape, geometry: Geometry) -> Pair:
    """Return (OH, OW), or raise a ShapeError where filters and windows differ in size."""
    geometry.check_filters("conv2d", weight_shape)
    return geometry.output_shape("conv2d", x_shape)


@Kernel
def conv2d_forward(x: Array, weight: Array, bias: Array | None, geometry: Geometry) -> Array:
    """Return y (N, OC, OH, OW) of x (N, C, H, W), weight (OC, C // G, KH, KW), bias (OC,)."""
    G = geometry.groups
    OH, OW = _output_shape(x.shape, weight.shape, geometry)
    columns = im2col.reference(x, geometry)
    columns = columns.reshape(len(x), G, columns.shape[1] // G, OH * OW)
    y = gemm(weight.reshape(G, weight.shape[0] // G, -1), columns)
    y = y.reshape(len(x), len(weight), OH, OW)
    return y if bias is None else y + bias[:, None, None]


@Kernel
def conv2d_backward_input(gy: Array, weight: Array, shape: Shape, geometry: Geometry) -> Array:
    """Return gx of `shape` (N, C, H, W): each gy (N, OC, OH, OW) times its filter, put back."""
    G = geometry.groups
    N, OC, OH, OW = gy.shape
    filters = weight.reshape(G, OC // G, -1)  # (G, OC // G, K)
    columns = gemm(filters.transpose(0, 2, 1), gy.reshape(N, G, OC // G, OH * OW))
    columns = columns.reshape(N, G * filters.shape[2], OH * OW)
    return col2im.reference(columns, shape, geometry)


@Kernel
def conv2d_backward_weight(gy: Array, x: Array, geometry: Geometry) -> Array:
    """Return gweight (OC, C // G, KH, KW): gy (N, OC, OH, OW) times the windows of x."""
    G = geometry.groups
    N, OC, OH, OW = gy.shape
    columns = im2col.reference(x, geometry)
    K = columns.shape[1] // G
    columns = columns.reshape(N, G, K, OH * OW).transpose(1, 0, 3, 2)  # (G, N, OH*OW, K)
    columns = columns.reshape(G, N * OH * OW, K)
    gy = gy.reshape(N, G, OC // G, OH * OW).transpose(1, 2, 0, 3)  # (G, OC // G, N, OH*OW)
    gy = gy.reshape(G, OC // G, N * OH * OW)
    return gemm(gy, columns).reshape(OC, x.shape[1] // G, *geometry.kernel)


@Kernel
def conv2d_backward_bias(gy: Array) -> Array:
    """Return gbias (OC,) of gy (N, OC, OH, OW)."""
    return gy.sum(axis=(0, 2, 3))


@Kernel
def conv2d_relu_forward(x: Array, weight: Array, bias: Array | None, geometry: Geometry) -> Array:
    """Return max(y, 0) of what conv2d_forward returns."""
    y = conv2d_forward(x, weight, bias, geometry)
    return array_module(y).maximum(y, 0)


@Kernel
def conv2d_relu_backward(gy: Array, y: Array) -> tuple[Array, Array]:
    """Return gy (N, OC, OH, OW) where y > 0 and 0 elsewhere, and its gbias (OC,)."""
    gy = array_module(gy).where(y > 0, gy, gy.dtype.type(0))
    return gy, conv2d_backward_bias(gy)


@Kernel
def conv2d_backward(
    gy: Array,
    x: Array,
    weight: Array,
    y: Array | None,
    geometry: Geometry,
    needed: cuda.Needed,
    halves: bool = False,
) -> tuple[Array | None, Array | None, Array | None]:
    """Return gx, gweight and gbias, or None for what is not needed; y is that of a fused ReLU."""
    gx = gweight = gbias = None
    if y is not None:
        gy, gbias = conv2d_relu_backward(gy, y)
    elif needed[2]:
        gbias = conv2d_backward_bias(gy)
    if needed[0]:
        gx = _backward_input(gy, weight, x.shape, geometry, halves)
    if needed[1]:
        gweight = conv2d_backward_weight(gy, x, geometry)
    return gx, gweight, gbias if needed[2] else None


def _backward_input(
    gy: Array, weight: Array, shape: Shape, geometry: Geometry, halves: bool
) -> Array:
    """Return gx: one sum over all filters, or the sum over each half of them, added."""
    if not (halves and sums_in_halves(gy)):
        return conv2d_backward_input(gy, weight, shape, geometry)
    half = len(weight) // 2
    gx = conv2d_backward_input(gy[:, :half], weight[:half], shape, geometry)
    gx += conv2d_backward_input(gy[:, half:], weight[half:], shape, geometry)
    return gx


# ---- Numba: the microkernel, directly or with Winograd's fewer multiplications


_direct: contextvars.ContextVar[bool] = contextvars.ContextVar("tinynet.direct", default=False)


@contextlib.contextmanager
def direct() -> Iterator[None]:
    """Inside the block no convolution uses Winograd's algorithm, which rounds differently."""
    token = _direct.set(True)
    try:
        yield
    finally:
        _direct.reset(token)


def _uses_winograd(x_shape: Shape, OC: int, outputs: Pair, geometry: Geometry) -> bool:
    return not _direct.get() and winograd.supported(x_shape, OC, outputs, geometry)


def uses_winograd(x: Array, weight: Array, geometry: Geometry) -> bool:
    """Return whether conv2d of x (N, C, H, W) by weight runs Winograd's algorithm here."""
    if conv2d_forward.kind_for(x, weight) != "numba" or weight.dtype != x.dtype:
        return False
    outputs = _output_shape(x.shape, weight.shape, geometry)
    return _uses_winograd(x.shape, len(weight), outputs, geometry)


def _bordered_shape(shape: Shape, padding: Sequence[Pair]) -> Shape:
    """Return the shape of images with a border."""
    N, C, *sides = shape
    return N, C, *(size + sum(both) for size, both in zip(sides, padding, strict=True))


def _forward_shapes(x: Array, weight: Array, _bias: object, geometry: Geometry) -> list[Shape]:
    """Return the shapes of the bordered images and of the outputs of a forward pass."""
    outputs = _output_shape(x.shape, weight.shape, geometry)
    return [_bordered_shape(x.shape, geometry.padding), (len(x), len(weight), *outputs)]


def _backward_input_shapes(
    gy: Array, _weight: Array, shape: Shape, geometry: Geometry
) -> list[Shape]:
    reach = [(d * (k - 1),) * 2 for d, k in zip(geometry.dilation, geometry.kernel, strict=True)]
    return [_bordered_shape(gy.shape, reach), shape]


def _backward_weight_shapes(gy: Array, x: Array, geometry: Geometry) -> list[Shape]:
    return [_bordered_shape(x.shape, geometry.padding), gy.shape]


@conv2d_forward.numba
@mixed_dtypes
@exceeds_int32(_forward_shapes)
def conv2d_forward_numba(x: Array, weight: Array, bias: Array | None, geometry: Geometry) -> Array:
    """Multiply without im2col: rows are output pixels, or tiles of them."""
    return fast_forward(x, weight, bias, geometry, relu=False)


@conv2d_relu_forward.numba
@mixed_dtypes
@exceeds_int32(_forward_shapes)
def conv2d_relu_forward_numba(
    x: Array, weight: Array, bias: Array | None, geometry: Geometry
) -> Array:
    """Take the maximum while the sums are in registers."""
    return fast_forward(x, weight, bias, geometry, relu=True)


def fast_forward(
    x: Array, weight: Array, bias: Array | None, geometry: Geometry, *, relu: bool
) -> Array:
    """Return y, or max(y, 0)."""
    outputs = _output_shape(x.shape, weight.shape, geometry)
    if _uses_winograd(x.shape, len(weight), outputs, geometry):
        return winograd.forward(x, weight, bias, outputs, geometry, relu=relu)
    return loops.forward(x, weight, bias, outputs, geometry, relu=relu)


@conv2d_backward_input.numba
@mixed_dtypes
@exceeds_int32(_backward_input_shapes)
def conv2d_backward_input_numba(
    gy: Array, weight: Array, shape: Shape, geometry: Geometry
) -> Array:
    """Convolve gy with the filters rotated by 180 degrees."""
    outputs = _output_shape(shape, weight.shape, geometry)
    if _uses_winograd(shape, len(weight), outputs, geometry):
        return winograd.backward_input(gy, weight, shape, geometry)
    return loops.backward_input(gy, weight, shape, geometry)


@conv2d_backward_weight.numba
@mixed_dtypes
@exceeds_int32(_backward_weight_shapes)
def conv2d_backward_weight_numba(gy: Array, x: Array, geometry: Geometry) -> Array:
    """Multiply the transposed matrices: the sums run over pixels, or tiles of them."""
    outputs = gy.shape[2], gy.shape[3]
    if _uses_winograd(x.shape, gy.shape[1], outputs, geometry):
        return winograd_gradient.backward_weight(gy, x, geometry)
    return gradient_loops.backward_weight(gy, x, geometry)


@conv2d_backward_bias.numba
@exceeds_int32(lambda gy: [gy.shape])
def conv2d_backward_bias_numba(gy: Array) -> Array:
    """Sum in double precision."""
    return gradient_loops.backward_bias(gy)


@conv2d_relu_backward.numba
@mixed_dtypes
@exceeds_int32(lambda gy, y: [gy.shape])
def conv2d_relu_backward_numba(gy: Array, y: Array) -> tuple[Array, Array]:
    """One pass over gy and y."""
    return gradient_loops.backward_relu(gy, y)


# ---- CUDA: conv.cu


@conv2d_forward.cuda
@bfloat16_too
def conv2d_forward_cuda(x: Array, weight: Array, bias: Array | None, geometry: Geometry) -> Array:
    """One block per tile of 64 filters and 64 windows."""
    outputs = _output_shape(x.shape, weight.shape, geometry)
    return cuda.forward(x, weight, bias, outputs, geometry, relu=False)


@conv2d_relu_forward.cuda
@bfloat16_too
def conv2d_relu_forward_cuda(
    x: Array, weight: Array, bias: Array | None, geometry: Geometry
) -> Array:
    """Add the bias and take the maximum while the sums are in registers."""
    outputs = _output_shape(x.shape, weight.shape, geometry)
    return cuda.forward(x, weight, bias, outputs, geometry, relu=True)


@conv2d_backward_input.cuda
@bfloat16_too
def conv2d_backward_input_cuda(gy: Array, weight: Array, shape: Shape, geometry: Geometry) -> Array:
    """One block per tile of 64 channels and 64 pixels."""
    _output_shape(shape, weight.shape, geometry)
    return cuda.backward_input(gy, weight, shape, geometry)


@conv2d_backward_weight.cuda
@bfloat16_too
def conv2d_backward_weight_cuda(gy: Array, x: Array, geometry: Geometry) -> Array:
    """One block per tile of 64 filters and 64 of their weights."""
    return cuda.backward_weight(gy, x, geometry)


@conv2d_backward_bias.cuda
@bfloat16_too
def conv2d_backward_bias_cuda(gy: Array) -> Array:
    """One block per channel and part of the images, in double precision."""
    return cuda.backward_bias(gy)


@conv2d_relu_backward.cuda
@bfloat16_too
def conv2d_relu_backward_cuda(gy: Array, y: Array) -> tuple[Array, Array]:
    """One pass over gy and y."""
    return cuda.backward_relu(gy, y)


def _is_halved(gy: Array, *others: object) -> bool:
    return others[-1] is True and sums_in_halves(gy)


@conv2d_backward.cuda
@bfloat16_too
@fallback_if("sums in halves on a CPU, as two devices sum", _is_halved)
def conv2d_backward_cuda(
    gy: Array,
    x: Array,
    weight: Array,
    y: Array | None,
    geometry: Geometry,
    needed: cuda.Needed,
    halves: bool = False,
) -> tuple[Array | None, Array | None, Array | None]:
    """Compute all gradients; the last steps of the two sums are one launch."""
    _output_shape(x.shape, weight.shape, geometry)
    return cuda.backward(gy, x, weight, y, geometry, needed)
