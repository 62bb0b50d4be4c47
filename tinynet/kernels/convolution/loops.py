r"""Direct convolution on the microkernel: tables of offsets, packed weights, loop order.

The forward pass, as a matrix product whose left matrix is never built (see `codegen.microkernel`):

    rows   an output pixel (n, i, j)   ->  where its window begins in the bordered x
    cols   a tap and channel (p, q, c) ->  how far from there: DH*p rows, DW*q pixels and c
    w      (G, blocks, KH*KW*C//G, B)  :   B neighboring output channels for each (p, q, c)

The gradient of the input is a convolution of gy with the filters rotated by 180 degrees. Where the
stride is S > 1, an input pixel is under every S-th tap only, the same ones for all pixels of the
same remainder (h + PH) % S. Each remainder, a *phase*, is a small convolution of its own, so no
term is multiplied by zero.

The gradient of the weights, with rows and cols exchanged, is in `gradient_loops`.
"""

from __future__ import annotations

import numpy as np

from tinynet.core.backend import Array
from tinynet.kernels.codegen.layout import bordered, channels_first, grain_size
from tinynet.kernels.codegen.microkernel import shape_for
from tinynet.kernels.codegen.native import (
    NO_FLOOR,
    In1,
    In4,
    Int32In1,
    Int32In2,
    Int64In1,
    Out1,
    Out4,
    Real,
    Strided4,
    native,
    tile,
    tiled,
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
from tinynet.kernels.convolution import kept
from tinynet.kernels.geometry import Geometry, Pair

STRIP = 64  # tiles whose windows stay in the L2 cache for all output channels
MINIMUM_WORK = 2_500_000  # multiply-adds that are worth waking a thread for


# ---- weights


def pack(w: Array, taps: Array) -> Array:
    """Return w (G, out, in, KH*KW) packed for the microkernel: (G, blocks, taps * in, B)."""
    G, OUT, IN, _ = w.shape
    B = shape_for(OUT).channels
    packed = np.empty((G, -(-OUT // B), len(taps) * IN, B), np.float32)
    _pack(G * packed.shape[1], w, taps, packed, grain=grain_size(packed[0, 0].size))
    return packed


@native
def _pack(lo: int, hi: int, w: Strided4, taps: Int64In1, packed: Out4) -> None:
    OUT = w.shape[1]
    IN = w.shape[2]
    blocks = packed.shape[1]
    B = packed.shape[3]
    for q in range(lo, hi):
        g = q // blocks
        first = q % blocks * B
        for t in range(len(taps)):
            for c in range(IN):
                for o in range(B):
                    inside = first + o < OUT
                    value = w[g, first + o, c, taps[t]] if inside else np.float32(0)
                    packed[g, q % blocks, t * IN + c, o] = value


# ---- the product


@tiled
def convolve_loops(
    lo: int,
    hi: int,
    x: In1,
    rows: Int32In2,
    cols: Int32In1,
    w: In4,
    bias: In1,
    y: Out1,
    places: Int32In2,
    x_group: int,
    y_group: int,
    strip: int,
    floor: Real,
) -> None:
    """Tiles lo..hi of y = max(x[rows + cols] @ w + bias, floor), for all output channels."""
    G, blocks, depth, B = w.shape
    P = rows.shape[1]
    spare = np.empty(P * B, np.float32)
    spare_places = np.empty((1, P), np.int32)
    for p in range(P):
        spare_places[0, p] = p * B
    for first in range(lo, hi, strip):
        for q in range(G * blocks):
            g = q // blocks
            c = q % blocks * B
            x0 = g * x_group
            y0 = g * y_group + c
            w0 = q * depth * B
            b0 = q * B
            whole = c + B <= y_group
            out, out0 = (y, y0) if whole else (spare, 0)  # a partial block must not overwrite
            for t in range(first, min(first + strip, hi)):
                at, q0 = (places, t * P) if whole else (spare_places, 0)
                tile(
                    x, x0, rows, t * P, cols, 0, depth, w, w0, bias, b0, 0, out, out0, at, q0, floor
                )
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
    strip: int = STRIP,
) -> None:
    """Write y (N, H, W, C) at `places`: x[rows + cols] @ the packed weights, plus the bias.

    strip : tiles that each block of channels is computed for, before the next block
    """
    G, blocks, depth, B = w.shape
    T, P = rows.places.shape
    x_group = x.shape[3] // G
    y_group = y.shape[3] // G
    guard(x, rows, cols, x_group, G)
    guard(y, places, Table(places.places, 0, y_group - 1), y_group, G)
    if places.places.shape != (T, P) or len(cols.places) != depth:
        raise IndexError("conv2d: the offset tables differ in size. Please report this bug.")
    start = np.zeros((G, blocks * B), np.float32)
    if bias is not None:
        start[:, :y_group] = bias.reshape(G, -1)
    convolve_loops(
        T,
        x.reshape(-1),
        rows.places,
        cols.places,
        w,
        start.reshape(-1),
        y.reshape(-1),
        places.places,
        x_group,
        y_group,
        strip,
        0.0 if relu else NO_FLOOR,
        columns=B,
        grain=-(-MINIMUM_WORK // (2 * P * w.size)),
    )


def forward(
    x: Array, weight: Array, bias: Array | None, outputs: Pair, geometry: Geometry, *, relu: bool
) -> Array:
    """conv2d_[relu_]forward: rows are output pixels, columns are taps and channels."""
    OC, IN = weight.shape[:2]
    OH, OW = outputs
    taps = geometry.kernel[0] * geometry.kernel[1]
    images = bordered(x, geometry.padding)
    grid = Images(*images.shape)
    y = np.empty((len(x), OH, OW, OC), np.float32)
    rows = tiles(*grid.axes(outputs, geometry.stride))
    cols = offsets(*grid.axes(geometry.kernel, geometry.dilation)[1:], (IN, 1, 0))
    places = tiles(*Images(*y.shape).axes(outputs, (1, 1)))

    def packed() -> Array:
        filters = weight.reshape(geometry.groups, OC // geometry.groups, IN, taps)
        return pack(filters, np.arange(taps))

    w = kept.packed(weight, "direct", packed)
    convolve(images, rows, cols, w, bias, y, places, relu=relu)
    return channels_first(y)


# ---- gradient of the input


def backward_input(gy: Array, weight: Array, shape: tuple[int, ...], geometry: Geometry) -> Array:
    """conv2d_backward_input: a convolution of gy with rotated filters, one for each phase."""
    OC, IN, KH, KW = weight.shape
    N, C, H, W = shape
    vertical, horizontal = (
        phases(size, kernel, stride, before, dilation)
        for size, kernel, stride, before, dilation in zip(
            (H, W), (KH, KW), geometry.stride, geometry.corner, geometry.dilation, strict=True
        )
    )
    top = border(vertical, gy.shape[2])
    left = border(horizontal, gy.shape[3])
    images = bordered(gy, (top, left))
    G = geometry.groups
    rotated = weight.reshape(G, OC // G, IN, KH * KW).transpose(0, 2, 1, 3)
    covered = sum(p.pixels for p in vertical) == H and sum(p.pixels for p in horizontal) == W
    gx = (np.empty if covered else np.zeros)((N, H, W, C), np.float32)
    for v in vertical:
        for h in horizontal:
            taps = np.add.outer(np.array(v.taps) * KW, h.taps).reshape(-1)
            _one_phase(images, pack(rotated, taps), gx, v, h, (top[0], left[0]), geometry)
    return channels_first(gx)


def _one_phase(
    images: Array, w: Array, gx: Array, v: Phase, h: Phase, corner: Pair, geometry: Geometry
) -> None:
    """Write the pixels of gx whose vertical phase is v and whose horizontal phase is h."""
    grid = Images(*images.shape)
    count = (v.pixels, h.pixels)
    begin = v.begin - v.before + corner[0], h.begin - h.before + corner[1]
    rows = tiles(*grid.axes(count, (1, 1), begin))
    taps = grid.axes((len(v.taps), len(h.taps)), (-v.step, -h.step))[1:]
    cols = offsets(*taps, (grid.C // geometry.groups, 1, 0))
    places = tiles(*Images(*gx.shape).axes(count, geometry.stride, (v.first, h.first)))
    convolve(images, rows, cols, w, None, gx, places)
