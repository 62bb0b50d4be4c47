"""Windows on images: how many fit, where they lie, and a view that shows them all.

A window of size K (dilated to (K - 1) * D + 1 pixels) starts every S pixels of an image that was
padded with P pixels on each side. All the arithmetic of output sizes is here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinynet.core.backend import Array, array_module
from tinynet.core.errors import ShapeError

Pair = tuple[int, int]
Padding = tuple[Pair, Pair]


def pair(value: int | Pair, name: str, *, least: int = 1) -> Pair:
    """Return (height, width) from one integer or two."""
    both = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    if len(both) != 2 or not all(isinstance(v, (int, np.integer)) and v >= least for v in both):
        raise ValueError(
            f"{name}: expected one integer or (height, width), each at least {least}, got {value}."
        )
    return int(both[0]), int(both[1])


def padding_pairs(value: int | Pair | Padding, name: str) -> Padding:
    """Return ((top, bottom), (left, right)) from an int, (h, w) or the four numbers."""
    both: tuple[Any, ...] = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    if len(both) != 2:
        raise ValueError(
            f"{name}: expected one integer, (height, width) or ((top, bottom), (left, right)), "
            f"got {value}."
        )
    return pair(both[0], name, least=0), pair(both[1], name, least=0)


def output_size(
    size: int,
    kernel: int,
    stride: int,
    padding: Pair,
    dilation: int = 1,
    *,
    ceil_mode: bool = False,
) -> int:
    """Return how many windows fit along one axis.

    `ceil_mode` adds a last window that hangs over the end, unless it would start in the padding. As
    in PyTorch it may be the only one: a window larger than the image by less than a stride.
    """
    before, after = padding
    room = size + before + after - ((kernel - 1) * dilation + 1)
    if not ceil_mode:
        return max(0, room // stride + 1)
    windows = max(0, -(-room // stride) + 1)
    return windows - 1 if (windows - 1) * stride >= size + before else windows


def output_shape(
    op: str,
    shape: tuple[int, ...],
    kernel: Pair,
    stride: Pair,
    padding: Padding,
    dilation: Pair = (1, 1),
    *,
    ceil_mode: bool = False,
) -> Pair:
    """Return (OH, OW) for images of `shape` (N, C, H, W), or say that no window fits."""
    H, W = shape[2:]
    OH, OW = (
        output_size(*axis, ceil_mode=ceil_mode)
        for axis in zip((H, W), kernel, stride, padding, dilation, strict=True)
    )
    if OH < 1 or OW < 1:
        raise ShapeError(
            f"{op}: a {kernel[0]}x{kernel[1]} window does not fit in a {H}x{W} image "
            f"(padding {padding}, dilation {dilation}). x is {shape}."
        )
    return OH, OW


def frame(
    x: Array,
    kernel: Pair,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    outputs: Pair,
    fill: float,
) -> Array:
    """Return `x` with a border of `fill`, ending exactly where its last windows end.

    The far sides may grow (a window of `ceil_mode` hangs over) or be cut (pixels no window sees).
    """
    N, C, H, W = x.shape
    (top, _), (left, _) = padding
    height, width = (
        (out - 1) * s + (k - 1) * d + 1
        for out, s, k, d in zip(outputs, stride, kernel, dilation, strict=True)
    )
    xp = array_module(x)
    framed = xp.full_like(x, fill, order="C", shape=(N, C, height, width))
    inside = framed[:, :, top : top + H, left : left + W]
    inside[...] = x[:, :, : inside.shape[2], : inside.shape[3]]
    return framed


def windows(framed: Array, kernel: Pair, stride: Pair, dilation: Pair, outputs: Pair) -> Array:
    """Return a view (N, C, KH, KW, OH, OW) of a framed image; overlapping windows share memory."""
    n, c, h, w = framed.strides
    (KH, KW), (SH, SW), (DH, DW), (OH, OW) = kernel, stride, dilation, outputs
    as_strided = array_module(framed).lib.stride_tricks.as_strided
    shape = (*framed.shape[:2], KH, KW, OH, OW)
    return as_strided(framed, shape, (n, c, h * DH, w * DW, h * SH, w * SW))


def unframe(framed: Array, shape: tuple[int, ...], padding: Padding) -> Array:
    """Return the adjoint of `frame`: the inside of the border, zero where `frame` had cut."""
    (top, _), (left, _) = padding
    x = array_module(framed).zeros(shape, framed.dtype)
    inside = framed[:, :, top : top + shape[2], left : left + shape[3]]
    x[:, :, : inside.shape[2], : inside.shape[3]] = inside
    return x
