"""Weight files: recognizing the format by its contents, reading, and writing."""

from __future__ import annotations

import mmap
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np

from tinynet.core import archives, mat_file, numpy_file, pickles
from tinynet.core.errors import DataError
from tinynet.core.pickles import printable, short
from tinynet.core.table import first_names
from tinynet.data.files import open_regular
from tinynet.weights import (
    batch_norm_eps,
    caffe_file,
    checkpoint,
    conventions,
    keras_file,
    legacy_file,
    matconvnet_file,
    npy_file,
    onnx_file,
    protobuf,
    safetensors_file,
    tar_file,
    torch_file,
    torch_writer,
)
from tinynet.weights.contents import Weights
from tinynet.weights.protobuf import Message
from tinynet.words import sentence

KINDS = (".pth", ".safetensors", ".npz", ".npy", ".caffemodel", ".h5", ".keras", ".onnx", ".mat")
WRITTEN = (".safetensors", ".npz", ".pt", ".pth")
PICKLES = tuple(bytes([0x80, protocol]) for protocol in (2, 3, 4, 5))
OTHERS = {
    b"version https://git-lfs": "a pointer of Git LFS: `git lfs pull` fetches the file itself",
    b"<": "a page (HTML or XML) that was saved in place of the file; download it again",
    b"\x1f\x8b": "a gzip archive; unpack it, and name the file in it",
}
"""What stands in place of a file of weights, by its first bytes."""
LARGEST_MESSAGE = 1 << 31  # bytes; protocol buffers themselves end there


def read(path: Path | str) -> Weights:
    """Return the contents of a weight file of any known format; no code in it is executed.

    Parameters
    ----------
    path : Path or str
        PyTorch's .pth of any age, .safetensors, .npz, .npy with a dict, .caffemodel, Keras's .h5,
        .weights.h5 and .keras (they need h5py), .onnx (initializers), MatConvNet's .mat. The format
        is recognized by the contents, not by the suffix.

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
    path = Path(path)
    if path.is_dir():
        raise DataError(_of_folder(path))
    with open_regular(path) as file:
        try:
            found = _read(path, file)
        except DataError as error:
            if str(path) in str(error):
                raise
            raise DataError(f"{path}: {error}") from error
        size = file.seek(0, 2)
    for name in found.arrays:
        if (shown := printable(name)) != name:
            raise DataError(
                f"{path}: an array is called {shown}; names are printable and have up to "
                f"{pickles.LONGEST} characters."
            )
    shown_bytes = sum(array.nbytes for array in found.arrays.values())
    if shown_bytes > max(archives.LARGE, archives.LARGEST_RATIO * size):
        raise DataError(
            f"{path}: its arrays show {shown_bytes:,} bytes, and the file has {size:,}. Such files "
            "are made to fill the memory."
        )
    return found


def _of_folder(path: Path) -> str:
    """Return that a folder is no file of weights, and which of its files may be one."""
    names = sorted(p.name for p in path.iterdir() if p.suffix.lower() in (*KINDS, *WRITTEN))
    inside = sentence(" In it: {names}.", names=first_names(names, 5)) if names else ""
    said = "{path}: expected a file of weights, found a folder.{inside}"
    return sentence(said, path=path, inside=inside)


def _read(path: Path, file: BinaryIO) -> Weights:
    start = file.read(1024)
    file.seek(0)
    for is_of, read_format in FORMATS:
        if is_of(start):
            return read_format(path, file)
    if (message := _message(file)) is not None:
        return _read_message(path, message)
    said = "{path}: expected a file of weights ({kinds}), found {what}."
    kinds = ", ".join(KINDS)
    raise DataError(sentence(said, path=path, kinds=kinds, what=_described(path, start)))


def _described(path: Path, start: bytes) -> str:
    if not start:
        return sentence("an empty file")
    if path.suffix == ".prototxt":
        return "the description of a network of Caffe; the weights are in its .caffemodel"
    for mark, what in OTHERS.items():
        if start.lstrip().startswith(mark):
            return what
    return sentence("one that begins with {bytes}", bytes=repr(start[:8]))


def _message(file: BinaryIO) -> Message | None:
    """Return a file as a message of protocol buffers, or None if it is none.

    Only the keys of the fields are looked at first, so a large file of another kind is not read.
    """
    size = file.seek(0, 2)
    if not 0 < size < LARGEST_MESSAGE:
        return None
    try:
        fields = protobuf.numbers_of_fields(
            memoryview(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ))
        )
        if not fields <= caffe_file.FIELDS | onnx_file.FIELDS:
            return None
        file.seek(0)
        return Message(file.read())
    except DataError:
        return None


def _read_message(path: Path, message: Message) -> Weights:
    if onnx_file.is_model(message):
        return onnx_file.read(path, message)
    if caffe_file.is_network(message):
        return caffe_file.read(path, message)
    if caffe_file.is_mean_image(message):
        return caffe_file.read_mean_image(message)
    raise DataError(
        f"{path}: expected a file of weights ({', '.join(KINDS)}), found protocol buffers that are "
        f"neither a .caffemodel nor an .onnx; their fields are {short(sorted(message.fields))}."
    )


def write(weights: Weights, path: Path) -> None:
    """Write weights as .safetensors, .npz or PyTorch's .pt, by the suffix of the path."""
    if numpy_file.METADATA in weights.arrays:
        raise DataError(
            f"{path}: an array cannot be called {numpy_file.METADATA}: that name is for metadata."
        )
    arrays = {k: np.ascontiguousarray(a).reshape(a.shape) for k, a in weights.arrays.items()}
    if path.suffix == ".npz":
        data = numpy_file.write(arrays, weights.metadata)
    elif path.suffix == ".safetensors":
        data = safetensors_file.write(path, arrays, weights.metadata)
    elif path.suffix in (".pt", ".pth"):
        data = torch_writer.write(path, arrays)
    else:
        said = "{path}: weights are written as .safetensors, .npz or .pt, networks as .onnx."
        raise DataError(sentence(said, path=path))
    checkpoint.write_atomically(path, data)


def _read_archive(path: Path, file: BinaryIO) -> Weights:
    with archives.opened(path, file) as archive:
        names = archive.namelist()
        if any(name.endswith("data.pkl") for name in names):
            return _pth(torch_file.read(path, archive))
        if names and all(name.endswith(".npy") for name in names):
            arrays, metadata = numpy_file.read(path, archive)
            stated = conventions.are_stated(metadata, "batch_norm_eps")
            return Weights(arrays, metadata, "npz", (), batch_norm_eps.asked_of(arrays, stated))
        if keras_file.INSIDE in names and "config.json" in names:
            return keras_file.read_archive(path, archive)
    raise DataError(
        f"{path}: a zip archive, but neither a .pth (it has no data.pkl) nor an .npz (its members "
        f"are not all .npy) nor a .keras (it has no {keras_file.INSIDE})."
    )


def _pth(found: torch_file.Named, kind: str = "pth") -> Weights:
    arrays, notes = found
    return Weights(arrays, {}, kind, notes)


FORMATS: list[tuple[Callable[[bytes], bool], Callable[[Path, BinaryIO], Weights]]] = [
    (lambda start: start[:2] == b"PK", _read_archive),
    (lambda start: start.startswith(mat_file.HDF5), matconvnet_file.read),  # says how to save it
    (
        lambda start: keras_file.SIGNATURE in (start[:8], start[512:520]),
        keras_file.read,
    ),
    (lambda start: start[8:9] == b"{", safetensors_file.read),
    (
        lambda start: start.startswith(PICKLES),
        lambda path, file: _pth(legacy_file.read(path, file)),
    ),
    (
        lambda start: start[257:262] == b"ustar",
        lambda path, file: _pth(tar_file.read(path, file), "pth: a tar archive of 2016"),
    ),
    (lambda start: start.startswith(b"\x93NUMPY"), npy_file.read),
    (lambda start: start.startswith(mat_file.START), matconvnet_file.read),
]
"""How a format is recognized by its first bytes, and its reader; protocol buffers have no mark."""
