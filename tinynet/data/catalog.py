"""Catalog of data sets by name: list, search, download, check and open them.

    catalogue()                 one Entry for each data set, for a list
    find("cifar10", root)       the files of it that are at `root`
    get("cifar10", root)        fetch what is missing there
    verify("cifar10", root)     read all of it; sentences that say what was found
    open_dataset("cifar10", root, train=False)
    open_dataset("folder:PATH", train=False)      your own pictures, a folder for each class

`root` is a folder, or None for the default one ($TINYNET_DATA, or the user's cache).
"""

import dataclasses
import shlex
from pathlib import Path

import numpy as np

from tinynet.core.errors import DataError
from tinynet.data import cifar10, imagenette, mnist
from tinynet.data.cifar10 import CIFAR10
from tinynet.data.dataset import Dataset
from tinynet.data.download import Progress, Source, fetch, is_intact
from tinynet.data.files import default_root
from tinynet.data.folder import ImageFolder
from tinynet.data.imagenette import Imagenette
from tinynet.data.lazy_images import read_chunks
from tinynet.data.loader import batch_indices
from tinynet.data.mnist import MNIST
from tinynet.data.shapes import Shapes


@dataclasses.dataclass(frozen=True)
class Entry:
    """A data set in the catalog."""

    name: str
    about: str
    sources: tuple[Source, ...]  # the files to fetch; none for what is drawn on the spot

    @property
    def size(self) -> int:
        """Bytes to download."""
        return sum(source.size for source in self.sources)


ENTRIES = (
    Entry("shapes", "3,000 + 1,000 drawn shapes, 3x32x32, ten classes; built in", ()),
    Entry("cifar10", "50,000 + 10,000 photographs, 3x32x32, ten classes", (cifar10.ARCHIVE,)),
    Entry("mnist", "60,000 + 10,000 handwritten digits, 1x28x28", mnist.ARCHIVES),
    *(
        Entry(name, "9,469 + 3,925 photographs of any size, ten classes of ImageNet", (source,))
        for name, source in imagenette.ARCHIVES.items()
    ),
)
FOLDER = "folder:"  # before the path of pictures of your own


def catalogue() -> tuple[Entry, ...]:
    """Return the data sets that tinynet knows."""
    return ENTRIES


def find(name: str, root: str | Path | None = None) -> tuple[Path, ...]:
    """Return the files or folders of a data set at `root`; empty unless all of them are there.

    Parameters
    ----------
    name : of the catalog
    root : a folder, None: the default one

    Raises
    ------
    DataError : if there is no data set of this name
    """
    _entry(name)
    folder = default_root() if root is None else Path(root)
    if name in imagenette.ARCHIVES:
        found = [imagenette.locate(folder, name)]
    elif name == "cifar10":
        found = [cifar10.locate(folder)]
    else:
        found = [mnist.locate(folder, source.name) for source in _entry(name).sources]
    return () if None in found else tuple(path for path in found if path is not None)


def get(
    name: str, root: str | Path | None = None, progress: Progress | None = None
) -> tuple[Path, ...]:
    """Download the original files of a data set to `root`, those that are not there.

    Parameters
    ----------
    name : of the catalog
    root : a folder, None: the default one
    progress : called while a file is fetched, see `download.Progress`

    Returns
    -------
    the paths of all files

    Raises
    ------
    DataError : if no mirror delivers a file, or if there is no data set of this name
    """
    folder = default_root() if root is None else Path(root)
    if name in imagenette.ARCHIVES:
        return (imagenette.get(name, folder, progress),)
    return tuple(fetch(source, folder, progress) for source in _entry(name).sources)


def verify(name: str, root: str | Path | None = None) -> tuple[str, ...]:
    """Read a data set completely, and return what was found in sentences.

    Raises
    ------
    DataError : if something is missing or damaged
    """
    parts = {part: open_dataset(name, root, train=part == "train") for part in ("train", "test")}
    if is_folder(name):
        return tuple(_read_all(part, found) for part, found in parts.items())
    originals = {source.name: source for source in _entry(name).sources}
    sentences = [f"{path}: {_kind(path, originals.get(path.name))}" for path in find(name, root)]
    counts = ", ".join(f"{len(d):,} {part} pictures" for part, d in parts.items())
    return (*sentences, f"{name}: {counts}, labels in 0..{len(parts['train'].classes) - 1}")


def is_folder(name: str) -> bool:
    """Return whether a data set of this name lies in image files, which are read as needed."""
    return name.startswith(FOLDER) or name in imagenette.ARCHIVES


def open_dataset(
    name: str,
    root: str | Path | None = None,
    train: bool = True,
    seed: int = 0,
    *,
    side: int = 256,
    validation: float = 0.0,
    part: str = "",
    split: str = "stratified",
) -> Dataset:
    """Return the data set of this name.

    Parameters
    ----------
    name : of the catalog, or "folder:PATH" for images of your own
    root : a folder, None: the default one; of "folder:" it takes the place of PATH
    train : the images to train on, else those to test with
    seed : of "shapes"
    side, validation, split : of data sets in image files, see `ImageFolder`
    part : of data sets in image files, in place of `train`: "train", "validation" or "test"

    Raises
    ------
    DataError : if there is no such data set, or if its files are missing or damaged

    Examples
    --------
    >>> from tinynet import data
    >>> len(data.open_dataset("shapes", train=False))
    1000
    """
    if is_folder(name):
        part = part or ("train" if train else "test")
        if name.startswith(FOLDER):
            place = name.removeprefix(FOLDER) if root is None else root
            if not place:  # which would be the folder that the program happens to run in
                raise DataError(f"data: {FOLDER} needs a path, as in {FOLDER}pictures.")
            return ImageFolder(place, part, side=side, validation=validation, split=split)
        return Imagenette(root, part, side=side, validation=validation, split=split, name=name)
    _entry(name)
    if name == "shapes":
        return Shapes(train, seed)
    try:
        return CIFAR10(root, train) if name == "cifar10" else MNIST(root, train)
    except DataError as error:
        if root is None:
            raise
        command = f"tinynet data get {name}"  # the way out leads to the folder that was named
        there = f"{command} --data-dir {shlex.quote(str(root))}"
        raise DataError(str(error).replace(command, there)) from error


def _read_all(part: str, dataset: Dataset) -> str:
    """Read every image of a part, so that a damaged one is found; return what was found."""
    for _ in read_chunks(dataset.images, batch_indices(np.arange(len(dataset)), 64)):
        pass
    return f"{part}: {len(dataset):,} pictures of {len(dataset.classes)} classes, all readable"


def _kind(path: Path, original: Source | None) -> str:
    if original is not None and is_intact(path, original):
        return "the original file, size and md5 are right"
    if original is not None and path.is_file():
        return "the right structure; not the original file, size or md5 differ"
    return "the right structure; not compared with the original"


def _entry(name: str) -> Entry:
    for entry in ENTRIES:
        if entry.name == name:
            return entry
    known = ", ".join(entry.name for entry in ENTRIES)
    raise DataError(
        f"data: there is no data set called {name!r}. Known: {known}, and {FOLDER}PATH, a folder "
        "of your own with a folder of pictures for each class."
    )
