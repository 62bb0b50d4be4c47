"""A convolution, or a max-pooling, and the ReLU behind it: no pass over memory for the ReLU.

    y  = max(conv2d(x), 0)
    gx = the gradients of the convolution, for gy where y > 0 and 0 elsewhere

The derivative at exactly 0 is 0, as in the code of 2012. Of a pooling window where nothing is
larger than 0, nobody is the winner, and nobody gets a gradient.
"""

from __future__ import annotations

from tinynet.backend import Array, array_module
from tinynet.kernels import conv_cuda, conv_gradient_loops
from tinynet.kernels._kernel import Kernel, unless
from tinynet.kernels._layout import COUNTLESS, MIXED, countless, mixed
from tinynet.kernels.conv import (
    conv2d_backward_bias,
    conv2d_forward,
    fast_forward,
    forward_countless,
)
from tinynet.kernels.geometry import Padding, Pair, output_shape
from tinynet.kernels.max_pool import fast_forward as fast_pooling
from tinynet.kernels.max_pool import launch_forward, max_pool2d_forward


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
    return array_module(y).maximum(y, 0)


@Kernel
def conv2d_relu_backward(gy: Array, y: Array) -> tuple[Array, Array]:
    """Return gy (N, OC, OH, OW) where y > 0, the gradient before the ReLU, and its gbias (OC,)."""
    gy = gy * (y > 0)
    return gy, conv2d_backward_bias(gy)


NOBODY = 255  # the winner of a window without one: so windows have at most 255 pixels


@Kernel
def max_pool2d_relu_forward(
    x: Array, kernel: Pair, stride: Pair, padding: Padding, ceil_mode: bool
) -> tuple[Array, Array]:
    """Return max(y, 0) of what max_pool2d_forward returns, and the winner or NOBODY."""
    y, winner = max_pool2d_forward(x, kernel, stride, padding, ceil_mode)
    xp = array_module(x)
    return xp.maximum(y, 0), xp.where(y <= 0, xp.uint8(NOBODY), winner)


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
    return conv_gradient_loops.backward_relu(gy, y)


@max_pool2d_relu_forward.numba
def max_pool2d_relu_forward_numba(
    x: Array, kernel: Pair, stride: Pair, padding: Padding, ceil_mode: bool
) -> tuple[Array, Array]:
    """Begin with 0 instead of minus infinity."""
    return fast_pooling(x, kernel, stride, padding, ceil_mode, 0.0, NOBODY)


# ---- the same in threads: conv.cu and max_pool.cu


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
    return conv_cuda.forward(x, weight, bias, *geometry, relu=True)


@conv2d_relu_backward.cuda
def conv2d_relu_backward_cuda(gy: Array, y: Array) -> tuple[Array, Array]:
    """One pass over gy and y."""
    return conv_cuda.backward_relu(gy, y)


@max_pool2d_relu_forward.cuda
def max_pool2d_relu_forward_cuda(
    x: Array, kernel: Pair, stride: Pair, padding: Padding, ceil_mode: bool
) -> tuple[Array, Array]:
    """Begin with 0 instead of minus infinity."""
    return launch_forward(x, kernel, stride, padding, ceil_mode, 0.0, NOBODY)
