r"""Convolution on the microkernel: which table entries, which weights, in which order.

The forward pass, as a matrix product that nobody builds (see `_microkernel`):

    rows   an output pixel (n, i, j)   ->  where its window begins in the bordered x
    cols   a tap and channel (p, q, c) ->  how far from there: DH*p rows, DW*q pixels and c
    w      (G, blocks, KH*KW*C//G, B)  :   B neighbouring output channels for each (p, q, c)

The gradient of the input is a convolution of gy with the filters turned round. Where the stride is
S > 1, an input pixel meets only every S-th tap, always the same ones for pixels of the same
remainder (h + PH) % S. Each remainder, a *phase*, is a small convolution of its own, and nothing
is multiplied with zeros.

The gradient of the weights, with rows and cols exchanged, is in `conv_gradient_loops`.
"""

from __future__ import annotations

import numpy as np

from tinynet.core.backend import Array
from tinynet.kernels.codegen.layout import bordered, channels_first, share
from tinynet.kernels.codegen.microkernel import shape_for
from tinynet.kernels.codegen.native import (
    NOTHING,
    In1,
    In4,
    Indices1,
    Out1,
    Out4,
    Places1,
    Places2,
    Real,
    Strided4,
    blocked,
    native,
    tile,
)
from tinynet.kernels.codegen.tables import (
    Images,
    Phase,
    Table,
    border,
    guard,
    offsets,
    phases,
    tiles,
)
from tinynet.kernels.geometry import Padding, Pair, output_shape

STRIP = 64  # tiles whose windows stay in the second cache while all output channels pass
WORTH = 2_500_000  # multiplications and additions that are worth waking a thread for


# ---- weights


def pack(w: Array, taps: Array) -> Array:
    """Return w (G, out, in, KH*KW) as the microkernel reads it: (G, blocks, taps * in, B)."""
    G, OUT, IN, _ = w.shape
    B = shape_for(OUT).channels
    packed = np.empty((G, -(-OUT // B), len(taps) * IN, B), np.float32)
    _pack(G * packed.shape[1], w, taps, packed, grain=share(packed[0, 0].size))
    return packed


@native
def _pack(lo: int, hi: int, w: Strided4, taps: Indices1, packed: Out4) -> None:
    OUT, IN = w.shape[1], w.shape[2]
    blocks, B = packed.shape[1], packed.shape[3]
    for q in range(lo, hi):
        g, first = q // blocks, q % blocks * B
        for t in range(len(taps)):
            for c in range(IN):
                for o in range(B):
                    inside = first + o < OUT
                    value = w[g, first + o, c, taps[t]] if inside else np.float32(0)
                    packed[g, q % blocks, t * IN + c, o] = value


# ---- the product


@blocked
def _convolve(
    lo: int,
    hi: int,
    x: In1,
    rows: Places2,
    cols: Places1,
    w: In4,
    bias: In1,
    y: Out1,
    places: Places2,
    x_group: int,
    y_group: int,
    floor: Real,
) -> None:
    """Tiles lo..hi of y = max(x[rows + cols] @ w + bias, floor), for all output channels."""
    G, blocks, depth, B = w.shape
    P = rows.shape[1]
    spare, spare_places = np.empty(P * B, np.float32), np.empty((1, P), np.int32)
    for p in range(P):
        spare_places[0, p] = p * B
    for first in range(lo, hi, STRIP):
        for q in range(G * blocks):
            g, c = q // blocks, q % blocks * B
            x0, y0, whole = g * x_group, g * y_group + c, c + B <= y_group
            out, out0 = (y, y0) if whole else (spare, 0)  # a ragged block must not spill over
            for t in range(first, min(first + STRIP, hi)):
                at, q0 = (places, t * P) if whole else (spare_places, 0)
                tile(x, x0, rows, t * P, cols, 0, depth, w, q * depth * B,
                     bias, q * B, 0, out, out0, at, q0, floor)  # fmt: skip
                if not whole:
                    for p in range(P):
                        for o in range(y_group - c):
                            y[y0 + places[t, p] + o] = spare[p * B + o]


def convolve(
    x: Array,
    rows: Table,
    cols: Table,
    w: Array,
    bias: Array | None,
    y: Array,
    places: Table,
    *,
    relu: bool = False,
) -> None:
    """Write y (N, H, W, C) at `places`: what the tables find in x, times the packed weights."""
    G, blocks, depth, B = w.shape
    T, P = rows.places.shape
    x_group, y_group = x.shape[3] // G, y.shape[3] // G
    guard(x, rows, cols, x_group, G)
    guard(y, places, Table(places.places, 0, y_group - 1), y_group, G)
    if places.places.shape != (T, P) or len(cols.places) != depth:
        raise IndexError("conv2d: tables of different sizes. A bug.")
    start = np.zeros((G, blocks * B), np.float32)
    if bias is not None:
        start[:, :y_group] = bias.reshape(G, -1)
    _convolve(
        T, x.reshape(-1), rows.places, cols.places, w, start.reshape(-1), y.reshape(-1),
        places.places, x_group, y_group, 0.0 if relu else NOTHING,
        columns=B, grain=-(-WORTH // (2 * P * w.size)),
    )  # fmt: skip


def forward(
    x: Array,
    weight: Array,
    bias: Array | None,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
    *,
    relu: bool,
) -> Array:
    """conv2d_[relu_]forward: rows are output pixels, columns are taps and channels."""
    OC, IN, KH, KW = weight.shape
    OH, OW = output_shape("conv2d", x.shape, (KH, KW), stride, padding, dilation)
    images = bordered(x, padding)
    grid = Images(*images.shape)
    y = np.empty((len(x), OH, OW, OC), np.float32)
    rows = tiles(*grid.axes((OH, OW), stride))
    cols = offsets(*grid.axes((KH, KW), dilation)[1:], (IN, 1, 0))
    places = tiles(*Images(*y.shape).axes((OH, OW), (1, 1)))
    w = pack(weight.reshape(groups, OC // groups, IN, KH * KW), np.arange(KH * KW))
    convolve(images, rows, cols, w, bias, y, places, relu=relu)
    return channels_first(y)


# ---- gradient of the input


def backward_input(
    gy: Array,
    weight: Array,
    shape: tuple[int, ...],
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
) -> Array:
    """conv2d_backward_input: a convolution of gy with turned filters, one for each phase."""
    OC, IN, KH, KW = weight.shape
    H, W = shape[2:]
    tall, wide = (
        phases(size, kernel, s, before, d)
        for size, kernel, s, (before, _), d in zip(
            (H, W), (KH, KW), stride, padding, dilation, strict=True
        )
    )
    top, left = border(tall, gy.shape[2]), border(wide, gy.shape[3])
    images = bordered(gy, (top, left))
    turned = weight.reshape(groups, OC // groups, IN, KH * KW).transpose(0, 2, 1, 3)
    N, C = shape[:2]
    covered = sum(p.pixels for p in tall) == H and sum(p.pixels for p in wide) == W
    gx = (np.empty if covered else np.zeros)((N, H, W, C), np.float32)
    for v in tall:
        for h in wide:
            taps = np.add.outer(np.array(v.taps) * KW, h.taps).reshape(-1)
            _one_phase(images, pack(turned, taps), gx, v, h, (top[0], left[0]), stride, groups)
    return channels_first(gx)


def _one_phase(
    images: Array,
    w: Array,
    gx: Array,
    v: Phase,
    h: Phase,
    corner: Pair,
    stride: Pair,
    groups: int,
) -> None:
    """Write the pixels of gx whose vertical phase is v and whose horizontal phase is h."""
    grid, count = Images(*images.shape), (v.pixels, h.pixels)
    begin = v.begin - v.before + corner[0], h.begin - h.before + corner[1]
    rows = tiles(*grid.axes(count, (1, 1), begin))
    taps = grid.axes((len(v.taps), len(h.taps)), (-v.step, -h.step))[1:]
    cols = offsets(*taps, (grid.C // groups, 1, 0))
    places = tiles(*Images(*gx.shape).axes(count, stride, (v.first, h.first)))
    convolve(images, rows, cols, w, None, gx, places)
