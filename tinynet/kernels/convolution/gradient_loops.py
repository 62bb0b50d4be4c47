"""Gradients of a convolution's weights and bias on the microkernel: sums over pixels.

gweight is the transposed product of the forward pass (see `loops`):

    rows   a tap and channel (p, q, c)
    cols   an output pixel (n, i, j), CHUNK at a time
    w      gy of these pixels, B neighboring channels

The pixels are split into parts whose sums are added at the end. The number of parts depends on the
shapes alone, so that the result does not depend on the number of threads.
"""

from __future__ import annotations

import numpy as np

from tinynet.core.backend import Array
from tinynet.kernels.codegen.columns import ROWS, add_rows, mask_and_add_rows
from tinynet.kernels.codegen.layout import (
    bordered,
    channels_first,
    channels_last,
    grain_size,
    line_aligned,
)
from tinynet.kernels.codegen.microkernel import shape_for
from tinynet.kernels.codegen.native import (
    NO_FLOOR,
    Float64Out2,
    In1,
    In2,
    In5,
    Int32In1,
    Int32In2,
    Out2,
    Out5,
    StridedOut4,
    native,
    tile,
    tiled,
)
from tinynet.kernels.codegen.tables import Images, guard, offsets, tiles
from tinynet.kernels.codegen.vectors import move
from tinynet.kernels.convolution.loops import convolve_loops
from tinynet.kernels.geometry import Geometry

CHUNK = 64  # pixels of gy that stay in the L1 cache for all rows of gweight
CACHED_SUMS = 48 * 1024  # sums that stay in the L2 cache for all pixels
PARTS = 16  # partial sums of a bias gradient
MINIMUM_WORK = 2_500_000  # multiply-adds that are worth waking a thread for


@tiled
def _correlate(
    lo: int,
    hi: int,
    x: In1,
    rows: Int32In2,
    cols: Int32In1,
    gy: In2,
    sums: Out5,
    places: Int32In2,
    x_group: int,
    y_group: int,
    span: int,
) -> None:
    """Tasks lo..hi, each `span` blocks: sums (S, G, blocks, depth, B) += x[rows + cols] @ gy."""
    S, G, blocks, depth, B = sums.shape
    T, P = rows.shape
    strip = np.zeros(span * CHUNK * B, np.float32)  # of gy: (span, CHUNK, B)
    flat = sums.reshape(-1)
    spans = (blocks + span - 1) // span
    for task in range(lo, hi):
        s = task // (G * spans)
        g = task // spans % G
        x0 = g * x_group
        first_block = task % spans * span
        deep = min(span, blocks - first_block)
        last = (s + 1) * len(cols) // S
        for first in range(s * len(cols) // S, last, CHUNK):
            few = min(CHUNK, last - first)
            for i in range(few):
                for b in range(deep):
                    c = (first_block + b) * B
                    at = (first + i) * gy.shape[1] + g * y_group + c
                    move(gy, at, strip, (b * CHUNK + i) * B, min(B, y_group - c))
            for b in range(deep):
                s0 = ((s * G + g) * blocks + first_block + b) * depth * B
                w0 = b * CHUNK * B
                for t in range(T):
                    r0 = t * P
                    tile(
                        x,
                        x0,
                        rows,
                        r0,
                        cols,
                        first,
                        few,
                        strip,
                        w0,
                        flat,
                        s0,
                        1,
                        flat,
                        s0,
                        places,
                        r0,
                        NO_FLOOR,
                    )


@native
def _collect(lo: int, hi: int, sums: In5, gweight: StridedOut4) -> None:
    """Write gweight (G, out, in, KH*KW): the sum over S of sums (S, G, blocks, KH*KW * in, B)."""
    S, _, blocks, _, B = sums.shape
    OUT = gweight.shape[1]
    IN = gweight.shape[2]
    TAPS = gweight.shape[3]
    for q in range(lo, hi):
        g = q // blocks
        block = q % blocks
        for k in range(TAPS * IN):
            for o in range(min(B, OUT - block * B)):
                total = np.float32(0)
                for s in range(S):
                    total += sums[s, g, block, k, o]
                gweight[g, block * B + o, k % IN, k // IN] = total


def backward_weight(gy: Array, x: Array, geometry: Geometry) -> Array:
    """conv2d_backward_weight: rows are taps and channels, columns are output pixels."""
    OC, OH, OW = gy.shape[1:]
    groups = geometry.groups
    IN = x.shape[1] // groups
    KH, KW = geometry.kernel
    B = shape_for(OC // groups).channels
    images = bordered(x, geometry.padding)
    grid = Images(*images.shape)
    rows = tiles(*grid.axes(geometry.kernel, geometry.dilation)[1:], (IN, 1, 0))
    cols = offsets(*grid.axes((OH, OW), geometry.stride))
    guard(images, rows, cols, IN, groups)
    depth = KH * KW * IN
    blocks = -(-OC // groups // B)
    pixels = len(cols.places)
    span = max(1, min(blocks, CACHED_SUMS // (depth * B)))
    tasks = groups * -(-blocks // span)
    parts = max(1, min(32 // tasks, pixels // CHUNK))
    sums = np.zeros((parts, groups, blocks, depth, B), np.float32)
    _correlate(
        parts * tasks,
        images.reshape(-1),
        rows.places,
        cols.places,
        channels_last(gy).reshape(pixels, OC),
        sums,
        tiles((depth, B, 0)).places,
        IN,
        OC // groups,
        span,
        columns=B,
        grain=-(-MINIMUM_WORK * parts // (2 * depth * B * span * pixels)),
    )
    return collect(sums, (OC, IN, KH, KW))


def collect(sums: Array, shape: tuple[int, ...]) -> Array:
    """Return gweight of `shape`: the sum over S of sums (S, G, blocks, KH*KW * in, B), unpacked."""
    OC, IN, KH, KW = shape
    parts, groups, blocks, depth, B = sums.shape
    gweight = np.empty((groups, OC // groups, IN, KH * KW), np.float32)
    _collect(groups * blocks, sums, gweight, grain=grain_size(depth * B * parts))
    return gweight.reshape(shape)


@native
def _column_sums(lo: int, hi: int, gy: In2, sums: Float64Out2) -> None:
    """Write sums[s], the sum of part s of the rows of gy."""
    pixels, OC = gy.shape
    for s in range(lo, hi):
        for o in range(OC):
            sums[s, o] = 0.0
        end = (s + 1) * pixels // len(sums)
        for first in range(s * pixels // len(sums), end, ROWS):
            add_rows(gy, sums[s], first, min(ROWS, end - first), OC)


def backward_bias(gy: Array) -> Array:
    """conv2d_backward_bias, in a number of parts that does not depend on the number of threads."""
    OC = gy.shape[1]
    sums = line_aligned((PARTS, OC))
    _column_sums(PARTS, channels_last(gy).reshape(-1, OC), sums, grain=grain_size(gy.size // PARTS))
    return sums.sum(axis=0).astype(np.float32)


@native
def _masked_sums(lo: int, hi: int, gy: In2, y: In2, masked: Out2, sums: Float64Out2) -> None:
    """Write masked = gy where y > 0 and 0 elsewhere; sums[s] = the sum of part s of its rows."""
    pixels, OC = gy.shape
    for s in range(lo, hi):
        for o in range(OC):
            sums[s, o] = 0.0
        end = (s + 1) * pixels // len(sums)
        for first in range(s * pixels // len(sums), end, ROWS):
            mask_and_add_rows(gy, y, masked, sums[s], first, min(ROWS, end - first), OC)


def backward_relu(gy: Array, y: Array) -> tuple[Array, Array]:
    """conv2d_relu_backward, in the same parts."""
    OC = gy.shape[1]
    inner = channels_last(gy)
    sums = line_aligned((PARTS, OC))
    masked = np.empty_like(inner)
    flat = [a.reshape(-1, OC) for a in (inner, channels_last(y), masked)]
    _masked_sums(PARTS, *flat, sums, grain=grain_size(gy.size // PARTS))
    return channels_first(masked), sums.sum(axis=0).astype(np.float32)


convolve_loops.followed_by(_masked_sums, _correlate, _collect, _column_sums)
