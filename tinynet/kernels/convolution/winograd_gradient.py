r"""The gradient of the weights of a convolution, with Winograd's fewer multiplications.

What the forward pass does (see `winograd`) is linear in the weights, so its transpose is done here:

        x tile (a, a, C) ── BT x B ──▶ V (a*a, C)    ┐
                                                     ├─ D[k] = sum over tiles of V[k].T @ Z[k]
       gy tile (4, 4, O) ── A gy AT ─▶ Z (a*a, O)    ┘
                                                        gw (K, K, C, O) = GT D G

A chunk of tiles at a time is transformed, once, and then each point k adds its product to D[k].
Where D is small, parts of the tiles go their whole way on a thread each, with a D of their own;
else all threads lift a chunk, then all multiply it. Which tiles make a chunk or a part depends on
the shapes alone, so that the bits do not depend on the number of threads.
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import numpy as np

from tinynet.core.backend import Array
from tinynet.kernels.codegen.layout import bordered, share
from tinynet.kernels.codegen.microkernel import shape_for
from tinynet.kernels.codegen.native import (
    NOTHING,
    Blocked,
    In2,
    In3,
    In4,
    Native,
    Out2,
    Out3,
    Out4,
    Places1,
    Places2,
    helper,
    tile,
)
from tinynet.kernels.codegen.tables import offsets, tiles
from tinynet.kernels.codegen.transform import TILE, Transform, matrices
from tinynet.kernels.convolution.gradient_loops import collect
from tinynet.kernels.convolution.winograd import corner, odd_lines, whole_tiles
from tinynet.kernels.geometry import Padding

SECOND_CACHE, LAST_CACHE = 1 << 18, 3 << 19  # floats of V and Z that wait there to be multiplied
FEW, PARTS = 1 << 18, 16  # numbers in D so that many parts of the tiles may have a D of their own
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


def _multiply_loops(
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


lift, multiply = helper(_lift_loops), helper(_multiply_loops)


def _near_loops(
    lo: int, hi: int, x: In4, gy: In4, count: int, rows: Places2, cols: Places1, places: Places2,
    d: Out4, G: int, a: int, IN: int, blocks: int, B: int, vectors: int,
) -> None:  # fmt: skip
    """D (parts, G, a*a, blocks, IN, B) of parts lo..hi of `count` tiles: each has its V and Z."""
    parts, points, depth = len(d), a * a, len(cols)
    v = np.empty((points, depth * x.shape[3] + 16), np.float32)
    z = np.zeros((points, G * blocks * depth * B + 16), np.float32)
    for part in range(lo, hi):
        last = (part + 1) * count // parts
        for first in range(part * count // parts, last, depth):
            few = min(depth, last - first)
            lift(0, few, x, gy, first, v, z, G, depth, a, B, vectors)
            multiply(0, G * points, v, z, rows, cols, places, few, d[part], IN, blocks, B)


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
        self.near = Blocked(_near_loops, parts, str(K))
        self.back = Native(_back_loops, {"back": Transform(weights.T)}, str(K))


KERNELS = {K: Kernels(K) for K in (3, 5)}
_multiply = Blocked(_multiply_loops)


class Sizes(NamedTuple):
    """What a launch must know: groups of IN channels, blocks of B filters, points, tiles."""

    G: int
    IN: int
    blocks: int
    B: int
    vectors: int
    points: int
    in_all: int

    def of_one_group(self) -> Sizes:
        """Return what decides how sums are formed: groups add up as they would alone."""
        return self._replace(G=1)

    def sums(self) -> int:
        """Return how many numbers D has."""
        return self.G * self.points * self.blocks * self.IN * self.B

    def depth(self, room: int) -> int:
        """Return how many tiles make a chunk whose V and Z fit into `room`."""
        most, least = DEPTH
        width = self.points * self.G * (self.IN + self.blocks * self.B)
        return max(least, min(most, room // width, self.in_all))

    def tables(self, depth: int) -> list[Array]:
        """Return the rows, columns and places of the product of a chunk."""
        columns = offsets((depth, self.G * self.IN, 0))
        found = tiles((self.IN, 1, 0)), columns, tiles((self.IN, self.B, 0))
        return [table.places for table in found]


def backward_weight(gy: Array, x: Array, K: int, padding: Padding, groups: int) -> Array:
    """conv2d_backward_weight, where `winograd.suits` says so."""
    OC, H, W = gy.shape[1:]
    IN, shape, kernels = x.shape[1] // groups, shape_for(OC // groups), KERNELS[K]
    images = whole_tiles(x, padding, (H, W), K)
    gradient = bordered(gy, ((0, -H % TILE), (0, -W % TILE)))
    in_all = len(x) * (gradient.shape[1] // TILE) * (gradient.shape[2] // TILE)
    blocks = -(-OC // groups // shape.channels)
    sizes = Sizes(groups, IN, blocks, shape.channels, shape.vectors, kernels.a**2, in_all)
    few = sizes.of_one_group().sums() <= FEW
    d = (_near if few else _far)(images, gradient, kernels, sizes)
    gw = np.empty((1, groups, blocks, K * K * IN, sizes.B), np.float32)
    kernels.back(
        groups * blocks * IN, d, gw[0], kernels.a, IN, sizes.vectors,
        grain=share(sizes.points * sizes.B),
    )  # fmt: skip
    return collect(gw, (OC, IN, K, K))


def _near(images: Array, gradient: Array, kernels: Kernels, s: Sizes) -> Array:
    """Return D, added up over parts of the tiles that have each a D of their own."""
    depth = s.depth(SECOND_CACHE)
    parts = max(1, min(PARTS, s.in_all // s.of_one_group().depth(SECOND_CACHE)))
    d = np.zeros((parts, s.G, s.points, odd_lines(s.blocks * s.IN * s.B)), np.float32)
    kernels.near(
        parts, images, gradient, s.in_all, *s.tables(depth), d, s.G, kernels.a, s.IN, s.blocks, s.B,
        s.vectors, columns=s.B,
    )  # fmt: skip
    return d.sum(axis=0)


def _far(images: Array, gradient: Array, kernels: Kernels, s: Sizes) -> Array:
    """Return D, of which each thread has some points; the tiles are lifted for all of them."""
    depth = s.depth(LAST_CACHE)
    v = np.empty((s.points, odd_lines(depth * s.G * s.IN)), np.float32)
    z = np.zeros((s.points, odd_lines(s.G * s.blocks * depth * s.B)), np.float32)
    d = np.zeros((s.G, s.points, odd_lines(s.blocks * s.IN * s.B)), np.float32)
    for first in range(0, s.in_all, depth):
        few = min(depth, s.in_all - first)
        kernels.lift(
            few, images, gradient, first, v, z, s.G, depth, kernels.a, s.B, s.vectors,
            grain=share(s.points * s.G * s.IN),
        )  # fmt: skip
        _multiply(
            s.G * s.points, v, z, *s.tables(depth), few, d, s.IN, s.blocks, s.B, columns=s.B,
            grain=share(few * s.blocks * s.IN // 4),
        )  # fmt: skip
    return d
