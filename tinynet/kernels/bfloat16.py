r"""Conversions of activations: float32 to bfloat16 in memory, and back.

    word = upper half of (bits of x + 0x7FFF + lowest bit of the upper half)
    y    = float32 with the upper half `word`, and zeros below

This rounds to nearest, ties to even. A bfloat16 keeps 8 significant bits of 24, and the range of
float32: a number is off by a share of 2**-8 at most. The way back is exact. The kernels that read
or write activations convert on their way; these two serve the others.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinynet.core.backend import Array, array_module
from tinynet.core.bfloat16 import BFloat16, numbers, rounded, words_of
from tinynet.kernels.cuda.launch import cover, in_rows, launch
from tinynet.kernels.dispatch import Kernel, bfloat16_too


@Kernel
def to_bfloat16(x: Array) -> Array:
    """Return the words (uint16) of x, to nearest, ties to even."""
    return rounded(x)


@Kernel
def from_bfloat16(x: Any) -> Array:
    """Return x, an array of bfloat16 or its words, as float32."""
    return numbers(words_of(x))


def bfloat16(x: Any) -> BFloat16:
    """Return x as an array of bfloat16, and one of bfloat16 as it is."""
    return x if isinstance(x, BFloat16) else BFloat16(to_bfloat16(x))


def floats(x: Any) -> Array:
    """Return an array of bfloat16 as float32, and every other as it is."""
    return from_bfloat16(x) if isinstance(x, BFloat16) else x


# ---- CUDA: bfloat16.cu


@to_bfloat16.cuda
def to_bfloat16_cuda(x: Array) -> Array:
    """One thread per element."""
    words = array_module(x).empty(x.shape, np.uint16)
    launch("bfloat16", "convert", cover(x.size), in_rows(x), x.size, BFloat16(words))
    return words


@from_bfloat16.cuda
@bfloat16_too
def from_bfloat16_cuda(x: Any) -> Array:
    """One thread per element."""
    words = in_rows(words_of(x))
    y = array_module(words).empty(words.shape, np.float32)
    launch("bfloat16", "convert", cover(y.size), BFloat16(words), y.size, y)
    return y
