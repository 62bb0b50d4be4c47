r"""Convolution on the microkernel: which table entries, which weights, in which order.

The forward pass, as a matrix product that nobody builds (see `_microkernel`):

    rows   an output pixel (n, i, j)   ->  where its window begins in the bordered x
    cols   a tap and channel (p, q, c) ->  how far from there, DH*p rows + DW*q pixels + c
    w      (G, blocks, KH*KW*C//G, B)  :   B neighbouring output channels for each (p, q, c)

The gradient of the weights exchanges rows and cols: it sums over pixels. The gradient of the input
is a convolution of gy with the filters turned round. Where the stride is S > 1, an input pixel meets
only every S-th tap, always the same ones for pixels of the same remainder (h + PH) % S: each
remainder, a *phase*, is a small convolution of its own, and nothing is multiplied with zeros.

All tables hold 32-bit offsets in floats; `fits` says whether they can.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from tinynet.backend import Array
from tinynet.kernels._layout import bordered, channels_first, channels_last, share
from tinynet.kernels._microkernel import host_shape
from tinynet.kernels._native import (
    In1,
    In2,
    In4,
    In5,
    Indices1,
    Out1,
    Out4,
    Out5,
    Places1,
    Places2,
    Strided4,
    StridedOut4,
    Wide2,
    native,
    tile,
)
from tinynet.kernels.geometry import Padding, Pair, output_shape

STRIP = 64  # tiles whose windows stay in the second cache while all output channels pass
CHUNK = 256  # pixels of gy that stay in the first cache while the rows of gweight pass
WORTH = 2_500_000  # multiplications and additions that are worth waking a thread for


def fits(*arrays: Array | None) -> bool:
    """Whether these can take the fast path: float32, not empty, offsets of less than 32 bits."""
    return all(
        a is None or (a.dtype == np.float32 and 0 < a.size < 2**29) for a in arrays
    )  # 2**29, because a border can make them larger


def grain(block: int, depth: int, w: Array) -> int:
    """How many tiles of `block` rows make a piece worth waking a thread for."""
    return -(-WORTH // (2 * block * depth * w.shape[0] * w.shape[1] * w.shape[3]))


# ------------------------------------------------------------------------------- tables

Axis = tuple[int, int, int]  # how many, how far from one to the next, where the first is


@functools.lru_cache(maxsize=128)
def offsets(*axes: Axis) -> Array:
    """Offsets of all combinations, the last axis fastest."""
    places = [first + step * np.arange(count) for count, step, first in axes]
    return np.ascontiguousarray(functools.reduce(np.add.outer, places).reshape(-1), np.int32)


@functools.lru_cache(maxsize=128)
def tiles(*axes: Axis) -> Array:
    """The same as rows of tiles (T, P); the last offset is repeated to fill the last tile."""
    flat, pixels = offsets(*axes), host_shape().pixels
    padded = np.concatenate([flat, np.repeat(flat[-1:], -len(flat) % pixels)])
    return padded.reshape(-1, pixels)


class Images(NamedTuple):
    """Contiguous (N, H, W, C) images, and how far it is from one pixel to another in floats."""

    N: int
    H: int
    W: int
    C: int

    def axes(self, count: Pair, stride: Pair, first: Pair = (0, 0)) -> tuple[Axis, Axis, Axis]:
        """The axes n, i, j of a grid of pixels in each image."""
        row = self.W * self.C
        return (
            (self.N, self.H * row, 0),
            (count[0], stride[0] * row, first[0] * row),
            (count[1], stride[1] * self.C, first[1] * self.C),
        )


# ------------------------------------------------------------------------------ weights


def pack(w: Array, taps: Array) -> Array:
    """Return w (G, out, in, KH*KW) as the microkernel reads it: (G, blocks, taps * in, B)."""
    G, OUT, IN, _ = w.shape
    B = host_shape().channels
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


# ------------------------------------------------------------------------ the product


@native
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
) -> None:
    """Tiles lo..hi of y = x[rows + cols] @ w + bias, for all output channels."""
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
                tile(
                    x,
                    x0,
                    rows,
                    t * P,
                    cols,
                    0,
                    depth,
                    w,
                    q * depth * B,
                    bias,
                    q * B,
                    0,
                    out,
                    out0,
                    at,
                    q0,
                )
                if not whole:
                    for p in range(P):
                        for o in range(y_group - c):
                            y[y0 + places[t, p] + o] = spare[p * B + o]


def convolve(
    x: Array,
    rows: Array,
    cols: Array,
    w: Array,
    bias: Array | None,
    y: Array,
    places: Array,
    groups: int,
) -> None:
    """Write y (N, H, W, C) at `places`: what the tables find in x, times the packed weights."""
    G, blocks, depth, B = w.shape
    start = np.zeros((G, blocks * B), np.float32)
    if bias is not None:
        start[:, : y.shape[3] // groups] = bias.reshape(groups, -1)
    assert int(rows.min()) + int(cols.min()) >= 0, "a table points before the image"
    assert int(rows.max()) + int(cols.max()) + x.shape[3] // groups * (groups - 1) < x.size
    assert places.shape == rows.shape and int(places.max()) + y.shape[3] <= y.size
    _convolve(
        len(rows), x.reshape(-1), rows, cols, w, start.reshape(-1), y.reshape(-1), places,
        x.shape[3] // groups, y.shape[3] // groups, grain=grain(rows.shape[1], depth, w),
    )  # fmt: skip


def forward(
    x: Array,
    weight: Array,
    bias: Array | None,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
) -> Array:
    """conv2d_forward: rows are output pixels, columns are taps and channels."""
    OC, IN, KH, KW = weight.shape
    OH, OW = output_shape("conv2d", x.shape, (KH, KW), stride, padding, dilation)
    images = bordered(x, padding)
    grid = Images(*images.shape)
    y = np.empty((len(x), OH, OW, OC), np.float32)
    rows = tiles(*grid.axes((OH, OW), stride))
    cols = offsets(*grid.axes((KH, KW), dilation)[1:], (IN, 1, 0))
    places = tiles(*Images(*y.shape).axes((OH, OW), (1, 1)))
    w = pack(weight.reshape(groups, OC // groups, IN, KH * KW), np.arange(KH * KW))
    convolve(images, rows, cols, w, bias, y, places, groups)
    return channels_first(y)


# --------------------------------------------------------------- gradient of the input


class Phase(NamedTuple):
    """Along one axis: the pixels first, first + S, ... and the taps that they meet.

    Pixel number k (from 0) meets tap number t at output begin + k - (before + t * step).
    """

    first: int
    count: int
    begin: int
    taps: tuple[int, ...]
    before: int
    step: int

    @property
    def reach(self) -> tuple[int, int]:
        """The first and the last output that this phase reads; they may lie outside."""
        return (
            self.begin - self.before - self.step * (len(self.taps) - 1),
            self.begin - self.before + self.count - 1,
        )


def phases(size: int, kernel: int, stride: int, before: int, dilation: int) -> list[Phase]:
    """Pixels that meet the same taps belong together: one phase per remainder of the stride."""
    found = []
    for remainder in range(stride):
        first = (remainder - before) % stride
        taps = tuple(p for p in range(kernel) if dilation * p % stride == remainder)
        if first < size and taps:
            outputs = [dilation * p // stride for p in taps]
            step = outputs[1] - outputs[0] if len(taps) > 1 else 0
            count, begin = len(range(first, size, stride)), (first + before) // stride
            found.append(Phase(first, count, begin, taps, outputs[0], step))
    return found


def border(parts: list[Phase], size: int) -> Pair:
    """How many zeros around `size` outputs the phases read."""
    low = min((p.reach[0] for p in parts), default=0)
    high = max((p.reach[1] for p in parts), default=0)
    return max(0, -low), max(0, high - (size - 1))


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
    covered = len(tall) * len(wide) == stride[0] * stride[1] or (
        sum(p.count for p in tall) == H and sum(p.count for p in wide) == W
    )
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
    grid, count = Images(*images.shape), (v.count, h.count)
    begin = v.begin - v.before + corner[0], h.begin - h.before + corner[1]
    rows = tiles(*grid.axes(count, (1, 1), begin))
    taps = grid.axes((len(v.taps), len(h.taps)), (-v.step, -h.step))[1:]
    cols = offsets(*taps, (grid.C // groups, 1, 0))
    places = tiles(*Images(*gx.shape).axes(count, stride, (v.first, h.first)))
    convolve(images, rows, cols, w, None, gx, places, groups)


# ------------------------------------------------------------- gradient of the weights


@native
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
    band: int,
) -> None:
    """Tasks lo..hi: sums (S, G, blocks, depth, B) += x[rows + cols] @ gy, a band of rows each."""
    S, G, blocks, depth, B = sums.shape
    T, P = rows.shape
    bands = (T + band - 1) // band
    strip = np.empty(CHUNK * B, np.float32)
    flat = sums.reshape(-1)
    for task in range(lo, hi):
        q = task // bands
        s, g, c = q // (G * blocks), q // blocks % G, q % blocks * B
        last = (s + 1) * len(cols) // S
        for first in range(s * len(cols) // S, last, CHUNK):
            few = min(CHUNK, last - first)
            for i in range(few):
                for o in range(B):
                    inside = c + o < y_group
                    value = gy[first + i, g * y_group + c + o] if inside else np.float32(0)
                    strip[i * B + o] = value
            for t in range(task % bands * band, min((task % bands + 1) * band, T)):
                at = q * depth * B
                tile(
                    x,
                    g * x_group,
                    rows,
                    t * P,
                    cols,
                    first,
                    few,
                    strip,
                    0,
                    flat,
                    at,
                    1,
                    flat,
                    at,
                    places,
                    t * P,
                )


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
    N, OC, OH, OW = gy.shape
    IN, (KH, KW), B = x.shape[1] // groups, kernel, host_shape().channels
    images = bordered(x, padding)
    grid = Images(*images.shape)
    rows = tiles(*grid.axes(kernel, dilation)[1:], (IN, 1, 0))
    cols = offsets(*grid.axes((OH, OW), stride))
    depth, blocks = KH * KW * IN, -(-OC // groups // B)
    places = tiles((depth, B, 0))
    band = min(len(rows), 32)
    tasks = groups * blocks * -(-len(rows) // band)
    parts = max(1, min(8, 32 // tasks, len(cols) // CHUNK))  # of the pixels; not of the threads
    sums = np.zeros((parts, groups, blocks, depth, B), np.float32)
    assert int(rows.max()) + int(cols.max()) + IN * (groups - 1) < images.size
    _correlate(
        parts * tasks, images.reshape(-1), rows, cols, channels_last(gy).reshape(-1, OC), sums,
        places, IN, OC // groups, band,
        grain=-(-WORTH // (2 * band * rows.shape[1] * B * max(1, len(cols) // parts))),
    )  # fmt: skip
    gweight = np.empty((groups, OC // groups, IN, KH * KW), np.float32)
    _collect(groups * blocks, sums, gweight, grain=share(depth * B * parts))
    return gweight.reshape(OC, IN, KH, KW)


# ---------------------------------------------------------------- gradient of the bias


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
