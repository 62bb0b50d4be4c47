"""Safetensors: a header of JSON with dtype, shape and place of each array, then their bytes."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from tinynet.core import shapes
from tinynet.core.backend import Array
from tinynet.core.errors import DataError
from tinynet.core.pickles import printable, short
from tinynet.weights import batch_norm_eps, checkpoint, conventions, torch_file
from tinynet.weights.contents import Weights
from tinynet.weights.order import natural
from tinynet.words import sentence

HEADER = 1 << 24  # bytes; a hundred thousand arrays take half of it
DIGITS = 9  # of the number of a format
DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "u1",
    "BOOL": "?",
}

DAMAGED = "{path}: damaged or incomplete safetensors ({why})."


def read(path: Path, file: BinaryIO) -> Weights:
    """Return the arrays and the metadata of a file, or the weights of a checkpoint."""
    from safetensors import SafetensorError, deserialize

    header = _header(path, file)
    try:
        found = deserialize(file.read())  # type: ignore[no-untyped-call]
        found = sorted(found, key=lambda entry: (natural(entry[0]), entry[0]))  # it has no order
    except SafetensorError as error:
        why = printable(str(error))
        raise DataError(sentence(DAMAGED, path=path, why=why)) from error
    metadata = header.get("__metadata__") or {}
    arrays = {name: _array(path, name, entry) for name, entry in found}
    if metadata.get("format", "").startswith("tinynet "):
        return _checkpoint(path, dict(found), metadata)
    stated = conventions.are_stated(metadata, "batch_norm_eps")
    return Weights(arrays, metadata, "safetensors", (), batch_norm_eps.asked_of(arrays, stated))


def _header(path: Path, file: BinaryIO) -> dict[str, Any]:
    """Return the header of a safetensors file, and go back to the start of the file.

    The arrays must end where the file does, which is checked before any of them is read.
    """
    size = file.seek(0, 2)
    file.seek(0)
    (length,) = struct.unpack("<Q", file.read(8))
    if length > min(HEADER, size - 8):
        raise DataError(
            sentence(
                "{path}: damaged or incomplete safetensors: its header has {length:,} bytes, the "
                "file {size:,}; {most:,} are the limit.",
                path=path,
                length=length,
                size=size,
                most=HEADER,
            )
        )
    try:
        header = json.loads(file.read(length))
        ends = [e["data_offsets"][1] for k, e in header.items() if k != "__metadata__"]
        end = 8 + length + max(ends, default=0)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        why = printable(str(error))
        raise DataError(sentence(DAMAGED, path=path, why=why)) from error
    if end != size:
        raise DataError(f"{path}: its arrays end at {short(end)} and the file at {size:,} bytes.")
    file.seek(0)
    return dict(header)


def _array(path: Path, name: str, entry: dict[str, Any]) -> Array:
    dtype = entry["dtype"]
    shape = tuple(entry["shape"])
    raw = entry["data"]
    name = printable(name)
    if not shapes.credible(shape):
        raise DataError(f"{path}: {name} claims the shape {short(shape)}, which no array has.")
    if dtype == "BF16":
        return torch_file.widened(np.frombuffer(raw, "<u2")).reshape(shape)
    if dtype == "C64":
        raise DataError(
            f"{path}: {name} is of dtype C64, complex numbers; weights here are real. Save "
            "x.real and x.imag under two names."
        )
    if dtype not in DTYPES:
        raise DataError(f"{path}: {name} is of dtype {dtype}, which NumPy does not have.")
    return np.frombuffer(raw, DTYPES[dtype]).reshape(shape)


def _checkpoint(path: Path, entries: dict[str, Any], metadata: dict[str, str]) -> Weights:
    """Return the weights of a checkpoint, after comparing its checksums."""
    for name, entry in entries.items():
        group, dot, _ = name.partition(".")
        if not dot or group not in checkpoint.GROUPS or entry["dtype"] not in DTYPES:
            raise DataError(
                f"{path}: not a checkpoint: its array {printable(name)} of {entry['dtype']} is of "
                f"none of the groups {', '.join(checkpoint.GROUPS)}, or of no dtype that NumPy has."
            )
    number = metadata["format"].removeprefix("tinynet ")
    if len(number) > DIGITS:
        raise DataError(f"{path}: its format has a number of {len(number):,} digits.")
    whole = checkpoint.load_model(path)
    facts = {k: v for k, v in whole.metadata.items() if not k.startswith(("format", "crc32."))}
    return Weights(whole.model, facts, "a checkpoint of tinynet")


def write(path: Path, arrays: dict[str, Array], metadata: dict[str, str]) -> bytes:
    """Return the bytes of a file, or raise DataError at a dtype that the format does not have."""
    for name, array in arrays.items():
        if array.dtype not in map(np.dtype, DTYPES.values()):
            raise DataError(
                f"{path}: {name} is of dtype {array.dtype}, which safetensors does not have; "
                "write an .npz."
            )
    from safetensors.numpy import save as serialize

    return serialize(arrays, metadata)
