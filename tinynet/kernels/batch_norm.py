r"""Batch normalization of each channel (Ioffe and Szegedy 2015).

    mean[c] = the mean of x[:, c]            var[c] = the mean of (x[:, c] - mean[c])**2
    xhat    = (x - mean) / sqrt(var + eps)
    y       = weight * xhat + bias

    gbias = the sum of gy                    gweight = the sum of gy * xhat
    gx    = weight / sqrt(var + eps) * (gy - gbias / count - xhat * gweight / count)

Sums and means run over the images and pixels of a channel: count = N*H*W values. The last two terms
of gx are there only in training, where mean and var are themselves made of x.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinynet.core.backend import Array, array_module
from tinynet.kernels.codegen.layout import channels_first, channels_last, share
from tinynet.kernels.codegen.native import NOTHING, In1, In2, Out2, Real, Wide2, helper, native
from tinynet.kernels.cuda.launch import Grid, cover, in_rows, launch
from tinynet.kernels.dispatch import Kernel, unless

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
    gbias, gweight = gy.sum(axis=PIXELS), (gy * xhat).sum(axis=PIXELS)
    gx = gy
    if training:
        count = max(1, gy.size // gy.shape[1])
        gx = gy - _each(gbias / count) - xhat * _each(gweight / count)
    return gx * _each(weight * inverse), gweight, gbias


def _each(v: Array) -> Array:
    """Return v (C,) so that it broadcasts over (N, C, H, W)."""
    return v[:, None, None]


no_images = unless("no images", lambda x: x.size == 0)


# ---- the same in loops, over pixels and their channels
#
# The pixels are cut into strips, as many on any machine; each strip adds up in double precision,
# and the sums of the strips are added in order. So the result does not depend on the threads, and
# the variance may be the mean of the squares minus the square of the mean.

STRIPS = 64


def _strip_sums(pixels: int, C: int) -> tuple[Array, Array, int]:
    """Return room for two sums of each strip, (strips, C), and the strips worth a thread."""
    strips = min(STRIPS, pixels)
    rooms = np.zeros((2, strips, C))
    return rooms[0], rooms[1], share(C * -(-pixels // max(1, strips)))


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
def _sum_loops(lo: int, hi: int, x: In2, total: Wide2, squares: Wide2) -> None:
    strips = len(total)
    for s in range(lo, hi):
        for i in range(s * len(x) // strips, (s + 1) * len(x) // strips):
            for c in range(x.shape[1]):
                total[s, c] += x[i, c]
                squares[s, c] += np.float64(x[i, c]) * np.float64(x[i, c])


@batch_norm_forward.numba
def batch_norm_forward_numba(
    x: Array, mean: Array, var: Array, weight: Array, bias: Array, eps: float
) -> Array:
    """One pass over x."""
    return fast_forward(x, mean, var, weight, bias, eps)


def fast_forward(
    x: Array, mean: Array, var: Array, weight: Array, bias: Array, eps: float,
    floor: float = NOTHING,
) -> Array:  # fmt: skip
    """Return y, or `floor` where that is larger."""
    last, inverse = channels_last(x), _inverse(var, eps)
    y = np.empty_like(last)
    vectors = _vectors(mean, weight * inverse, bias)
    rows = (-1, x.shape[1])
    _forward_loops(
        x.size // x.shape[1], last.reshape(rows), *vectors, floor, y.reshape(rows),
        grain=share(x.shape[1]),
    )  # fmt: skip
    return channels_first(y)


def _inverse(var: Array, eps: float) -> Array:
    """Return 1 / sqrt(var + eps), rounded once."""
    return (1 / np.sqrt(var.astype(np.float64) + eps)).astype(np.float32)


def _vectors(*vectors: Array) -> list[Array]:
    return [np.ascontiguousarray(v, np.float32) for v in vectors]


@native
def _forward_loops(
    lo: int, hi: int, x: In2, mean: In1, factor: In1, bias: In1, floor: Real, y: Out2
) -> None:  # fmt: skip
    for i in range(lo, hi):
        for c in range(x.shape[1]):
            value = (x[i, c] - mean[c]) * factor[c] + bias[c]
            y[i, c] = floor if value <= floor else value  # what is no number stays so


@batch_norm_backward.numba
def batch_norm_backward_numba(
    gy: Array, x: Array, mean: Array, var: Array, weight: Array, eps: float, training: bool
) -> tuple[Array, Array, Array]:
    """One pass over gy and x for the sums, another one for gx."""
    return fast_backward(gy, None, x, mean, var, weight, eps, training)


def fast_backward(
    gy: Array, y: Array | None, x: Array, mean: Array, var: Array, weight: Array, eps: float,
    training: bool,
) -> tuple[Array, Array, Array]:  # fmt: skip
    """Return the gradients; given y, those for gy where y > 0 and 0 elsewhere."""
    shape, C = (-1, x.shape[1]), x.shape[1]
    g, rows = channels_last(gy), channels_last(x).reshape(shape)
    # without a ReLU all of gy passes, and any array of this shape can stand in for y
    kept = rows if y is None else channels_last(y).reshape(shape)
    passing = g.reshape(shape), kept, y is None
    gx, inverse = np.empty_like(g), _inverse(var, eps)
    centre, scale = _vectors(mean, inverse)
    bias_sums, weight_sums, grain = _strip_sums(*rows.shape)
    _gradient_sum_loops(
        len(bias_sums), *passing, rows, centre, scale, bias_sums, weight_sums, grain=grain
    )
    gbias, gweight = bias_sums.sum(axis=0), weight_sums.sum(axis=0)
    count = max(1, len(rows)) if training else np.inf  # without training the means are no part
    vectors = _vectors(mean, inverse, weight * inverse, gbias / count, gweight / count)
    _backward_loops(len(rows), *passing, rows, *vectors, gx.reshape(shape), grain=share(C))
    return channels_first(gx), gweight.astype(np.float32), gbias.astype(np.float32)


@helper
def _passed(gy: float, y: float, all_pass: bool) -> Any:
    """Return what comes back through a ReLU behind the normalization, whose output is y."""
    return gy if all_pass or y > 0 else np.float32(0)


@native
def _gradient_sum_loops(
    lo: int, hi: int, gy: In2, y: In2, all_pass: bool, x: In2, mean: In1, inverse: In1,
    bias: Wide2, weight: Wide2,
) -> None:  # fmt: skip
    strips = len(bias)
    for s in range(lo, hi):
        for i in range(s * len(x) // strips, (s + 1) * len(x) // strips):
            for c in range(x.shape[1]):
                g = _passed(gy[i, c], y[i, c], all_pass)
                bias[s, c] += g
                weight[s, c] += np.float64(g) * ((x[i, c] - mean[c]) * inverse[c])


@native
def _backward_loops(
    lo: int, hi: int, gy: In2, y: In2, all_pass: bool, x: In2, mean: In1, inverse: In1,
    factor: In1, gy_mean: In1, product_mean: In1, gx: Out2,
) -> None:  # fmt: skip
    for i in range(lo, hi):
        for c in range(x.shape[1]):
            g = _passed(gy[i, c], y[i, c], all_pass)
            xhat = (x[i, c] - mean[c]) * inverse[c]
            gx[i, c] = factor[c] * (g - gy_mean[c] - xhat * product_mean[c])


# ---- the same in threads: batch_norm.cu


@batch_norm_statistics.cuda
@no_images
def batch_norm_statistics_cuda(x: Array) -> tuple[Array, Array]:
    """One block a channel; the second pass, over the distances from the mean, finds x in cache."""
    N, C, H, W = x.shape
    mean, var = (array_module(x).empty(C, x.dtype) for _ in range(2))
    launch("batch_norm", "batch_norm_statistics", Grid((C,)), in_rows(x), N, C, H * W, mean, var)
    return mean, var


@batch_norm_forward.cuda
def batch_norm_forward_cuda(
    x: Array, mean: Array, var: Array, weight: Array, bias: Array, eps: float
) -> Array:
    """One thread an element."""
    return launch_forward(x, mean, var, weight, bias, eps, relu=False)


def launch_forward(
    x: Array, mean: Array, var: Array, weight: Array, bias: Array, eps: float, *, relu: bool
) -> Array:
    """Return y, or max(y, 0)."""
    _, C, H, W = x.shape
    y = array_module(x).empty(x.shape, x.dtype)
    vectors = [in_rows(v) for v in (mean, var, weight, bias)]
    sizes = eps, x.size, C, H * W, relu
    launch("batch_norm", "batch_norm_forward", cover(x.size), in_rows(x), *vectors, *sizes, y)
    return y


@batch_norm_backward.cuda
def batch_norm_backward_cuda(
    gy: Array, x: Array, mean: Array, var: Array, weight: Array, eps: float, training: bool
) -> tuple[Array, Array, Array]:
    """One block a channel for the sums, then one thread an element for gx."""
    return launch_backward(gy, None, x, mean, var, weight, eps, training)


def launch_backward(
    gy: Array, y: Array | None, x: Array, mean: Array, var: Array, weight: Array, eps: float,
    training: bool,
) -> tuple[Array, Array, Array]:  # fmt: skip
    """Return the gradients; given y, those for gy where y > 0 and 0 elsewhere."""
    N, C, H, W = x.shape
    gy, x, *vectors = (in_rows(a) for a in (gy, x, mean, var, weight))
    arrays = gy, None if y is None else in_rows(y), x
    gx, gweight, gbias = (array_module(x).empty(s, x.dtype) for s in (x.shape, C, C))
    file, sums = "batch_norm", (gweight, gbias)
    launch(file, "batch_norm_sums", Grid((C,)), *arrays, *vectors[:2], eps, N, C, H * W, *sums)
    count = max(1, N * H * W) if training else np.inf
    sizes = eps, count, x.size, C, H * W
    launch(file, "batch_norm_backward", cover(x.size), *arrays, *vectors, *sums, *sizes, gx)
    return gx, gweight, gbias
