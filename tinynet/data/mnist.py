"""MNIST: 70,000 handwritten digits of 28x28 pixels, from any container in which people have it.

- the four original idx files, see `mnist_files`;
- mnist.npz of Keras;
- the parquet files of Hugging Face;
- mnist_train.csv and mnist_test.csv of Kaggle.

The images and their order are the same in all of them.
"""

from pathlib import Path

import numpy as np

from tinynet.core.backend import Array
from tinynet.core.errors import DataError
from tinynet.data import parquet
from tinynet.data.dataset import Dataset, check_train, refuse_transform
from tinynet.data.download import Progress, Source, fetch
from tinynet.data.files import fetching, folder_of, is_there, with_way_out
from tinynet.data.known_files import title_of
from tinynet.data.mnist_files import (
    ARCHIVES,
    NPZ,
    SIDE,
    TABLES,
    locate_beside,
    locate_idx,
    missing,
    read_idx,
    read_npz,
    read_table,
    refuse_labels,
)

CALL = "tn.data.MNIST({}download=True)"
COUNTS = {"train": 60_000, "test": 10_000}
COLUMNS = ("image", "img")  # of parquet files
FOLDERS = ("", "mnist", "data")  # of parquet files


class MNIST(Dataset):
    """The images and labels of MNIST (LeCun et al. 1998).

    Parameters
    ----------
    root : the folder with the four files, or with what Keras, Kaggle or Hugging Face made of them,
        or one of these files; None: $TINYNET_DATA, or the user's cache
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
        folder = folder_of(root)
        part = "train" if train else "test"
        hint = fetching("mnist", CALL, root)
        paths = find(folder, part)
        if not paths and not download:
            raise missing(folder, _absent(folder, part), hint)
        if not paths:
            paths = tuple(
                locate_idx(folder, s.name) or fetch(s, folder, progress) for s in _idx(part)
            )
        with with_way_out(hint):
            images, labels = _read(paths, part)
            refuse_labels(labels, str(paths[-1]))
        self.images = images.reshape(-1, 1, SIDE, SIDE)
        self.labels = labels.astype(np.int64)


def find(root: Path, part: str) -> tuple[Path, ...]:
    """Return the files that hold a part of MNIST at `root`, images before labels; none if missing.

    Parameters
    ----------
    root : a folder, or a file in it
    part : "train" or "test"
    """
    if is_there(root) and not root.is_dir():
        if root.suffix == ".npz":
            return (root,)
        root = root.parent
    idx = [locate_idx(root, source.name) for source in _idx(part)]
    if None not in idx:
        return tuple(path for path in idx if path is not None)
    for name in (NPZ, TABLES[part]):
        found = locate_beside(root, name)
        if found is not None:
            return (found,)
    return tuple(parquet.files(root, part, FOLDERS))


def _idx(part: str) -> tuple[Source, ...]:
    return ARCHIVES[:2] if part == "train" else ARCHIVES[2:]


def _absent(root: Path, part: str) -> str:
    """Return the name of the first idx file that is not there."""
    return next(s.name for s in _idx(part) if locate_idx(root, s.name) is None)


def _read(paths: tuple[Path, ...], part: str) -> tuple[Array, Array]:
    count = COUNTS[part]
    first = paths[0]
    if first.suffix == ".npz":
        return read_npz(first, part, count)
    if first.suffix == ".csv":
        return read_table(first, count)
    if first.suffix == ".parquet":
        images, labels = parquet.read(list(paths), part, COLUMNS, (1, SIDE, SIDE), count)
        return images[:, 0], labels
    images = read_idx(first, (count, SIDE, SIDE))
    labels = read_idx(paths[1], (count,))
    title = title_of(paths[1])
    if title.startswith("labels of Fashion"):
        raise DataError(f"{paths[1]}: the labels of MNIST are expected. These are {title}.")
    return images, labels
