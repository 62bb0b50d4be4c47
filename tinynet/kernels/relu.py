"""Rectified linear unit (ReLU), element by element.

    y  = max(x, 0)
    gx = gy where y > 0 and 0 elsewhere

The derivative at exactly 0 is 0, as in the code of 2012. A ReLU after a convolution, a batch
normalization or a max-pooling can be fused with that op: see `conv`, `batch_norm`, `max_pool`.
"""

from __future__ import annotations

import numpy as np

from tinynet.core.backend import Array, array_module
from tinynet.kernels.codegen.layout import GRAIN, below_minimum_size, mixed_dtypes, with_gaps
from tinynet.kernels.codegen.native import In1, Out1, native
from tinynet.kernels.cuda.launch import cover, in_rows, launch
from tinynet.kernels.dispatch import Kernel


@Kernel
def relu_forward(x: Array) -> Array:
    """Return max(x, 0), of any shape."""
    return array_module(x).maximum(x, 0)


@Kernel
def relu_backward(gy: Array, y: Array) -> Array:
    """Return gx: gy where y > 0, and 0 elsewhere, even where gy is NaN or infinite."""
    return array_module(gy).where(y > 0, gy, gy.dtype.type(0))


# ---- Numba: loops over elements


@relu_forward.numba
@below_minimum_size
@with_gaps
def relu_forward_numba(x: Array) -> Array:
    """One pass over x."""
    y = np.empty_like(x)
    _forward_loop(x.size, x.ravel("K"), y.ravel("K"), grain=GRAIN)
    return y


@native
def _forward_loop(lo: int, hi: int, x: In1, y: Out1) -> None:
    part = x[lo:hi]  # indices that begin at 0, and so cannot be negative, compile to faster code
    out = y[lo:hi]
    for i in range(len(part)):
        out[i] = np.float32(0) if part[i] <= 0 else part[i]  # NaN stays NaN


@relu_backward.numba
@mixed_dtypes
@below_minimum_size
@with_gaps
def relu_backward_numba(gy: Array, y: Array) -> Array:
    """One pass over gy and y."""
    gx = np.empty_like(gy)
    _backward_loop(gy.size, gy.ravel("K"), y.ravel("K"), gx.ravel("K"), grain=GRAIN)
    return gx


@native
def _backward_loop(lo: int, hi: int, gy: In1, y: In1, gx: Out1) -> None:
    part = gy[lo:hi]
    kept = y[lo:hi]
    out = gx[lo:hi]
    for i in range(len(part)):
        g = part[i]
        out[i] = g if kept[i] > 0 else np.float32(0)


# ---- CUDA: relu.cu


@relu_forward.cuda
def relu_forward_cuda(x: Array) -> Array:
    """One thread per element."""
    x = in_rows(x)
    y = array_module(x).empty(x.shape, x.dtype)
    launch("relu", "relu_forward", cover(x.size), x, x.size, y)
    return y


@relu_backward.cuda
def relu_backward_cuda(gy: Array, y: Array) -> Array:
    """One thread per element."""
    gx = array_module(gy).empty(gy.shape, gy.dtype)
    launch("relu", "relu_backward", cover(gy.size), in_rows(gy), in_rows(y), gy.size, gx)
    return gx


_forward_loop.followed_by(_backward_loop)
