"""MATLAB files of version 5 (.mat): matrices of numbers by name, and what cells and structs hold.

A file is a header of 128 bytes and a row of elements: a type and a length of 32 bits each, then the
contents, padded to 8 bytes. An element of up to 4 bytes has its length in the upper half of its
type.
The element `MATRIX` holds others: class and flags, dimensions, name, then numbers in columns, the
matrices of a cell array, or those of the fields of a struct. An element `COMPRESSED` holds another
one, packed by zlib.

Sparse and complex arrays and objects are passed over. Files of version 7.3 are HDF5, which is not
read.
"""

from __future__ import annotations

import itertools
import math
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from tinynet.core import shapes
from tinynet.core.backend import Array
from tinynet.core.errors import DataError
from tinynet.core.pickles import printable, short

START = b"MATLAB"
HEADER = 128
HDF5 = b"MATLAB 7.3"
MATRIX = 14
COMPRESSED = 15
DTYPES = {
    1: "i1",
    2: "u1",
    3: "i2",
    4: "u2",
    5: "i4",
    6: "u4",
    7: "f4",
    9: "f8",
    12: "i8",
    13: "u8",
}
"""Types of elements whose contents are numbers."""
ELEMENTS = 1_000  # of a file, at most
NESTED = 100_000  # matrices in cells and structs
DEPTH = 12  # of cells and structs in each other
CELL = 1  # classes of matrices
STRUCT = 2
TEXT = 4
NUMBERS = range(6, 16)  # double, single and the integers
COMPLEX = 0x800
UTF16 = 17
FIELDS = 1_000  # of a struct, at most
LONGEST_TEXT = 1 << 24  # bytes; longer texts are passed over


def read(content: bytes, most: int) -> dict[str, Array]:
    """Return the matrices of numbers in a file, by name.

    Parameters
    ----------
    content : bytes
        The file.
    most : int
        The bytes that all matrices have at most; what would be more is not unpacked.

    Raises
    ------
    DataError
        If the file is damaged, or none of MATLAB's version 5.
    """
    found = _variables(content, most, nested=False)
    return {name: value for name, value in found.items() if isinstance(value, np.ndarray)}


def read_nested(content: bytes, most: int) -> dict[str, Any]:
    """Return the variables of a file: arrays, text as str, cells as lists, structs as dicts.

    An array of several structs is a list of dicts. Parameters and errors are those of `read`.
    """
    return _variables(content, most, nested=True)


def _variables(content: bytes, most: int, nested: bool) -> dict[str, Any]:
    if content[: len(HDF5)] == HDF5:
        raise DataError("it is a MATLAB file of version 7.3; save it with '-v7' in MATLAB.")
    order = {b"IM": "<", b"MI": ">"}.get(content[126:HEADER])
    if order is None:
        raise DataError("it is no MATLAB file: the mark of the byte order is missing.")
    reader = _Reader(order, nested)
    found = {}
    for count, (kind, element) in enumerate(_elements(memoryview(content)[HEADER:], order)):
        if count == ELEMENTS:
            raise DataError(f"it has more than {ELEMENTS} matrices.")
        if kind == COMPRESSED:
            unpacked = _unpacked(element, most)
            most -= len(unpacked)
            kind, element = next(_elements(unpacked, order))
        if kind == MATRIX:
            name, value = reader.matrix(element, DEPTH)
            if value is not None:
                found[name] = value
    return found


def _elements(content: memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    """Yield the type and the contents of each element."""
    at = 0
    while at < len(content):
        head = content[at : at + 8]
        if len(head) < 8:
            raise DataError("it ends in the middle of an element.")
        kind, length = struct.unpack(f"{order}II", head)
        begin = at + 8
        if small := kind >> 16:
            kind &= 0xFFFF
            length = small
            begin = at + 4
        if length > len(content) - begin or (small and length > 4):
            raise DataError(
                f"an element claims {length:,} bytes, and {max(len(content) - begin, 0):,} follow."
            )
        yield kind, content[begin : begin + length]
        at = at + 8 if small else begin + length + (-length % 8 if kind != COMPRESSED else 0)


def _unpacked(packed: memoryview, most: int) -> memoryview:
    """Return an element without its compression; one that grows too large is not unpacked."""
    unpacker = zlib.decompressobj()
    try:
        content = unpacker.decompress(packed, most + 1)
    except zlib.error as error:
        raise DataError(f"a matrix cannot be unpacked ({error}).") from None
    if len(content) > most:
        raise DataError(f"a matrix has more than {most:,} bytes, too many for this file.")
    if not unpacker.eof or not content:
        raise DataError("a compressed matrix is incomplete.")
    return memoryview(content)


class _Reader:
    """Reads matrices, and those in cells and structs if it is asked to."""

    def __init__(self, order: str, nested: bool) -> None:
        self.order = order
        self.nested = nested
        self.count = 0

    def matrix(self, content: memoryview, depth: int) -> tuple[str, Any]:
        """Return the name and the value of a matrix; None for one of a class that is not read."""
        elements = _elements(content, self.order)
        parts = list(itertools.islice(elements, 3))
        if len(parts) < 3 or len(parts[0][1]) < 4:
            raise DataError("a matrix has no class, no dimensions or no name.")
        (_, flags), (_, dimensions), (_, name) = parts
        title = printable(bytes(name).decode("latin-1"))
        (word,) = struct.unpack(f"{self.order}I", flags[:4])
        kind = word & 0xFF
        if len(dimensions) % 4 or len(dimensions) > 4 * shapes.AXES:
            raise DataError(f"its matrix {title} is damaged.")
        shape = struct.unpack(f"{self.order}{len(dimensions) // 4}i", dimensions)
        if kind in NUMBERS:
            return title, None if word & COMPLEX else self._numbers(title, shape, elements)
        return title, self._nested(kind, title, shape, elements, depth) if self.nested else None

    def _numbers(
        self, title: str, shape: tuple[int, ...], elements: Iterator[tuple[int, memoryview]]
    ) -> Array:
        kind, numbers = next(elements, (0, memoryview(b"")))
        if kind not in DTYPES:
            raise DataError(f"its matrix {title} is damaged.")
        dtype = np.dtype(DTYPES[kind]).newbyteorder("<" if self.order == "<" else ">")
        size = math.prod(shape) * dtype.itemsize if shapes.credible(shape) else -1
        if size != len(numbers):
            raise DataError(
                f"its matrix {title} should hold {short(shape)} of {dtype}, and there are "
                f"{len(numbers):,} bytes."
            )
        return np.frombuffer(numbers, dtype).reshape(shape, order="F")

    def _nested(
        self,
        kind: int,
        title: str,
        shape: tuple[int, ...],
        elements: Iterator[tuple[int, memoryview]],
        depth: int,
    ) -> Any:
        if depth == 0:
            raise DataError(f"its cells and structs lie more than {DEPTH} deep in each other.")
        if not shapes.credible(shape):
            raise DataError(f"its matrix {title} claims the shape {short(shape)}.")
        if kind == TEXT:
            stored, raw = next(elements, (0, memoryview(b"")))
            if len(raw) > LONGEST_TEXT:
                return None
            wide = stored in (4, UTF16)
            return bytes(raw).decode("utf-16-le" if wide else "utf-8", errors="replace")
        if kind == CELL:
            return self._matrices(elements, math.prod(shape), depth)
        return self._structs(elements, math.prod(shape), depth) if kind == STRUCT else None

    def _matrices(
        self, elements: Iterator[tuple[int, memoryview]], count: int, depth: int
    ) -> list[Any]:
        found = []
        for _ in range(count):
            self.count += 1
            if self.count > NESTED:
                raise DataError(f"it has more than {NESTED:,} matrices in cells and structs.")
            kind, content = next(elements, (0, memoryview(b"")))
            if kind != MATRIX:
                raise DataError("a cell or a struct holds fewer matrices than it should.")
            found.append(self.matrix(content, depth - 1)[1] if len(content) else None)
        return found

    def _structs(self, elements: Iterator[tuple[int, memoryview]], count: int, depth: int) -> Any:
        _, length = next(elements, (0, memoryview(b"")))
        _, words = next(elements, (0, memoryview(b"")))
        size = int.from_bytes(length, "little" if self.order == "<" else "big")
        if not 0 < size <= len(words) or len(words) % size:
            raise DataError("the fields of a struct have no names.")
        if len(words) > FIELDS * size:
            raise DataError(f"a struct has more than {FIELDS:,} fields.")
        names = [
            bytes(words[i : i + size]).split(b"\0")[0].decode("latin-1")
            for i in range(0, len(words), size)
        ]
        rows = [
            dict(zip(names, self._matrices(elements, len(names), depth), strict=True))
            for _ in range(min(count, NESTED + 1))
        ]
        return rows[0] if count == 1 else rows
