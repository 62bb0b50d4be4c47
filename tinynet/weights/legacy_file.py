"""Legacy .pth files, as PyTorch wrote them from 2017 until version 1.6: pickles, then raw bytes.

    0x1950a86a20f9469cfc6c     magic number
    1001                       number of the format
    {"little_endian": ...}     the machine that wrote it
    the weights                tensors as (storage, offset, size, stride), in dicts
    [KEY, ...]                 the storages, in the order in which they follow
    elements, bytes            of each of them, the first as int64

The first five are pickles, which `foreign` and `core.pickles` read without executing them. The size
of a storage is known only from the tensors in it, so the fourth is read twice: before the storages
and after. There are no checksums: a flipped bit is a wrong weight.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from tinynet.core import pickles
from tinynet.core.backend import Array
from tinynet.core.errors import DataError
from tinynet.core.pickles import short
from tinynet.weights import foreign
from tinynet.weights.torch_file import (
    Named,
    Storages,
    check_key,
    explained,
    named_tensors,
    stored,
)

MAGIC = 0x1950A86A20F9469CFC6C
FORMAT = 1001
NOTHING = np.zeros(0)  # placeholder of a tensor while its storage has not been read


def read(path: Path, file: BinaryIO) -> Named:
    """Return the tensors of a file by name, as read-only views of what was stored, and notes."""
    _check_header(path, file)
    start = file.tell()
    with explained(path):
        declared = DeclaredStorages()
        named_tensors(foreign.read_next(file, declared.storage, lambda *_: NOTHING))
        keys = pickles.read_next(file, pickles.no_tensors, pickles.no_tensors)
        storages = Storages(_contents(path, file, keys, declared.storages).__getitem__)
        file.seek(start)
        return named_tensors(foreign.read_next(file, storages.storage, storages.tensor))


class DeclaredStorages:
    """Dtype and number of elements of each storage, as the tensors declare them, by key."""

    def __init__(self) -> None:
        self.storages: dict[str, tuple[str, int]] = {}

    def storage(self, dtype: str, key: Any, elements: Any, view: Any = None) -> Array:
        """Record a declaration; a second one for the same key must be equal."""
        check_key(key)
        if not isinstance(elements, int) or elements < 0:
            raise DataError(f"storage {key} should hold {short(elements)} elements.")
        known = self.storages.setdefault(key, (dtype, elements))
        if known != (dtype, elements):
            raise DataError(
                f"storage {key} should hold {known[1]:,} elements of {known[0]}, and then again "
                f"{short(elements)} of {dtype}."
            )
        return NOTHING


def _check_header(path: Path, file: BinaryIO) -> None:
    """Raise DataError unless it is a PyTorch file of a known format and byte order."""
    magic = None
    why = "its magic number is missing."
    try:
        magic = pickles.read_next(file, pickles.no_tensors, pickles.no_tensors)
    except DataError as error:
        why = str(error)
    if magic != MAGIC:
        raise DataError(
            f"{path}: a pickle, but not as PyTorch writes them: {why} Nothing in it was executed. "
            "Save "
            "arrays with numpy.savez."
        )
    with explained(path):
        number = pickles.read_next(file, pickles.no_tensors, pickles.no_tensors)
        machine = pickles.read_next(file, pickles.no_tensors, pickles.no_tensors)
    if number != FORMAT or not isinstance(machine, dict):
        raise DataError(f"{path}: a file of PyTorch in format {short(number)}; {FORMAT} is known.")
    if machine.get("little_endian") is not True:
        raise DataError(
            f"{path}: its bytes are in big-endian order. Save it again on a little-endian machine."
        )


def _contents(
    path: Path, file: BinaryIO, keys: Any, declared: dict[str, tuple[str, int]]
) -> dict[str, bytes]:
    """Return the bytes of each storage by key; they must be all that the file has left."""
    start = file.tell()
    left = file.seek(0, 2) - start
    file.seek(start)
    words = isinstance(keys, list) and all(isinstance(key, str) for key in keys)
    if not words or sorted(keys) != sorted(declared):
        raise DataError(
            f"{path}: damaged: its tensors lie in the storages {short(sorted(declared))}, and "
            f"the file lists {short(keys)}."
        )
    found = {}
    for key in keys:
        dtype, elements = declared[key]
        size = elements * stored(dtype).itemsize
        left -= 8 + size
        if left < 0 or struct.unpack("<q", file.read(8)) != (elements,):
            raise DataError(
                f"{path}: damaged or incomplete: storage {key} should hold {short(elements)} x "
                f"{stored(dtype).itemsize} bytes."
            )
        found[key] = file.read(size)
    if left:
        raise DataError(f"{path}: {left:,} bytes at its end belong to no tensor. It was not read.")
    return found
