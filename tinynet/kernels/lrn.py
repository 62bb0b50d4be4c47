r"""Local response normalization (Krizhevsky et al. 2012, section 3.3).

    scale[c] = k + alpha * sum(x[j]**2 for j in window(c))
    y[c]     = x[c] * scale[c]**-beta

    gx[j] = gy[j] * scale[j]**-beta
            - 2*alpha*beta * x[j] * sum(gy[c] * y[c] / scale[c] for c in window(j))

    window(c) = c - n//2 .. c + n//2, clipped

The window runs over the channels of one pixel and stays inside its group. It is symmetric (n is
odd): c is in window(j) whenever j is in window(c). So the backward sum is the forward sum of other
numbers. PyTorch divides alpha by n; the paper does not, nor does tinynet.
"""

from __future__ import annotations

import numpy as np

from tinynet.core.backend import Array, array_module
from tinynet.kernels.codegen.layout import channels_first, channels_last, grain_size
from tinynet.kernels.codegen.native import In2, Out2, Real, native
from tinynet.kernels.codegen.vectors import times_power, window_sums
from tinynet.kernels.cuda.launch import Grid, cover, in_rows, launch
from tinynet.kernels.dispatch import Kernel, fallback_if


def window_sum(x: Array, n: int, groups: int) -> Array:
    """Return, for x (N, C, H, W), the sum over the n channels around each channel in its group."""
    N, C, H, W = x.shape
    x = x.reshape(N, groups, C // groups, H, W)
    total = x.copy()
    for i in range(1, n // 2 + 1):
        total[:, :, i:] += x[:, :, :-i]
        total[:, :, :-i] += x[:, :, i:]
    return total.reshape(N, C, H, W)


@Kernel
def lrn_forward(
    x: Array, n: int, k: float, alpha: float, beta: float, groups: int
) -> tuple[Array, Array]:
    """Return (y, scale), each (N, C, H, W)."""
    scale = k + alpha * window_sum(x * x, n, groups)
    return x * scale**-beta, scale


@Kernel
def lrn_backward(
    gy: Array, x: Array, y: Array, scale: Array, n: int, alpha: float, beta: float, groups: int
) -> Array:
    """Return gx (N, C, H, W); y and scale are what the forward pass returned for x."""
    return gy * scale**-beta - 2 * alpha * beta * x * window_sum(gy * y / scale, n, groups)


# ---- Numba: loops over pixels and their channels
#
# The channels of a group are padded with n // 2 zeros on each side, so that no channel is a special
# case.


@lrn_forward.numba
def lrn_forward_numba(
    x: Array, n: int, k: float, alpha: float, beta: float, groups: int
) -> tuple[Array, Array]:
    """One pass over x."""
    last = channels_last(x)
    y = np.empty_like(last)
    scale = np.empty_like(last)
    C = x.shape[1]
    pixels = x.size // C
    rows = (-1, C)
    _forward_loops(
        pixels,
        last.reshape(rows),
        n // 2,
        k,
        alpha,
        beta,
        groups,
        y.reshape(rows),
        scale.reshape(rows),
        grain=grain_size(C),
    )
    return channels_first(y), channels_first(scale)


@native
def _forward_loops(
    lo: int,
    hi: int,
    x: In2,
    half: int,
    k: Real,
    alpha: Real,
    beta: Real,
    groups: int,
    y: Out2,
    scale: Out2,
) -> None:
    C = x.shape[1] // groups
    term = np.zeros(C + 2 * half, np.float32)  # (zeros, the C terms of a group, zeros)
    for i in range(lo, hi):
        for first in range(0, x.shape[1], C):
            here = x[i, first : first + C]
            s = scale[i, first : first + C]
            for c in range(C):
                term[half + c] = here[c] * here[c]
            window_sums(term, 2 * half + 1, k, alpha, s)
            times_power(here, s, beta, y[i, first : first + C])


@lrn_backward.numba
def lrn_backward_numba(
    gy: Array, x: Array, y: Array, scale: Array, n: int, alpha: float, beta: float, groups: int
) -> Array:
    """One pass over three arrays: computing y again is faster than reading it."""
    inputs = [channels_last(a) for a in (gy, x, scale)]
    gx = np.empty_like(inputs[0])
    C = x.shape[1]
    flat = [a.reshape(-1, C) for a in (*inputs, gx)]
    factor = 2 * alpha * beta
    _backward_loops(x.size // C, *flat, n // 2, factor, beta, groups, grain=grain_size(C))
    return channels_first(gx)


@native
def _backward_loops(
    lo: int,
    hi: int,
    gy: In2,
    x: In2,
    scale: In2,
    gx: Out2,
    half: int,
    factor: Real,
    beta: Real,
    groups: int,
) -> None:
    C = x.shape[1] // groups
    term = np.zeros(C + 2 * half, np.float32)
    total = np.empty(C, np.float32)
    for i in range(lo, hi):
        for first in range(0, x.shape[1], C):
            here = x[i, first : first + C]
            s = scale[i, first : first + C]
            out = gx[i, first : first + C]
            times_power(gy[i, first : first + C], s, beta, out)
            for c in range(C):
                term[half + c] = out[c] * here[c] / s[c]
            window_sums(term, 2 * half + 1, np.float32(0), np.float32(1), total)
            for c in range(C):
                out[c] -= factor * here[c] * total[c]


# ---- CUDA: lrn.cu

RUN = 16  # consecutive channels that one thread computes
UNROLLED = (1, 3, 5, 7, 9)  # window sizes that lrn.cu supports


def _threads(x: Array, groups: int) -> tuple[Grid, tuple[int, ...]]:
    """Return the grid, and the sizes from which a thread computes its channels."""
    N, C, H, W = x.shape
    runs = -(-C // groups // RUN)
    threads = N * groups * runs * H * W
    return cover(threads), (threads, C, H * W, groups, runs, RUN)


@lrn_forward.cuda
@fallback_if("windows of more than 9 channels", lambda x, n, *_: n not in UNROLLED)
def lrn_forward_cuda(
    x: Array, n: int, k: float, alpha: float, beta: float, groups: int
) -> tuple[Array, Array]:
    """One pass over x; one thread per pixel and run of channels."""
    x = in_rows(x)
    y, scale = (array_module(x).empty(x.shape, x.dtype) for _ in range(2))
    grid, sizes = _threads(x, groups)
    launch("lrn", "lrn_forward", grid, x, *sizes, n, k, alpha, beta, y, scale)
    return y, scale


@lrn_backward.cuda
@fallback_if("windows of more than 9 channels", lambda gy, x, y, scale, n, *_: n not in UNROLLED)
def lrn_backward_cuda(
    gy: Array, x: Array, y: Array, scale: Array, n: int, alpha: float, beta: float, groups: int
) -> Array:
    """One pass over three arrays; one thread per pixel and run of channels."""
    inputs = [in_rows(a) for a in (gy, x, scale)]
    gx = array_module(x).empty(x.shape, x.dtype)
    grid, sizes = _threads(x, groups)
    launch("lrn", "lrn_backward", grid, *inputs, *sizes, n, 2 * alpha * beta, beta, gx)
    return gx


_forward_loops.followed_by(_backward_loops)
