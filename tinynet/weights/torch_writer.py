"""PyTorch's .pt, written without PyTorch: what torch.load reads with its defaults.

    archive/data.pkl     OrderedDict of tensors, each a call of torch._utils._rebuild_tensor_v2
                         with a storage, referred to by ("storage", type, key, "cpu", elements)
    archive/byteorder    "little"
    archive/data/KEY     the elements of one storage, at a multiple of 64 bytes
    archive/version      "3"

Only names of tensors stand in the pickle, so torch.load(PATH) with weights_only=True, its default
since version 2.6, takes it. Every instruction is written out here.
"""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tinynet.core.backend import Array
from tinynet.core.errors import DataError
from tinynet.core.pickles import STORAGES

ROOT = "archive"
TYPES = {np.dtype(dtype): name for name, dtype in STORAGES.items() if dtype != "bf16"}
ALIGNMENT = 64
HEADER = 30  # bytes of a member's header in a zip, before its name
DATE = (1980, 1, 1, 0, 0, 0)

MARK = b"("
TUPLE = b"t"
REDUCE = b"R"
SETITEMS = b"u"
STOP = b"."
EMPTY_TUPLE = b")"
FALSE = b"\x89"
PERSISTENT = b"Q"
PROTOCOL = b"\x80\x02"


def write(path: Path, arrays: dict[str, Array]) -> bytes:
    """Return the bytes of a file with a state_dict.

    Raises
    ------
    DataError
        PyTorch has no storage of the dtype of an array.
    """
    for name, array in arrays.items():
        if array.dtype not in TYPES:
            raise DataError(
                f"{path}: {name} is of dtype {array.dtype}, which this format does not have; write "
                "an .npz."
            )
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        _add(archive, "data.pkl", _program(arrays))
        _add(archive, "byteorder", b"little")
        for key, array in enumerate(arrays.values()):
            little = array.astype(array.dtype.newbyteorder("<"), copy=False)
            _add(archive, f"data/{key}", little.tobytes())
        _add(archive, "version", b"3\n")
    return out.getvalue()


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    """Add a member whose data begins at a multiple of 64 bytes, as PyTorch maps it to memory."""
    info = zipfile.ZipInfo(f"{ROOT}/{name}", DATE)
    assert archive.fp is not None
    start = archive.fp.tell() + HEADER + len(info.filename) + 4
    padding = -start % ALIGNMENT
    info.extra = struct.pack("<HH", 0x4246, padding) + b"Z" * padding
    archive.writestr(info, data)


def _program(arrays: dict[str, Array]) -> bytes:
    items = b"".join(
        _text(name) + _tensor(str(key), array) for key, (name, array) in enumerate(arrays.items())
    )
    return PROTOCOL + _ordered_dict() + MARK + items + SETITEMS + STOP


def _ordered_dict() -> bytes:
    return _name("collections", "OrderedDict") + EMPTY_TUPLE + REDUCE


def _tensor(key: str, array: Array) -> bytes:
    """Return the instructions that make a tensor from a storage of its own."""
    module, kind = TYPES[array.dtype].split(" ")
    storage = _text("storage") + _name(module, kind) + _text(key) + _text("cpu")
    reference = MARK + storage + _number(array.size) + TUPLE + PERSISTENT
    strides = [step // array.itemsize for step in array.strides]
    arguments = reference + _number(0) + _numbers(array.shape) + _numbers(strides)
    no_gradient_no_hooks = FALSE + _ordered_dict()
    rebuild = _name("torch._utils", "_rebuild_tensor_v2")
    return rebuild + MARK + arguments + no_gradient_no_hooks + TUPLE + REDUCE


def _name(module: str, name: str) -> bytes:
    return b"c" + f"{module}\n{name}\n".encode()


def _text(word: str) -> bytes:
    raw = word.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def _number(value: int) -> bytes:
    if value < 1 << 8:
        return b"K" + bytes([value])
    if value < 1 << 31:
        return b"J" + struct.pack("<i", value)
    raw = value.to_bytes(8, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


def _numbers(values: Sequence[int]) -> bytes:
    return MARK + b"".join(map(_number, values)) + TUPLE
