r"""Batch normalization of each channel (Ioffe and Szegedy 2015).

    mean[c] = the mean of x[:, c]            var[c] = the mean of (x[:, c] - mean[c])**2
    xhat    = (x - mean) / sqrt(var + eps)
    y       = weight * xhat + bias

    gbias = the sum of gy                    gweight = the sum of gy * xhat
    gx    = weight / sqrt(var + eps) * (gy - gbias / count - xhat * gweight / count)

Sums and means run over the images and pixels of a channel: count = N*H*W values. The last two terms
of gx appear only in training, where mean and var depend on x.

A fused ReLU takes the maximum with 0 before y is written; its backward pass masks gy with y > 0. In
a residual block the shortcut is added before the maximum is taken, in the same pass.
"""

from __future__ import annotations

import numpy as np

from tinynet.core.backend import Array, array_module
from tinynet.kernels.codegen.columns import ROWS, add_gradient_moments, add_moments
from tinynet.kernels.codegen.layout import channels_first, channels_last, grain_size, line_aligned
from tinynet.kernels.codegen.native import (
    NO_FLOOR,
    Float64Out2,
    In1,
    In2,
    Out2,
    Real,
    native,
)
from tinynet.kernels.cuda.launch import Grid, cover, in_rows, launch
from tinynet.kernels.dispatch import Kernel, fallback_if

PIXELS = (0, 2, 3)  # all axes of (N, C, H, W) but the channels


@Kernel
def batch_norm_statistics(x: Array) -> tuple[Array, Array]:
    """Return mean and var (C,) of x (N, C, H, W); var is the mean square, not the unbiased one."""
    return x.mean(axis=PIXELS), x.var(axis=PIXELS)


@Kernel
def batch_norm_forward(
    x: Array, mean: Array, var: Array, weight: Array, bias: Array, eps: float
) -> Array:
    """Return y (N, C, H, W) for x (N, C, H, W) and four vectors (C,)."""
    inverse = 1 / array_module(x).sqrt(var + eps)
    return (x - _each(mean)) * _each(weight * inverse) + _each(bias)


@Kernel
def batch_norm_backward(
    gy: Array, x: Array, mean: Array, var: Array, weight: Array, eps: float, training: bool
) -> tuple[Array, Array, Array]:
    """Return gx (N, C, H, W), gweight (C,) and gbias (C,)."""
    inverse = 1 / array_module(x).sqrt(var + eps)
    xhat = (x - _each(mean)) * _each(inverse)
    gbias = gy.sum(axis=PIXELS)
    gweight = (gy * xhat).sum(axis=PIXELS)
    gx = gy
    if training:
        count = max(1, gy.size // gy.shape[1])
        gx = gy - _each(gbias / count) - xhat * _each(gweight / count)
    return gx * _each(weight * inverse), gweight, gbias


@Kernel
def batch_norm_relu_forward(
    x: Array,
    mean: Array,
    var: Array,
    weight: Array,
    bias: Array,
    eps: float,
    added: Array | None = None,
) -> Array:
    """Return max(y, 0) or max(y + added, 0), y being what batch_norm_forward returns."""
    y = batch_norm_forward(x, mean, var, weight, bias, eps)
    return array_module(x).maximum(y if added is None else y + added, 0)


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
    """Return gx (N, C, H, W), gweight (C,), gbias (C,); y is the output of the fused ReLU."""
    gy = array_module(gy).where(y > 0, gy, gy.dtype.type(0))
    return batch_norm_backward(gy, x, mean, var, weight, eps, training)


def _each(v: Array) -> Array:
    """Return v (C,) so that it broadcasts over (N, C, H, W)."""
    return v[:, None, None]


no_images = fallback_if("no images", lambda x: x.size == 0)


# ---- Numba: loops over pixels and their channels
#
# The pixels are cut into a fixed number of strips. Each strip is summed in double precision, and
# the sums of the strips are added in order. So the result does not depend on the threads, and the
# variance can be computed as the mean of the squares minus the square of the mean.

STRIPS = 64


def _strip_sums(pixels: int, C: int) -> tuple[Array, Array, int]:
    """Return zeros for two sums per strip, each (strips, C), and the strips worth a thread."""
    strips = min(STRIPS, pixels)
    sums = line_aligned((2, strips, C))
    sums[...] = 0
    return sums[0], sums[1], grain_size(C * -(-pixels // max(1, strips)))


@batch_norm_statistics.numba
@no_images
def batch_norm_statistics_numba(x: Array) -> tuple[Array, Array]:
    """One pass over x."""
    rows = channels_last(x).reshape(-1, x.shape[1])
    total, squares, grain = _strip_sums(*rows.shape)
    _sum_loops(len(total), rows, total, squares, grain=grain)
    mean = total.sum(axis=0) / len(rows)
    var = np.maximum(squares.sum(axis=0) / len(rows) - mean * mean, 0)
    return mean.astype(np.float32), var.astype(np.float32)


@native
def _sum_loops(lo: int, hi: int, x: In2, total: Float64Out2, squares: Float64Out2) -> None:
    strips = len(total)
    for s in range(lo, hi):
        end = (s + 1) * len(x) // strips
        for first in range(s * len(x) // strips, end, ROWS):
            rows = min(ROWS, end - first)
            add_moments(x, total[s], squares[s], first, rows, x.shape[1])


@batch_norm_forward.numba
def batch_norm_forward_numba(
    x: Array, mean: Array, var: Array, weight: Array, bias: Array, eps: float
) -> Array:
    """One pass over x."""
    return _fast_forward(x, mean, var, weight, bias, eps, None, NO_FLOOR)


@batch_norm_relu_forward.numba
def batch_norm_relu_forward_numba(
    x: Array,
    mean: Array,
    var: Array,
    weight: Array,
    bias: Array,
    eps: float,
    added: Array | None = None,
) -> Array:
    """One pass over x and what is added."""
    return _fast_forward(x, mean, var, weight, bias, eps, added, 0.0)


def _fast_forward(
    x: Array,
    mean: Array,
    var: Array,
    weight: Array,
    bias: Array,
    eps: float,
    added: Array | None,
    floor: float,
) -> Array:
    """Return y plus what is added, or `floor` where that is larger."""
    last = channels_last(x)
    # where nothing is added the loops ignore it: they still need an array of this shape
    beside = last if added is None else channels_last(added)
    inverse = _inverse(var, eps)
    y = np.empty_like(last)
    vectors = _vectors(mean, weight * inverse, bias)
    rows = (-1, x.shape[1])
    _forward_loops(
        x.size // x.shape[1],
        last.reshape(rows),
        *vectors,
        beside.reshape(rows),
        added is not None,
        floor,
        y.reshape(rows),
        grain=grain_size(x.shape[1]),
    )
    return channels_first(y)


def _inverse(var: Array, eps: float) -> Array:
    """Return 1 / sqrt(var + eps), rounded once."""
    return (1 / np.sqrt(var.astype(np.float64) + eps)).astype(np.float32)


def _vectors(*vectors: Array) -> list[Array]:
    return [np.ascontiguousarray(v, np.float32) for v in vectors]


@native
def _forward_loops(
    lo: int,
    hi: int,
    x: In2,
    mean: In1,
    factor: In1,
    bias: In1,
    added: In2,
    adds: bool,
    floor: Real,
    y: Out2,
) -> None:
    for i in range(lo, hi):
        for c in range(x.shape[1]):
            value = (x[i, c] - mean[c]) * factor[c] + bias[c]
            if adds:
                value += added[i, c]
            y[i, c] = floor if value <= floor else value  # NaN stays NaN


@batch_norm_backward.numba
def batch_norm_backward_numba(
    gy: Array, x: Array, mean: Array, var: Array, weight: Array, eps: float, training: bool
) -> tuple[Array, Array, Array]:
    """One pass over gy and x for the sums, another one for gx."""
    return _fast_backward(gy, None, x, mean, var, weight, eps, training)


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
    return _fast_backward(gy, y, x, mean, var, weight, eps, training)


def _fast_backward(
    gy: Array,
    y: Array | None,
    x: Array,
    mean: Array,
    var: Array,
    weight: Array,
    eps: float,
    training: bool,
) -> tuple[Array, Array, Array]:
    """Return the gradients; if y is given, those of a fused ReLU with output y."""
    shape = (-1, x.shape[1])
    C = x.shape[1]
    g = channels_last(gy)
    rows = channels_last(x).reshape(shape)
    # without a fused ReLU the loops ignore y: they still need an array of this shape
    kept = rows if y is None else channels_last(y).reshape(shape)
    passing = g.reshape(shape), kept, y is None
    gx = np.empty_like(g)
    inverse = _inverse(var, eps)
    center, scale = _vectors(mean, inverse)
    bias_sums, weight_sums, grain = _strip_sums(*rows.shape)
    _gradient_sum_loops(
        len(bias_sums), *passing, rows, center, scale, bias_sums, weight_sums, grain=grain
    )
    gbias = bias_sums.sum(axis=0)
    gweight = weight_sums.sum(axis=0)
    count = max(1, len(rows)) if training else np.inf  # in evaluation the statistics are constants
    vectors = _vectors(mean, inverse, weight * inverse, gbias / count, gweight / count)
    _backward_loops(len(rows), *passing, rows, *vectors, gx.reshape(shape), grain=grain_size(C))
    return channels_first(gx), gweight.astype(np.float32), gbias.astype(np.float32)


@native
def _gradient_sum_loops(
    lo: int,
    hi: int,
    gy: In2,
    y: In2,
    all_pass: bool,
    x: In2,
    mean: In1,
    inverse: In1,
    bias: Float64Out2,
    weight: Float64Out2,
) -> None:
    strips = len(bias)
    for s in range(lo, hi):
        end = (s + 1) * len(x) // strips
        for first in range(s * len(x) // strips, end, ROWS):
            rows = min(ROWS, end - first)
            add_gradient_moments(
                gy, y, x, mean, inverse, bias[s], weight[s], first, rows, x.shape[1], all_pass
            )


@native
def _backward_loops(
    lo: int,
    hi: int,
    gy: In2,
    y: In2,
    all_pass: bool,
    x: In2,
    mean: In1,
    inverse: In1,
    factor: In1,
    gy_mean: In1,
    product_mean: In1,
    gx: Out2,
) -> None:
    for i in range(lo, hi):
        for c in range(x.shape[1]):
            g = gy[i, c] if all_pass or y[i, c] > 0 else np.float32(0)
            xhat = (x[i, c] - mean[c]) * inverse[c]
            gx[i, c] = factor[c] * (g - gy_mean[c] - xhat * product_mean[c])


# ---- CUDA: batch_norm.cu


@batch_norm_statistics.cuda
@no_images
def batch_norm_statistics_cuda(x: Array) -> tuple[Array, Array]:
    """One block per channel; the second pass, over deviations from the mean, reads x from cache."""
    N, C, H, W = x.shape
    mean, var = (array_module(x).empty(C, x.dtype) for _ in range(2))
    launch("batch_norm", "batch_norm_statistics", Grid((C,)), in_rows(x), N, C, H * W, mean, var)
    return mean, var


@batch_norm_forward.cuda
def batch_norm_forward_cuda(
    x: Array, mean: Array, var: Array, weight: Array, bias: Array, eps: float
) -> Array:
    """One thread per element."""
    return _launch_forward(x, mean, var, weight, bias, eps, None, relu=False)


@batch_norm_relu_forward.cuda
def batch_norm_relu_forward_cuda(
    x: Array,
    mean: Array,
    var: Array,
    weight: Array,
    bias: Array,
    eps: float,
    added: Array | None = None,
) -> Array:
    """One thread per element."""
    return _launch_forward(x, mean, var, weight, bias, eps, added, relu=True)


def _launch_forward(
    x: Array,
    mean: Array,
    var: Array,
    weight: Array,
    bias: Array,
    eps: float,
    added: Array | None,
    *,
    relu: bool,
) -> Array:
    """Return y, or max(y, 0), or max(y + added, 0)."""
    _, C, H, W = x.shape
    y = array_module(x).empty(x.shape, x.dtype)
    images = in_rows(x), None if added is None else in_rows(added)
    vectors = [in_rows(v) for v in (mean, var, weight, bias)]
    sizes = eps, x.size, C, H * W, relu
    launch("batch_norm", "batch_norm_forward", cover(x.size), *images, *vectors, *sizes, y)
    return y


@batch_norm_backward.cuda
def batch_norm_backward_cuda(
    gy: Array, x: Array, mean: Array, var: Array, weight: Array, eps: float, training: bool
) -> tuple[Array, Array, Array]:
    """One block per channel for the sums, then one thread per element for gx."""
    return _launch_backward(gy, None, x, mean, var, weight, eps, training)


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
    """One block per channel for the sums, then one thread per element for gx."""
    return _launch_backward(gy, y, x, mean, var, weight, eps, training)


def _launch_backward(
    gy: Array,
    y: Array | None,
    x: Array,
    mean: Array,
    var: Array,
    weight: Array,
    eps: float,
    training: bool,
) -> tuple[Array, Array, Array]:
    """Return the gradients; if y is given, those of a fused ReLU with output y."""
    N, C, H, W = x.shape
    gy, x, *vectors = (in_rows(a) for a in (gy, x, mean, var, weight))
    arrays = gy, None if y is None else in_rows(y), x
    gx, gweight, gbias = (array_module(x).empty(s, x.dtype) for s in (x.shape, C, C))
    file = "batch_norm"
    sums = (gweight, gbias)
    launch(file, "batch_norm_sums", Grid((C,)), *arrays, *vectors[:2], eps, N, C, H * W, *sums)
    count = max(1, N * H * W) if training else np.inf
    sizes = eps, count, x.size, C, H * W
    launch(file, "batch_norm_backward", cover(x.size), *arrays, *vectors, *sums, *sizes, gx)
    return gx, gweight, gbias


_sum_loops.followed_by(_gradient_sum_loops, _backward_loops)
