"""NumPy's .npz files: a zip of arrays, each with a header for its dtype and shape.

Metadata are the comment of the zip, JSON under the key "tinynet": a program that loads the file
with NumPy and gives it to `load_state_dict` finds arrays alone. Files of version 0.1 have the
metadata in a member instead.
"""

from __future__ import annotations

import io
import json
import math
import tokenize
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy

from tinynet.core import shapes
from tinynet.core.archives import member
from tinynet.core.backend import Array
from tinynet.core.errors import DataError
from tinynet.core.pickles import printable, short

HEADER = 10_000  # bytes; NumPy's own limit for untrusted files
METADATA = "__metadata__"  # the member that held the metadata until version 0.1, as JSON
COMMENT = "tinynet"  # the key of the metadata in the comment of the zip
LONGEST_COMMENT = 65_535  # bytes, by the format
NO_HEADER = (
    ValueError,
    LookupError,
    SyntaxError,
    TypeError,
    AttributeError,
    RecursionError,
    MemoryError,
    tokenize.TokenError,
    Warning,
)


def read(path: Path, archive: zipfile.ZipFile) -> tuple[dict[str, Array], dict[str, str]]:
    """Return the arrays by name, and the metadata."""
    arrays = {}
    metadata = _commented(archive.comment)
    for name in archive.namelist():
        array = read_member(path, archive, name)
        if name == f"{METADATA}.npy":
            metadata = _of_member(path, array)
        else:
            arrays[name.removesuffix(".npy")] = array
    return arrays, metadata


def _commented(comment: bytes) -> dict[str, str]:
    """Return the metadata in the comment of a zip, nothing if it is a comment of others."""
    try:
        metadata = json.loads(comment)[COMMENT]
        return {str(k): str(v) for k, v in metadata.items()}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {}


def _of_member(path: Path, array: Array) -> dict[str, str]:
    try:
        metadata = json.loads(bytes(array).decode(errors="replace"))
        return {str(k): str(v) for k, v in metadata.items()}
    except (ValueError, AttributeError, RecursionError) as error:
        raise DataError(f"{path}: its {METADATA} is not JSON ({error}).") from error


def write(arrays: Mapping[str, Array], metadata: dict[str, str]) -> bytes:
    """Return the bytes of an .npz file.

    Raises
    ------
    DataError
        The metadata are longer than a comment of a zip may be.
    """
    comment = json.dumps({COMMENT: metadata}).encode() if metadata else b""
    if len(comment) > LONGEST_COMMENT:
        raise DataError(
            f"the metadata of an .npz have up to {LONGEST_COMMENT:,} bytes, these "
            f"{len(comment):,}. Write a .safetensors."
        )
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.comment = comment
        for name, array in arrays.items():  # numpy.savez cannot write an array called "file"
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                npy.write_array(file, array, allow_pickle=False)
    return out.getvalue()


def read_member(path: Path, archive: zipfile.ZipFile, name: str) -> Array:
    """Return the array in one member, after comparing its header with its size."""
    data = member(path, archive, name)
    file = io.BytesIO(data)
    name = printable(name)
    shape, fortran, dtype = read_header(path, name, file)
    if dtype.kind not in "fiub":
        raise DataError(
            f"{path}: {name} holds {printable(str(dtype))}; numbers are read. Objects are "
            "pickles and are not read; save plain arrays with numpy.savez."
        )
    if not shapes.credible(shape):
        raise DataError(f"{path}: {name} claims the shape {short(shape)}, which no array has.")
    rest = data[file.tell() :]
    if len(rest) != math.prod(shape) * dtype.itemsize:
        raise DataError(
            f"{path}: {name} should hold {shape} of {dtype}, and there are {len(rest):,} bytes."
        )
    array = np.frombuffer(rest, dtype).reshape(shape, order="F" if fortran else "C")
    return array.astype(dtype.newbyteorder("="), copy=False)


def read_header(path: Path, name: str, file: BinaryIO) -> tuple[Any, bool, np.dtype[Any]]:
    """Return shape, whether in Fortran's order, and dtype of an .npy; go behind its header."""
    start = file.read(12)
    file.seek(-len(start), 1)
    length = int.from_bytes(start[8 : 10 if start[6:7] == b"\1" else 12], "little")
    if length > HEADER:
        raise DataError(
            f"{path}: {name} has a header of {length:,} bytes; {HEADER:,} are the limit."
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a header of Python 2 that is damaged too
            version = npy.read_magic(file)
            header = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
            shape, fortran, dtype = header[version](file, max_header_size=HEADER)
    except NO_HEADER as error:
        raise DataError(f"{path}: its member {name} is not a NumPy array ({error}).") from error
    return shape, fortran, dtype
