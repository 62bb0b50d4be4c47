"""PyTorch's tar archives of 2016: three members, each of them pickles and raw numbers.

storages    count, then for each: (key, device, type), elements as int64, the elements;
then the views of storages, as a list of (key, key of the whole, offset, size)
tensors     count, then for each: (key, key of its storage, type), axes as int32, 4 bytes
without a meaning, size, stride and offset as int64
pickle      the weights, in which each tensor is referred to by its key
"""

from __future__ import annotations

import io
import struct
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from tinynet.core import pickles
from tinynet.core.backend import Array
from tinynet.core.errors import DataError
from tinynet.core.pickles import STORAGES, Name, short
from tinynet.weights import foreign
from tinynet.weights.torch_file import Named, Storages, explained, named_tensors, stored

MEMBERS = ("storages", "tensors", "pickle")
MOST = 10_000  # members, storages or tensors; a ResNet-152 has under a thousand
AXES = 32


def read(path: Path, file: BinaryIO) -> Named:
    """Return the tensors of a file by name, and notes."""
    parts = _members(path, file)
    with explained(path):
        contents = _Contents(io.BytesIO(parts["storages"]))
        tensors = dict(_tensors(io.BytesIO(parts["tensors"]), contents))
        machine = _TarMachine(tensors)
        return named_tensors(foreign.run(machine, parts["pickle"][: pickles.LARGEST])[0])


LARGEST = 1 << 40  # bytes of a storage


class _TarMachine(foreign.CheckpointMachine):
    """A machine whose tensors are referred to by a key."""

    def __init__(self, tensors: dict[str, Array]) -> None:
        super().__init__(pickles.no_tensors, pickles.no_tensors)
        self.tensors = tensors

    def _do_binpersid(self, _: Any) -> None:
        reference = self.stack.pop()
        if isinstance(reference, tuple) and reference and isinstance(reference[0], foreign.Foreign):
            self.stack.append(reference[0])  # a class, with its source
        elif isinstance(reference, str | int) and str(reference) in self.tensors:
            self.stack.append(self.tensors[str(reference)])
        else:
            raise DataError(f"its pickle refers to {short(reference)}, which is no tensor of it.")


class _Contents:
    """The storages of a file by key, and views of them."""

    def __init__(self, file: BinaryIO) -> None:
        self.declared: dict[str, tuple[str, int]] = {}
        self.views: dict[str, tuple[str, int, int]] = {}
        found: dict[str, bytes] = {}
        for _ in range(_count(file, "storages")):
            key, dtype = _entry(_next(file), 2, STORAGES)
            (elements,) = _integers(file, 1)
            size = elements * stored(STORAGES[dtype]).itemsize
            data = file.read(size) if 0 <= size < LARGEST else b""
            if len(data) != size or key in found:
                raise DataError(f"damaged or incomplete: storage {key} has {len(data):,} bytes.")
            found[key] = data
            self.declared[key] = STORAGES[dtype], elements
        for view in _views(_next(file)):
            self.views[str(view[0])] = str(view[1]), view[2], view[3]
        self.storages = Storages(found.__getitem__)

    def _declaration(self, key: str) -> tuple[str, str, int]:
        dtype, elements = self.declared[key]
        return dtype, key, elements

    def tensor(self, key: str, offset: int, size: Any, stride: Any) -> Array:
        """Return a tensor in a storage, or in a view of one."""
        whole = key
        view: tuple[str, int, int] | None = None
        if key in self.views:
            whole, start, length = self.views[key]
            view = (key, start, length)
        if whole not in self.declared:
            raise DataError(f"a tensor lies in storage {short(key)}, which is not there.")
        storage = self.storages.storage(
            self.declared[whole][0], whole, self.declared[whole][1], view
        )
        return self.storages.tensor(storage, offset, size, stride)


def _tensors(file: BinaryIO, contents: _Contents) -> Iterator[tuple[str, Array]]:
    for _ in range(_count(file, "tensors")):
        entry = _next(file)
        if not isinstance(entry, tuple) or len(entry) != 3:
            raise DataError(f"a tensor is described by {short(entry)}.")
        key, storage, _kind = entry
        (axes,) = struct.unpack("<ixxxx", _exactly(file, 8))
        if not 0 <= axes <= AXES:
            raise DataError(f"a tensor of {axes} axes; {AXES} are the limit.")
        size = _integers(file, axes)
        stride = _integers(file, axes)
        (offset,) = _integers(file, 1)
        yield str(_key(key)), contents.tensor(str(_key(storage)), offset, size, stride)


def _members(path: Path, file: BinaryIO) -> dict[str, bytes]:
    """Return the three members; nothing is unpacked to the disk, other members are not read."""
    found: dict[str, bytes] = {}
    size = file.seek(0, 2)
    file.seek(0)
    try:
        with tarfile.open(fileobj=file, mode="r:") as tar:
            for count, member in enumerate(tar):
                if member.name in MEMBERS and member.isreg() and not member.sparse:
                    inside = tar.extractfile(member)
                    if member.size > size or inside is None or member.name in found:
                        raise DataError(f"{path}: damaged: its member {member.name} is odd.")
                    found[member.name] = inside.read(member.size)
                if count > MOST or len(found) == len(MEMBERS):
                    break
    except (tarfile.TarError, OSError, EOFError, ValueError, OverflowError) as error:
        raise DataError(
            f"{path}: a damaged or incomplete tar archive ({short(str(error))})."
        ) from error
    missing = [name for name in MEMBERS if name not in found]
    if missing:
        raise DataError(
            f"{path}: a tar archive without the member {missing[0]}, so none of weights; PyTorch "
            "wrote such archives in 2016. Unpack it, and name the file of weights in it."
        )
    return found


def _next(file: BinaryIO) -> Any:
    """Return the contents of the next pickle, which is read no further than its end."""
    return foreign.run(foreign.CheckpointMachine(pickles.no_tensors, pickles.no_tensors), file)[0]


def _count(file: BinaryIO, things: str) -> int:
    found = _next(file)
    if type(found) is not int or not 0 <= found <= MOST:
        raise DataError(f"it should have {short(found)} {things}; {MOST:,} are the limit.")
    return found


def _entry(entry: Any, place: int, known: dict[str, str]) -> tuple[str, str]:
    """Return key and type of a storage."""
    kind = entry[place] if isinstance(entry, tuple) and len(entry) == 3 else None
    if not isinstance(kind, Name) or kind not in known:
        raise DataError(f"a storage is described by {short(entry)}.")
    return str(_key(entry[0])), str(kind)


def _key(key: Any) -> Any:
    if not isinstance(key, str | int) or isinstance(key, bool) or len(str(key)[:40]) == 40:
        raise DataError(f"it calls a storage or a tensor {short(key)}; they have numbers.")
    return key


def _views(views: Any) -> Iterator[tuple[Any, Any, int, int]]:
    if not isinstance(views, list) or len(views) > MOST:
        raise DataError(f"its views of storages are {short(views)}.")
    for view in views:
        whole = isinstance(view, tuple) and len(view) == 4
        if not whole or not all(type(n) is int for n in view[2:]):
            raise DataError(f"a view of a storage is {short(view)}.")
        yield _key(view[0]), _key(view[1]), view[2], view[3]


def _integers(file: BinaryIO, count: int) -> tuple[int, ...]:
    return struct.unpack(f"<{count}q", _exactly(file, 8 * count))


def _exactly(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) != size:
        raise DataError("damaged or incomplete: it ends within a tensor.")
    return data
