"""MATLAB files of version 5 (.mat): matrices of numbers, by name.

A file is a header of 128 bytes and a row of elements: a type and a length of 32 bits each, then the
contents, padded to 8 bytes. An element of up to 4 bytes has its length in the upper half of its
type.
The element `MATRIX` holds four others: class and flags, dimensions, name, numbers in columns. An
element `COMPRESSED` holds another one, packed by zlib.

Text, cells and structures are passed over. Files of version 7.3 are HDF5, which is not read.
"""

from __future__ import annotations

import itertools
import math
import struct
import zlib
from collections.abc import Iterator

import numpy as np

from tinynet.core import shapes
from tinynet.core.backend import Array
from tinynet.core.errors import DataError
from tinynet.core.pickles import printable, short

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
NUMBERS = range(6, 16)  # classes of matrices: double, single and the integers


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
    if content[: len(HDF5)] == HDF5:
        raise DataError("it is a MATLAB file of version 7.3; save it with '-v7' in MATLAB.")
    order = {b"IM": "<", b"MI": ">"}.get(content[126:HEADER])
    if order is None:
        raise DataError("it is no MATLAB file: the mark of the byte order is missing.")
    found = {}
    for count, (kind, element) in enumerate(_elements(memoryview(content)[HEADER:], order)):
        if count == ELEMENTS:
            raise DataError(f"it has more than {ELEMENTS} matrices.")
        if kind == COMPRESSED:
            unpacked = _unpacked(element, most)
            most -= len(unpacked)
            kind, element = next(_elements(unpacked, order))
        if kind == MATRIX:
            found.update(_matrix(element, order))
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


def _matrix(content: memoryview, order: str) -> dict[str, Array]:
    """Return a matrix of numbers with its name; nothing for one of another class."""
    parts = list(itertools.islice(_elements(content, order), 4))
    if len(parts) < 3 or len(parts[0][1]) < 4:
        raise DataError("a matrix has no class, no dimensions or no name.")
    (_, flags), (_, dimensions), (_, name), *values = parts
    if struct.unpack(f"{order}I", flags[:4])[0] & 0xFF not in NUMBERS:
        return {}
    title = printable(bytes(name).decode("latin-1"))
    if len(dimensions) % 4 or not values or values[0][0] not in DTYPES:
        raise DataError(f"its matrix {title} is damaged.")
    shape = struct.unpack(f"{order}{len(dimensions) // 4}i", dimensions)
    kind, numbers = values[0]
    dtype = np.dtype(DTYPES[kind]).newbyteorder("<" if order == "<" else ">")
    size = math.prod(shape) * dtype.itemsize if shapes.credible(shape) else -1
    if size != len(numbers):
        raise DataError(
            f"its matrix {title} should hold {short(shape)} of {dtype}, and there are "
            f"{len(numbers):,} bytes."
        )
    return {title: np.frombuffer(numbers, dtype).reshape(shape, order="F")}
