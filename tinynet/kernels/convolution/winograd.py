r"""Convolution with fewer multiplications (Lavin and Gray 2016), for 3x3 and 5x5 at stride 1.

An image is cut into tiles of 4x4 outputs. A tile of inputs (a x a, a = 4 + K - 1) and the filter
are transformed (`_transform`); there the convolution is a product, point by point:

        x tile (a, a, C) ── BT x B ──▶ V (a*a, C)    ┐
                                                     ├─ M[k] = V[k] @ U[k] ── AT M A ──▶ y tile
        w (K, K, C, O)   ── G w GT ──▶ U (a*a, C, O) ┘

so a*a products of small matrices, on the microkernel, with many tiles as the rows of V. That is
a*a multiplications for 16 outputs instead of 16*K*K: four times fewer at 3x3, over six at 5x5.

The gradient of the input is the same with turned filters; that of the weights goes back through
the transforms, in `winograd_gradient`.

Rounding is not that of the direct sum: relative to the largest value, `python -m
benchmarks.rounding` finds errors of up to 3e-6 at 3x3 and 1e-5 at 5x5 (docs/decisions/0019). The
direct kernel in `conv_loops` is the judge.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from tinynet.core.backend import Array
from tinynet.kernels.codegen.layout import bordered, channels_first
from tinynet.kernels.codegen.microkernel import host_shape, shape_for
from tinynet.kernels.codegen.native import (
    NOTHING,
    Blocked,
    In1,
    In4,
    Native,
    Out1,
    Out4,
    Places1,
    Places2,
    Real,
    helper,
    tile,
)
from tinynet.kernels.codegen.tables import offsets, tiles
from tinynet.kernels.codegen.transform import TILE, Transform, matrices
from tinynet.kernels.codegen.vectors import move
from tinynet.kernels.convolution.loops import pack
from tinynet.kernels.geometry import Padding, Pair

LEAST = 16  # channels of a group, in and out, from which it pays
WHERE = (  # `suits` in words
    "conv2d with numba takes Winograd's way for 3x3 and 5x5 windows, stride 1, no dilation, "
    f"padding below the window, {LEAST} channels a group or more (whole vectors), images of "
    f"{TILE}x{TILE} or more; the direct microkernel for all else."
)
STRIP = 30  # tiles that are transformed, multiplied and transformed back at a time

# BT . B, G . GT and AT . A: Kernels binds these Transforms, for each size of filter
into = of_weights = out_of = cast("Any", None)


def suits(
    shape: tuple[int, ...],
    weight: tuple[int, ...],
    outputs: tuple[int, ...],
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
) -> bool:
    """Whether a convolution of x.shape, weight.shape and output sizes takes this way."""
    OC, IN, KH, KW = weight
    lanes, OUT = host_shape().lanes, OC // groups
    plain = KH == KW and KH in KERNELS and stride == dilation == (1, 1)
    wide = min(IN, OUT) >= LEAST and IN % lanes == OUT % lanes == 0
    inside = max(padding[0] + padding[1]) < KH
    return plain and wide and inside and min(*outputs, *shape[2:]) >= TILE


def odd_lines(floats: int) -> int:
    """Round up to an odd number of cache lines, so that neighbours in k do not share sets."""
    lines = -(-floats // 16)
    return 16 * (lines + 1 - lines % 2)


# ---- loops: k is a point (of a*a), t a tile, q a group and block of output channels


def _weight_loops(lo: int, hi: int, w: In4, u: Out4, K: int, vectors: int) -> None:
    """Write u (G, blocks, a*a, C*B or a little more) = G w GT of w (G, blocks, K*K*C, B)."""
    depth, B, points, step = w.shape[2], w.shape[3], u.shape[2], u.shape[3]
    C, a = depth // (K * K), K + 3
    for q in range(lo, hi):
        for c in range(C):
            s0, d0 = (q * depth + c) * B, q * points * step + c * B
            of_weights(w, s0, K * C * B, C * B, u, d0, a * step, step, vectors, w, 0, NOTHING)


@helper
def corner(t: int, down: int, along: int) -> tuple[int, int, int]:
    """Return the image of tile t, and where its outputs begin there."""
    return t // (down * along), t // along % down * 4, t % along * 4


@helper
def _lift(
    x: Array, c: int, few: int, first: int, grid: Pair, v: Array, step: int, a: int, width: int,
    n: int,
) -> None:  # fmt: skip
    """Write v[k, t, :] = BT x B of tiles first, first + 1, ...: n vectors of channels from c on."""
    Hp, Wp, C = x.shape[1], x.shape[2], x.shape[3]
    for t in range(few):
        image, i, j = corner(first + t, grid[0], grid[1])
        at = ((image * Hp + i) * Wp + j) * C + c
        into(x, at, Wp * C, C, v, t * width, a * step, step, n, x, 0, NOTHING)


@helper
def _land(
    m: Array, step: int, a: int, few: int, first: int, grid: Pair, bias: Array, q: int, y: Array,
    shape: tuple[int, int, int], c: int, wide: int, spare: Array, vectors: int,
    floor: float,
) -> None:  # fmt: skip
    """Write y = AT m[:, t] A + bias for each tile t; `wide` of the B channels exist, from c on."""
    (H, W, C), B = shape, len(spare) // 16
    for t in range(few):
        image, i, j = corner(first + t, grid[0], grid[1])
        at, high, broad = ((image * H + i) * W + j) * C + c, min(4, H - i), min(4, W - j)
        whole = high == 4 and broad == 4 and wide == B
        out, out0, down, along = (y, at, W * C, C) if whole else (spare, 0, 4 * B, B)
        out_of(m, t * B, a * step, step, out, out0, down, along, vectors, bias, q * B, floor)
        if not whole:  # what is beyond the image, or among the next channels, is not copied
            for i in range(high):
                for j in range(broad):
                    move(spare, (i * 4 + j) * B, y, at + (i * W + j) * C, wide)


def _forward_loops(
    lo: int, hi: int, x: In4, u: In4, zeros: In1, bias: In1, y: Out1, H: int, W: int, C: int,
    rows: Places2, cols: Places1, places: Places2, a: int, vectors: int, floor: Real,
) -> None:  # fmt: skip
    """Write strips lo..hi of tiles of y (N, H, W, C = G * OUT) from x (N, Hp, Wp, G * IN)."""
    G, blocks, points, u_step = u.shape
    T, P = rows.shape
    IN, OUT, B = x.shape[3] // G, C // G, len(zeros)
    grid = (H + 3) // 4, (W + 3) // 4
    v_step, m_step = T * P * IN + 16, T * P * B + 16
    v, m = np.empty(points * v_step, np.float32), np.empty(points * m_step, np.float32)
    spare = np.empty(16 * B, np.float32)
    for first in range(lo * T * P, hi * T * P, T * P):
        few = min(T * P, len(x) * grid[0] * grid[1] - first)
        for q in range(G * blocks):
            g, c = q // blocks, q % blocks * B
            if c == 0:
                _lift(x, g * IN, few, first, grid, v, v_step, a, IN, IN * vectors // B)
            for k in range(points):
                for t in range((few + P - 1) // P):
                    tile(v, k * v_step, rows, t * P, cols, 0, IN, u, (q * points + k) * u_step,
                         zeros, 0, 0, m, k * m_step, places, t * P, NOTHING)  # fmt: skip
            wide = min(B, OUT - c)
            _land(m, m_step, a, few, first, grid, bias, q, y, (H, W, C), g * OUT + c, wide,
                  spare, vectors, floor)  # fmt: skip


class Kernels:
    """The two loops, for filters of one size."""

    def __init__(self, K: int) -> None:
        data, weights, result = matrices(K)
        parts = {"into": Transform(data), "out_of": Transform(result, biased=True)}
        self.a = len(data)
        self.weights = Native(_weight_loops, {"of_weights": Transform(weights)}, str(K))
        self.forward = Blocked(_forward_loops, parts, str(K))


KERNELS = {K: Kernels(K) for K in (3, 5)}


# ---- launches


def whole_tiles(x: Array, padding: Padding, outputs: Pair, K: int) -> Array:
    """Return x (N, C, H, W) bordered, so that each tile of these outputs finds all its inputs."""
    around = []
    for size, (before, _), out in zip(x.shape[2:], padding, outputs, strict=True):
        reach = -(-out // TILE) * TILE + K - 1
        around.append((before, max(0, reach - before - size)))
    return bordered(x, (around[0], around[1]))


def _correlate(
    x: Array, padding: Padding, w: Array, bias: Array | None, outputs: Pair, OUT: int, K: int,
    *, relu: bool = False,
) -> Array:  # fmt: skip
    """Return y (N, G * OUT, H, W) of x (N, C, H, W) and packed filters (see `pack`)."""
    G, blocks, depth, B = w.shape
    kernels, shape, IN = KERNELS[K], shape_for(OUT), depth // K**2
    images = whole_tiles(x, padding, outputs, K)
    u = np.empty((G, blocks, kernels.a**2, odd_lines(IN * B)), np.float32)
    kernels.weights(G * blocks, w, u, K, shape.vectors)
    start = np.zeros((G, blocks * B), np.float32)
    if bias is not None:
        start[:, :OUT] = bias.reshape(G, -1)
    y = np.empty((len(x), *outputs, G * OUT), np.float32)
    size = -(-STRIP // shape.pixels) * shape.pixels
    strips = -(-len(x) * -(-outputs[0] // TILE) * -(-outputs[1] // TILE) // size)
    tables = [t.places for t in (tiles((size, IN, 0)), offsets((IN, 1, 0)), tiles((size, B, 0)))]
    kernels.forward(
        strips, images, u, np.zeros(B, np.float32), start.reshape(-1), y.reshape(-1), *y.shape[1:],
        *tables, kernels.a, shape.vectors, 0.0 if relu else NOTHING, columns=B,
    )  # fmt: skip
    return channels_first(y)


def forward(
    x: Array, weight: Array, bias: Array | None, padding: Padding, outputs: Pair, groups: int,
    *, relu: bool,
) -> Array:  # fmt: skip
    """conv2d_forward, or conv2d_relu_forward, where `suits` says so."""
    OC, IN, K, _ = weight.shape
    w = pack(weight.reshape(groups, OC // groups, IN, K * K), np.arange(K * K))
    return _correlate(x, padding, w, bias, outputs, OC // groups, K, relu=relu)


def backward_input(
    gy: Array, weight: Array, shape: tuple[int, ...], padding: Padding, groups: int
) -> Array:
    """conv2d_backward_input: the filters are turned, what was input is output."""
    OC, IN, K, _ = weight.shape
    turned = weight.reshape(groups, OC // groups, IN, K * K).transpose(0, 2, 1, 3)
    w = pack(turned, np.arange(K * K)[::-1].copy())
    top, left = ((K - 1 - before, K - 1 - after) for before, after in padding)
    return _correlate(gy, (top, left), w, None, (shape[2], shape[3]), IN, K)
