"""CIFAR-10: 60,000 images of 32x32 pixels, from any of the containers in which people have it.

- one of the three official archives, or its files unpacked, see `cifar10_versions`;
- the parquet files of Hugging Face.

The images and their order are the same in all of them. Archives are read only if they are official
to the bit; images in unpacked files may have been encoded anew, so there is no checksum of those.
"""

import os
import tarfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

import numpy as np

from tinynet.core.backend import Array
from tinynet.core.errors import DataError
from tinynet.data import cifar10_versions as official
from tinynet.data import parquet, unread
from tinynet.data.cifar10_versions import BINARY, CLASSES, VERSIONS, Version
from tinynet.data.dataset import Dataset, check_train, refuse_transform
from tinynet.data.download import Progress, fetch
from tinynet.data.files import (
    DamagedError,
    fetching,
    folder_of,
    is_there,
    md5_of,
    open_regular,
    unreadable,
    with_way_out,
)
from tinynet.data.known_files import title_of
from tinynet.words import sentence

CALL = "tn.data.CIFAR10({}download=True)"
COLUMNS = ("img", "image")  # of parquet files
FOLDERS = ("", "plain_text", "data", "cifar10")  # of parquet files


class Place(NamedTuple):
    """A container of CIFAR-10: a folder or an archive; no version: a folder of parquet files."""

    path: Path
    version: Version | None


class CIFAR10(Dataset):
    """The images and labels of CIFAR-10 (Krizhevsky 2009).

    Parameters
    ----------
    root : an archive, an unpacked folder, or a folder that holds either, as torchvision, Keras or
        Hugging Face left it; None: $TINYNET_DATA, or the user's cache
    train : the 50,000 images to train on, else the 10,000 to test with
    download : fetch the binary archive into `root` (162 MiB) if nothing is there
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
        folder = folder_of(root)
        place = find(folder)
        if place is None:
            if not download:
                raise _missing(folder, root)
            place = Place(fetch(BINARY.archive, folder, progress), BINARY)
        with with_way_out(fetching("cifar10", CALL, root)):
            self.images, self.labels = _read(place, train)


def find(root: Path) -> Place | None:
    """Return where CIFAR-10 is at `root`, or None.

    A folder with a file missing counts only where there is nothing whole.
    """
    if is_there(root) and not root.is_dir():
        return _of_file(root)
    return _unpacked(root, all) or _packed(root) or _in_parquet(root) or _unpacked(root, any)


def _of_file(path: Path) -> Place:
    """Return the archive that a file is, or the folder of which it is a part."""
    if path.suffix == ".parquet":
        return Place(path.parent, None)
    for version in VERSIONS:
        if path.name in version.train + version.test:
            return Place(path.parent, version)
    named = [v for v in VERSIONS if path.name in (v.archive.name, *v.names)]
    return Place(path, _version_of(path, *named, BINARY))


def locate(root: Path) -> Path | None:
    """Return the folder or the archive that holds CIFAR-10 at `root`, or None."""
    found = find(root)
    return None if found is None else found.path


def _unpacked(root: Path, enough: Callable[[Iterable[object]], bool]) -> Place | None:
    for version in VERSIONS:
        for folder in (root, *(root / name for name in version.folders)):
            if enough(is_there(folder / name) for name in version.train + version.test):
                return Place(folder, version)
    return None


def _in_parquet(root: Path) -> Place | None:
    found = any(parquet.files(root, part, FOLDERS) for part in ("train", "test"))
    return Place(root, None) if found else None


def _packed(root: Path) -> Place | None:
    for version in VERSIONS:
        for name in (version.archive.name, *version.names):
            if is_there(root / name):
                return Place(root / name, _version_of(root / name, version))
    return None


def _version_of(path: Path, *named: Version) -> Version:
    """Return the version whose official archive has the size of a file, else the first named."""
    size = path.stat().st_size
    return next((v for v in VERSIONS if v.archive.size == size), named[0])


def _read(place: Place, train: bool) -> tuple[Array, Array]:
    if place.version is None:
        count = (5 if train else 1) * official.RECORDS
        part = "train" if train else "test"
        files = parquet.files(place.path, part, FOLDERS)
        if not files:
            raise DamagedError(f"{place.path}: there is no {part}-00000-of-00001.parquet.")
        return parquet.read(files, part, COLUMNS, (3, 32, 32), count)
    read = _read_folder if place.path.is_dir() else _read_archive
    return read(place.path, place.version, train)


def _read_folder(folder: Path, version: Version, train: bool) -> tuple[Array, Array]:
    """Read the files of an unpacked folder."""
    names = version.train if train else version.test
    images, labels = _room(len(names))
    for i, name in enumerate(names):
        if not is_there(folder / name):
            raise DamagedError(f"{folder / name}: this batch of CIFAR-10 is missing.")
        with open_regular(folder / name) as file:
            try:
                _check_size(os.fstat(file.fileno()).st_size, version, str(folder / name))
                images[i], labels[i] = version.parse(file.read(), str(folder / name))
            except OSError as error:
                raise unreadable(folder / name, error) from None
    return _joined(images, labels)


def _read_archive(path: Path, version: Version, train: bool) -> tuple[Array, Array]:
    """Read the files in an archive, which must be the official one to the bit."""
    names = version.train if train else version.test
    images, labels = _room(len(names))
    found = set()
    with open_regular(path) as file:
        try:
            _check_sum(file, path, version)
            with tarfile.open(fileobj=file, mode="r|gz") as archive:
                for member in archive:
                    name = PurePosixPath(member.name).name
                    content = archive.extractfile(member) if member.isreg() else None
                    if content is None or name not in names or name in found:
                        continue
                    i = names.index(name)
                    _check_size(member.size, version, f"{path}: {name}")
                    images[i], labels[i] = version.parse(content.read(), f"{path}: {name}")
                    found.add(name)
        except (tarfile.TarError, EOFError, zlib.error) as error:
            raise DamagedError(f"{path}: the archive cannot be unpacked ({error}).") from None
        except OSError as error:
            raise unreadable(path, error) from None
    for name in names:
        if name not in found:
            raise DamagedError(f"{path}: the archive must hold the file {name}.")
    return _joined(images, labels)


def _check_size(size: int, version: Version, where: str) -> None:
    """Raise before a file is read that is larger than a batch of its version can be."""
    if version is BINARY and size != official.RECORDS * official.RECORD:
        raise official.wrong_size(size, where)
    if size > official.largest():
        raise DamagedError(
            f"{where}: a batch of CIFAR-10 has at most {official.largest():,} bytes. Found "
            f"{size:,}."
        )


def _check_sum(file: BinaryIO, path: Path, version: Version) -> None:
    """Raise unless a file is the official archive of a version."""
    size = file.seek(0, 2)
    file.seek(0)
    right = version.archive
    fact = f"{size:,} bytes"
    if size == right.size:
        found = md5_of(file)
        file.seek(0)
        if found == right.md5:
            return
        fact = f"md5 {found}"
    other = title_of(path)
    if other:
        raise DataError(f"{path}: an archive of CIFAR-10 is expected. This is {other}.")
    raise DamagedError(
        f"{path}: the official archive of the {version.title} version has {right.size:,} bytes and "
        f"md5 {right.md5}. This file has {fact}. If it was packed anew, unpack it, and name the "
        "folder."
    )


def _room(files: int) -> tuple[Array, Array]:
    shape = (files, official.RECORDS)
    return np.empty((*shape, 3, 32, 32), np.uint8), np.empty(shape, np.int64)


def _joined(images: Array, labels: Array) -> tuple[Array, Array]:
    return images.reshape(-1, 3, 32, 32), labels.reshape(-1)


def _missing(folder: Path, root: str | Path | None) -> DataError:
    archive = BINARY.archive
    if other := unread.told(folder):
        return DataError(
            f"CIFAR10: {other}{fetching('cifar10', CALL, root)} fetches the originals."
        )
    return DataError(
        sentence(
            "CIFAR10: {folder} must hold {archive}, its folder {inside}, or one of the other "
            "versions (Python, MATLAB, parquet). {fetching} fetches it ({size:,} bytes); on a "
            "machine without a network, put {archive} there.",
            folder=folder,
            archive=archive.name,
            inside=BINARY.folders[0],
            fetching=fetching("cifar10", CALL, root),
            size=archive.size,
        )
    )
