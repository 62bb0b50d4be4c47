"""bfloat16 in memory: arrays of a type that NumPy and CuPy do not have.

A bfloat16 is the upper half of a float32: its sign, its exponent and 8 bits of its significand. The
kernels of a GPU read and write it (docs/decisions/0055); everything else is given float32.
"""

from __future__ import annotations

from typing import Any

from tinynet.core.backend import Array, array_module


class BFloat16:
    """An array of bfloat16: its words, its shape, and no arithmetic.

    Attributes
    ----------
    words : array of uint16
    """

    __slots__ = ("words",)
    dtype = "bfloat16"  # a name that equals no type of NumPy's
    itemsize = 2

    def __init__(self, words: Array) -> None:
        self.words = words

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of every axis."""
        shape: tuple[int, ...] = self.words.shape
        return shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.words.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return int(self.words.size)

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return int(self.words.nbytes)

    @property
    def T(self) -> BFloat16:  # noqa: N802 -- NumPy's name
        """The array with its axes reversed."""
        return BFloat16(self.words.T)

    def __len__(self) -> int:
        return len(self.words)

    def __getitem__(self, index: Any) -> BFloat16:
        return BFloat16(self.words[index])

    def reshape(self, *shape: Any) -> BFloat16:
        """Return the array with another shape."""
        return BFloat16(self.words.reshape(*shape))


def words_of(x: Any) -> Any:
    """Return the words of an array of bfloat16, and everything else as it is."""
    return x.words if isinstance(x, BFloat16) else x


def empty(
    like: Any, shape: tuple[int, ...], *, bfloat16: bool | None = None, dtype: Any = None
) -> Any:
    """Return new memory beside `like`: of a dtype, or of bfloat16, or stored as `like` is."""
    xp = array_module(words_of(like))
    if dtype is not None:
        return xp.empty(shape, dtype)
    if isinstance(like, BFloat16) if bfloat16 is None else bfloat16:
        return BFloat16(xp.empty(shape, xp.uint16))
    return xp.empty(shape, xp.float32 if isinstance(like, BFloat16) else like.dtype)


def rounded(x: Array) -> Array:
    """Return the words of x, the nearest upper halves, ties to even; NaN stays NaN."""
    xp = array_module(x)
    bits = xp.ascontiguousarray(x, xp.float32).view(xp.uint32)
    words = (bits + (0x7FFF + ((bits >> 16) & 1))) >> 16
    return xp.where(x == x, words, 0x7FFF).astype(xp.uint16).reshape(x.shape)


def numbers(words: Array) -> Array:
    """Return the float32 numbers of words, which is exact."""
    xp = array_module(words)
    return (words.astype(xp.uint32) << 16).view(xp.float32)
