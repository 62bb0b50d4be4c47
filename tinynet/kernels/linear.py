r"""Bias, ReLU and dropout behind the product of a linear layer, in one pass over memory.

    y[m, n]  = after * max(z[m, n] + bias[n], 0) / (1 - p)  if it is kept  else  0
    gz[m, n] = after * gy[m, n] / (1 - p)                   if y[m, n] > 0  else  0
    gbias[n] = sum over m of gz[m, n]

`after` is 1, or 1 - p by the paper's rule, which corrects the scale at test time.

What is kept, the bits of `dropout` say. Backward needs no bits: y is positive where the ReLU passed
and dropout kept. On a CPU the kernels of each step run one after the other; a GPU saves launches.
"""

from __future__ import annotations

from tinynet.core.backend import Array, array_module
from tinynet.core.bfloat16 import BFloat16, empty
from tinynet.core.random import Key
from tinynet.kernels.cuda.launch import Grid, in_rows, launch
from tinynet.kernels.dispatch import Kernel, bfloat16_too
from tinynet.kernels.dropout import dropout, launch_dropout
from tinynet.kernels.gemm import stores_bfloat16
from tinynet.kernels.relu import relu_backward, relu_forward


@Kernel
def linear_relu_forward(
    z: Array, bias: Array | None, p: float, key: Key | None, after: float = 1.0
) -> Array:
    """Return y (M, N) of the product z (M, N) and bias (N,); without a key nothing is dropped."""
    if bias is not None:
        z = array_module(z).add(z, bias, dtype=z.dtype)
    y = relu_forward(z)
    y = y if key is None else dropout(y, p, key)
    return y if after == 1 else y * after


@Kernel
def linear_relu_backward(
    gy: Array, y: Array | None, p: float, after: float = 1.0
) -> tuple[Array, Array]:
    """Return gz (M, N) and gbias (N,) of gy and y (M, N); p is 0 where nothing was dropped.

    Without y there was no ReLU either.
    """
    gy = gy if after == 1 else gy * after
    gz = gy if y is None else relu_backward(gy, y)
    if p:
        gz = gz * (1 / (1 - p))
    return gz, gz.sum(axis=0)


# ---- CUDA: linear.cu, and dropout.cu, which adds the bias and takes the maximum on the way

COLUMNS = 8  # of a block, as in linear.cu


@linear_relu_forward.cuda
def linear_relu_forward_cuda(
    z: Array, bias: Array | None, p: float, key: Key | None, after: float = 1.0
) -> Array:
    """One thread per four elements, as in dropout."""
    bias = None if bias is None else in_rows(bias)
    stored = stores_bfloat16(z)
    return launch_dropout(
        z, p, key or (0, 0, 0), bias=bias, relu=True, after=after, bfloat16=stored
    )


@linear_relu_backward.cuda
@bfloat16_too
def linear_relu_backward_cuda(
    gy: Array, y: Array | None, p: float, after: float = 1.0
) -> tuple[Array, Array]:
    """One block per eight columns; sums in double precision, in a fixed order."""
    M, N = gy.shape
    gz = empty(gy, (M, N), bfloat16=isinstance(gy, BFloat16) or stores_bfloat16(gy))
    gbias = empty(gy, (N,), bfloat16=False)
    grid = Grid((-(-N // COLUMNS),))
    arrays = in_rows(gy), None if y is None else in_rows(y)
    launch("linear", "linear_relu_backward", grid, *arrays, M, N, 1 / (1 - p), after, gz, gbias)
    return gz, gbias
