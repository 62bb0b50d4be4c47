r"""Winograd convolution (Lavin and Gray 2016) for 3x3 and 5x5 filters at stride 1.

An image is cut into tiles of 4x4 outputs. A tile of inputs (a x a, a = 4 + K - 1) and the filter
are transformed (see `codegen.transform`). There the convolution is a product, point by point:

        x tile (a, a, C) ── BT x B ──▶ V (a*a, C)    ┐
                                                     ├─ M[k] = V[k] @ U[k] ── AT M A ──▶ y tile
        w (K, K, C, O)   ── G w GT ──▶ U (a*a, C, O) ┘

so a*a products of small matrices, on the microkernel, with many tiles as the rows of V. That is
a*a multiplications for 16 outputs instead of 16*K*K: four times fewer at 3x3, over six at 5x5.

The gradient of the input is the same with rotated filters. The gradient of the weights uses the
transposed transforms, in `winograd_gradient`.

The rounding differs from that of the direct sum: relative to the largest value, `python -m
benchmarks.rounding` finds errors of up to 3e-6 at 3x3 and 1e-5 at 5x5 (docs/decisions/0019). Tests
compare with the direct kernel in `loops`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinynet.core.backend import Array
from tinynet.kernels.codegen.layout import channels_first, channels_last
from tinynet.kernels.codegen.microkernel import host_shape, shape_for
from tinynet.kernels.codegen.native import (
    NO_FLOOR,
    In1,
    In4,
    Int32In1,
    Int32In2,
    Native,
    Out1,
    Out4,
    Real,
    TiledKernel,
    helper,
    tile,
)
from tinynet.kernels.codegen.tables import offsets, tiles
from tinynet.kernels.codegen.transform import TILE, Transform, matrices
from tinynet.kernels.codegen.vectors import move, prefetch
from tinynet.kernels.convolution import kept
from tinynet.kernels.convolution.loops import pack
from tinynet.kernels.geometry import Geometry, Pair

MINIMUM_CHANNELS = 16  # of a group, in and out, from which it is faster
CONDITIONS = (  # of `supported`
    "conv2d with numba uses Winograd's algorithm for 3x3 and 5x5 windows, stride 1, no dilation, "
    f"padding below the window, {MINIMUM_CHANNELS} channels per group or more (whole vectors), "
    f"images of {TILE}x{TILE} or more; the direct microkernel otherwise."
)
STRIP = 30  # tiles that are transformed, multiplied and transformed back at a time
LONG_STRIP = 65  # the same where U has more than LARGE numbers, since each strip reads all of U
LARGE = 1 << 20
TASKS = 8  # fewer strips than these are divided, by blocks of filters
MINIMUM_WORK = 1 << 20  # multiply-adds that are worth waking a thread for

# BT . B, G . GT and AT . A: placeholders that `CompiledLoops` replaces with the Transforms of one
# filter size
input_transform: Any = None
filter_transform: Any = None
output_transform: Any = None


def supported(x_shape: tuple[int, ...], OC: int, outputs: Pair, geometry: Geometry) -> bool:
    """Return whether a convolution of x to (N, OC, *outputs) can use Winograd's algorithm."""
    KH, KW = geometry.kernel
    IN = x_shape[1] // geometry.groups
    OUT = OC // geometry.groups
    lanes = host_shape().lanes
    plain = KH == KW and KH in BY_FILTER_SIZE and geometry.stride == geometry.dilation == (1, 1)
    wide = min(IN, OUT) >= MINIMUM_CHANNELS and IN % lanes == OUT % lanes == 0
    inside = max(geometry.padding[0] + geometry.padding[1]) < KH
    return plain and wide and inside and min(*outputs, *x_shape[2:]) >= TILE


def pad_to_odd_lines(floats: int) -> int:
    """Round up to an odd number of cache lines: neighbors in k then lie in different cache sets."""
    lines = -(-floats // 16)
    return 16 * (lines + 1 - lines % 2)


# ---- loops: k is a point (of a*a), t a tile, q a group and block of output channels


def _weight_loops(lo: int, hi: int, w: In4, u: Out4, K: int, vectors: int) -> None:
    """Write u (G, blocks, a*a, C*B or a little more) = G w GT of w (G, blocks, K*K*C, B)."""
    depth = w.shape[2]
    B = w.shape[3]
    points = u.shape[2]
    step = u.shape[3]
    C = depth // (K * K)
    a = K + 3
    for q in range(lo, hi):
        for c in range(C):
            s0 = (q * depth + c) * B
            d0 = q * points * step + c * B
            filter_transform(
                w, s0, K * C * B, C * B, u, d0, a * step, step, vectors, w, 0, NO_FLOOR
            )


@helper
def corner(t: int, down: int, along: int) -> tuple[int, int, int]:
    """Return the image of tile t and the row and column of its first output."""
    return t // (down * along), t // along % down * 4, t % along * 4


@helper
def tile_at(
    x: Array,
    shape: tuple[int, int, int],
    image: int,
    i: int,
    j: int,
    c: int,
    width: int,
    a: int,
    spare: Array,
) -> tuple[Array, int, int, int]:
    """Return the a*a pixels from (i, j) on, `width` channels from c on: array, offset, two steps.

    A tile that reaches over the border of its image (H, W, C) is copied to `spare`, with zeros
    outside the image, so that x itself needs no border.
    """
    H, W, C = shape
    at = ((image * H + i) * W + j) * C + c
    if min(i, j) >= 0 and i + a <= H and j + a <= W:
        return x, at, W * C, C
    spare[:] = 0
    for p in range(max(0, -i), min(a, H - i)):
        for q in range(max(0, -j), min(a, W - j)):
            move(x, at + (p * W + q) * C, spare, (p * a + q) * width, width)
    return spare, 0, a * width, width


@helper
def part_of(task: int, parts: int, n: int) -> tuple[int, int]:
    """Return where a part of range(n) begins and ends: of `parts` parts, the one of a task."""
    return task % parts * n // parts, (task % parts + 1) * n // parts


@helper
def prefetch_tiles(x: Array, count: int, first: int, few: int, part: int, parts: int) -> None:
    """Begin to load one of `parts` equal parts of `few` tiles, of the `count` tiles of all images.

    The products call it for the tiles that are transformed next: the processor then loads them
    while it multiplies, where a transform would have to wait.
    """
    share = x.size // count
    size = few * share // parts + 1
    prefetch(x, first * share + part * size, size)


@helper
def _load_tiles(
    x: Array,
    shape: tuple[int, int, int],
    top: int,
    left: int,
    c: int,
    few: int,
    first: int,
    grid: Pair,
    v: Array,
    step: int,
    a: int,
    width: int,
    n: int,
    spare: Array,
) -> None:
    """Write v[k, t, :] = BT x B of tiles first, first + 1, ...: n vectors of channels from c on."""
    for t in range(few):
        image, i, j = corner(first + t, grid[0], grid[1])
        src, at, down, along = tile_at(x, shape, image, i - top, j - left, c, width, a, spare)
        input_transform(src, at, down, along, v, t * width, a * step, step, n, v, 0, NO_FLOOR)


@helper
def _clear_tiles(v: Array, few: int, end: int, step: int, width: int, points: int) -> None:
    """Write zeros to v[k, t] for tiles few..end, which are multiplied with a block's other tiles.

    Nothing reads these products, but denormal numbers in unused memory would make them slow.
    """
    for k in range(points):
        v[k * step + few * width : k * step + end * width] = 0


@helper
def _store_tiles(
    m: Array,
    step: int,
    a: int,
    few: int,
    first: int,
    grid: Pair,
    bias: Array,
    q: int,
    y: Array,
    shape: tuple[int, int, int],
    c: int,
    wide: int,
    spare: Array,
    vectors: int,
    floor: float,
) -> None:
    """Write y = AT m[:, t] A + bias for each tile t; `wide` of the B channels exist, from c on."""
    H, W, C = shape
    B = len(spare) // 16
    for t in range(few):
        image, i, j = corner(first + t, grid[0], grid[1])
        at = ((image * H + i) * W + j) * C + c
        high = min(4, H - i)
        broad = min(4, W - j)
        whole = high == 4 and broad == 4 and wide == B
        out, out0, down, along = (y, at, W * C, C) if whole else (spare, 0, 4 * B, B)
        output_transform(
            m, t * B, a * step, step, out, out0, down, along, vectors, bias, q * B, floor
        )
        if not whole:  # copy the pixels inside the image and the channels of this block only
            for i in range(high):
                for j in range(broad):
                    move(spare, (i * 4 + j) * B, y, at + (i * W + j) * C, wide)


def _forward_loops(
    lo: int,
    hi: int,
    x: In4,
    u: In4,
    zero: In1,
    bias: In1,
    y: Out1,
    H: int,
    W: int,
    C: int,
    top: int,
    left: int,
    rows: Int32In2,
    cols: Int32In1,
    places: Int32In2,
    parts: int,
    a: int,
    vectors: int,
    floor: Real,
) -> None:
    """Write y (N, H, W, C = G * OUT) from x (N, ., ., G * IN): tasks lo..hi.

    A task is a strip of tiles and one of `parts` parts of the blocks of filters. The windows of an
    image begin `top` rows above it and `left` pixels beside it.
    """
    G, blocks, points, u_step = u.shape
    T, P = rows.shape
    IN = x.shape[3] // G
    OUT = C // G
    B = len(zero)
    grid = (H + 3) // 4, (W + 3) // 4
    v_step = T * P * IN + 16
    m_step = T * P * B + 16
    v = np.empty(points * v_step, np.float32)
    m = np.empty(points * m_step, np.float32)
    inputs = np.empty(a * a * IN, np.float32)
    outputs = np.empty(16 * B, np.float32)
    count = len(x) * grid[0] * grid[1]
    for task in range(lo, hi):
        first = task // parts * T * P
        few = min(T * P, count - first)
        begin, end = part_of(task, parts, G * blocks)
        for q in range(begin, end):
            g = q // blocks
            c = q % blocks * B
            if q == begin or c == 0:
                _load_tiles(
                    x.reshape(-1),
                    x.shape[1:],
                    top,
                    left,
                    g * IN,
                    few,
                    first,
                    grid,
                    v,
                    v_step,
                    a,
                    IN,
                    IN * vectors // B,
                    inputs,
                )
                _clear_tiles(v, few, -(-few // P) * P, v_step, IN, points)
            for k in range(points):
                here = q * points + k
                if parts == 1:
                    prefetch_tiles(x, count, first + T * P, T * P, here, G * blocks * points)
                    prefetch_tiles(y, count, first + T * P, T * P, here, G * blocks * points)
                for r0 in range(0, few, P):
                    tile(
                        v,
                        k * v_step,
                        rows,
                        r0,
                        cols,
                        0,
                        IN,
                        u,
                        here * u_step,
                        zero,
                        0,
                        0,
                        m,
                        k * m_step,
                        places,
                        r0,
                        NO_FLOOR,
                    )
            wide = min(B, OUT - c)
            _store_tiles(
                m,
                m_step,
                a,
                few,
                first,
                grid,
                bias,
                q,
                y,
                (H, W, C),
                g * OUT + c,
                wide,
                outputs,
                vectors,
                floor,
            )


class CompiledLoops:
    """The loops of the forward pass, compiled for one filter size."""

    def __init__(self, K: int) -> None:
        data, weights, result = matrices(K)
        intrinsics = {
            "input_transform": Transform(data),
            "output_transform": Transform(result, biased=True),
        }
        self.a = len(data)
        self.weights = Native(_weight_loops, {"filter_transform": Transform(weights)}, str(K))
        self.forward = TiledKernel(_forward_loops, intrinsics, str(K))


BY_FILTER_SIZE = {K: CompiledLoops(K) for K in (3, 5)}


# ---- launches


def _transformed(w: Array, taps: Array, K: int) -> Array:
    """Return the filters w (G, OUT, IN, K * K), packed, as u (G, blocks, a * a, IN * B or more)."""
    _, OUT, IN, _ = w.shape
    filters = pack(w, taps)
    G, blocks, _, B = filters.shape
    kernels = BY_FILTER_SIZE[K]
    u = np.empty((G, blocks, kernels.a**2, pad_to_odd_lines(IN * B)), np.float32)
    kernels.weights(G * blocks, filters, u, K, shape_for(OUT).vectors)
    return u


def _correlate(
    x: Array,
    before: Pair,
    u: Array,
    bias: Array | None,
    outputs: Pair,
    OUT: int,
    K: int,
    *,
    relu: bool = False,
) -> Array:
    """Return y (N, G * OUT, H, W) of x (N, C, ., .) and filters (see `_transformed`).

    `before`: zeros above each image and on its left.
    """
    G, blocks, *_ = u.shape
    kernels = BY_FILTER_SIZE[K]
    shape = shape_for(OUT)
    B = shape.channels
    IN = x.shape[1] // G
    start = np.zeros((G, blocks * B), np.float32)
    if bias is not None:
        start[:, :OUT] = bias.reshape(G, -1)
    y = np.empty((len(x), *outputs, G * OUT), np.float32)
    count = len(x) * -(-outputs[0] // TILE) * -(-outputs[1] // TILE)
    size = -(-(LONG_STRIP if u.size > LARGE else STRIP) // shape.pixels) * shape.pixels
    strips = -(-count // size)
    parts = min(-(-TASKS // strips), G * blocks) if strips < TASKS else 1
    tables = [t.places for t in (tiles((size, IN, 0)), offsets((IN, 1, 0)), tiles((size, B, 0)))]
    kernels.forward(
        strips * parts,
        channels_last(x),
        u,
        np.zeros(B, np.float32),
        start.reshape(-1),
        y.reshape(-1),
        *y.shape[1:],
        *before,
        *tables,
        parts,
        kernels.a,
        shape.vectors,
        0.0 if relu else NO_FLOOR,
        columns=B,
        grain=-(-MINIMUM_WORK * strips * parts // (count * kernels.a**2 * IN * G * OUT)),
    )
    return channels_first(y)


def forward(
    x: Array, weight: Array, bias: Array | None, outputs: Pair, geometry: Geometry, *, relu: bool
) -> Array:
    """conv2d_[relu_]forward, where `supported`."""
    OC, IN = weight.shape[:2]
    K = geometry.kernel[0]
    G = geometry.groups

    def transform() -> Array:
        return _transformed(weight.reshape(G, OC // G, IN, K * K), np.arange(K * K), K)

    u = kept.packed(weight, "winograd", transform)
    return _correlate(x, geometry.corner, u, bias, outputs, OC // G, K, relu=relu)


def backward_input(gy: Array, weight: Array, shape: tuple[int, ...], geometry: Geometry) -> Array:
    """conv2d_backward_input, where `supported`: the filters are rotated, in and out exchanged."""
    OC, IN = weight.shape[:2]
    K = geometry.kernel[0]
    G = geometry.groups
    rotated = weight.reshape(G, OC // G, IN, K * K).transpose(0, 2, 1, 3)
    u = _transformed(rotated, np.arange(K * K)[::-1].copy(), K)
    top, left = geometry.corner
    return _correlate(gy, (K - 1 - top, K - 1 - left), u, None, (shape[2], shape[3]), IN, K)
