"""Memory of executed PTX: arguments, parameters, shared and local memory, by address."""

from __future__ import annotations

import bisect
from typing import Any, ClassVar

import numpy as np

from tinynet.core.backend import Array
from tinynet.kernels.profiler.ptx import Entry

UNIT = 256  # bytes to which the beginning of a GPU's memory is aligned


class OutOfBoundsError(Exception):
    """An address outside of every argument."""


class Memory:
    """What the addresses of one launch mean.

    Parameters
    ----------
    entry : the kernel
    parameters : (bytes,) uint8, as the driver would hand them over
    arrays : the arrays of the arguments; what is written lies apart from them
    blocks, threads : how many blocks run, and the threads of each
    dynamic : bytes of dynamic shared memory
    """

    SPACES: ClassVar[tuple[str, ...]] = ("global", "shared", "local", "param", "const")

    def __init__(
        self,
        entry: Entry,
        parameters: Array,
        arrays: list[Array],
        blocks: int,
        dynamic: int = 0,
    ) -> None:
        self.entry = entry
        self.parameters = parameters
        by_address = {a.ctypes.data: a for a in sorted(arrays, key=lambda a: a.nbytes) if a.size}
        self.starts = sorted(by_address)
        self.arrays = [by_address[start] for start in self.starts]
        self.aligned = [start - _phase(by_address[start]) for start in self.starts]
        self.written: dict[int, tuple[Array, Array]] = {}  # bytes, and which of them were written
        size = max((v.offset + v.size for v in entry.shared.values()), default=0)
        room = -(-(size + dynamic + 16) // 16) * 16  # a multiple of every type's size
        self.shared = np.full((blocks, room), 0xFF, np.uint8)

    def address(self, symbol: str) -> int:
        """Return the address of a parameter or variable in its space."""
        for space in (self.entry.parameters, self.entry.shared, self.entry.local):
            if symbol in space:
                return space[symbol].offset
        return 0

    def find(self, places: Array) -> int:
        """Return the number of the argument in which all these addresses lie."""
        low = int(places.min())
        high = int(places.max())
        i = bisect.bisect_right(self.starts, low) - 1
        if i < 0 or high >= self.starts[i] + self.arrays[i].nbytes:
            raise OutOfBoundsError(f"{self.entry.name} reads or writes outside of its arguments")
        return i

    def groups(self, places: Array) -> list[tuple[int, Any]]:
        """Return (argument, lanes) for addresses that lie in one or several arguments."""
        try:
            return [(self.find(places), slice(None))]
        except OutOfBoundsError:
            of = np.searchsorted(self.starts, places, side="right") - 1
            found = [(int(i), np.flatnonzero(of == i)) for i in np.unique(of)]
            for i, lanes in found:
                if i < 0 or self.find(places[lanes]) != i:
                    raise
            return found

    def load(self, space: str, places: Array, kind: np.dtype[Any], blocks: Array) -> Array:
        """Return one number a lane."""
        if space == "param":
            return _gathered(self.parameters, places, kind)
        if space == "shared":
            self._check_shared(places, kind.itemsize)
            return _gathered(self.shared.reshape(-1), blocks * self.shared.shape[1] + places, kind)
        found = np.empty(len(places), kind)
        for i, lanes in self.groups(places):
            here = places[lanes] - self.starts[i]
            value = _gathered(self.arrays[i].reshape(-1).view(np.uint8), here, kind)
            if i in self.written:
                bytes_, is_written = self.written[i]
                value = np.where(is_written[here], _gathered(bytes_, here, kind), value)
            found[lanes] = value
        return found

    def store(self, space: str, places: Array, values: Array, blocks: Array) -> None:
        """Write one number a lane; of several to one place, the last lane's stays."""
        size = values.dtype.itemsize
        rows = np.ascontiguousarray(values)[:, None].view(np.uint8)
        if space == "shared":
            self._check_shared(places, size)
            at = blocks * self.shared.shape[1] + places
            if _aligned(at, size):
                self.shared.reshape(-1).view(values.dtype)[at // size] = values
            else:
                self.shared.reshape(-1)[at[:, None] + np.arange(size)] = rows
            return
        for i, lanes in self.groups(places):
            if i not in self.written:
                nbytes = self.arrays[i].nbytes  # pages of zeros take no memory until written to
                self.written[i] = np.zeros(nbytes, np.uint8), np.zeros(nbytes, np.bool_)
            at = (places[lanes] - self.starts[i])[:, None] + np.arange(size)
            bytes_, is_written = self.written[i]
            bytes_[at] = rows[lanes]
            is_written[at] = True

    def _check_shared(self, places: Array, size: int) -> None:
        """Raise where an address lies outside of a block's shared memory."""
        if places.max() + size > self.shared.shape[1]:
            raise OutOfBoundsError(f"{self.entry.name} reads or writes outside of shared memory")

    def result(self, i: int) -> Array:
        """Return an argument as it is after the launch; the argument itself is unchanged."""
        x = self.arrays[i]
        if i not in self.written:
            return x
        bytes_, is_written = self.written[i]
        whole = np.where(is_written, bytes_, x.reshape(-1).view(np.uint8))
        return np.ascontiguousarray(whole).view(x.dtype).reshape(x.shape)


def _phase(x: Array) -> int:
    """Return how far behind the beginning of its memory an array begins, on a GPU, in bytes.

    A GPU gives memory out in units of 256 bytes or more, so what is a whole array begins a sector.
    """
    whole = x
    while isinstance(whole.base, np.ndarray):
        whole = whole.base
    return (x.ctypes.data - whole.ctypes.data) % UNIT


def _gathered(flat: Array, places: Array, kind: np.dtype[Any]) -> Array:
    """Return the numbers at byte offsets of a flat array of bytes."""
    size = kind.itemsize
    if len(flat) % size == 0 and _aligned(places, size):
        return flat.view(kind)[places // size]
    return np.ascontiguousarray(flat[places[:, None] + np.arange(size)]).view(kind)[:, 0]


def _aligned(places: Array, size: int) -> bool:
    """Return whether byte offsets are multiples of a power of two."""
    return not (np.bitwise_or.reduce(places) & (size - 1))
