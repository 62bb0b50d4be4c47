"""MNIST's containers: the original idx files under all their names, mnist.npz of Keras, CSV.

An idx file is a header of big-endian 32-bit integers, then one byte for each value:

    images   2051, count, 28, 28, pixels row by row
    labels   2049, count, labels

gzip carries a checksum of the contents, so a file that was compressed anew is as good as the
original.
"""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np

from tinynet.core import archives, numpy_file
from tinynet.core.backend import Array
from tinynet.core.errors import DataError
from tinynet.data import unread
from tinynet.data.download import Source
from tinynet.data.files import DamagedError, is_there, open_regular, unreadable
from tinynet.words import sentence

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)


def _source(name: str, size: int, md5: str) -> Source:
    return Source(name, size, md5, tuple(mirror + name for mirror in MIRRORS))


ARCHIVES = (
    _source("train-images-idx3-ubyte.gz", 9_912_422, "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
    _source("train-labels-idx1-ubyte.gz", 28_881, "d53e105ee54ea40749a09fcbcd1e9432"),
    _source("t10k-images-idx3-ubyte.gz", 1_648_877, "9fb629c4189551a2d022fa330f9573f3"),
    _source("t10k-labels-idx1-ubyte.gz", 4_542, "ec29112dd5afa0611ce80d1b7f02629c"),
)
FOLDERS = ("", "mnist", "MNIST", "raw", "MNIST/raw")
"""Below root; the last one is where torchvision puts the files."""
NPZ = "mnist.npz"  # of Keras
TABLES = {"train": "mnist_train.csv", "test": "mnist_test.csv"}  # of Kaggle
SIDE = 28
COLUMNS = 1 + SIDE * SIDE  # of a table
LONGEST_ROW = 8 * COLUMNS  # characters; three digits and a comma are enough
LONGEST_TITLES = 1 << 16
AT_A_TIME = 500  # rows of a table


def locate_idx(root: Path, name: str) -> Path | None:
    """Return the idx file `name`, unpacked or compressed, below `root`; or None.

    Programs unpack train-images-idx3-ubyte.gz to train-images.idx3-ubyte, or to a folder that is
    called like the file in it: that counts too.
    """
    plain = name.removesuffix(".gz")
    dotted = plain.replace("-idx", ".idx")
    spellings = (plain, name, dotted, f"{dotted}.gz")
    for folder in FOLDERS:
        for spelling in spellings:
            path = root / folder / spelling
            if not is_there(path):
                continue
            inside = [path / each for each in spellings if path.is_dir()]
            return next((each for each in inside if is_there(each)), path)
    return None


def locate_beside(root: Path, name: str) -> Path | None:
    """Return a file of this name at `root` or in one of FOLDERS below it, or None."""
    found = (root / folder / name for folder in FOLDERS)
    return next((path for path in found if is_there(path)), None)


def read_idx(path: Path, shape: tuple[int, ...]) -> Array:
    """Return the bytes of an idx file whose header must announce this shape, as uint8."""
    header = [0x0800 + len(shape), *shape]
    begin = 4 * len(header)
    size = begin + int(np.prod(shape))
    data = _content(path, size)
    found = [int.from_bytes(data[i : i + 4], "big") for i in range(0, min(begin, len(data)), 4)]
    if found != header:
        raise DamagedError(f"{path}: the header of this idx file must be {header}. Found {found}.")
    if len(data) != size:
        raise DamagedError(
            f"{path}: {shape[0]:,} records need {size:,} bytes with the header. "
            f"{_length(len(data), begin, shape)}."
        )
    return np.frombuffer(data, np.uint8, offset=begin).reshape(shape).copy()


def read_npz(path: Path, part: str, count: int) -> tuple[Array, Array]:
    """Return images (count, 28, 28) uint8 and labels of a part of mnist.npz, without pickles."""
    arrays = []
    with open_regular(path) as file, archives.opened(path, file) as archive:
        for name in (f"x_{part}", f"y_{part}"):
            if f"{name}.npy" not in archive.namelist():
                raise DamagedError(f"{path}: it must hold x_train, y_train, x_test and y_test.")
            arrays.append(numpy_file.read_member(path, archive, f"{name}.npy"))
    images, labels = arrays
    shape = (count, SIDE, SIDE)
    whole = labels.dtype.kind in "iu" and labels.shape == (count,)
    if images.dtype != np.uint8 or images.shape != shape or not whole:
        raise DamagedError(
            f"{path}: x_{part} must be uint8 {shape}, and y_{part} {count} integers. Found "
            f"{images.dtype} {images.shape} and {labels.dtype} {labels.shape}."
        )
    return images, labels


def read_table(path: Path, count: int) -> tuple[Array, Array]:
    """Return images (count, 28, 28) uint8 and labels of a CSV: the label, then 784 pixels a row."""
    rows = np.empty((count, COLUMNS), np.uint8)
    with open_regular(path) as file:
        try:
            begin = file.read(1)
            file.seek(0)
            if not begin.isdigit():
                file.readline(LONGEST_TITLES)
            for first in range(0, count, AT_A_TIME):
                block = rows[first : first + AT_A_TIME]
                lines = [file.readline(LONGEST_ROW) for _ in range(len(block))]
                block[:] = _numbers(path, lines, first)
            rest = file.read(1)
        except OSError as error:
            raise unreadable(path, error) from None
    if rest:
        raise DamagedError(f"{path}: {count:,} rows are expected. This file has more.")
    return rows[:, 1:].reshape(count, SIDE, SIDE), rows[:, 0]


def _numbers(path: Path, lines: list[bytes], first: int) -> Array:
    """Return the numbers of some rows of a table, (rows, 785); `first` counts the rows before."""
    cleaned = [line.translate(None, b" \r\n") for line in lines]
    for number, line in enumerate(cleaned, first):
        whole = line.count(b",") == COLUMNS - 1 and b",," not in line and line[:1].isdigit()
        if not whole or not line[-1:].isdigit() or line.translate(None, b"0123456789,"):
            raise DamagedError(
                f"{path}: a row is a label and {SIDE * SIDE} pixels. Row {number:,} (the first is "
                "0) is something else."
            )
    # of a smaller type NumPy would wrap a number (findings/numpy-text-integers-wrap.sh)
    values = np.fromstring(b",".join(cleaned), np.int64, sep=",")
    if values.max() > 255:
        raise DamagedError(f"{path}: its values must be 0..255. Found {values.max()}.")
    return values.reshape(len(lines), COLUMNS)


def _length(size: int, begin: int, shape: tuple[int, ...]) -> str:
    """Return what is wrong with a file of this many bytes, at most one too many, in words."""
    record = int(np.prod(shape[1:]))
    if size > begin + shape[0] * record:
        return "This file has more"
    return (
        f"This file has {size:,}: it ends in record {(size - begin) // record:,} (the first is 0)"
    )


def _content(path: Path, size: int) -> bytes:
    """Return at most size + 1 bytes of a file, unpacked if its name ends in .gz."""
    with open_regular(path) as file:
        try:
            if path.suffix != ".gz":
                return file.read(size + 1)
            with gzip.GzipFile(fileobj=file) as unpacked:
                return unpacked.read(size + 1)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DamagedError(f"{path}: the file cannot be unpacked ({error}).") from None
        except OSError as error:
            raise unreadable(path, error) from None


def refuse_labels(labels: Array, where: str) -> None:
    """Raise DamagedError unless all labels are digits."""
    wrong = np.flatnonzero((labels < 0) | (labels > 9))
    if len(wrong):
        raise DamagedError(
            f"{where}: MNIST's labels are 0..9. Record {wrong[0]:,} (the first is 0) has label "
            f"{labels[wrong[0]]}."
        )


def missing(root: Path, name: str, way_out: str) -> DataError:
    """Return the error for an idx file that is not there."""
    tables = list(TABLES.values())
    if other := unread.told(root):
        said = "MNIST: {other}{way_out} fetches the originals."
        return DataError(sentence(said, other=other, way_out=way_out))
    return DataError(
        sentence(
            "MNIST: {root} must hold {name}, or the same unpacked; {npz}, parquet files, and "
            "{first} with {second} are read too. {way_out} fetches the four files (11 MiB); on a "
            "machine without a network, put them there.",
            root=root,
            name=name,
            npz=NPZ,
            first=tables[0],
            second=tables[1],
            way_out=way_out,
        )
    )
