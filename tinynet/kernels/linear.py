r"""Bias, ReLU and dropout behind the product of a linear layer, in one pass over memory.

    y[m, n]  = max(z[m, n] + bias[n], 0) / (1 - p)  if it is kept  else  0
    gz[m, n] = gy[m, n] / (1 - p)                   if y[m, n] > 0  else  0
    gbias[n] = sum over m of gz[m, n]

What is kept, the bits of `dropout` say. Backward needs no bits: y is positive where the ReLU passed
and dropout kept. On a CPU the kernels of each step run one after the other; a GPU saves launches.
"""

from __future__ import annotations

from tinynet.core.backend import Array, array_module
from tinynet.core.random import Key
from tinynet.kernels.cuda.launch import Grid, in_rows, launch
from tinynet.kernels.dispatch import Kernel
from tinynet.kernels.dropout import dropout, launch_dropout
from tinynet.kernels.relu import relu_backward, relu_forward


@Kernel
def linear_relu_forward(z: Array, bias: Array | None, p: float, key: Key | None) -> Array:
    """Return y (M, N) of the product z (M, N) and bias (N,); without a key nothing is dropped."""
    if bias is not None:
        z = array_module(z).add(z, bias, dtype=z.dtype)
    y = relu_forward(z)
    return y if key is None else dropout(y, p, key)


@Kernel
def linear_relu_backward(gy: Array, y: Array, p: float) -> tuple[Array, Array]:
    """Return gz (M, N) and gbias (N,) of gy and y (M, N); p is 0 where nothing was dropped."""
    gz = relu_backward(gy, y)
    if p:
        gz = gz * (1 / (1 - p))
    return gz, gz.sum(axis=0)


# ---- CUDA: linear.cu, and dropout.cu, which adds the bias and takes the maximum on the way

COLUMNS = 8  # of a block, as in linear.cu


@linear_relu_forward.cuda
def linear_relu_forward_cuda(z: Array, bias: Array | None, p: float, key: Key | None) -> Array:
    """One thread per four elements, as in dropout."""
    bias = None if bias is None else in_rows(bias)
    return launch_dropout(z, p, key or (0, 0, 0), bias=bias, relu=True)


@linear_relu_backward.cuda
def linear_relu_backward_cuda(gy: Array, y: Array, p: float) -> tuple[Array, Array]:
    """One block per eight columns; sums in double precision, in a fixed order."""
    M, N = gy.shape
    xp = array_module(gy)
    gz = xp.empty((M, N), gy.dtype)
    gbias = xp.empty(N, gy.dtype)
    grid = Grid((-(-N // COLUMNS),))
    arrays = in_rows(gy), in_rows(y)
    launch("linear", "linear_relu_backward", grid, *arrays, M, N, 1 / (1 - p), gz, gbias)
    return gz, gbias
