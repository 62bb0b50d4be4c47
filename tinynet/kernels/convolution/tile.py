"""GPU convolution without im2col: launches of conv_tile.cu, implicit matrix products.

A block computes a rectangle of output pixels of one image, or small images side by side, for 32, 64
or 96 filters. All pixels under its windows must fit into its shared memory. Where they do not, as
under windows of 11x11 pixels with a stride of 4, each phase of the stride counts as a channel
(phases.cuh); where these do not fit either, `columns` takes over.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from tinynet.core.backend import Array, array_module
from tinynet.core.bfloat16 import BFloat16, empty
from tinynet.kernels.convolution.parts import NOTHING, Parts
from tinynet.kernels.cuda.launch import Grid, cover, in_rows, launch
from tinynet.kernels.gemm import PRECISIONS, precision_of, stores_bfloat16
from tinynet.kernels.geometry import Geometry, Pair

THREADS = 128
SHARED = 48 * 1024  # bytes that a block has on every GPU
WORD = 4
DEPTH = 8  # constants as in conv_tile.cu
ROOM = {96: 3 * THREADS, 64: 3 * THREADS, 32: 4 * THREADS}  # pixels under the windows of a block
PIXELS = {96: 128, 64: 128, 32: 256}  # of a block, by its filters


class Tile(NamedTuple):
    """The output pixels of a block: images, rows, columns; and the pixels under their windows."""

    images: int
    rows: int
    columns: int
    pixels: int

    def blocks(self, N: int, outputs: Pair) -> int:
        """Return how many tiles cover N images of outputs."""
        return -(-N // self.images) * -(-outputs[0] // self.rows) * -(-outputs[1] // self.columns)


def _tiles(outputs: Pair, geometry: Geometry, pixels: int, room: int) -> Iterator[Tile]:
    """Yield the tiles that divide rows and columns evenly, with as many images as fit."""
    OH, OW = outputs
    for columns in {-(-OW // n) for n in range(1, OW + 1)}:
        for rows in {-(-OH // n) for n in range(1, OH + 1)}:
            under = _under((rows, columns), geometry)
            images = min(pixels // (rows * columns), room // under)
            if images:
                images = images if (rows, columns) == outputs else 1
                yield Tile(images, rows, columns, images * under)


def _under(windows: Pair, geometry: Geometry) -> int:
    """Return how many pixels lie under a rectangle of windows."""
    g = geometry
    return math.prod(
        s * (n - 1) + d * (k - 1) + 1
        for n, k, s, d in zip(windows, g.kernel, g.stride, g.dilation, strict=True)
    )


@functools.cache
def tile_of(N: int, outputs: Pair, geometry: Geometry, pixels: int, room: int) -> Tile | None:
    """Return the tile that needs the fewest blocks, then the fewest pixels, then the longest rows.

    None if none fits, or if more than half of the lanes would be idle in full blocks.

    Parameters
    ----------
    N : images
    pixels : that a block computes at most
    room : pixels under windows that fit into shared memory
    """
    most = 2 * -(-N * math.prod(outputs) // pixels)
    tiles = _tiles(outputs, geometry, pixels, room)
    fitting = [tile for tile in tiles if tile.blocks(N, outputs) <= most]
    order = [(tile.blocks(N, outputs), tile.pixels, -tile.columns) for tile in fitting]
    return fitting[order.index(min(order))] if fitting else None


class Plan(NamedTuple):
    """How windows are computed: their tile, and the windows and phases that a patch has.

    Where the stride is not divided into phases, these are (1, 1) and the windows the given ones.
    """

    tile: Tile
    windows: Geometry
    phases: Pair

    @property
    def constants(self) -> dict[str, int]:
        """The phases as macros of a build."""
        return {"PHASES_H": self.phases[0], "PHASES_W": self.phases[1]}


def plan_of(N: int, outputs: Pair, geometry: Geometry, pixels: int, room: int) -> Plan | None:
    """Return the plan with the stride, or else the one with its phases; None if no tile fits."""
    tile = tile_of(N, outputs, geometry, pixels, room)
    if tile:
        return Plan(tile, geometry, (1, 1))
    g = geometry
    kernel = -(-g.kernel[0] // g.stride[0]), -(-g.kernel[1] // g.stride[1])
    idle = math.prod(kernel) * math.prod(g.stride) > 2 * math.prod(g.kernel)  # half of the taps
    if g.stride == (1, 1) or g.dilation != (1, 1) or idle:
        return None
    windows = replace(g, kernel=kernel, stride=(1, 1))
    tile = tile_of(N, outputs, windows, pixels, room)
    return Plan(tile, windows, g.stride) if tile else None


def _filters(outputs: int) -> int:
    """Return the filters of a block: the largest number that leaves the fewest lanes idle."""
    return min(PIXELS, key=lambda size: -(-outputs // size) * size)


def taps_at_once(taps: int, filters: int, places: int) -> int:
    """Return for how many taps the filters are in shared memory at once, beside two patches.

    There is room for two sets: one is read while the other arrives.
    """
    patches = 2 * DEPTH * (THREADS * places + 8)
    room = (SHARED // WORD - patches - filters) // (2 * DEPTH * filters)
    return -(-taps // -(-taps // min(taps, room)))


def forward(
    x: Array, weight: Array, bias: Array | None, outputs: Pair, geometry: Geometry, *, relu: bool
) -> Array | None:
    """Return y, or max(y, 0); None where this kernel does not apply."""
    shape = len(x), len(weight), *outputs
    stored = relu and stores_bfloat16(x)
    return _convolved(x, weight, bias, shape, geometry, relu=relu, rotated=False, stored=stored)


def backward_input(
    gy: Array,
    weight: Array,
    shape: tuple[int, ...],
    geometry: Geometry,
    parts: Parts = NOTHING,
    *,
    stored: bool = False,
) -> Array | None:
    """Return gx, the convolution of gy with rotated filters; None where there is a stride.

    With `stored` it is of bfloat16. If it returns gx, the launch that packs the filters has added
    the parts of other gradients.
    """
    if geometry.stride != (1, 1):
        return None
    reach = [d * (k - 1) for d, k in zip(geometry.dilation, geometry.kernel, strict=True)]
    top, left = (r - p for r, p in zip(reach, geometry.corner, strict=True))
    mirrored = replace(geometry, padding=((top, top), (left, left)))
    return _convolved(
        gy, weight, None, shape, mirrored, relu=False, rotated=True, parts=parts, stored=stored
    )


def _is_single(x: Array) -> bool:
    """Return whether x is of float32, or stored as bfloat16."""
    return isinstance(x, BFloat16) or x.dtype == np.float32


def _convolved(
    x: Array,
    weight: Array,
    bias: Array | None,
    shape: tuple[int, ...],
    geometry: Geometry,
    *,
    relu: bool,
    rotated: bool,
    parts: Parts = NOTHING,
    stored: bool = False,
) -> Array | None:
    """Return the convolution of x of this shape; rotated filters have their channels exchanged."""
    if not _is_single(x):
        return None
    N, OC, *outputs = shape
    g = geometry
    filters = _filters(OC // g.groups)
    sides = outputs[0], outputs[1]
    plan = plan_of(N, sides, g, PIXELS[filters], ROOM[filters])
    if plan is None:
        return None
    tile, windows, _ = plan
    places = -(-tile.pixels // THREADS)
    constants = {
        "PRECISION": PRECISIONS.index(precision_of(x)),
        "FILTERS": filters,
        "PLACES": places,
        "TAPS": taps_at_once(math.prod(windows.kernel), filters, places),
        **plan.constants,
    }
    y = empty(x, shape, bfloat16=stored)
    packed, tiles = _packed(weight, plan, rotated, constants, parts)
    steps = *windows.stride, *g.corner, *g.dilation, g.groups
    sizes = *x.shape, *shape[1:], *windows.kernel, *steps
    grid = Grid((tile.blocks(N, sides), g.groups * tiles), (THREADS,))
    bias = None if bias is None else in_rows(bias)
    arrays = in_rows(x), packed, bias
    launch("conv_tile", "conv2d_tile", grid, *arrays, *sizes, *tile[:3], relu, y, **constants)
    return y


def _packed(
    weight: Array, plan: Plan, rotated: bool, constants: dict[str, int], parts: Parts
) -> tuple[Array, int]:
    """Return the filters in the order of conv_tile.cu, and how many tiles hold those of a group."""
    OC, members, KH, KW = weight.shape
    G = plan.windows.groups
    taps = math.prod(plan.windows.kernel)
    filters = OC // G
    steps = members * KH * KW, KH * KW
    group_step = filters * members * KH * KW
    if rotated:
        filters, members = members, filters
        steps = steps[::-1]
    size = constants["FILTERS"]
    tiles = -(-filters // size)
    held = constants["TAPS"]
    depth = DEPTH * (2 if constants["PRECISION"] == 2 else 1)
    chunks = -(-members * math.prod(plan.phases) // depth)
    words = G * tiles * chunks * -(-taps // held) * held * DEPTH * size
    packed = array_module(weight).empty(words, "uint32")
    numbers = G, filters, members, KH, KW, *steps, group_step, rotated, words
    arguments = in_rows(weight), *numbers, packed, *parts
    launch("conv_tile", "pack_filters", cover(words + parts.threads), *arguments, **constants)
    return packed, tiles


# ---- the gradient of the weights: conv_weight_tile.cu

WEIGHT_THREADS = 256
WEIGHT_FILTERS = 64  # of a block
WEIGHT_PIXELS = 64
OCTETS = {1: (28, 256), 3: (9, 128)}
"""Octets of channels of a block, to the taps and the pixels under windows that fit."""
FEWEST_TAPS = 5  # for fewer, most columns of a block would be idle
BLOCKS = 264  # into which the sums are divided, if they are long enough: two for each SM of an H200
TILES = 4  # of one block at least


def weight_parts(gy: Array, x: Array, geometry: Geometry) -> Array | None:
    """Return gweight in parts, as `columns.weight_parts`; None where this kernel does not apply."""
    if not _is_single(x) or math.prod(geometry.kernel) < FEWEST_TAPS:
        return None
    N, OC, *outputs = gy.shape
    precision = PRECISIONS.index(precision_of(x))
    words = -(-N // 2) if precision == 2 else N  # of bfloat16, two images in a word
    sides = outputs[0], outputs[1]
    octets, plan = _weight_plan(words, sides, geometry)
    if plan is None:
        return None
    g = geometry
    tile, windows, phases = plan
    members = x.shape[1] // g.groups
    channels = members * math.prod(phases)
    tiles = tile.blocks(words, sides)
    blocks = -(-channels // (8 * octets)), g.groups * -(-OC // g.groups // WEIGHT_FILTERS)
    share = max(TILES, -(-tiles // max(1, BLOCKS // math.prod(blocks))))
    count = max(1, -(-tiles // share))
    parts = empty(x, (count, OC, members, *g.kernel), bfloat16=False)
    steps = *windows.stride, *g.corner, *g.dilation, g.groups
    sizes = *x.shape, *gy.shape[1:], *windows.kernel, *steps, *g.kernel
    numbers = *sizes, *tile[:3], tiles, share
    grid = Grid((*blocks, count), (WEIGHT_THREADS,))
    launch(
        "conv_weight_tile",
        "conv2d_weight_tile",
        grid,
        in_rows(gy),
        in_rows(x),
        *numbers,
        parts,
        PRECISION=precision,
        OCTETS=octets,
        **plan.constants,
    )
    return parts


def _weight_plan(words: int, sides: Pair, geometry: Geometry) -> tuple[int, Plan | None]:
    """Return the octets of channels of a block, the most that fit, and the plan; or 0 and None."""
    for octets in (3, 1):
        taps, room = OCTETS[octets]
        plan = plan_of(words, sides, geometry, WEIGHT_PIXELS, room)
        if plan and math.prod(plan.windows.kernel) <= taps:
            return octets, plan
    return 0, None
