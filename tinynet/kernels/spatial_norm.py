r"""Local response normalization within a map, cuda-convnet's `rnorm`.

    scale[i, j] = k + alpha * sum(x[p, q]**2 for p, q in window(i, j))
    y[i, j]     = x[i, j] * scale[i, j]**-beta

    gx[p, q] = gy[p, q] * scale[p, q]**-beta
               - 2*alpha*beta * x[p, q] * sum(gy[i, j] * y[i, j] / scale[i, j]
                                              for i, j in window(p, q))

    window(i, j) = n x n pixels around (i, j) in the same map, clipped at its border

As in `lrn`, the window is symmetric, so that the backward sum is the forward sum of other numbers.
The paper normalizes across channels; the code of 2012 has both.
"""

from __future__ import annotations

import numpy as np

from tinynet.core.backend import Array, array_module
from tinynet.kernels.codegen.layout import channels_first, channels_last, grain_size
from tinynet.kernels.codegen.native import In3, Out1, Out3, Real, helper, native
from tinynet.kernels.codegen.powers import differentiate, normalize
from tinynet.kernels.cuda.launch import cover, in_rows, launch
from tinynet.kernels.dispatch import Kernel


def window_sum(x: Array, n: int) -> Array:
    """Return the sum over the n x n pixels around each pixel in its map: rows, then columns."""
    for axis in (2, 3):
        x = x.swapaxes(0, axis)
        total = x.copy()
        for i in range(1, n // 2 + 1):
            total[i:] += x[:-i]
            total[:-i] += x[i:]
        x = total.swapaxes(0, axis)
    return x


@Kernel
def spatial_norm_forward(
    x: Array, n: int, k: float, alpha: float, beta: float
) -> tuple[Array, Array]:
    """Return (y, scale), each (N, C, H, W)."""
    scale = k + alpha * window_sum(x * x, n)
    return x * scale**-beta, scale


@Kernel
def spatial_norm_backward(
    gy: Array, x: Array, y: Array, scale: Array, n: int, alpha: float, beta: float
) -> Array:
    """Return gx (N, C, H, W); y and scale are what the forward pass returned for x."""
    return gy * scale**-beta - 2 * alpha * beta * x * window_sum(gy * y / scale, n)


# ---- Numba: loops over rows of (N, H, W * C)
#
# For each row, the rows above and below are added first. Then each pixel adds its neighbors to the
# left and right, which are C numbers away. That is 2 * n additions instead of n * n. A running sum
# along the row would need fewer still, but would accumulate rounding errors.


@spatial_norm_forward.numba
def spatial_norm_forward_numba(
    x: Array, n: int, k: float, alpha: float, beta: float
) -> tuple[Array, Array]:
    """One image at a time, which stays in the cache."""
    last = channels_last(x)
    N, C, H, W = x.shape
    y = np.empty_like(last)
    scale = np.empty_like(last)
    rows = [a.reshape(N, H, W * C) for a in (last, y, scale)]
    _forward_loops(N, *rows, C, n // 2, k, alpha, beta, grain=grain_size(x[:1].size))
    return channels_first(y), channels_first(scale)


@native
def _forward_loops(
    lo: int,
    hi: int,
    x: In3,
    y: Out3,
    scale: Out3,
    C: int,
    half: int,
    k: Real,
    alpha: Real,
    beta: Real,
) -> None:
    H = x.shape[1]
    row = x.shape[2]
    squares = np.empty((H, row), np.float32)
    beside = np.zeros(row + 2 * half * C, np.float32)
    for n in range(lo, hi):
        for i in range(H):
            for j in range(row):
                squares[i, j] = x[n, i, j] * x[n, i, j]
        for i in range(H):
            _row_sums(squares, i, half, C, beside, scale[n, i])
            for j in range(row):
                scale[n, i, j] = k + alpha * scale[n, i, j]
            normalize(x[n, i], scale[n, i], beta, y[n, i])


@helper
def _row_sums(term: Array, i: int, half: int, C: int, beside: Array, total: Out1) -> None:
    """Write the window sums of row i into total; `beside` is a buffer padded with zeros."""
    row = term.shape[1]
    edge = half * C
    for j in range(row):
        beside[edge + j] = term[i, j]
    for h in range(max(0, i - half), min(len(term), i + half + 1)):
        if h != i:
            for j in range(row):
                beside[edge + j] += term[h, j]
    for j in range(row):
        total[j] = beside[j]
    for q in range(1, 2 * half + 1):
        for j in range(row):
            total[j] += beside[q * C + j]


@spatial_norm_backward.numba
def spatial_norm_backward_numba(
    gy: Array, x: Array, y: Array, scale: Array, n: int, alpha: float, beta: float
) -> Array:
    """One image at a time; computing y again is faster than reading it."""
    inputs = [channels_last(a) for a in (gy, x, scale)]
    gx = np.empty_like(inputs[0])
    N, C, H, W = x.shape
    rows = [a.reshape(N, H, W * C) for a in (*inputs, gx)]
    _backward_loops(N, *rows, C, n // 2, 2 * alpha * beta, beta, grain=grain_size(x[:1].size))
    return channels_first(gx)


@native
def _backward_loops(
    lo: int,
    hi: int,
    gy: In3,
    x: In3,
    scale: In3,
    gx: Out3,
    C: int,
    half: int,
    factor: Real,
    beta: Real,
) -> None:
    H = x.shape[1]
    row = x.shape[2]
    term = np.empty((H, row), np.float32)
    total = np.empty(row, np.float32)
    beside = np.zeros(row + 2 * half * C, np.float32)
    for n in range(lo, hi):
        for i in range(H):
            differentiate(gy[n, i], x[n, i], scale[n, i], beta, gx[n, i], term[i])
        for i in range(H):
            _row_sums(term, i, half, C, beside, total)
            for j in range(row):
                gx[n, i, j] -= factor * x[n, i, j] * total[j]


# ---- CUDA: spatial_norm.cu


@spatial_norm_forward.cuda
def spatial_norm_forward_cuda(
    x: Array, n: int, k: float, alpha: float, beta: float
) -> tuple[Array, Array]:
    """One thread per pixel, with a loop over its window."""
    N, C, H, W = x.shape
    x = in_rows(x)
    y, scale = (array_module(x).empty(x.shape, x.dtype) for _ in range(2))
    settings = N * C, H, W, n // 2, k, alpha, beta
    launch("spatial_norm", "spatial_norm_forward", cover(x.size), x, *settings, y, scale)
    return y, scale


@spatial_norm_backward.cuda
def spatial_norm_backward_cuda(
    gy: Array, x: Array, y: Array, scale: Array, n: int, alpha: float, beta: float
) -> Array:
    """One thread per pixel, with a loop over its window on three arrays."""
    N, C, H, W = x.shape
    inputs = [in_rows(a) for a in (gy, x, y, scale)]
    gx = array_module(x).empty(x.shape, x.dtype)
    settings = N * C, H, W, n // 2, 2 * alpha * beta, beta
    launch("spatial_norm", "spatial_norm_backward", cover(x.size), *inputs, *settings, gx)
    return gx


_forward_loops.followed_by(_backward_loops)
