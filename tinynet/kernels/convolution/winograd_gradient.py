r"""Winograd's algorithm for the gradient of the weights of a convolution.

The forward pass (see `winograd`) is linear in the weights; this is its transpose:

        x tile (a, a, C) ── BT x B ──▶ V (a*a, C)    ┐
                                                     ├─ D[k] = sum over tiles of V[k].T @ Z[k]
       gy tile (4, 4, O) ── A gy AT ─▶ Z (a*a, O)    ┘
                                                        gw (K, K, C, O) = GT D G

Of one group after the other, a chunk of tiles is transformed, and then each point k adds its
product to D[k]. Where D is small, the tiles are split into parts, each with an accumulator D of its
own, and a thread transforms and multiplies a whole part. Otherwise all threads transform a chunk
together and then multiply it together. Chunks and parts depend on the shapes of a group alone, so
that the result depends neither on the number of threads nor on that of groups.
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np

from tinynet.core.backend import Array
from tinynet.kernels.codegen.layout import channels_last, grain_size
from tinynet.kernels.codegen.microkernel import shape_for
from tinynet.kernels.codegen.native import (
    NO_FLOOR,
    In2,
    In4,
    Int32In1,
    Int32In2,
    Native,
    Out2,
    Out4,
    Out5,
    TiledKernel,
    helper,
    tile,
)
from tinynet.kernels.codegen.tables import offsets, tiles
from tinynet.kernels.codegen.transform import TILE, Transform, matrices
from tinynet.kernels.convolution import winograd
from tinynet.kernels.convolution.gradient_loops import collect
from tinynet.kernels.convolution.winograd import (
    corner,
    pad_to_odd_lines,
    prefetch_tiles,
    tile_at,
)
from tinynet.kernels.geometry import Geometry, Pair

L2_FLOATS = 1 << 16  # floats of V and Z between transform and product: half of an L2 cache, or less
L3_FLOATS = 3 << 19  # the same in the L3 cache
SMALL_SUMS = 1 << 18  # numbers in D up to which each part of the tiles has an accumulator
PARTS = 16  # parts of the tiles, at most
MINIMUM_PART = 64  # tiles that are worth an accumulator, which is cleared and summed
MAXIMUM_DEPTH = 256  # tiles of a chunk
MINIMUM_DEPTH = 32

# BT . B, A . AT and GT . G: placeholders that `CompiledLoops` replaces with the Transforms of one
# filter size
input_transform: Any = None
output_gradient_transform: Any = None
filter_gradient_transform: Any = None


def _transform_loops(
    lo: int,
    hi: int,
    x: In4,
    gy: In4,
    top: int,
    left: int,
    first: int,
    g: int,
    G: int,
    v: Out2,
    z: Out2,
    depth: int,
    width: int,
    a: int,
    B: int,
    vectors: int,
) -> None:
    """Write V (a*a, depth, width) and Z (a*a, blocks, depth, B) of group g, tiles first + lo..hi.

    The windows of an image begin `top` rows above it and `left` pixels beside it.
    """
    IN = x.shape[3] // G
    OUT = gy.shape[3] // G
    H, W, _ = gy.shape[1:]
    lanes = B // vectors
    v_step = v.shape[1]
    z_step = z.shape[1]
    blocks = (OUT + B - 1) // B
    images = x.reshape(-1)
    gradients = gy.reshape(-1)
    inputs = np.empty(a * a * IN, np.float32)
    outputs = np.empty(16 * OUT, np.float32)
    for t in range(lo, hi):
        image, i, j = corner(first + t, (H + 3) // 4, (W + 3) // 4)
        src, at, down, along = tile_at(
            images, x.shape[1:], image, i - top, j - left, g * IN, IN, a, inputs
        )
        input_transform(
            src, at, down, along, v, t * width, a * v_step, v_step, IN // lanes, v, 0, NO_FLOOR
        )
        src, at, down, along = tile_at(
            gradients, gy.shape[1:], image, i, j, g * OUT, OUT, 4, outputs
        )
        for q in range(blocks):
            c = q * B
            z0 = (q * depth + t) * B
            n = min(B, OUT - c) // lanes
            output_gradient_transform(
                src,
                at + c,
                down,
                along,
                z,
                z0,
                a * z_step,
                z_step,
                n,
                z,
                0,
                NO_FLOOR,
            )


def _multiply_loops(
    lo: int,
    hi: int,
    v: In2,
    z: In2,
    rows: Int32In2,
    cols: Int32In1,
    places: Int32In2,
    few: int,
    d: Out2,
    IN: int,
    blocks: int,
    B: int,
) -> None:
    """Add V[k].T @ Z[k] to D (a*a, blocks, IN, B) of a group, for points k = lo..hi."""
    T, P = rows.shape
    depth = len(cols)
    for k in range(lo, hi):
        v0 = k * v.shape[1]
        for b in range(blocks):
            z0 = k * z.shape[1] + b * depth * B
            d0 = k * d.shape[1] + b * IN * B
            for r in range(T):
                r0 = r * P
                tile(v, v0, rows, r0, cols, 0, few, z, z0, d, d0, 1, d, d0, places, r0, NO_FLOOR)


transform_tiles = helper(_transform_loops)
multiply_tiles = helper(_multiply_loops)


def _per_thread_loops(
    lo: int,
    hi: int,
    x: In4,
    gy: In4,
    top: int,
    left: int,
    count: int,
    rows: Int32In2,
    cols: Int32In1,
    places: Int32In2,
    d: Out4,
    G: int,
    width: int,
    a: int,
    IN: int,
    blocks: int,
    B: int,
    vectors: int,
) -> None:
    """D (parts, G, a*a, blocks, IN, B), of `count` tiles: tasks lo..hi are a part and a group."""
    parts = len(d)
    points = a * a
    depth = len(cols)
    v = np.empty((points, depth * width + 16), np.float32)
    z = np.zeros((points, blocks * depth * B + 16), np.float32)
    for task in range(lo, hi):
        part = task // G
        g = task % G
        d[part, g] = 0
        last = (part + 1) * count // parts
        for first in range(part * count // parts, last, depth):
            few = min(depth, last - first)
            transform_tiles(
                0, few, x, gy, top, left, first, g, G, v, z, depth, width, a, B, vectors
            )
            for k in range(points):
                prefetch_tiles(x, count, first + depth, depth, k, points)
                prefetch_tiles(gy, count, first + depth, depth, k, points)
                multiply_tiles(k, k + 1, v, z, rows, cols, places, few, d[part, g], IN, blocks, B)


def _filter_gradient_loops(
    lo: int, hi: int, d: In4, gw: Out5, a: int, IN: int, vectors: int
) -> None:
    """Write gw (parts, G, blocks, K*K*IN, B) = GT D G: rows lo..hi of parts * G * blocks * IN."""
    points, step = d.shape[2:]
    blocks, depth, B = gw.shape[2:]
    for r in range(lo, hi):
        q = r // IN
        c = r % IN
        d0 = q // blocks * points * step + (q % blocks * IN + c) * B
        g0 = q * depth * B + c * B
        row = IN * B
        filter_gradient_transform(
            d, d0, a * step, step, gw, g0, (a - 3) * row, row, vectors, d, 0, NO_FLOOR
        )


class CompiledLoops:
    """The loops that depend on the filter size, compiled for one of them."""

    def __init__(self, K: int) -> None:
        data, weights, result = matrices(K)
        intrinsics = {
            "input_transform": Transform(data),
            "output_gradient_transform": Transform(result.T),
        }
        self.a = len(data)
        self.transform = Native(_transform_loops, intrinsics, str(K))
        self.per_thread = TiledKernel(_per_thread_loops, intrinsics, str(K))
        self.filter_gradient = Native(
            _filter_gradient_loops, {"filter_gradient_transform": Transform(weights.T)}, str(K)
        )
        forward = winograd.BY_FILTER_SIZE[K].forward
        forward.followed_by(self.per_thread, self.filter_gradient)


BY_FILTER_SIZE = {K: CompiledLoops(K) for K in (3, 5)}
_multiply = TiledKernel(_multiply_loops)


class Sizes(NamedTuple):
    """Sizes of one launch: groups of IN channels, blocks of B filters, points, tiles."""

    G: int
    IN: int
    blocks: int
    B: int
    vectors: int
    points: int
    tiles: int

    @property
    def width(self) -> int:
        """Return the floats from one tile of V to the next.

        A product reads the same few channels of all tiles of a chunk. With 128 channels, say, these
        would lie in an eighth of the sets of the L1 cache, and push each other out.
        """
        return pad_to_odd_lines(self.IN)

    @property
    def sums(self) -> int:
        """Return the number of elements of D, for one group."""
        return self.points * self.blocks * self.IN * self.B

    def depth(self, room: int) -> int:
        """Return the number of tiles of a chunk whose V and Z fit into `room` floats."""
        of_tile = self.points * (self.IN + self.blocks * self.B)
        return max(MINIMUM_DEPTH, min(MAXIMUM_DEPTH, room // of_tile, self.tiles))

    def tables(self, depth: int) -> list[Array]:
        """Return the tables of rows, columns and output places for the product of a chunk."""
        columns = offsets((depth, self.width, 0))
        found = tiles((self.IN, 1, 0)), columns, tiles((self.IN, self.B, 0))
        return [table.places for table in found]


def backward_weight(gy: Array, x: Array, geometry: Geometry) -> Array:
    """conv2d_backward_weight, where `winograd.supported`."""
    OC, H, W = gy.shape[1:]
    K = geometry.kernel[0]
    groups = geometry.groups
    IN = x.shape[1] // groups
    shape = shape_for(OC // groups)
    kernels = BY_FILTER_SIZE[K]
    count = len(x) * -(-H // TILE) * -(-W // TILE)
    blocks = -(-OC // groups // shape.channels)
    sizes = Sizes(groups, IN, blocks, shape.channels, shape.vectors, kernels.a**2, count)
    accumulate = _accumulate_per_thread if sizes.sums <= SMALL_SUMS else _accumulate_shared
    d = accumulate(channels_last(x), channels_last(gy), geometry.corner, kernels, sizes)
    gw = np.empty((len(d), groups, blocks, K * K * IN, sizes.B), np.float32)
    kernels.filter_gradient(
        len(d) * groups * blocks * IN,
        d,
        gw,
        kernels.a,
        IN,
        sizes.vectors,
        grain=grain_size(sizes.points * sizes.B),
    )
    return collect(gw, (OC, IN, K, K))


def _accumulate_per_thread(
    x: Array, gy: Array, before: Pair, kernels: CompiledLoops, s: Sizes
) -> Array:
    """Return D of each part of the tiles, (parts, G, a*a, blocks * IN * B or a little more)."""
    depth = s.depth(L2_FLOATS)
    parts = max(1, min(PARTS, s.tiles // MINIMUM_PART))
    d = np.empty((parts, s.G, s.points, pad_to_odd_lines(s.blocks * s.IN * s.B)), np.float32)
    kernels.per_thread(
        parts * s.G,
        x,
        gy,
        *before,
        s.tiles,
        *s.tables(depth),
        d,
        s.G,
        s.width,
        kernels.a,
        s.IN,
        s.blocks,
        s.B,
        s.vectors,
        columns=s.B,
    )
    return d


def _accumulate_shared(
    x: Array, gy: Array, before: Pair, kernels: CompiledLoops, s: Sizes
) -> Array:
    """Return D in one accumulator: threads share the tiles to transform, then the points of D."""
    depth = s.depth(L3_FLOATS)
    v = np.empty((s.points, pad_to_odd_lines(depth * s.width)), np.float32)
    z = np.zeros((s.points, pad_to_odd_lines(s.blocks * depth * s.B)), np.float32)
    d = np.zeros((1, s.G, s.points, pad_to_odd_lines(s.blocks * s.IN * s.B)), np.float32)
    for g, first in itertools.product(range(s.G), range(0, s.tiles, depth)):
        few = min(depth, s.tiles - first)
        kernels.transform(
            few,
            x,
            gy,
            *before,
            first,
            g,
            s.G,
            v,
            z,
            depth,
            s.width,
            kernels.a,
            s.B,
            s.vectors,
            grain=grain_size(s.points * s.IN),
        )
        _multiply(
            s.points,
            v,
            z,
            *s.tables(depth),
            few,
            d[0, g],
            s.IN,
            s.blocks,
            s.B,
            columns=s.B,
            grain=grain_size(few * s.blocks * s.IN // 4),
        )
    return d
