r"""The gradient of the weights of a convolution, with Winograd's fewer multiplications.

What the forward pass does (see `winograd`) is linear in the weights, so its transpose is done here:

        x tile (a, a, C) ── BT x B ──▶ V (a*a, C)    ┐
                                                     ├─ D[k] = sum over tiles of V[k].T @ Z[k]
       gy tile (4, 4, O) ── A gy AT ─▶ Z (a*a, O)    ┘
                                                        gw (K, K, C, O) = GT D G

A chunk of tiles at a time is transformed, once, and then each point k adds its product to D[k].
Which tiles make a chunk depends on the shapes alone, so that the bits do not depend on the number
of threads.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from tinynet.backend import Array
from tinynet.kernels._layout import bordered, share
from tinynet.kernels._microkernel import host_shape
from tinynet.kernels._native import (
    NOTHING,
    In2,
    In3,
    In4,
    Native,
    Out2,
    Out3,
    Out4,
    Places1,
    Places2,
    native,
    tile,
)
from tinynet.kernels._tables import offsets, tiles
from tinynet.kernels._transform import TILE, Transform, matrices
from tinynet.kernels.conv_gradient_loops import collect
from tinynet.kernels.geometry import Padding
from tinynet.kernels.winograd import corner, odd_lines, whole_tiles

NEAR = 3 << 19  # floats of V and Z that the last cache keeps until they are multiplied
DEPTH = 256, 32  # tiles of a chunk, at most and at least

# BT . B, A . AT and GT . G: Kernels binds these Transforms, for each size of filter
into = of_gradient = back = cast("Any", None)


def _lift_loops(
    lo: int, hi: int, x: In4, gy: In4, first: int, v: Out2, z: Out2, G: int, depth: int, a: int,
    B: int, vectors: int,
) -> None:  # fmt: skip
    """Write V (a*a, depth, C) and Z (a*a, G, blocks, depth, B) of the tiles first + lo..hi."""
    (Hp, Wp, C), (H, W, OC) = x.shape[1:], gy.shape[1:]
    OUT, lanes, v_step, z_step = OC // G, B // vectors, v.shape[1], z.shape[1]
    blocks = (OUT + B - 1) // B
    for t in range(lo, hi):
        image, i, j = corner(first + t, H // 4, W // 4)
        at = ((image * Hp + i) * Wp + j) * C
        into(x, at, Wp * C, C, v, t * C, a * v_step, v_step, C // lanes, x, 0, NOTHING)
        for q in range(G * blocks):
            c = q % blocks * B
            at = ((image * H + i) * W + j) * OC + q // blocks * OUT + c
            of_gradient(gy, at, W * OC, OC, z, (q * depth + t) * B, a * z_step, z_step,
                        min(B, OUT - c) // lanes, gy, 0, NOTHING)  # fmt: skip


@native
def _multiply(
    lo: int, hi: int, v: In2, z: In2, rows: Places2, cols: Places1, places: Places2, few: int,
    d: Out3, IN: int, blocks: int, B: int,
) -> None:  # fmt: skip
    """Tasks lo..hi, each a group and a point k: D (G, a*a, blocks, IN, B) += V[k].T @ Z[k]."""
    (points, d_step), (T, P), depth = d.shape[1:], rows.shape, len(cols)
    for task in range(lo, hi):
        g, k = task // points, task % points
        for b in range(blocks):
            here = task * d_step + b * IN * B
            for r in range(T):
                tile(v, k * v.shape[1] + g * IN, rows, r * P, cols, 0, few,
                     z, k * z.shape[1] + (g * blocks + b) * depth * B,
                     d, here, 1, d, here, places, r * P, NOTHING)  # fmt: skip


def _back_loops(lo: int, hi: int, d: In3, gw: Out4, a: int, IN: int, vectors: int) -> None:
    """Write gw (G, blocks, K*K*IN, B) = GT D G: rows lo..hi of G * blocks * IN."""
    (points, step), (blocks, depth, B) = d.shape[1:], gw.shape[1:]
    for r in range(lo, hi):
        q, c = r // IN, r % IN
        d0 = q // blocks * points * step + (q % blocks * IN + c) * B
        row = IN * B
        back(d, d0, a * step, step, gw, q * depth * B + c * B, (a - 3) * row, row, vectors,
             d, 0, NOTHING)  # fmt: skip


class Kernels:
    """The loops that depend on the size of the filters."""

    def __init__(self, K: int) -> None:
        data, weights, result = matrices(K)
        parts = {"into": Transform(data), "of_gradient": Transform(result.T)}
        self.a = len(data)
        self.lift = Native(_lift_loops, parts, str(K))
        self.back = Native(_back_loops, {"back": Transform(weights.T)}, str(K))


KERNELS = {K: Kernels(K) for K in (3, 5)}


def backward_weight(gy: Array, x: Array, K: int, padding: Padding, groups: int) -> Array:
    """conv2d_backward_weight, where `winograd.suits` says so."""
    OC, H, W = gy.shape[1:]
    C, shape, kernels = x.shape[1], host_shape(), KERNELS[K]
    IN, B, points = C // groups, shape.channels, kernels.a**2
    blocks, tiles_in_all = -(-OC // groups // B), len(x) * -(-H // TILE) * -(-W // TILE)
    images = whole_tiles(x, padding, (H, W), K)
    gradient = bordered(gy, ((0, -H % TILE), (0, -W % TILE)))
    most, least = DEPTH
    depth = max(least, min(most, NEAR // (points * (C + groups * blocks * B)), tiles_in_all))
    v = np.empty((points, odd_lines(depth * C)), np.float32)
    z = np.zeros((points, odd_lines(groups * blocks * depth * B)), np.float32)
    d = np.zeros((groups, points, odd_lines(blocks * IN * B)), np.float32)
    rows, cols, places = tiles((IN, 1, 0)), offsets((depth, C, 0)), tiles((IN, B, 0))
    for first in range(0, tiles_in_all, depth):
        few = min(depth, tiles_in_all - first)
        kernels.lift(
            few, images, gradient, first, v, z, groups, depth, kernels.a, B, shape.vectors,
            grain=share(points * C),
        )  # fmt: skip
        _multiply(
            groups * points, v, z, rows.places, cols.places, places.places, few, d, IN, blocks,
            B, grain=share(few * blocks * IN // 4),
        )  # fmt: skip
    gw = np.empty((1, groups, blocks, K * K * IN, B), np.float32)
    kernels.back(
        groups * blocks * IN, d, gw[0], kernels.a, IN, shape.vectors, grain=share(points * B)
    )
    return collect(gw, (OC, IN, K, K))
