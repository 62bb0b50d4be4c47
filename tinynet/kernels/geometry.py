"""Sliding windows on images: output sizes, positions, and views that show every window.

A window of size K (dilated to (K - 1) * D + 1 pixels) starts every S pixels of an image that was
padded with P pixels on each side. All the arithmetic of output sizes is here.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinynet.core.backend import Array, array_module
from tinynet.core.errors import ShapeError
from tinynet.words import sentence

Pair = tuple[int, int]
Padding = tuple[Pair, Pair]


def pair(value: int | Pair, name: str, *, least: int = 1) -> Pair:
    """Return (height, width) from one integer or two."""
    if type(value) is int and value >= least:  # as usual, and fast
        return value, value
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


@dataclass(frozen=True)
class Geometry:
    """The sliding windows of a convolution or a pooling, without the image that they slide over.

    Parameters
    ----------
    kernel : (KH, KW)
        Taps of a window.
    stride : (SH, SW)
        Pixels from one window to the next.
    padding : ((top, bottom), (left, right))
        Pixels around the image.
    dilation : (DH, DW)
        Pixels from one tap to the next. Pooling ignores it.
    groups : int
        Groups of channels; only a convolution has more than one.

    >>> from tinynet.kernels import Geometry
    >>> overlapping = Geometry((3, 3), stride=(2, 2))
    >>> overlapping.output_shape("max_pool2d", (1, 96, 55, 55))
    (27, 27)
    """

    kernel: Pair
    stride: Pair = (1, 1)
    padding: Padding = ((0, 0), (0, 0))
    dilation: Pair = (1, 1)
    groups: int = 1

    @classmethod
    def of(
        cls,
        kernel_size: int | Pair,
        stride: int | Pair = 1,
        padding: int | Pair | Padding = 0,
        dilation: int | Pair = 1,
        groups: int = 1,
        *,
        op: str = "Geometry",
    ) -> Geometry:
        """Return a Geometry in which one integer may stand for a pair, as in ``F.conv2d``.

        Parameters
        ----------
        op : str
            The function that an error message names.

        Raises
        ------
        ValueError
            A size, stride or dilation is not a positive integer, or a padding is negative.

        >>> from tinynet.kernels import Geometry
        >>> Geometry.of(5, padding=2).padding
        ((2, 2), (2, 2))
        """
        return cls(
            pair(kernel_size, f"{op}: kernel_size"),
            pair(stride, f"{op}: stride"),
            padding_pairs(padding, f"{op}: padding"),
            pair(dilation, f"{op}: dilation"),
            groups,
        )

    @property
    def corner(self) -> Pair:
        """The padding above and to the left, (top, left)."""
        return self.padding[0][0], self.padding[1][0]

    def output_shape(self, op: str, shape: tuple[int, ...], *, ceil_mode: bool = False) -> Pair:
        """Return (OH, OW) for images of `shape` (N, C, H, W).

        Raises
        ------
        ShapeError
            No window fits into the padded image.
        """
        H, W = shape[2:]
        outputs = _outputs(self, H, W, ceil_mode)
        if min(outputs) < 1:
            KH, KW = self.kernel
            said = sentence(
                "{op}: a {window} window does not fit in a {image} image "
                "(padding {padding}, dilation {dilation}). x is {x}.",
                op=op,
                window=f"{KH}x{KW}",
                image=f"{H}x{W}",
                padding=self.padding,
                dilation=self.dilation,
                x=shape,
            )
            raise ShapeError(said)
        return outputs

    def check_filters(self, op: str, weight_shape: tuple[int, ...]) -> None:
        """Raise a ShapeError unless filters (..., KH, KW) have the size of the windows.

        The fast versions of kernels check no index: they rely on this.
        """
        if weight_shape[-2:] != self.kernel:
            raise ShapeError(
                f"{op}: filters must have the size of the windows, {self.kernel}; weight is "
                f"{weight_shape}."
            )

    def extent(self, outputs: Pair) -> Pair:
        """Return (height, width) of the pixels that so many windows cover, (OH, OW)."""
        height, width = (
            (out - 1) * s + (k - 1) * d + 1
            for out, k, s, d in zip(outputs, self.kernel, self.stride, self.dilation, strict=True)
        )
        return height, width


@functools.lru_cache(maxsize=1024)
def _outputs(geometry: Geometry, H: int, W: int, ceil_mode: bool) -> Pair:
    """Return (OH, OW), or less than 1 where no window fits."""
    g = geometry
    OH, OW = (
        output_size(*axis, ceil_mode=ceil_mode)
        for axis in zip((H, W), g.kernel, g.stride, g.padding, g.dilation, strict=True)
    )
    return OH, OW


def frame(x: Array, geometry: Geometry, outputs: Pair, fill: float) -> Array:
    """Return `x` with a border of `fill` that ends exactly where the last windows end.

    The far sides may grow (a window of `ceil_mode` hangs over) or be cut (pixels in no window).
    """
    N, C, H, W = x.shape
    top, left = geometry.corner
    xp = array_module(x)
    framed = xp.full_like(x, fill, order="C", shape=(N, C, *geometry.extent(outputs)))
    inside = framed[:, :, top : top + H, left : left + W]
    inside[...] = x[:, :, : inside.shape[2], : inside.shape[3]]
    return framed


def windows(framed: Array, geometry: Geometry, outputs: Pair) -> Array:
    """Return a view (N, C, KH, KW, OH, OW) of a framed image; overlapping windows share memory."""
    n, c, h, w = framed.strides
    SH, SW = geometry.stride
    DH, DW = geometry.dilation
    as_strided = array_module(framed).lib.stride_tricks.as_strided
    shape = (*framed.shape[:2], *geometry.kernel, *outputs)
    return as_strided(framed, shape, (n, c, h * DH, w * DW, h * SH, w * SW))


def unframe(framed: Array, shape: tuple[int, ...], geometry: Geometry) -> Array:
    """Return the adjoint of `frame`: the inside of the border, zero where `frame` had cut."""
    top, left = geometry.corner
    x = array_module(framed).zeros(shape, framed.dtype)
    inside = framed[:, :, top : top + shape[2], left : left + shape[3]]
    x[:, :, : inside.shape[2], : inside.shape[3]] = inside
    return x
