"""MATLAB's .mat files of version 5 to 7 (the default of `save`), read without SciPy.

    header      124 bytes of text, 0x0100, "IM" (little-endian)
    element     type and size (uint32 each), data, padded to 8 bytes; up to 4 bytes of data stand in
                the tag itself, whose upper half is then the size
    matrix 14   elements: flags with the class, dims, name, then numbers, cells or fields
    zlib 15     a compressed element

Numbers become arrays in MATLAB's order of axes, a cell array a list, a struct a dict (an array of
structs a list of them), text a str. Files of version 7.3 are HDF5, which is another format.
"""

from __future__ import annotations

import math
import struct
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from tinynet.core import shapes
from tinynet.core.errors import DataError
from tinynet.core.pickles import short

START = b"MATLAB 5.0 MAT-file"
HEADER = 128
NUMBERS = {1: "i1", 2: "u1", 3: "<i2", 4: "<u2", 5: "<i4", 6: "<u4", 7: "<f4", 9: "<f8"}
NUMBERS |= {12: "<i8", 13: "<u8", 16: "u1", 17: "<u2"}  # the last two are text
MATRIX = 14
COMPRESSED = 15
CELL = 1
STRUCT = 2
TEXT = 4
CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4"}
CLASSES |= {14: "i8", 15: "u8"}
COMPLEX = 0x800
DEPTH = 12  # of cells and structs in each other
MOST = 200_000  # elements of a file
RATIO = 20  # times its own size that a file may hold when it is unpacked
LARGE = 1 << 28
LARGEST = 1 << 30  # bytes of a file
LONGEST_NAME = 64


def read(path: Path, file: BinaryIO) -> dict[str, Any]:
    """Return the variables of a file by name.

    Raises
    ------
    DataError
        The file is damaged, of another version, or claims more than it can hold.
    """
    size = file.seek(0, 2)
    file.seek(0)
    header = file.read(HEADER)
    if size > LARGEST:
        raise DataError(f"{path}: a .mat file of {size:,} bytes; {LARGEST:,} are the limit.")
    if not header.startswith(START) or header[124:128] != b"\x00\x01IM":
        raise DataError(
            f"{path}: no .mat file of version 5 to 7 in little-endian order. In MATLAB: "
            "save(NEW, '-struct', 'net', '-v7')."
        )
    try:
        return _Reader(max(LARGE, RATIO * size)).variables(memoryview(file.read()))
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    except (struct.error, zlib.error, ValueError, LookupError, OverflowError) as error:
        raise DataError(f"{path}: a damaged .mat file ({short(str(error))}).") from error


class _Reader:
    def __init__(self, left: int) -> None:
        self.left = left  # bytes that may still be unpacked
        self.count = 0

    def variables(self, data: memoryview) -> dict[str, Any]:
        found: dict[str, Any] = {}
        at = 0
        while at < len(data):
            kind, part, at = self.element(data, at)
            if kind == COMPRESSED:
                kind, part, _ = self.element(memoryview(self._unpacked(part)), 0)
            if kind == MATRIX:
                name, value = self.matrix(part, DEPTH)
                found[name] = value
        return found

    def element(self, data: memoryview, at: int) -> tuple[int, memoryview, int]:
        """Return type and data of an element, and the position after it."""
        self.count += 1
        if self.count > MOST:
            raise DataError(f"it has more than {MOST:,} elements.")
        kind, size = struct.unpack_from("<II", data, at)
        if kind >> 16:  # size and data are in the tag
            size = kind >> 16
            if size > 4:
                raise DataError("damaged: a small element of more than 4 bytes.")
            return kind & 0xFFFF, data[at + 4 : at + 4 + size], at + 8
        at += 8
        if size > len(data) - at:
            raise DataError(
                f"damaged or incomplete: an element of {size:,} bytes where {len(data) - at:,} "
                "follow."
            )
        padded = size if kind == COMPRESSED else -(-size // 8) * 8
        return kind, data[at : at + size], at + padded

    def _unpacked(self, part: memoryview) -> bytes:
        machine = zlib.decompressobj()
        data = machine.decompress(part, self.left + 1)
        self.left -= len(data)
        if self.left < 0:
            raise DataError(
                "its variables claim far more bytes than the file can hold. Such files are made to "
                "fill the memory; it was not read."
            )
        if not machine.eof:
            raise DataError("damaged or incomplete: a compressed variable has no end.")
        return data

    def matrix(self, data: memoryview, depth: int) -> tuple[str, Any]:
        """Return name and value of a matrix."""
        if not len(data):
            return "", np.zeros((0, 0))
        if depth == 0:
            raise DataError(f"its cells and structs lie more than {DEPTH} deep in each other.")
        _, flags, at = self.element(data, 0)
        (word,) = struct.unpack_from("<I", flags, 0)
        _, dims, at = self.element(data, at)
        shape = tuple(int(n) for n in np.frombuffer(dims, "<i4"))
        if not shapes.credible(shape):
            raise DataError(f"a variable claims the shape {short(shape)}, which no array has.")
        _, name, at = self.element(data, at)
        kind = word & 0xFF
        rest = data[at:]
        return bytes(name).decode("latin-1"), self._value(kind, word, shape, rest, depth - 1)

    def _value(
        self, kind: int, word: int, shape: tuple[int, ...], data: memoryview, depth: int
    ) -> Any:
        if kind == CELL:
            return self._matrices(data, math.prod(shape), depth)
        if kind == STRUCT:
            return self._structs(data, math.prod(shape), depth)
        if kind == TEXT:
            stored, raw, _ = self.element(data, 0)
            return self._text(stored, raw)
        if kind not in CLASSES or word & COMPLEX:
            return None  # sparse and complex arrays, function handles, objects
        stored, raw, _ = self.element(data, 0)
        if stored not in NUMBERS:
            raise DataError(f"damaged: numbers of the type {stored}.")
        numbers = np.frombuffer(raw, NUMBERS[stored])
        if numbers.size != math.prod(shape):
            raise DataError(f"a variable {short(shape)} has {numbers.size:,} numbers.")
        return numbers.astype(CLASSES[kind], copy=False).reshape(shape, order="F")

    def _text(self, stored: int, raw: memoryview) -> str:
        wide = np.dtype(NUMBERS.get(stored, "u1")).itemsize == 2
        return bytes(raw).decode("utf-16-le" if wide else "utf-8", errors="replace")

    def _matrices(self, data: memoryview, count: int, depth: int) -> list[Any]:
        found = []
        at = 0
        for _ in range(count):
            _, part, at = self.element(data, at)
            found.append(self.matrix(part, depth)[1])
        return found

    def _structs(self, data: memoryview, count: int, depth: int) -> Any:
        _, length, at = self.element(data, 0)
        (size,) = struct.unpack_from("<i", length, 0)
        _, words, at = self.element(data, at)
        if not 0 < size <= LONGEST_NAME or len(words) % size:
            raise DataError("damaged: the fields of a struct have no names.")
        names = [
            bytes(words[i : i + size]).split(b"\0")[0].decode("latin-1")
            for i in range(0, len(words), size)
        ]
        if not names:
            return {}
        values = self._matrices(data[at:], count * len(names), depth)
        rows = [
            dict(zip(names, values[i : i + len(names)], strict=True))
            for i in range(0, len(values), len(names))
        ]
        return rows[0] if count == 1 else rows
