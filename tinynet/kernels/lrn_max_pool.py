"""Local response normalization with the max-pooling behind it, as in AlexNet's first two layers.

The two in one pass over memory: the normalized images, which only the pooling reads, are never
stored, nor is the scale, which the backward pass computes again. Equations: `lrn`, `max_pool`. On a
GPU it is used where activations are stored as bfloat16.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinynet.core.backend import Array, array_module
from tinynet.core.bfloat16 import empty, words_of
from tinynet.kernels.codegen.layout import channels_first, channels_last, grain_size
from tinynet.kernels.codegen.native import NO_FLOOR, In4, Out4, Real, UInt8In4, UInt8Out4, native
from tinynet.kernels.codegen.powers import normalize
from tinynet.kernels.cuda.launch import cover, in_rows, launch
from tinynet.kernels.dispatch import Kernel, bfloat16_too, fallback_if
from tinynet.kernels.geometry import Geometry
from tinynet.kernels.lrn import (
    RUN,
    lrn_backward,
    lrn_forward,
    write_gradient,
    write_scale,
)
from tinynet.kernels.max_pool import (
    gather_gradient,
    large_windows,
    max_pool2d_backward,
    max_pool2d_forward,
    pool_image,
    wide_argmax,
    windows_along,
)


@Kernel
def lrn_max_pool_forward(
    x: Array,
    n: int,
    k: float,
    alpha: float,
    beta: float,
    groups: int,
    geometry: Geometry,
    ceil_mode: bool,
) -> tuple[Array, Array]:
    """Return the maxima (N, C, OH, OW) of normalized x (N, C, H, W), and their argmax."""
    y, _scale = lrn_forward(x, n, k, alpha, beta, groups)
    return max_pool2d_forward(y, geometry, ceil_mode)


@Kernel
def lrn_max_pool_backward(
    gy: Array,
    argmax: Array,
    x: Array,
    n: int,
    k: float,
    alpha: float,
    beta: float,
    groups: int,
    geometry: Geometry,
) -> Array:
    """Return gx (N, C, H, W) for gy and argmax (N, C, OH, OW)."""
    y, scale = lrn_forward(x, n, k, alpha, beta, groups)
    gy = max_pool2d_backward(gy, argmax, x.shape, geometry)
    return lrn_backward(gy, x, y, scale, n, alpha, beta, groups)


# ---- Numba: loops over images (H, W, C)


@lrn_max_pool_forward.numba
@large_windows
def lrn_max_pool_forward_numba(
    x: Array,
    n: int,
    k: float,
    alpha: float,
    beta: float,
    groups: int,
    geometry: Geometry,
    ceil_mode: bool,
) -> tuple[Array, Array]:
    """Normalize an image in the cache, then pool it."""
    outputs = geometry.output_shape("max_pool2d", x.shape, ceil_mode=ceil_mode)
    y = np.empty((len(x), *outputs, x.shape[1]), np.float32)
    argmax = np.empty(y.shape, np.uint8)
    constants = n // 2, k, alpha, beta, groups
    sizes = (*geometry.kernel, *geometry.stride, *geometry.corner)
    grain = grain_size(x[:1].size)
    _forward_loops(len(x), channels_last(x), *constants, *sizes, y, argmax, grain=grain)
    return channels_first(y), channels_first(argmax)


@native
def _forward_loops(
    lo: int,
    hi: int,
    x: In4,
    half: int,
    k: Real,
    alpha: Real,
    beta: Real,
    groups: int,
    KH: int,
    KW: int,
    SH: int,
    SW: int,
    PH: int,
    PW: int,
    y: Out4,
    argmax: UInt8Out4,
) -> None:
    _, H, W, C = x.shape
    rows = W * groups
    room = np.zeros((rows, C // groups + 2 * half), np.float32)
    scale = np.empty((rows, C // groups), np.float32)
    normalized = np.empty((1, H, W, C), np.float32)
    for n in range(lo, hi):
        for h in range(H):
            here = x[n, h].reshape(scale.shape)
            write_scale(here, half, k, alpha, room, scale)
            normalize(here.ravel(), scale.ravel(), beta, normalized[0, h].ravel())
        pool_image(normalized, 0, KH, KW, SH, SW, PH, PW, y, argmax, n, NO_FLOOR, 0)


@lrn_max_pool_backward.numba
@wide_argmax
def lrn_max_pool_backward_numba(
    gy: Array,
    argmax: Array,
    x: Array,
    n: int,
    k: float,
    alpha: float,
    beta: float,
    groups: int,
    geometry: Geometry,
) -> Array:
    """Gather the gradient of the pooling pixel by pixel, and go on with it."""
    N, C, H, W = x.shape
    gx = np.empty((N, H, W, C), np.float32)
    taps = np.ascontiguousarray(argmax.transpose(0, 2, 3, 1))
    constants = n // 2, k, alpha, beta, 2 * alpha * beta, groups
    sizes = (*geometry.kernel, *geometry.stride, *geometry.corner)
    arrays = channels_last(gy), taps, channels_last(x)
    _backward_loops(N, *arrays, *constants, *sizes, gx, grain=grain_size(C * H * W))
    return channels_first(gx)


@native
def _backward_loops(
    lo: int,
    hi: int,
    gy: In4,
    argmax: UInt8In4,
    x: In4,
    half: int,
    k: Real,
    alpha: Real,
    beta: Real,
    factor: Real,
    groups: int,
    KH: int,
    KW: int,
    SH: int,
    SW: int,
    PH: int,
    PW: int,
    gx: Out4,
) -> None:
    _, H, W, C = x.shape
    rows = W * groups
    room = np.zeros((rows, C // groups + 2 * half), np.float32)
    total = np.empty((rows, C // groups), np.float32)
    scale = np.empty((rows, C // groups), np.float32)
    passed = np.empty(W * C, np.float32)  # the gradient of the pooling in one row of the image
    down = windows_along(H, PH, KH, SH, gy.shape[1])
    across = windows_along(W, PW, KW, SW, gy.shape[2])
    for n in range(lo, hi):
        for h in range(H):
            for w in range(W):
                gather_gradient(gy, argmax, n, down[h], across[w], KW, SH, SW, passed, w * C)
            here = x[n, h].reshape(scale.shape)
            out = gx[n, h].reshape(scale.shape)
            write_scale(here, half, k, alpha, room, scale)
            write_gradient(
                passed.reshape(scale.shape), here, scale, half, factor, beta, room, total, out
            )


# ---- CUDA: lrn_max_pool.cu

MOST = 64  # numbers that a thread keeps in registers: of all channels and pixels under its windows


def fits_registers(n: int, geometry: Geometry) -> bool:
    """Return whether lrn_max_pool.cu is written for windows of n channels and these pixels."""
    return n * geometry.kernel[0] * geometry.kernel[1] <= MOST


def _does_not_fit(*arguments: Any) -> bool:
    n = next(a for a in arguments if isinstance(a, int))
    geometry = next(a for a in arguments if isinstance(a, Geometry))
    return not fits_registers(n, geometry)


in_registers = fallback_if("windows of more than 64 channels and pixels", _does_not_fit)


def _sizes(x: Array, pixels: int, outputs: Any, geometry: Geometry, groups: int) -> Any:
    """Return how many threads there are, and from what each computes its place."""
    N, C, H, W = x.shape
    runs = -(-C // groups // RUN)
    threads = N * groups * runs * pixels
    return threads, C, H, W, *outputs, *geometry.corner, groups, runs, RUN


def _constants(n: int, geometry: Geometry) -> dict[str, int]:
    """Return the constants of a build of lrn_max_pool.cu."""
    sizes = *geometry.kernel, *geometry.stride, n
    return dict(zip(("KH", "KW", "SH", "SW", "WINDOW"), sizes, strict=True))


@lrn_max_pool_forward.cuda
@bfloat16_too
@in_registers
def lrn_max_pool_forward_cuda(
    x: Array,
    n: int,
    k: float,
    alpha: float,
    beta: float,
    groups: int,
    geometry: Geometry,
    ceil_mode: bool,
) -> tuple[Array, Array]:
    """One thread per output pixel and run of channels."""
    outputs = geometry.output_shape("max_pool2d", x.shape, ceil_mode=ceil_mode)
    y = empty(x, (*x.shape[:2], *outputs))
    argmax = array_module(words_of(x)).empty(y.shape, np.uint8)
    sizes = _sizes(x, outputs[0] * outputs[1], outputs, geometry, groups)
    arguments = in_rows(x), *sizes, k, alpha, beta, y, argmax
    constants = _constants(n, geometry)
    launch("lrn_max_pool", "lrn_max_pool_forward", cover(sizes[0]), *arguments, **constants)
    return y, argmax


@lrn_max_pool_backward.cuda
@bfloat16_too
@wide_argmax
@in_registers
def lrn_max_pool_backward_cuda(
    gy: Array,
    argmax: Array,
    x: Array,
    n: int,
    k: float,
    alpha: float,
    beta: float,
    groups: int,
    geometry: Geometry,
) -> Array:
    """One thread per cell of pixels that have the same windows, and run of channels."""
    gx = empty(x, x.shape)
    cells = [
        -(-(size + before) // (stride if stride <= 2 else 1))
        for size, before, stride in zip(x.shape[2:], geometry.corner, geometry.stride, strict=True)
    ]
    sizes = _sizes(x, cells[0] * cells[1], gy.shape[2:], geometry, groups)
    numbers = *cells, k, alpha, beta, 2 * alpha * beta
    arguments = in_rows(gy), in_rows(argmax), in_rows(x), *sizes, *numbers, gx
    constants = _constants(n, geometry)
    launch("lrn_max_pool", "lrn_max_pool_backward", cover(sizes[0]), *arguments, **constants)
    return gx


_forward_loops.followed_by(_backward_loops)
