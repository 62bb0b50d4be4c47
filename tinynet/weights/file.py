"""Reading and writing a file of weights, whichever of the known kinds it is."""

from __future__ import annotations

import dataclasses
import json
import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np

from tinynet import checkpoint
from tinynet.backend import Array
from tinynet.data.files import open_regular
from tinynet.errors import DataError
from tinynet.weights import archives, legacy_file, numpy_file, pickles, torch_file

KINDS = (".safetensors", ".npz", ".pth")
PICKLES = tuple(bytes([0x80, protocol]) for protocol in (2, 3, 4, 5))
DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?",
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Weights:
    """What a file of weights holds: arrays by name, and what it says of itself."""

    arrays: dict[str, Array]
    metadata: dict[str, str] = dataclasses.field(default_factory=dict)
    kind: str = "safetensors"


def read(path: Path | str) -> Weights:
    """Return the contents of a .safetensors, .npz or .pth file, or raise a DataError."""
    found = _read(Path(path))
    for name in found.arrays:
        if (shown := pickles.printable(name)) != name:
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
            return _read_safetensors(path, file.read())
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


def save(path: Path | str, weights: Weights) -> None:
    """Write weights as .safetensors or .npz, which the path's ending says."""
    path = Path(path)
    arrays = {k: np.ascontiguousarray(a).reshape(a.shape) for k, a in weights.arrays.items()}
    if path.suffix == ".npz":
        data = numpy_file.write(arrays, weights.metadata)
    elif path.suffix == ".safetensors":
        from safetensors.numpy import save as serialise

        data = serialise(arrays, weights.metadata)
    else:
        raise DataError(f"{path}: weights are written as .safetensors or .npz, networks as .onnx.")
    checkpoint.write_atomically(path, data)


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


def _read_safetensors(path: Path, data: bytes) -> Weights:
    from safetensors import SafetensorError, deserialize

    try:
        found = deserialize(data)  # type: ignore[no-untyped-call]
    except SafetensorError as error:
        why = pickles.printable(str(error))
        raise DataError(f"{path}: damaged or incomplete safetensors ({why}).") from error
    (length,) = struct.unpack("<Q", data[:8])
    metadata = json.loads(data[8 : 8 + length]).get("__metadata__") or {}
    if metadata.get("format", "").startswith("tinynet "):
        whole = checkpoint.load_model(path)  # which compares the checksums too
        said = {k: v for k, v in whole.metadata.items() if not k.startswith(("format", "crc32."))}
        return Weights(whole.model, said, "a checkpoint of tinynet")
    arrays = {}
    for name, entry in found:
        dtype, shape, raw = entry["dtype"], entry["shape"], entry["data"]
        if dtype == "BF16":
            arrays[name] = torch_file.widened(np.frombuffer(raw, "<u2")).reshape(shape)
        elif dtype in DTYPES:
            arrays[name] = np.frombuffer(raw, DTYPES[dtype]).reshape(shape)
        else:
            raise DataError(f"{path}: {name} is of dtype {dtype}, which NumPy does not have.")
    return Weights(arrays, metadata, "safetensors")
