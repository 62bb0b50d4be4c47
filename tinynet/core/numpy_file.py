"""NumPy's .npz files: a zip of arrays, each with a header for its dtype and shape."""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from tinynet.core import shapes
from tinynet.core.archives import member
from tinynet.core.backend import Array
from tinynet.core.errors import DataError
from tinynet.core.pickles import printable, short

HEADER = 10_000  # bytes; NumPy's own limit for untrusted files
METADATA = "__metadata__"  # the member that holds the metadata, as JSON


def read(path: Path, archive: zipfile.ZipFile) -> tuple[dict[str, Array], dict[str, str]]:
    """Return the arrays by name, and the metadata."""
    arrays = {}
    text = "{}"
    for name in archive.namelist():
        array = read_member(path, archive, name)
        if name == f"{METADATA}.npy":
            text = bytes(array).decode(errors="replace")
        else:
            arrays[name.removesuffix(".npy")] = array
    try:
        metadata = json.loads(text)
        return arrays, {str(k): str(v) for k, v in metadata.items()}
    except (ValueError, AttributeError, RecursionError) as error:
        raise DataError(f"{path}: its {METADATA} is not JSON ({error}).") from error


def write(arrays: Mapping[str, Array], metadata: dict[str, str]) -> bytes:
    """Return the bytes of an .npz file."""
    encoded = np.frombuffer(json.dumps(metadata).encode(), np.uint8)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, array in {
            **arrays,
            METADATA: encoded,
        }.items():  # numpy.savez cannot write an array called "file"
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                npy.write_array(file, array, allow_pickle=False)
    return out.getvalue()


def read_member(path: Path, archive: zipfile.ZipFile, name: str) -> Array:
    """Return the array in one member, after comparing its header with its size."""
    data = member(path, archive, name)
    file = io.BytesIO(data)
    name = printable(name)
    length = int.from_bytes(data[8 : 10 if data[6:7] == b"\1" else 12], "little")
    if length > HEADER:
        raise DataError(
            f"{path}: {name} has a header of {length:,} bytes; {HEADER:,} are the limit."
        )
    try:
        version = npy.read_magic(file)
        header = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}[version]
        shape, fortran, dtype = header(file, max_header_size=HEADER)
    except (ValueError, KeyError, SyntaxError, RecursionError, MemoryError) as error:
        raise DataError(f"{path}: its member {name} is not a NumPy array ({error}).") from error
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
