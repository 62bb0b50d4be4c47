"""CIFAR-10 in its official binary form: 60,000 pictures of 32x32 pixels.

A batch file holds 10,000 records of 3,073 bytes: the label, then 1,024 red, 1,024 green and 1,024
blue values, each plane row by row. (The same data set as Python pickles is not read: a pickle is a
program, and loading it executes it.)
"""

import os
import tarfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO

import numpy as np

from tinynet.core.backend import Array
from tinynet.core.errors import DataError
from tinynet.data.dataset import Dataset, check_train, refuse_transform
from tinynet.data.download import Progress, Source, fetch
from tinynet.data.files import default_root, is_there, md5_of, open_regular, unreadable

CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
ARCHIVE = Source(
    name="cifar-10-binary.tar.gz",
    size=170_052_171,
    md5="c32a1d4ab5d03f1284b67883e8d87530",
    mirrors=(  # the checksum makes them equal; the authors' own server comes last
        "https://storage.googleapis.com/s4tf-hosted-binaries/datasets/CIFAR10/cifar-10-binary.tar.gz",
        "https://mindspore-website.obs.cn-north-4.myhuaweicloud.com/notebook/datasets/cifar-10-binary.tar.gz",
        "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    ),
)
FOLDER = "cifar-10-batches-bin"
TRAIN_FILES = tuple(f"data_batch_{i}.bin" for i in range(1, 6))
TEST_FILES = ("test_batch.bin",)
RECORDS = 10_000  # in a file
RECORD = 1 + 3 * 32 * 32  # bytes
BATCH = RECORDS * RECORD  # 30,730,000 bytes
CIFAR100_RECORD = RECORD + 1  # it has two labels


class CIFAR10(Dataset):
    """The images and labels of CIFAR-10 (Krizhevsky 2009).

    Parameters
    ----------
    root : the archive itself, the unpacked folder, or the folder that holds either;
        None: $TINYNET_DATA, or the user's cache
    train : the 50,000 images to train on, else the 10,000 to test with
    download : fetch the archive into `root` (162 MiB) if nothing is there
    transform : refused; transforms are an argument of `DataLoader`
    progress : called while the archive is fetched, see `download.Progress`

    Attributes
    ----------
    images : (N, 3, 32, 32) uint8, N = 50000 (train) or 10000 (test)
    labels : (N,) int64
    classes : ten names

    Raises
    ------
    DataError : if the files are missing or damaged; the message says how to get them
    TypeError : if `train` is neither True nor False
    """

    classes: tuple[str, ...] = CLASSES

    def __init__(
        self,
        root: str | Path | None = None,
        train: bool = True,
        download: bool = False,
        *,
        progress: Progress | None = None,
        transform: None = None,
    ) -> None:
        refuse_transform(transform, "CIFAR10")
        check_train(train, "CIFAR10")
        folder = default_root() if root is None else Path(root)
        where = locate(folder)
        if where is None:
            if not download:
                raise _missing(folder)
            where = fetch(ARCHIVE, folder, progress)
        names = TRAIN_FILES if train else TEST_FILES
        read = _read_folder if where.is_dir() else _read_archive
        self.images, self.labels = read(where, names)


def locate(root: Path) -> Path | None:
    """Return the unpacked folder or the archive at `root`, or None.

    A folder with a file missing counts only where there is no archive.
    """
    if is_there(root) and not root.is_dir():
        return root
    archive = root / ARCHIVE.name
    names = TRAIN_FILES + TEST_FILES
    for enough in (all, any):
        for folder in (root, root / FOLDER):
            if enough(is_there(folder / name) for name in names):
                return folder
        if is_there(archive):
            return archive
    return None


def parse(data: bytes, where: str) -> tuple[Array, Array]:
    """Return the pictures and labels of one batch file; `where` names it in messages.

    Returns
    -------
    images (10000, 3, 32, 32) uint8, labels (10000,) uint8; both are views of `data`
    """
    if len(data) != BATCH:
        raise _wrong_size(len(data), where)
    records = np.frombuffer(data, np.uint8).reshape(RECORDS, RECORD)
    labels = records[:, 0]
    wrong = np.flatnonzero(labels >= len(CLASSES))
    if len(wrong):
        raise DataError(
            f"{where}: CIFAR-10's labels are 0..9. Record {wrong[0]:,} (the first is 0) has label "
            f"{labels[wrong[0]]}; {len(wrong):,} of {RECORDS:,} are out of range. {_WAY_OUT}"
        )
    return records[:, 1:].reshape(RECORDS, 3, 32, 32), labels


_FETCH = "Fetch all of it: tinynet data get cifar10"
_WAY_OUT = "Remove it, and fetch it again: tinynet data get cifar10"


def _read_batch(file: IO[bytes], size: int, where: str) -> tuple[Array, Array]:
    """Read a batch file that claims this size; nothing larger than a batch is ever read."""
    if size != BATCH:
        raise _wrong_size(size, where)
    return parse(file.read(BATCH), where)


def _wrong_size(size: int, where: str) -> DataError:
    whole, rest = divmod(size, RECORD)
    if size and size % CIFAR100_RECORD == 0:
        fact = f"{size // CIFAR100_RECORD:,} records of {CIFAR100_RECORD:,} bytes: CIFAR-100"
    elif rest and size < BATCH:
        fact = f"{size:,} bytes: record {whole:,} (the first is 0) is cut short"
    else:
        fact = f"{size:,} bytes, {whole:,} records" + (f" and {rest:,} bytes" if rest else "")
    return DataError(
        f"{where}: a CIFAR-10 batch holds {RECORDS:,} records of {RECORD:,} bytes, {BATCH:,} bytes "
        f"in all. Found {fact}. {_WAY_OUT}"
    )


def _read_folder(folder: Path, names: tuple[str, ...]) -> tuple[Array, Array]:
    """Read batch files of an unpacked folder. Pictures may have been encoded anew: no checksum."""
    images, labels = _room(len(names))
    for i, name in enumerate(names):
        if not is_there(folder / name):
            raise DataError(f"{folder / name}: this batch of CIFAR-10 is missing. {_FETCH}")
        with open_regular(folder / name) as file:
            try:
                size = os.fstat(file.fileno()).st_size
                images[i], labels[i] = _read_batch(file, size, str(folder / name))
            except OSError as error:
                raise unreadable(folder / name, error) from None
    return _joined(images, labels)


def _read_archive(path: Path, names: tuple[str, ...]) -> tuple[Array, Array]:
    """Read batch files inside the archive, which must be the official one to the bit."""
    images, labels = _room(len(names))
    found = set()
    with open_regular(path) as file:
        try:
            _check_sum(file, path)
            with tarfile.open(fileobj=file, mode="r|gz") as archive:
                for member in archive:
                    name = PurePosixPath(member.name).name
                    content = archive.extractfile(member) if member.isreg() else None
                    if content is None or name not in names or name in found:
                        continue
                    i = names.index(name)
                    images[i], labels[i] = _read_batch(content, member.size, f"{path}: {name}")
                    found.add(name)
        except (tarfile.TarError, EOFError, zlib.error) as error:
            raise DataError(
                f"{path}: the archive cannot be unpacked ({error}). {_WAY_OUT}"
            ) from None
        except OSError as error:
            raise unreadable(path, error) from None
    for name in names:
        if name not in found:
            raise DataError(f"{path}: the archive must hold the file {name}. {_WAY_OUT}")
    return _joined(images, labels)


def _check_sum(file: BinaryIO, path: Path) -> None:
    size = file.seek(0, 2)
    file.seek(0)
    if size != ARCHIVE.size or (found := md5_of(file)) != ARCHIVE.md5:
        fact = f"{size:,} bytes" if size != ARCHIVE.size else f"md5 {found}"
        raise DataError(
            f"{path}: the official archive has {ARCHIVE.size:,} bytes and md5 {ARCHIVE.md5}. "
            f"This file has {fact}. {_WAY_OUT}"
        )
    file.seek(0)


def _room(files: int) -> tuple[Array, Array]:
    return np.empty((files, RECORDS, 3, 32, 32), np.uint8), np.empty((files, RECORDS), np.int64)


def _joined(images: Array, labels: Array) -> tuple[Array, Array]:
    return images.reshape(-1, 3, 32, 32), labels.reshape(-1)


def _missing(root: Path) -> DataError:
    pickled = (root / "cifar-10-batches-py").exists() or root.name == "cifar-10-batches-py"
    found = "Only the version of pickles is there, which is not read. " if pickled else ""
    return DataError(
        f"CIFAR10: {root} must hold {ARCHIVE.name} or the folder {FOLDER}. {found}"
        f"`tinynet data get cifar10` fetches it ({ARCHIVE.size:,} bytes); on a machine without a "
        f"network, put {ARCHIVE.name} there."
    )
