r"""Locally connected layers on the microkernel: a list of links, and three products along them.

A *link* says that the window at place (i, j) contains pixel (h, w) under tap (p, q). It carries a
small matrix, weight[i, j, :, :, p, q], of OC rows and C columns:

    forward   y[n, place]  = sum of matrix @ x[n, pixel]     over the links of the place
    backward  gx[n, pixel] = sum of matrix.T @ gy[n, place]  over the links of the pixel
              gmatrix      = sum over n of gy[n, place] (outer product) x[n, pixel]

The first two are the same product with the two ends of the links exchanged. Its rows are the
images, its columns the channels of everything that is linked to one end: as in `loops`, both are
tables of offsets into (N, H, W, C) images, and the matrix of columns is never built. Padding has no
links.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from tinynet.core.backend import Array
from tinynet.kernels.codegen.layout import channels_first, channels_last, grain_size
from tinynet.kernels.codegen.microkernel import host_shape
from tinynet.kernels.codegen.native import (
    NO_FLOOR,
    In1,
    In2,
    In3,
    Int32In1,
    Int32In2,
    Int64In1,
    Int64In2,
    Out1,
    Out2,
    Out4,
    Strided4,
    native,
    tile,
)
from tinynet.kernels.codegen.tables import Table, guard, offsets, tiles
from tinynet.kernels.geometry import Geometry, Pair

MINIMUM_WORK = 2_500_000  # multiply-adds that are worth waking a thread for


class Links(NamedTuple):
    """Links sorted by one end: those of end g are rows[begin[g] : begin[g + 1]]."""

    begin: Array  # (ends + 1,)
    rows: Array  # (L, 3): the other end, the place, the tap


@functools.lru_cache(maxsize=64)
def links(size: Pair, geometry: Geometry, outputs: Pair, *, by_pixel: bool) -> Links:
    """Return all links between pixels and places, sorted by the pixels or by the places."""
    KH, KW = geometry.kernel
    i, j, p, q = np.indices((*outputs, KH, KW)).reshape(4, -1)
    h = geometry.stride[0] * i + p - geometry.corner[0]
    w = geometry.stride[1] * j + q - geometry.corner[1]
    inside = (h >= 0) & (h < size[0]) & (w >= 0) & (w < size[1])
    pixel = h * size[1] + w
    place = i * outputs[1] + j
    tap = p * KW + q
    here, there = (pixel, place) if by_pixel else (place, pixel)
    ends = size if by_pixel else outputs
    order = np.argsort(here[inside], kind="stable")
    begin = np.searchsorted(here[inside][order], np.arange(ends[0] * ends[1] + 1))
    rows = np.stack([there, place, tap], axis=1)[inside][order]
    return Links(begin, np.ascontiguousarray(rows))


# ---- the product


@native
def _pack(
    lo: int, hi: int, weight: Strided4, begin: Int64In1, rows: Int64In2, packed: Out2
) -> None:
    """Pack weight (places, out, in, taps): for each end, blocks of (its links * in, B)."""
    OUT = weight.shape[1]
    IN = weight.shape[2]
    B = packed.shape[1]
    blocks = (OUT + B - 1) // B
    for g in range(lo, hi):
        few = begin[g + 1] - begin[g]
        for b in range(blocks):
            for k in range(few):
                place = rows[begin[g] + k, 1]
                tap = rows[begin[g] + k, 2]
                first = (begin[g] * blocks + b * few + k) * IN
                for c in range(IN):
                    for o in range(B):
                        inside = b * B + o < OUT
                        value = weight[place, b * B + o, c, tap] if inside else np.float32(0)
                        packed[first + c, o] = value


@native
def _multiply(
    lo: int,
    hi: int,
    x: In1,
    rows: Int32In2,
    cols: Int32In1,
    w: In2,
    begin: Int64In1,
    IN: int,
    start: In2,
    y: Out1,
    places: Int32In2,
    OUT: int,
) -> None:
    """Write ends lo..hi of y: start + x[rows + cols of the end] @ w of the end."""
    T, P = rows.shape
    B = w.shape[1]
    blocks = start.shape[1] // B
    spare = np.empty(P * B, np.float32)
    spare_places = np.empty((1, P), np.int32)
    for p in range(P):
        spare_places[0, p] = p * B
    for g in range(lo, hi):
        first = begin[g] * IN
        depth = (begin[g + 1] - begin[g]) * IN
        for b in range(blocks):
            y0 = g * OUT + b * B
            w0 = (first * blocks + b * depth) * B
            s0 = (g * blocks + b) * B
            few = min(B, OUT - b * B)
            whole = few == B
            out, out0 = (y, y0) if whole else (spare, 0)  # a partial block must not overwrite
            for t in range(T):
                at, q0 = (places, t * P) if whole else (spare_places, 0)
                tile(
                    x,
                    0,
                    rows,
                    t * P,
                    cols,
                    first,
                    depth,
                    w,
                    w0,
                    start,
                    s0,
                    0,
                    out,
                    out0,
                    at,
                    q0,
                    NO_FLOOR,
                )
                if not whole:
                    for p in range(P):
                        for o in range(few):
                            y[y0 + places[t, p] + o] = spare[p * B + o]


def multiply(x: Array, weight: Array, net: Links, y: Array, start: Array | None = None) -> None:
    """Write y (N, H, W, OUT): start (ends, OUT) plus the matrices of the links times x.

    x is (N, H', W', IN), weight (places, OUT, IN, taps).
    """
    N = len(x)
    IN = x.shape[3]
    OUT = y.shape[3]
    B = host_shape().channels
    ends = len(net.begin) - 1
    blocks = -(-OUT // B)
    packed = np.empty((len(net.rows) * blocks * IN, B), np.float32)
    _pack(ends, weight, *net, packed, grain=grain_size(packed.size // ends))
    begin_with = np.zeros((ends, blocks * B), np.float32)
    if start is not None:
        begin_with[:, :OUT] = start
    cols = (net.rows[:, :1] * IN + np.arange(IN)).astype(np.int32).reshape(-1)
    rows = tiles((N, x[0].size, 0))
    places = tiles((N, y[0].size, 0))
    guard(x, rows, Table(cols, 0, int(cols.max(initial=0))), 0, 1)
    guard(y, places, Table(cols, 0, ends * OUT - 1), 0, 1)
    work = N * len(net.rows) * IN * OUT // ends
    _multiply(
        ends,
        x.reshape(-1),
        rows.places,
        cols,
        packed,
        net.begin,
        IN,
        begin_with,
        y.reshape(-1),
        places.places,
        OUT,
        grain=-(-MINIMUM_WORK // max(work, 1)),
    )


def forward(x: Array, weight: Array, bias: Array, geometry: Geometry) -> Array:
    """locally_connected2d_forward: the ends are places."""
    OH, OW, OC, C, KH, KW = weight.shape
    net = links(x.shape[2:], geometry, (OH, OW), by_pixel=False)
    y = np.empty((len(x), OH, OW, OC), np.float32)
    filters = weight.reshape(OH * OW, OC, C, KH * KW)
    multiply(channels_last(x), filters, net, y, bias.reshape(OC, -1).T)
    return channels_first(y)


def backward_input(gy: Array, weight: Array, shape: tuple[int, ...], geometry: Geometry) -> Array:
    """locally_connected2d_backward_input: the ends are pixels."""
    OH, OW, OC, C, KH, KW = weight.shape
    net = links(shape[2:], geometry, (OH, OW), by_pixel=True)
    gx = np.empty((len(gy), *shape[2:], C), np.float32)
    transposed = weight.reshape(OH * OW, OC, C, KH * KW).swapaxes(1, 2)
    multiply(channels_last(gy), transposed, net, gx)
    return channels_first(gx)


# ---- gradient of the filters


@native
def _correlate(  # noqa: C901  one loop per axis
    lo: int,
    hi: int,
    x: In1,
    channels: Int32In2,
    images: Int32In1,
    gy: In3,
    begin: Int64In1,
    rows: Int64In2,
    places: Int32In2,
    gweight: Out4,
    B: int,
) -> None:
    """Write places lo..hi of gweight: sums over the images, for each link of the place."""
    N = len(gy)
    OC = gweight.shape[1]
    C = gweight.shape[2]
    T, P = channels.shape
    strip, sums, zero = np.zeros((3, max(N, C) * B), np.float32)
    for g in range(lo, hi):
        for first in range(0, OC, B):
            few = min(B, OC - first)
            for n in range(N):
                for o in range(few):
                    strip[n * B + o] = gy[n, g, first + o]
            for k in range(begin[g], begin[g + 1]):
                for t in range(T):
                    tile(
                        x,
                        rows[k, 0] * C,
                        channels,
                        t * P,
                        images,
                        0,
                        N,
                        strip,
                        0,
                        zero,
                        0,
                        0,
                        sums,
                        0,
                        places,
                        t * P,
                        NO_FLOOR,
                    )
                for o in range(few):
                    for c in range(C):
                        gweight[g, first + o, c, rows[k, 2]] = sums[c * B + o]


def backward_weight(gy: Array, x: Array, geometry: Geometry) -> Array:
    """locally_connected2d_backward_weight: rows are channels of a pixel, columns are images."""
    OC, OH, OW = gy.shape[1:]
    N, C = x.shape[:2]
    KH, KW = geometry.kernel
    B = host_shape().channels
    net = links(x.shape[2:], geometry, (OH, OW), by_pixel=False)
    images = channels_last(x)
    gradient = channels_last(gy).reshape(N, OH * OW, OC)
    rows = tiles((C, 1, 0))
    cols = offsets((N, images[0].size, 0))
    places = tiles((C, B, 0))
    guard(images, Table(rows.places, 0, images[0].size - 1), cols, 0, 1)
    gweight = np.zeros((OH * OW, OC, C, KH * KW), np.float32)
    work = N * len(net.rows) * C * OC // (OH * OW)
    _correlate(
        OH * OW,
        images.reshape(-1),
        rows.places,
        cols.places,
        gradient,
        *net,
        places.places,
        gweight,
        B,
        grain=-(-MINIMUM_WORK // max(work, 1)),
    )
    return gweight.reshape(OH, OW, OC, C, KH, KW)
