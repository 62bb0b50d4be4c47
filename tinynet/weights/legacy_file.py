"""PyTorch's .pth files as they were from 2017 until version 1.6: pickles, and bytes behind them.

    0x1950a86a20f9469cfc6c     what these files begin with
    1001                       the number of the format
    {"little_endian": ...}     the machine that wrote it
    the weights                tensors as (storage, offset, size, stride), in dicts
    [KEY, ...]                 the storages, in the order in which they follow
    elements, bytes            of each of them, the first as int64

The first five are pickles, which `pickles` reads without running them. How many bytes belong to a
storage is known from the tensors in it; so the fourth is read twice, before its storages and after.
There are no checksums: a wrong bit among the bytes is a wrong weight.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import numpy as np

from tinynet.core.backend import Array
from tinynet.core.errors import DataError
from tinynet.weights import pickles
from tinynet.weights.pickles import short
from tinynet.weights.torch_file import Storages, check_key, explained, named_tensors, stored

MAGIC = 0x1950A86A20F9469CFC6C
FORMAT = 1001
NOTHING = np.zeros(0)  # stands for a tensor while the storages are not there yet


def read(path: Path, file: BinaryIO) -> dict[str, Array]:
    """Return the tensors of a file by name; read-only views of what was stored."""
    _check_header(path, file)
    start = file.tell()
    with explained(path):
        announced = Announced()
        pickles.read_next(file, announced.storage, lambda *_: NOTHING)
        keys = pickles.read_next(file, _no_tensors, _no_tensors)
        storages = Storages(_contents(path, file, keys, announced.storages).__getitem__)
        file.seek(start)
        return named_tensors(pickles.read_next(file, storages.storage, storages.tensor))


class Announced:
    """What tensors say of their storages: by key the dtype and the number of elements."""

    def __init__(self) -> None:
        self.storages: dict[str, tuple[str, int]] = {}

    def storage(self, dtype: str, key: Any, elements: Any, view: Any = None) -> Array:
        """Note what is said; what is said again must be the same."""
        check_key(key)
        if not isinstance(elements, int) or elements < 0:
            raise DataError(f"storage {key} should hold {short(elements)} elements.")
        said = self.storages.setdefault(key, (dtype, elements))
        if said != (dtype, elements):
            raise DataError(
                f"storage {key} should hold {said[1]:,} elements of {said[0]}, and then again "
                f"{short(elements)} of {dtype}."
            )
        return NOTHING


def _check_header(path: Path, file: BinaryIO) -> None:
    """Refuse what is no file of PyTorch, or one of a format or a machine that is not known."""
    magic = None
    why = "its magic number is missing."
    try:
        magic = pickles.read_next(file, _no_tensors, _no_tensors)
    except DataError as error:
        why = str(error)
    if magic != MAGIC:
        raise DataError(
            f"{path}: a pickle, but not as PyTorch writes them: {why} Nothing in it was run. Save "
            "arrays with numpy.savez."
        )
    with explained(path):
        number = pickles.read_next(file, _no_tensors, _no_tensors)
        machine = pickles.read_next(file, _no_tensors, _no_tensors)
    if number != FORMAT or not isinstance(machine, dict):
        raise DataError(f"{path}: a file of PyTorch in format {short(number)}; {FORMAT} is known.")
    if machine.get("little_endian") is not True:
        raise DataError(
            f"{path}: its bytes are in big-endian order. Save it again on a little-endian machine."
        )


def _contents(
    path: Path, file: BinaryIO, keys: Any, announced: dict[str, tuple[str, int]]
) -> dict[str, bytes]:
    """Return the bytes of each storage, all that the file has left, by key."""
    start = file.tell()
    left = file.seek(0, 2) - start
    file.seek(start)
    words = isinstance(keys, list) and all(isinstance(key, str) for key in keys)
    if not words or sorted(keys) != sorted(announced):
        raise DataError(
            f"{path}: damaged: its tensors lie in the storages {short(sorted(announced))}, and "
            f"what follows is said to be {short(keys)}."
        )
    found = {}
    for key in keys:
        dtype, elements = announced[key]
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


def _no_tensors(*_: Any) -> NoReturn:
    raise DataError("its pickle has a tensor in a place where there are none.")
