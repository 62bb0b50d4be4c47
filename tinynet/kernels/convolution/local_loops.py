r"""Filters for every place, on the microkernel: a list of links, and three products along them.

A *link* says that place (i, j) sees pixel (h, w) through tap (p, q). Along it run the numbers of a
small matrix, weight[i, j, :, :, p, q], of OC rows and C columns:

    forward   y[n, place]  = sum of matrix @ x[n, pixel]     over the links of the place
    backward  gx[n, pixel] = sum of matrix.T @ gy[n, place]  over the links of the pixel
              gmatrix      = sum over n of gy[n, place] (outer product) x[n, pixel]

The first two are the same product with the two ends exchanged. Its rows are the images, its columns
the channels of whatever is linked to one end: as in `conv_loops`, both are tables of offsets into
(N, H, W, C) images, and the matrix of columns is never built. Padding has no links.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from tinynet.core.backend import Array
from tinynet.kernels.codegen.layout import channels_first, channels_last, share
from tinynet.kernels.codegen.microkernel import host_shape
from tinynet.kernels.codegen.native import (
    NOTHING,
    In1,
    In2,
    In3,
    Indices1,
    Indices2,
    Out1,
    Out2,
    Out4,
    Places1,
    Places2,
    Strided4,
    native,
    tile,
)
from tinynet.kernels.codegen.tables import Table, guard, offsets, tiles
from tinynet.kernels.geometry import Padding, Pair

WORTH = 2_500_000  # multiplications and additions that are worth waking a thread for


class Links(NamedTuple):
    """Links in the order of one end: those of end number g are begin[g] .. begin[g + 1] - 1."""

    begin: Array  # (ends + 1,)
    rows: Array  # (L, 3): the other end, the place, the tap


@functools.lru_cache(maxsize=64)
def links(
    size: Pair, kernel: Pair, stride: Pair, padding: Padding, outputs: Pair, *, by_pixel: bool
) -> Links:
    """Return all links between pixels and places, in the order of the pixels or of the places."""
    i, j, p, q = np.indices((*outputs, *kernel)).reshape(4, -1)
    h, w = stride[0] * i + p - padding[0][0], stride[1] * j + q - padding[1][0]
    inside = (h >= 0) & (h < size[0]) & (w >= 0) & (w < size[1])
    pixel, place, tap = h * size[1] + w, i * outputs[1] + j, p * kernel[1] + q
    here, there = (pixel, place) if by_pixel else (place, pixel)
    ends = size if by_pixel else outputs
    order = np.argsort(here[inside], kind="stable")
    begin = np.searchsorted(here[inside][order], np.arange(ends[0] * ends[1] + 1))
    rows = np.stack([there, place, tap], axis=1)[inside][order]
    return Links(begin, np.ascontiguousarray(rows))


# ---- the product


@native
def _pack(
    lo: int, hi: int, weight: Strided4, begin: Indices1, rows: Indices2, packed: Out2
) -> None:
    """Lay out weight (places, out, in, taps): for each end, blocks of (its links * in, B)."""
    OUT, IN, B = weight.shape[1], weight.shape[2], packed.shape[1]
    blocks = (OUT + B - 1) // B
    for g in range(lo, hi):
        few = begin[g + 1] - begin[g]
        for b in range(blocks):
            for k in range(few):
                place, tap = rows[begin[g] + k, 1], rows[begin[g] + k, 2]
                first = (begin[g] * blocks + b * few + k) * IN
                for c in range(IN):
                    for o in range(B):
                        inside = b * B + o < OUT
                        value = weight[place, b * B + o, c, tap] if inside else np.float32(0)
                        packed[first + c, o] = value


@native
def _multiply(
    lo: int, hi: int, x: In1, rows: Places2, cols: Places1, w: In2, begin: Indices1, IN: int,
    start: In2, y: Out1, places: Places2, OUT: int,
) -> None:  # fmt: skip
    """Write ends lo..hi of y: start + x[rows + cols of the end] @ w of the end."""
    (T, P), B = rows.shape, w.shape[1]
    blocks = start.shape[1] // B
    spare, spare_places = np.empty(P * B, np.float32), np.empty((1, P), np.int32)
    for p in range(P):
        spare_places[0, p] = p * B
    for g in range(lo, hi):
        first, depth = begin[g] * IN, (begin[g + 1] - begin[g]) * IN
        for b in range(blocks):
            y0, few = g * OUT + b * B, min(B, OUT - b * B)
            whole = few == B
            out, out0 = (y, y0) if whole else (spare, 0)  # a ragged block must not spill over
            for t in range(T):
                at, q0 = (places, t * P) if whole else (spare_places, 0)
                tile(x, 0, rows, t * P, cols, first, depth, w, (first * blocks + b * depth) * B,
                     start, (g * blocks + b) * B, 0, out, out0, at, q0, NOTHING)  # fmt: skip
                if not whole:
                    for p in range(P):
                        for o in range(few):
                            y[y0 + places[t, p] + o] = spare[p * B + o]


def multiply(x: Array, weight: Array, net: Links, y: Array, start: Array | None = None) -> None:
    """Write y (N, H, W, OUT): start (ends, OUT), and along the links matrices times x.

    x is (N, H', W', IN), weight (places, OUT, IN, taps).
    """
    N, IN, OUT, B = len(x), x.shape[3], y.shape[3], host_shape().channels
    ends, blocks = len(net.begin) - 1, -(-OUT // B)
    packed = np.empty((len(net.rows) * blocks * IN, B), np.float32)
    _pack(ends, weight, *net, packed, grain=share(packed.size // ends))
    begin_with = np.zeros((ends, blocks * B), np.float32)
    if start is not None:
        begin_with[:, :OUT] = start
    cols = (net.rows[:, :1] * IN + np.arange(IN)).astype(np.int32).reshape(-1)
    rows, places = tiles((N, x[0].size, 0)), tiles((N, y[0].size, 0))
    guard(x, rows, Table(cols, 0, int(cols.max(initial=0))), 0, 1)
    guard(y, places, Table(cols, 0, ends * OUT - 1), 0, 1)
    work = N * len(net.rows) * IN * OUT // ends
    _multiply(
        ends, x.reshape(-1), rows.places, cols, packed, net.begin, IN, begin_with, y.reshape(-1),
        places.places, OUT, grain=-(-WORTH // max(work, 1)),
    )  # fmt: skip


def forward(x: Array, weight: Array, bias: Array, stride: Pair, padding: Padding) -> Array:
    """locally_connected2d_forward: the ends are places."""
    OH, OW, OC, C, KH, KW = weight.shape
    net = links(x.shape[2:], (KH, KW), stride, padding, (OH, OW), by_pixel=False)
    y = np.empty((len(x), OH, OW, OC), np.float32)
    filters = weight.reshape(OH * OW, OC, C, KH * KW)
    multiply(channels_last(x), filters, net, y, bias.reshape(OC, -1).T)
    return channels_first(y)


def backward_input(
    gy: Array, weight: Array, shape: tuple[int, ...], stride: Pair, padding: Padding
) -> Array:
    """locally_connected2d_backward_input: the ends are pixels."""
    OH, OW, OC, C, KH, KW = weight.shape
    net = links(shape[2:], (KH, KW), stride, padding, (OH, OW), by_pixel=True)
    gx = np.empty((len(gy), *shape[2:], C), np.float32)
    turned = weight.reshape(OH * OW, OC, C, KH * KW).swapaxes(1, 2)
    multiply(channels_last(gy), turned, net, gx)
    return channels_first(gx)


# ---- gradient of the filters


@native
def _correlate(  # noqa: C901  a loop for each letter
    lo: int, hi: int, x: In1, channels: Places2, images: Places1, gy: In3, begin: Indices1,
    rows: Indices2, places: Places2, gweight: Out4, B: int,
) -> None:  # fmt: skip
    """Places lo..hi of gweight: sums over the images, for each link of the place."""
    N, OC, C, (T, P) = len(gy), gweight.shape[1], gweight.shape[2], channels.shape
    strip, sums, nothing = np.zeros((3, max(N, C) * B), np.float32)
    for g in range(lo, hi):
        for first in range(0, OC, B):
            few = min(B, OC - first)
            for n in range(N):
                for o in range(few):
                    strip[n * B + o] = gy[n, g, first + o]
            for k in range(begin[g], begin[g + 1]):
                for t in range(T):
                    tile(x, rows[k, 0] * C, channels, t * P, images, 0, N, strip, 0,
                         nothing, 0, 0, sums, 0, places, t * P, NOTHING)  # fmt: skip
                for o in range(few):
                    for c in range(C):
                        gweight[g, first + o, c, rows[k, 2]] = sums[c * B + o]


def backward_weight(gy: Array, x: Array, kernel: Pair, stride: Pair, padding: Padding) -> Array:
    """locally_connected2d_backward_weight: rows are channels of a pixel, columns are images."""
    (OC, OH, OW), (N, C), B = gy.shape[1:], x.shape[:2], host_shape().channels
    net = links(x.shape[2:], kernel, stride, padding, (OH, OW), by_pixel=False)
    pictures, inner = channels_last(x), channels_last(gy).reshape(N, OH * OW, OC)
    rows, cols, places = tiles((C, 1, 0)), offsets((N, pictures[0].size, 0)), tiles((C, B, 0))
    guard(pictures, Table(rows.places, 0, pictures[0].size - 1), cols, 0, 1)
    gweight = np.zeros((OH * OW, OC, C, kernel[0] * kernel[1]), np.float32)
    work = N * len(net.rows) * C * OC // (OH * OW)
    _correlate(
        OH * OW, pictures.reshape(-1), rows.places, cols.places, inner, *net, places.places,
        gweight, B, grain=-(-WORTH // max(work, 1)),
    )  # fmt: skip
    return gweight.reshape(OH, OW, OC, C, *kernel)
