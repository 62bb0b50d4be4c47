"""Image folders: a data set of files, with one folder for each class.

    pictures/cat/*.jpg                   divided into parts by the bytes of the files
    pictures/train/cat/*.jpg             parts that have names stay as they are:
    pictures/val/cat/*.jpg               train, val (or valid, validation), test

Training, validation and test never share an image. Where there is no folder for the test, the files
of each class are ordered by a checksum of their bytes, and the first fifth is the test: every class
has its share of each part, names do not matter, copies stay together, and a new image moves at most
one of the old ones between training and test. Where there is such a folder, its images are left out
of training. A single part beside `train` is the test, whatever it is called.

Every class must have images to learn from; a warning names a class that has none in another part,
and images that lie in two classes. Folders in the folder of a class are searched too; hidden ones
are not, nor links to folders, since they may lead in circles: a warning counts the links.
"""

from __future__ import annotations

import functools
import warnings
from collections import Counter, defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tinynet.core.backend import Array
from tinynet.core.errors import DataError, printable
from tinynet.core.table import first_names
from tinynet.data.copies import Checksum, beginning, copies_among
from tinynet.data.dataset import Dataset, refuse_transform
from tinynet.data.files import is_there, unreadable
from tinynet.data.lazy_images import LazyImages
from tinynet.data.splits import PARTS, hash_fraction

SUFFIXES = {
    "stratified": (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"),
    "hashed": (".jpg", ".jpeg", ".png"),
}
"""The files that count as images, by the rule of the split."""
NAMES = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
TEST_SHARE = 0.2
LABELS = "trainLabels.csv"  # of data sets from Kaggle


class Found(NamedTuple):
    """An image file, and the number of its class."""

    path: Path
    label: int


class ImageFolder(Dataset):
    """Images in folders (JPEG, PNG, WebP, BMP, GIF, TIFF), read when they are indexed.

    Parameters
    ----------
    root : the folder
    part : "train", "validation" or "test"
    side : pixels; the shorter side is resized to this length, and the middle square is taken
    validation : share of the training images that is kept for validation, by their bytes, where
        no folder is for it
    workers : how many files are read at a time; None: one for each processor
    split : "stratified": a part has the same share of every class; "hashed": the rule of version
        0.1, by which the bytes of each JPEG or PNG file decide alone, and other files are left out
    transform : refused; transforms are an argument of `DataLoader`

    Attributes
    ----------
    images : (N, 3, side, side) uint8, a `LazyImages`
    labels : (N,) int64
    classes : the names of the folders, in order

    Raises
    ------
    DataError : if there is no such folder, or if a part or a class is empty
    ValueError : if `part` or `split` is something else

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from pathlib import Path
    >>> from PIL import Image
    >>> from tinynet import data
    >>> folder = tempfile.TemporaryDirectory()
    >>> for kind in ("cat", "dog"):
    ...     Path(folder.name, kind).mkdir()
    ...     for i in range(10):
    ...         pixels = np.full((8, 8, 3), 10 * i + (kind == "dog"), np.uint8)
    ...         Image.fromarray(pixels).save(f"{folder.name}/{kind}/{i}.png")
    >>> train = data.ImageFolder(folder.name, side=8)
    >>> test = data.ImageFolder(folder.name, "test", side=8)
    >>> train.classes, np.bincount(train.labels), np.bincount(test.labels)
    (('cat', 'dog'), array([8, 8]), array([2, 2]))
    >>> folder.cleanup()
    """

    def __init__(
        self,
        root: str | Path,
        part: str = "train",
        *,
        side: int = 256,
        validation: float = 0.0,
        workers: int | None = None,
        split: str = "stratified",
        transform: None = None,
    ) -> None:
        refuse_transform(transform, "ImageFolder")
        if part not in PARTS:
            raise ValueError(f"ImageFolder: part is one of {', '.join(PARTS)}, not {part!r}.")
        if split not in SUFFIXES:
            raise ValueError(f"ImageFolder: split is one of {', '.join(SUFFIXES)}, not {split!r}.")
        self.classes, parts = scan(Path(root), validation, split)
        found = parts[part]
        if not found:
            raise DataError(_empty(Path(root), part, parts))
        self.images = LazyImages([f.path for f in found], side, workers)
        self.labels: Array = np.array([f.label for f in found], np.int64)


def scan(
    root: Path, validation: float = 0.0, split: str = "stratified"
) -> tuple[tuple[str, ...], dict[str, list[Found]]]:
    """Return the classes, and the images of each part, below a folder.

    Parameters
    ----------
    root, validation, split : see `ImageFolder`

    Raises
    ------
    DataError : if there is no such folder, no class, or a class without an image to learn from
    """
    if not is_there(root) or not root.is_dir():
        found = "a file" if is_there(root) else "nothing"
        raise DataError(
            f"{root}: pictures are expected in a folder, with a folder for each class. There is "
            f"{found}."
        )
    named = _named_parts(root)
    classes = _classes(named.get("train", root))
    suffixes = SUFFIXES[split]
    listed = {part: _pictures(folder, classes, suffixes) for part, folder in named.items()}
    train = listed.pop("train") if named else _pictures(root, classes, suffixes)
    parts: dict[str, list[Found]] = {"train": train, "validation": [], "test": [], **listed}
    begins = functools.cache(beginning)
    divide = _stratified if split == "stratified" else _hashed
    if "test" not in named and "validation" in named:
        parts["test"] = parts["validation"]
        parts["validation"] = []
    elif "test" not in named:
        parts["train"], parts["test"] = divide(train, "test", TEST_SHARE, begins)
    if validation and not parts["validation"]:
        parts["train"], parts["validation"] = divide(
            parts["train"], "validation", validation, begins
        )
    every = [f for part in PARTS for f in parts[part]]
    copies = copies_among([f.path for f in every], begins)
    _note_contradictions(every, copies)
    if named:
        parts = _without_copies(parts, copies)
    _check_classes(root, classes, parts)
    return classes, parts


def _named_parts(root: Path) -> dict[str, Path]:
    """Return the folders that are parts by their names; none, unless one of them is for training.

    A class may be called "train" too: its folder holds images, not folders.
    """
    folders = _folders(root)
    parts = {part: f for part, names in NAMES.items() for f in folders if f.name.lower() in names}
    if "train" not in parts or not _folders(parts["train"]):
        if "train" in parts and len(parts) == len(folders):
            _refuse_unsorted(root, parts)
        return {}
    others = [f.name for f in folders if f not in parts.values()]
    if others:
        _note(f"{root}: {_some(others)} are neither train, val nor test, and left out.")
    return parts


def _refuse_unsorted(root: Path, parts: dict[str, Path]) -> None:
    """Raise if the only folders are train and test, with images in them but no class folders."""
    files = [f for part in parts.values() for f in part.iterdir() if _is_picture(f)]
    if not files:
        return
    names = " and ".join(sorted(f.name for f in parts.values()))
    table = root / LABELS
    known = (
        f"{table.name} names the class of each picture; move each one to its folder."
        if is_there(table)
        else "Sort them into folders of classes."
    )
    raise DataError(
        f"{root}: {names} hold pictures directly, so their classes are not known. Pictures are "
        f"expected as in {parts['train'].name}/CLASS/{files[0].name}. {known}"
    )


def _is_picture(file: Path) -> bool:
    return file.suffix.lower() in SUFFIXES["stratified"]


def _classes(folder: Path) -> tuple[str, ...]:
    classes = tuple(f.name for f in _folders(folder))
    if len(classes) < 2:
        raise DataError(
            f"{folder}: pictures are expected in a folder for each class, at least two. Found "
            f"{len(classes)}: {_some(list(classes))}."
        )
    return classes


def _pictures(folder: Path, classes: tuple[str, ...], suffixes: tuple[str, ...]) -> list[Found]:
    """Return the images in the folders of the classes, in the order of their names."""
    found = list[Found]()
    others = list[Path]()
    links = list[Path]()
    for place in _folders(folder):
        if place.name not in classes:
            raise DataError(
                f"{place}: every class must have pictures to learn from. The classes of the "
                f"training pictures are {_some(list(classes))}."
            )
        inside = sorted(p for p in place.rglob("*") if not _is_hidden(p, place))
        files = [p for p in inside if not p.is_dir()]
        links += [p for p in inside if p.is_symlink() and p.is_dir()]
        others += [p for p in files if p.suffix.lower() not in suffixes]
        label = classes.index(place.name)
        pictures = [Found(p, label) for p in files if p.suffix.lower() in suffixes]
        if not pictures:
            raise DataError(
                f"{place}: the folder of a class must hold {_some(list(suffixes))} files. There "
                "are none; fill it, or take it away."
            )
        found += pictures
    if others:
        _note(
            f"{folder}: {len(others):,} files are left out, since only {_some(list(suffixes))} are "
            f"read; the first is {others[0]}."
        )
    if links:
        _note(
            f"{folder}: {len(links):,} links to folders are not followed, since they may lead in "
            f"circles; the first is {links[0]}."
        )
    return found


def _hashed(
    found: list[Found], purpose: str, share: float, begins: Checksum
) -> tuple[list[Found], list[Found]]:
    """Return the images that stay, and about this share of them, each chosen by its bytes alone."""
    chosen = [hash_fraction(begins(f.path), purpose) < share for f in found]
    return (
        [f for f, c in zip(found, chosen, strict=True) if not c],
        [f for f, c in zip(found, chosen, strict=True) if c],
    )


def _stratified(
    found: list[Found], purpose: str, share: float, begins: Checksum
) -> tuple[list[Found], list[Found]]:
    """Return the images that stay, and this share of each class, chosen by their bytes.

    Of a class with two different images or more, both parts get at least one. Files of the same
    bytes go to one part, also if they lie in two classes.
    """
    contents: dict[int, set[bytes]] = defaultdict(set)  # of each class
    for f in found:
        contents[f.label].add(begins(f.path))
    chosen: set[bytes] = set()
    for different in contents.values():
        ordered = sorted(different, key=lambda content: hash_fraction(content, purpose))
        count = min(max(1, round(share * len(ordered))), len(ordered) - 1)
        chosen.update(ordered[:count])
    return (
        [f for f in found if begins(f.path) not in chosen],
        [f for f in found if begins(f.path) in chosen],
    )


def _note_contradictions(found: list[Found], copies: dict[Path, bytes]) -> None:
    """Warn of files of the same bytes in the folders of different classes."""
    labels = defaultdict[bytes, set[int]](set)
    doubled = [f for f in found if f.path in copies]
    for path, label in doubled:
        labels[copies[path]].add(label)
    contradicting = [str(path) for path, _ in doubled if len(labels[copies[path]]) > 1]
    if contradicting:
        _note(
            f"{len(contradicting):,} pictures have the same bytes as one of another class, so "
            f"their classes contradict each other; the first is {contradicting[0]}."
        )


def _without_copies(
    parts: dict[str, list[Found]], copies: dict[Path, bytes]
) -> dict[str, list[Found]]:
    """Return the parts without the images that a later one of train, validation, test has."""
    for i, part in enumerate(PARTS[:-1]):
        later = {copies.get(f.path) for other in PARTS[i + 1 :] for f in parts[other]} - {None}
        kept = [f for f in parts[part] if copies.get(f.path) not in later]
        if left := len(parts[part]) - len(kept):
            _note(
                f"{left:,} pictures for {part} are left out: the same bytes are also in "
                "another part, which must stay unseen."
            )
        parts[part] = kept
    return parts


def _check_classes(root: Path, classes: tuple[str, ...], parts: dict[str, list[Found]]) -> None:
    """Raise if a class has no image to learn from; warn if it has none in another part."""
    counts = {part: Counter(classes[f.label] for f in parts[part]) for part in PARTS}
    for part in PARTS:
        missing = [name for name in classes if not counts[part][name]]
        if not missing or not parts[part]:
            continue  # an empty part is reported when it is requested
        held = sum(counts[other][missing[0]] for other in PARTS)
        if part == "train":
            raise DataError(
                f"{root}: every class must have pictures to learn from. All {held:,} of "
                f"{missing[0]} are in other parts. Add pictures of it, or divide them yourself "
                "into folders train and test."
            )
        _note(
            f"{root}: no picture for {part} is of {_some(missing)}, so the accuracy there says "
            f"nothing about that; of {missing[0]} there are {held:,} in all."
        )


def _is_hidden(path: Path, place: Path) -> bool:
    """Return whether a file or a folder on its way from `place` begins with a dot."""
    return any(name.startswith(".") for name in path.relative_to(place).parts)


def _note(sentence: str) -> None:
    warnings.warn(printable(sentence), stacklevel=2)


def _folders(folder: Path) -> list[Path]:
    try:
        inside = sorted(folder.iterdir())
    except OSError as error:
        raise unreadable(folder, error) from None
    return [f for f in inside if f.is_dir() and not f.name.startswith(".")]


def _some(names: list[str]) -> str:
    return first_names(names, 5) or "none"


def _empty(root: Path, part: str, parts: dict[str, list[Found]]) -> str:
    counts = ", ".join(f"{len(parts[p]):,} for {p}" for p in PARTS)
    way = " Ask for validation=0.1 of the training pictures." if part == "validation" else ""
    return f"{root}: there is no picture for {part} ({counts}). More pictures are needed.{way}"
