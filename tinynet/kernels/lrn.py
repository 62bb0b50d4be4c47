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

from tinynet.core.backend import Array
from tinynet.core.bfloat16 import empty
from tinynet.kernels.codegen.layout import channels_first, channels_last, grain_size
from tinynet.kernels.codegen.native import In2, Out2, Real, helper, native
from tinynet.kernels.codegen.powers import differentiate, normalize
from tinynet.kernels.codegen.vectors import window_sums
from tinynet.kernels.cuda.launch import Grid, cover, in_rows, launch
from tinynet.kernels.dispatch import Kernel, bfloat16_too, fallback_if


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


# ---- Numba: loops over rows of C // groups channels, a group at one pixel
#
# A row is padded with n // 2 zeros on each side, so that no channel is a special case. A block of
# rows at a time: they stay in the L1 cache, and each pass over them is one long loop.

BLOCK = 2048  # numbers in a block of rows


@lrn_forward.numba
def lrn_forward_numba(
    x: Array, n: int, k: float, alpha: float, beta: float, groups: int
) -> tuple[Array, Array]:
    """One pass over x."""
    last = channels_last(x)
    y = np.empty_like(last)
    scale = np.empty_like(last)
    C = x.shape[1] // groups
    rows = [a.reshape(-1, C) for a in (last, y, scale)]
    _forward_loops(x.size // C, *rows, n // 2, k, alpha, beta, grain=grain_size(C))
    return channels_first(y), channels_first(scale)


@native
def _forward_loops(
    lo: int,
    hi: int,
    x: In2,
    y: Out2,
    scale: Out2,
    half: int,
    k: Real,
    alpha: Real,
    beta: Real,
) -> None:
    C = x.shape[1]
    rows = max(1, BLOCK // C)
    room = np.zeros((rows, C + 2 * half), np.float32)
    for i in range(lo, hi, rows):
        end = min(i + rows, hi)
        write_scale(x[i:end], half, k, alpha, room, scale[i:end])
        normalize(x[i:end].ravel(), scale[i:end].ravel(), beta, y[i:end].ravel())


@helper
def write_scale(x: Array, half: int, k: float, alpha: float, room: Array, scale: Array) -> None:
    """Write the scale of rows of channels; `room` is for as many rows, inside zeros."""
    rows, C = x.shape
    for i in range(rows):
        inner = room[i, half : half + C]
        for c in range(C):
            inner[c] = x[i, c] * x[i, c]
    for i in range(rows):
        window_sums(room[i], 2 * half + 1, k, alpha, scale[i])


@lrn_backward.numba
def lrn_backward_numba(
    gy: Array, x: Array, y: Array, scale: Array, n: int, alpha: float, beta: float, groups: int
) -> Array:
    """One pass over three arrays: computing y again is faster than reading it."""
    inputs = [channels_last(a) for a in (gy, x, scale)]
    gx = np.empty_like(inputs[0])
    C = x.shape[1] // groups
    rows = [a.reshape(-1, C) for a in (*inputs, gx)]
    _backward_loops(x.size // C, *rows, n // 2, 2 * alpha * beta, beta, grain=grain_size(C))
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
) -> None:
    C = x.shape[1]
    rows = max(1, BLOCK // C)
    room = np.zeros((rows, C + 2 * half), np.float32)
    total = np.empty((rows, C), np.float32)
    for i in range(lo, hi, rows):
        end = min(i + rows, hi)
        write_gradient(
            gy[i:end], x[i:end], scale[i:end], half, factor, beta, room, total, gx[i:end]
        )


@helper
def write_gradient(
    gy: Array,
    x: Array,
    scale: Array,
    half: int,
    factor: float,
    beta: float,
    room: Array,
    total: Array,
    gx: Array,
) -> None:
    """Write gx of rows of channels; factor is 2 * alpha * beta, `room` as in `write_scale`."""
    rows, C = x.shape
    for i in range(rows):
        differentiate(gy[i], x[i], scale[i], beta, gx[i], room[i, half : half + C])
    for i in range(rows):
        window_sums(room[i], 2 * half + 1, np.float32(0), np.float32(1), total[i])
    flat = x.ravel()
    sums = total.ravel()
    result = gx.ravel()
    for j in range(x.size):
        result[j] -= factor * flat[j] * sums[j]


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
@bfloat16_too
@fallback_if("windows of more than 9 channels", lambda x, n, *_: n not in UNROLLED)
def lrn_forward_cuda(
    x: Array, n: int, k: float, alpha: float, beta: float, groups: int
) -> tuple[Array, Array]:
    """One pass over x; one thread per pixel and run of channels."""
    x = in_rows(x)
    y = empty(x, x.shape)
    scale = empty(x, x.shape, bfloat16=False)
    grid, sizes = _threads(x, groups)
    launch("lrn", "lrn_forward", grid, x, *sizes, n, k, alpha, beta, y, scale)
    return y, scale


@lrn_backward.cuda
@bfloat16_too
@fallback_if("windows of more than 9 channels", lambda gy, x, y, scale, n, *_: n not in UNROLLED)
def lrn_backward_cuda(
    gy: Array, x: Array, y: Array, scale: Array, n: int, alpha: float, beta: float, groups: int
) -> Array:
    """One pass over three arrays; one thread per pixel and run of channels."""
    inputs = [in_rows(a) for a in (gy, x, scale)]
    gx = empty(x, x.shape)
    grid, sizes = _threads(x, groups)
    launch("lrn", "lrn_backward", grid, *inputs, *sizes, n, 2 * alpha * beta, beta, gx)
    return gx


_forward_loops.followed_by(_backward_loops)
