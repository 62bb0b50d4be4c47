"""The gradients of a convolution's parameters, on the microkernel: sums over pixels.

gweight is the transposed product of the forward pass (see `conv_loops`):

    rows   a tap and channel (p, q, c)
    cols   an output pixel (n, i, j), CHUNK at a time
    w      gy of these pixels, B neighbouring channels

The pixels are split into parts whose sums are added at the end. How many parts depends on the
shapes alone, so that the bits do not depend on the number of threads.
"""

from __future__ import annotations

import numpy as np

from tinynet.core.backend import Array
from tinynet.kernels.codegen.layout import bordered, channels_first, channels_last, share
from tinynet.kernels.codegen.microkernel import shape_for
from tinynet.kernels.codegen.native import (
    NOTHING,
    In1,
    In2,
    In5,
    Out2,
    Out5,
    Places1,
    Places2,
    StridedOut4,
    Wide2,
    blocked,
    native,
    tile,
)
from tinynet.kernels.codegen.tables import Images, guard, offsets, tiles
from tinynet.kernels.codegen.vectors import move
from tinynet.kernels.geometry import Padding, Pair

CHUNK = 64  # pixels of gy that stay in the first cache while the rows of gweight pass
NEAR = 48 * 1024  # sums that stay in the second cache while the pixels pass
WORTH = 2_500_000  # multiplications and additions that are worth waking a thread for


@blocked
def _correlate(
    lo: int,
    hi: int,
    x: In1,
    rows: Places2,
    cols: Places1,
    gy: In2,
    sums: Out5,
    places: Places2,
    x_group: int,
    y_group: int,
    span: int,
) -> None:
    """Tasks lo..hi, each `span` blocks: sums (S, G, blocks, depth, B) += x[rows + cols] @ gy."""
    S, G, blocks, depth, B = sums.shape
    T, P = rows.shape
    strip = np.zeros(span * CHUNK * B, np.float32)  # of gy: (span, CHUNK, B)
    flat, spans = sums.reshape(-1), (blocks + span - 1) // span
    for task in range(lo, hi):
        s, g, first_block = task // (G * spans), task // spans % G, task % spans * span
        deep, last = min(span, blocks - first_block), (s + 1) * len(cols) // S
        for first in range(s * len(cols) // S, last, CHUNK):
            few = min(CHUNK, last - first)
            for i in range(few):
                for b in range(deep):
                    c = (first_block + b) * B
                    at = (first + i) * gy.shape[1] + g * y_group + c
                    move(gy, at, strip, (b * CHUNK + i) * B, min(B, y_group - c))
            for b in range(deep):
                at = ((s * G + g) * blocks + first_block + b) * depth * B
                for t in range(T):
                    tile(x, g * x_group, rows, t * P, cols, first, few, strip, b * CHUNK * B,
                         flat, at, 1, flat, at, places, t * P, NOTHING)  # fmt: skip


@native
def _collect(lo: int, hi: int, sums: In5, gweight: StridedOut4) -> None:
    """Gweight (G, out, in, KH*KW) = sums over S of (S, G, blocks, KH*KW * in, B)."""
    S, _, blocks, _, B = sums.shape
    OUT, IN, TAPS = gweight.shape[1], gweight.shape[2], gweight.shape[3]
    for q in range(lo, hi):
        g, block = q // blocks, q % blocks
        for k in range(TAPS * IN):
            for o in range(min(B, OUT - block * B)):
                total = np.float32(0)
                for s in range(S):
                    total += sums[s, g, block, k, o]
                gweight[g, block * B + o, k % IN, k // IN] = total


def backward_weight(
    gy: Array,
    x: Array,
    kernel: Pair,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
) -> Array:
    """conv2d_backward_weight: rows are taps and channels, columns are output pixels."""
    OC, OH, OW = gy.shape[1:]
    IN, (KH, KW), B = x.shape[1] // groups, kernel, shape_for(OC // groups).channels
    images = bordered(x, padding)
    grid = Images(*images.shape)
    rows = tiles(*grid.axes(kernel, dilation)[1:], (IN, 1, 0))
    cols = offsets(*grid.axes((OH, OW), stride))
    guard(images, rows, cols, IN, groups)
    depth, blocks, pixels = KH * KW * IN, -(-OC // groups // B), len(cols.places)
    span = max(1, min(blocks, NEAR // (depth * B)))
    tasks = groups * -(-blocks // span)
    parts = max(1, min(32 // tasks, pixels // CHUNK))
    sums = np.zeros((parts, groups, blocks, depth, B), np.float32)
    _correlate(
        parts * tasks, images.reshape(-1), rows.places, cols.places,
        channels_last(gy).reshape(pixels, OC), sums, tiles((depth, B, 0)).places, IN, OC // groups,
        span, columns=B, grain=-(-WORTH * parts // (2 * depth * B * span * pixels)),
    )  # fmt: skip
    return collect(sums, (OC, IN, KH, KW))


def collect(sums: Array, shape: tuple[int, ...]) -> Array:
    """Return gweight of `shape`: the packed sums (S, G, blocks, KH*KW * in, B), added up."""
    OC, IN, KH, KW = shape
    parts, groups, blocks, depth, B = sums.shape
    gweight = np.empty((groups, OC // groups, IN, KH * KW), np.float32)
    _collect(groups * blocks, sums, gweight, grain=share(depth * B * parts))
    return gweight.reshape(shape)


@native
def _column_sums(lo: int, hi: int, gy: In2, sums: Wide2) -> None:
    """sums[s] = the sum of part s of the rows of gy."""
    pixels, OC = gy.shape
    for s in range(lo, hi):
        for o in range(OC):
            sums[s, o] = 0.0
        for i in range(s * pixels // len(sums), (s + 1) * pixels // len(sums)):
            for o in range(OC):
                sums[s, o] += gy[i, o]


def backward_bias(gy: Array) -> Array:
    """conv2d_backward_bias, in sixteen parts whatever the number of threads."""
    OC = gy.shape[1]
    sums = np.empty((16, OC), np.float64)
    _column_sums(16, channels_last(gy).reshape(-1, OC), sums, grain=share(gy.size // 16))
    return sums.sum(axis=0).astype(np.float32)


@native
def _masked_sums(lo: int, hi: int, gy: In2, y: In2, masked: Out2, sums: Wide2) -> None:
    """Masked = gy where y > 0; sums[s] = the sum of part s of its rows."""
    pixels, OC = gy.shape
    for s in range(lo, hi):
        for o in range(OC):
            sums[s, o] = 0.0
        for i in range(s * pixels // len(sums), (s + 1) * pixels // len(sums)):
            for o in range(OC):
                kept = gy[i, o] if y[i, o] > 0 else np.float32(0)
                masked[i, o] = kept
                sums[s, o] += kept


def backward_relu(gy: Array, y: Array) -> tuple[Array, Array]:
    """conv2d_relu_backward, in the same sixteen parts."""
    OC, inner = gy.shape[1], channels_last(gy)
    sums, masked = np.empty((16, OC), np.float64), np.empty_like(inner)
    flat = [a.reshape(-1, OC) for a in (inner, channels_last(y), masked)]
    _masked_sums(16, *flat, sums, grain=share(gy.size // 16))
    return channels_first(masked), sums.sum(axis=0).astype(np.float32)
