"""Catalog of data sets by name: list, search, download, check and open them.

    catalogue()                 one Entry for each data set, for a list
    find("cifar10", root)       the files of it that are at `root`
    get("cifar10", root)        fetch what is missing there
    verify("cifar10", root)     read all of it; sentences that say what was found
    open_dataset("cifar10", root, train=False)
    open_dataset("folder:PATH", train=False)      your own images, a folder for each class

`root` is a folder, or None for the default one ($TINYNET_DATA, or the user's cache).
"""

import dataclasses
from pathlib import Path

from tinynet.core.errors import DataError
from tinynet.data import cifar10, cifar10_versions, imagenette, mnist, readable
from tinynet.data.cifar10 import CIFAR10
from tinynet.data.cifar10_versions import BINARY
from tinynet.data.dataset import Dataset
from tinynet.data.download import Progress, Source, fetch
from tinynet.data.files import folder_of, is_there
from tinynet.data.folder import ImageFolder
from tinynet.data.imagenette import Imagenette
from tinynet.data.known_files import title_of
from tinynet.data.mnist import MNIST
from tinynet.data.mnist_files import ARCHIVES as MNIST_FILES
from tinynet.data.shapes import Shapes
from tinynet.words import sentence


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
    Entry("cifar10", "50,000 + 10,000 photographs, 3x32x32, ten classes", (BINARY.archive,)),
    Entry("mnist", "60,000 + 10,000 handwritten digits, 1x28x28", MNIST_FILES),
    *(
        Entry(name, "9,469 + 3,925 photographs of any size, ten classes of ImageNet", (source,))
        for name, source in imagenette.ARCHIVES.items()
    ),
)
FOLDER = "folder:"  # before the path of images of your own


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
    folder = folder_of(root)
    if name == "mnist":
        train, test = (mnist.find(folder, part) for part in ("train", "test"))
        return tuple(dict.fromkeys((*train, *test))) if train and test else ()
    if name == "cifar10":
        found = cifar10.locate(folder)
    elif name in imagenette.ARCHIVES:
        found = imagenette.locate(folder, name)
    else:
        found = None
    return () if found is None else (found,)


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
    folder = folder_of(root)
    if name in imagenette.ARCHIVES:
        return (imagenette.get(name, folder, progress),)
    return tuple(fetch(source, folder, progress) for source in _entry(name).sources)


def verify(name: str, root: str | Path | None = None, *, strict: bool = False) -> tuple[str, ...]:
    """Read a data set completely, and return what was found in sentences.

    Parameters
    ----------
    name, root : see `open_dataset`
    strict : image files that cannot be read are an error, not only left out

    Raises
    ------
    DataError : if something is missing or damaged
    """
    if is_folder(name):
        return _verify_folder(name, root, strict)
    parts = {part: open_dataset(name, root, train=part == "train") for part in ("train", "test")}
    told = [sentence("{path}: {kind}", path=path, kind=_kind(path)) for path in find(name, root)]
    said = "{name}: {train:,} train images, {test:,} test images, labels in 0..{last}"
    counts = {part: len(images) for part, images in parts.items()}
    last = len(parts["train"].classes) - 1
    return (*told, sentence(said, name=name, **counts, last=last))


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
    strict: bool = False,
) -> Dataset:
    """Return the data set of this name.

    Parameters
    ----------
    name : of the catalog, or "folder:PATH" for images of your own
    root : a folder, None: the default one; of "folder:" it takes the place of PATH
    train : the images to train on, else those to test with
    seed : of "shapes"
    side, validation, split, strict : of data sets in image files, see `ImageFolder`
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
                raise DataError(f"data: {FOLDER} needs a path, as in {FOLDER}images.")
            return ImageFolder(
                place, part, side=side, validation=validation, split=split, strict=strict
            )
        return Imagenette(
            root, part, side=side, validation=validation, split=split, strict=strict, name=name
        )
    _entry(name)
    if name == "shapes":
        return Shapes(train, seed)
    return CIFAR10(root, train) if name == "cifar10" else MNIST(root, train)


def _verify_folder(name: str, root: str | Path | None, strict: bool) -> tuple[str, ...]:
    """Decode every image anew, and return what was found in sentences."""
    told = []
    left_out = dict[Path, str]()
    with readable.anew():
        parts = [(p, open_dataset(name, root, part=p, strict=strict)) for p in ("train", "test")]
    for part, found in parts:
        left_out |= getattr(found, "unreadable", {})
        classes = len(found.classes)
        said = "{part}: {count:,} images of {classes} classes, all readable"
        told.append(sentence(said, part=part, count=len(found), classes=classes))
    said = "{path}: left out, it cannot be read ({why})"
    return (*told, *(sentence(said, path=path, why=why) for path, why in left_out.items()))


def _kind(path: Path) -> str:
    """Return what a file or a folder is: an original by its md5, or only the right structure."""
    if path.is_file():
        title = title_of(path)
        differs = "the right structure; not an original file, since its md5 differs"
        right = sentence("{title}; its md5 is right", title=title)
        return right if title else sentence(differs)
    sums = cifar10_versions.PYTHON.sums
    if all(is_there(path / name) for name in sums):
        titles = [title_of(path / name) for name in sums]
        if all(titles):
            said = "the original files of CIFAR-10, Python version; the md5 of each is right"
            return sentence(said)
        return sentence("the right structure; not the original files, since the md5 differs")
    return sentence("the right structure; not compared with the original")


def _entry(name: str) -> Entry:
    for entry in ENTRIES:
        if entry.name == name:
            return entry
    known = ", ".join(entry.name for entry in ENTRIES)
    said = (
        "data: there is no data set called {name!r}. Known: {known}, and {folder}PATH, a folder "
        "of your own with a folder of images for each class."
    )
    raise DataError(sentence(said, name=name, known=known, folder=FOLDER))
