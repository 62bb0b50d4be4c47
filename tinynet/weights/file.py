"""Weight files: recognizing the format by its contents, reading, and writing."""

from __future__ import annotations

import dataclasses
import json
import struct
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from tinynet.core import archives, numpy_file, pickles, shapes
from tinynet.core.backend import Array
from tinynet.core.errors import DataError
from tinynet.core.pickles import printable, short
from tinynet.data.files import open_regular
from tinynet.weights import checkpoint, legacy_file, torch_file

HEADER = 1 << 24  # bytes of a safetensors; a hundred thousand arrays take half of it
DIGITS = 9  # of the number of a format
KINDS = (".safetensors", ".npz", ".pth")
PICKLES = tuple(bytes([0x80, protocol]) for protocol in (2, 3, 4, 5))
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


@dataclasses.dataclass(frozen=True)
class Weights:
    """Contents of a weight file.

    Parameters
    ----------
    arrays : dict of str to array
    metadata : dict of str to str
        Facts that the file states about itself, such as its `conventions`.
    kind : str
        Format of the file.
    """

    arrays: dict[str, Array]
    metadata: dict[str, str] = dataclasses.field(default_factory=dict)
    kind: str = "safetensors"


def read(path: Path | str) -> Weights:
    """Return the contents of a .safetensors, .npz or .pth file; no code in it is executed.

    Parameters
    ----------
    path : Path or str
        The format is recognized by the contents, not by the suffix.

    Returns
    -------
    Weights

    Raises
    ------
    DataError
        The file is missing, damaged, of another format, or not what such files should be.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import tinynet as tn
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.savez(f"{folder}/a.npz", weight=np.ones(2))
    ...     tn.weights.read(f"{folder}/a.npz").arrays
    {'weight': array([1., 1.])}
    """
    found = _read(Path(path))
    for name in found.arrays:
        if (shown := printable(name)) != name:
            raise DataError(
                f"{path}: an array is called {shown}; names are printable and have up to "
                f"{pickles.LONGEST} characters."
            )
    return found


def _read(path: Path) -> Weights:
    with open_regular(path) as file:
        start = file.read(512)
        file.seek(0)
        if start[:2] == b"PK":
            return _read_archive(path, file)
        if start[8:9] == b"{":
            return _read_safetensors(path, file)
        if start.startswith(PICKLES):
            return Weights(legacy_file.read(path, file), {}, "pth")
    if start[257:262] == b"ustar":
        raise DataError(
            f"{path}: a tar archive, as PyTorch wrote until early 2017, is not read; if you trust "
            "it, write it again there: torch.save(torch.load(PATH, weights_only=False), NEW)."
        )
    raise DataError(
        f"{path}: expected a file of weights ({', '.join(KINDS)}), found "
        f"{'an empty file' if not start else f'one that begins with {start[:8]!r}'}."
    )


def write(weights: Weights, path: Path) -> None:
    """Write weights as .safetensors or .npz, by the suffix of the path."""
    if numpy_file.METADATA in weights.arrays:
        raise DataError(
            f"{path}: an array cannot be called {numpy_file.METADATA}: that name is for metadata."
        )
    arrays = {k: np.ascontiguousarray(a).reshape(a.shape) for k, a in weights.arrays.items()}
    if path.suffix == ".npz":
        data = numpy_file.write(arrays, weights.metadata)
    elif path.suffix == ".safetensors":
        _check_dtypes(path, arrays)
        from safetensors.numpy import save as serialize

        data = serialize(arrays, weights.metadata)
    else:
        raise DataError(f"{path}: weights are written as .safetensors or .npz, networks as .onnx.")
    checkpoint.write_atomically(path, data)


def _check_dtypes(path: Path, arrays: dict[str, Array]) -> None:
    for name, array in arrays.items():
        if array.dtype not in map(np.dtype, DTYPES.values()):
            raise DataError(
                f"{path}: {name} is of dtype {array.dtype}, which safetensors does not have; "
                "write an .npz."
            )


def _read_archive(path: Path, file: BinaryIO) -> Weights:
    with archives.opened(path, file) as archive:
        names = archive.namelist()
        if any(name.endswith("data.pkl") for name in names):
            return Weights(torch_file.read(path, archive), {}, "pth")
        if names and all(name.endswith(".npy") for name in names):
            return Weights(*numpy_file.read(path, archive), "npz")
    raise DataError(
        f"{path}: a zip archive, but neither a .pth (it has no data.pkl) nor an .npz "
        "(its members are not all .npy)."
    )


def _read_safetensors(path: Path, file: BinaryIO) -> Weights:
    from safetensors import SafetensorError, deserialize

    header = _header(path, file)
    try:
        found = deserialize(file.read())  # type: ignore[no-untyped-call]
    except SafetensorError as error:
        why = printable(str(error))
        raise DataError(f"{path}: damaged or incomplete safetensors ({why}).") from error
    metadata = header.get("__metadata__") or {}
    arrays = {name: _array(path, name, entry) for name, entry in found}
    if metadata.get("format", "").startswith("tinynet "):
        return _checkpoint(path, dict(found), metadata)
    return Weights(arrays, metadata, "safetensors")


def _header(path: Path, file: BinaryIO) -> dict[str, Any]:
    """Return the header of a safetensors file, and go back to the start of the file.

    The arrays must end where the file does, which is checked before any of them is read.
    """
    size = file.seek(0, 2)
    file.seek(0)
    (length,) = struct.unpack("<Q", file.read(8))
    if length > min(HEADER, size - 8):
        raise DataError(
            f"{path}: damaged or incomplete safetensors: its header has {length:,} bytes, the "
            f"file {size:,}; {HEADER:,} are the limit."
        )
    try:
        header = json.loads(file.read(length))
        ends = [e["data_offsets"][1] for k, e in header.items() if k != "__metadata__"]
        end = 8 + length + max(ends, default=0)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        why = printable(str(error))
        raise DataError(f"{path}: damaged or incomplete safetensors ({why}).") from error
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
