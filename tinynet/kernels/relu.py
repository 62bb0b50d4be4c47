"""The rectifier, by itself or behind another op, which then does it in the same pass over memory.

    y  = max(x, 0)
    gx = gy where y > 0 and 0 elsewhere

The derivative at exactly 0 is 0, as in the code of 2012. Behind a convolution or a normalization x
is never stored: the maximum is taken before y is written, and on the way back gy is masked while it
is read. Of a pooling window where nothing is larger than 0, nobody is the winner, and nobody gets
a gradient.
"""

from __future__ import annotations

import numpy as np

from tinynet.core.backend import Array, array_module
from tinynet.kernels import batch_norm
from tinynet.kernels.batch_norm import batch_norm_backward, batch_norm_forward
from tinynet.kernels.codegen.layout import COUNTLESS, GRAIN, MIXED, countless, mixed
from tinynet.kernels.codegen.native import In1, Out1, native
from tinynet.kernels.conv import (
    conv2d_backward_bias,
    conv2d_forward,
    fast_forward,
    forward_countless,
)
from tinynet.kernels.convolution import cuda, gradient_loops
from tinynet.kernels.cuda.launch import cover, in_rows, launch
from tinynet.kernels.dispatch import Kernel, unless
from tinynet.kernels.geometry import Padding, Pair, output_shape
from tinynet.kernels.max_pool import fast_forward as fast_pooling
from tinynet.kernels.max_pool import launch_forward, max_pool2d_forward


@Kernel
def relu_forward(x: Array) -> Array:
    """Return max(x, 0), of any shape."""
    return array_module(x).maximum(x, 0)


@Kernel
def relu_backward(gy: Array, y: Array) -> Array:
    """Return gx: gy where y > 0, and 0 elsewhere, even where gy is no number."""
    return array_module(gy).where(y > 0, gy, gy.dtype.type(0))


@Kernel
def conv2d_relu_forward(
    x: Array,
    weight: Array,
    bias: Array | None,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
) -> Array:
    """Return max(y, 0) of what conv2d_forward returns."""
    y = conv2d_forward(x, weight, bias, stride, padding, dilation, groups)
    return relu_forward.reference(y)


@Kernel
def conv2d_relu_backward(gy: Array, y: Array) -> tuple[Array, Array]:
    """Return gy (N, OC, OH, OW) where y > 0, the gradient before the ReLU, and its gbias (OC,)."""
    gy = relu_backward.reference(gy, y)
    return gy, conv2d_backward_bias(gy)


@Kernel
def batch_norm_relu_forward(
    x: Array, mean: Array, var: Array, weight: Array, bias: Array, eps: float
) -> Array:
    """Return max(y, 0) of what batch_norm_forward returns."""
    return relu_forward.reference(batch_norm_forward(x, mean, var, weight, bias, eps))


@Kernel
def batch_norm_relu_backward(
    gy: Array,
    y: Array,
    x: Array,
    mean: Array,
    var: Array,
    weight: Array,
    eps: float,
    training: bool,
) -> tuple[Array, Array, Array]:
    """Return gx (N, C, H, W), gweight (C,), gbias (C,); y is what the ReLU let through."""
    gy = relu_backward.reference(gy, y)
    return batch_norm_backward(gy, x, mean, var, weight, eps, training)


NOBODY = 255  # the winner of a window without one: so windows have at most 255 pixels


@Kernel
def max_pool2d_relu_forward(
    x: Array, kernel: Pair, stride: Pair, padding: Padding, ceil_mode: bool
) -> tuple[Array, Array]:
    """Return max(y, 0) of what max_pool2d_forward returns, and the winner or NOBODY."""
    y, winner = max_pool2d_forward(x, kernel, stride, padding, ceil_mode)
    xp = array_module(x)
    return xp.maximum(y, 0), xp.where(y <= 0, xp.uint8(NOBODY), winner)


# ---- the same in loops over elements


FEWEST = 1 << 12


def _small(x: Array, *_: Array) -> bool:
    return x.size < FEWEST


def _apart(*arrays: Array) -> bool:
    """Whether there are gaps between elements, or two arrays lie in different orders."""
    first = arrays[0]
    whole = first.transpose(np.argsort(first.strides)[::-1]).flags.c_contiguous
    return not whole or any(a.strides != first.strides for a in arrays)


few = unless(f"fewer than {FEWEST} numbers, for which Numba need not be loaded", _small)
gaps = unless("arrays with gaps, or that do not lie alike", _apart)


@relu_forward.numba
@few
@gaps
def relu_forward_numba(x: Array) -> Array:
    """One pass over x."""
    y = np.empty_like(x)
    _forward_loop(x.size, x.ravel("K"), y.ravel("K"), grain=GRAIN)
    return y


@native
def _forward_loop(lo: int, hi: int, x: In1, y: Out1) -> None:
    part, out = x[lo:hi], y[lo:hi]  # counted from 0: an index that cannot be negative is quicker
    for i in range(len(part)):
        out[i] = np.float32(0) if part[i] <= 0 else part[i]  # what is no number stays so


@relu_backward.numba
@unless(MIXED, mixed)
@few
@gaps
def relu_backward_numba(gy: Array, y: Array) -> Array:
    """One pass over gy and y."""
    gx = np.empty_like(gy)
    _backward_loop(gy.size, gy.ravel("K"), y.ravel("K"), gx.ravel("K"), grain=GRAIN)
    return gx


@native
def _backward_loop(lo: int, hi: int, gy: In1, y: In1, gx: Out1) -> None:
    part, kept, out = gy[lo:hi], y[lo:hi], gx[lo:hi]
    for i in range(len(part)):
        g = part[i]
        out[i] = g if kept[i] > 0 else np.float32(0)


@batch_norm_relu_forward.numba
def batch_norm_relu_forward_numba(
    x: Array, mean: Array, var: Array, weight: Array, bias: Array, eps: float
) -> Array:
    """One pass over x."""
    return batch_norm.fast_forward(x, mean, var, weight, bias, eps, floor=0.0)


@batch_norm_relu_backward.numba
def batch_norm_relu_backward_numba(
    gy: Array,
    y: Array,
    x: Array,
    mean: Array,
    var: Array,
    weight: Array,
    eps: float,
    training: bool,
) -> tuple[Array, Array, Array]:
    """One pass over gy, y and x for the sums, another one for gx."""
    return batch_norm.fast_backward(gy, y, x, mean, var, weight, eps, training)


# ---- the same on the microkernel


@conv2d_relu_forward.numba
@unless(MIXED, mixed)
@unless(COUNTLESS, forward_countless)
def conv2d_relu_forward_numba(
    x: Array,
    weight: Array,
    bias: Array | None,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
) -> Array:
    """Take the maximum while the sums are in registers."""
    return fast_forward(x, weight, bias, stride, padding, dilation, groups, relu=True)


@conv2d_relu_backward.numba
@unless(MIXED, mixed)
@unless(COUNTLESS, lambda gy, y: countless(gy.shape))
def conv2d_relu_backward_numba(gy: Array, y: Array) -> tuple[Array, Array]:
    """One pass over gy and y."""
    return gradient_loops.backward_relu(gy, y)


@max_pool2d_relu_forward.numba
def max_pool2d_relu_forward_numba(
    x: Array, kernel: Pair, stride: Pair, padding: Padding, ceil_mode: bool
) -> tuple[Array, Array]:
    """Begin with 0 instead of minus infinity."""
    return fast_pooling(x, kernel, stride, padding, ceil_mode, 0.0, NOBODY)


# ---- the same in threads: relu.cu, conv.cu, batch_norm.cu and max_pool.cu


@relu_forward.cuda
def relu_forward_cuda(x: Array) -> Array:
    """One thread an element."""
    x = in_rows(x)
    y = array_module(x).empty(x.shape, x.dtype)
    launch("relu", "relu_forward", cover(x.size), x, x.size, y)
    return y


@relu_backward.cuda
def relu_backward_cuda(gy: Array, y: Array) -> Array:
    """One thread an element."""
    gx = array_module(gy).empty(gy.shape, gy.dtype)
    launch("relu", "relu_backward", cover(gy.size), in_rows(gy), in_rows(y), gy.size, gx)
    return gx


@batch_norm_relu_forward.cuda
def batch_norm_relu_forward_cuda(
    x: Array, mean: Array, var: Array, weight: Array, bias: Array, eps: float
) -> Array:
    """One thread an element."""
    return batch_norm.launch_forward(x, mean, var, weight, bias, eps, relu=True)


@batch_norm_relu_backward.cuda
def batch_norm_relu_backward_cuda(
    gy: Array,
    y: Array,
    x: Array,
    mean: Array,
    var: Array,
    weight: Array,
    eps: float,
    training: bool,
) -> tuple[Array, Array, Array]:
    """One block a channel for the sums, then one thread an element for gx."""
    return batch_norm.launch_backward(gy, y, x, mean, var, weight, eps, training)


@conv2d_relu_forward.cuda
def conv2d_relu_forward_cuda(
    x: Array,
    weight: Array,
    bias: Array | None,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
) -> Array:
    """Add the bias and take the maximum while the sums are in registers."""
    outputs = output_shape("conv2d", x.shape, weight.shape[2:], stride, padding, dilation)
    geometry = outputs, stride, padding, dilation, groups
    return cuda.forward(x, weight, bias, *geometry, relu=True)


@conv2d_relu_backward.cuda
def conv2d_relu_backward_cuda(gy: Array, y: Array) -> tuple[Array, Array]:
    """One pass over gy and y."""
    return cuda.backward_relu(gy, y)


@max_pool2d_relu_forward.cuda
def max_pool2d_relu_forward_cuda(
    x: Array, kernel: Pair, stride: Pair, padding: Padding, ceil_mode: bool
) -> tuple[Array, Array]:
    """Begin with 0 instead of minus infinity."""
    return launch_forward(x, kernel, stride, padding, ceil_mode, 0.0, NOBODY)
