"""MNIST in its original idx files: 70,000 handwritten digits of 28x28 pixels.

An idx file is a header of big-endian 32-bit integers, then one byte for each value:

    images   2051, count, 28, 28, pixels row by row
    labels   2049, count, labels

Four files, each as it is or compressed by gzip. gzip carries a checksum of the contents, so a
file that was compressed anew is as good as the original.
"""

import gzip
import zlib
from pathlib import Path

import numpy as np

from tinynet.core.backend import Array
from tinynet.core.errors import DataError
from tinynet.data.dataset import Dataset, check_train, refuse_transform
from tinynet.data.download import Progress, Source, fetch
from tinynet.data.files import default_root, is_there, open_regular, unreadable

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
FOLDERS = ("", "mnist", "MNIST/raw")  # below root; the last is where torchvision puts the files
SIDE = 28
_WAY_OUT = "Remove it, and fetch it again: tinynet data get mnist"


class MNIST(Dataset):
    """The images and labels of MNIST (LeCun et al. 1998).

    Parameters
    ----------
    root : the folder with the four files; None: $TINYNET_DATA, or the user's cache
    train : the 60,000 images to train on, else the 10,000 to test with
    download : fetch the files into `root` (11 MiB) if they are not there
    transform : refused; transforms are an argument of `DataLoader`
    progress : called while a file is fetched, see `download.Progress`

    Attributes
    ----------
    images : (N, 1, 28, 28) uint8, N = 60000 (train) or 10000 (test)
    labels : (N,) int64
    classes : ten names

    Raises
    ------
    DataError : if the files are missing or damaged; the message says how to get them
    TypeError : if `train` is neither True nor False
    """

    classes: tuple[str, ...] = tuple("0123456789")

    def __init__(
        self,
        root: str | Path | None = None,
        train: bool = True,
        download: bool = False,
        *,
        progress: Progress | None = None,
        transform: None = None,
    ) -> None:
        refuse_transform(transform, "MNIST")
        check_train(train, "MNIST")
        folder = default_root() if root is None else Path(root)
        count, sources = (60_000, ARCHIVES[:2]) if train else (10_000, ARCHIVES[2:])
        paths = [_path(folder, source, download, progress) for source in sources]
        images = read_idx(paths[0], (count, SIDE, SIDE))
        labels = read_idx(paths[1], (count,))
        _check_labels(labels, paths[1])
        self.images = images.reshape(count, 1, SIDE, SIDE)
        self.labels = labels.astype(np.int64)


def locate(root: Path, name: str) -> Path | None:
    """Return the file `name`, unpacked or compressed, below `root`; or None.

    Some programs unpack train-images-idx3-ubyte.gz to train-images.idx3-ubyte: that counts too.
    """
    plain = name.removesuffix(".gz")
    dotted = plain.replace("-idx", ".idx")
    for folder in FOLDERS:
        for spelling in (plain, name, dotted, f"{dotted}.gz"):
            path = root / folder / spelling
            if is_there(path):
                return path
    return None


def read_idx(path: Path, shape: tuple[int, ...]) -> Array:
    """Return the bytes of an idx file whose header must announce this shape, as uint8."""
    header = [0x0800 + len(shape), *shape]
    begin = 4 * len(header)
    size = begin + int(np.prod(shape))
    data = _read(path, size)
    found = [int.from_bytes(data[i : i + 4], "big") for i in range(0, min(begin, len(data)), 4)]
    if found != header:
        raise DataError(
            f"{path}: the header of this idx file must be {header}. Found {found}. {_WAY_OUT}"
        )
    if len(data) != size:
        raise DataError(
            f"{path}: {shape[0]:,} records need {size:,} bytes with the header. "
            f"{_length(len(data), begin, shape)}. {_WAY_OUT}"
        )
    return np.frombuffer(data, np.uint8, offset=begin).reshape(shape).copy()


def _length(size: int, begin: int, shape: tuple[int, ...]) -> str:
    """Return what is wrong with a file of this many bytes, at most one too many, in words."""
    record = int(np.prod(shape[1:]))
    if size > begin + shape[0] * record:
        return "This file has more"
    return (
        f"This file has {size:,}: it ends in record {(size - begin) // record:,} (the first is 0)"
    )


def _read(path: Path, size: int) -> bytes:
    """Return at most size + 1 bytes of a file, unpacked if its name ends in .gz."""
    with open_regular(path) as file:
        try:
            if path.suffix != ".gz":
                return file.read(size + 1)
            with gzip.GzipFile(fileobj=file) as unpacked:
                return unpacked.read(size + 1)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DataError(f"{path}: the file cannot be unpacked ({error}). {_WAY_OUT}") from None
        except OSError as error:
            raise unreadable(path, error) from None


def _path(root: Path, source: Source, download: bool, progress: Progress | None) -> Path:
    """Return the path of the file, after fetching it if it is missing and that is wanted."""
    path = locate(root, source.name)
    if path is None and not download:
        raise DataError(
            f"MNIST: {root} must hold {source.name}, or the same unpacked. "
            "`tinynet data get mnist` fetches the four files (11 MiB); on a machine without a "
            "network, put them there."
        )
    return fetch(source, root, progress) if path is None else path


def _check_labels(labels: Array, path: Path) -> None:
    wrong = np.flatnonzero(labels > 9)
    if len(wrong):
        raise DataError(
            f"{path}: MNIST's labels are 0..9. Record {wrong[0]:,} (the first is 0) has label "
            f"{labels[wrong[0]]}. {_WAY_OUT}"
        )
