"""Image folders: a data set of image files, in one of the layouts that people have.

    images/cat/*.jpg                   divided into parts by the bytes of the files
    images/train/cat/*.jpg             parts that have names stay as they are:
    images/val/cat/*.jpg               train, val (or valid, validation), test

Tables of labels and the folders of Kaggle and ImageNet are read as well, see `layouts`.

Training, validation and test never share an image. Where there is no folder for the test, the files
of each class are ordered by a checksum of their bytes, and the first fifth is the test: every class
has its share of each part, names do not matter, copies stay together, and a new image moves at most
one of the old ones between training and test. Where there is such a folder, its images are left out
of training. A single part beside `train` is the test, whatever it is called.

Every class must have images to learn from; a warning names a class that has none in another part,
and images that lie in two classes. Files that cannot be read as images are left out before anything
else is decided, with a warning that names them, see `readable`.
"""

from __future__ import annotations

import functools
from collections import Counter, defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tinynet.core.backend import Array
from tinynet.core.errors import DataError
from tinynet.core.table import first_names
from tinynet.data.copies import Checksum, beginning, copies_among
from tinynet.data.dataset import Dataset, refuse_transform
from tinynet.data.files import folder_of
from tinynet.data.image_tree import SUFFIXES as ALL_SUFFIXES
from tinynet.data.image_tree import Found, Layout, note, some
from tinynet.data.layouts import recognize
from tinynet.data.lazy_images import LazyImages
from tinynet.data.readable import unreadable
from tinynet.data.splits import PARTS, hash_fraction
from tinynet.words import sentence

SUFFIXES = {"stratified": ALL_SUFFIXES, "hashed": (".jpg", ".jpeg", ".png")}
"""The files that count as images, by the rule of the split."""
TEST_SHARE = 0.2
NAMED = 3  # unreadable files in a message


class Scan(NamedTuple):
    """The classes of a folder, the images of each part, and the files left out, with the reason."""

    classes: tuple[str, ...]
    parts: dict[str, list[Found]]
    unreadable: dict[Path, str]


class ImageFolder(Dataset):
    """Images in folders (JPEG, PNG, WebP, BMP, GIF, TIFF), read when they are indexed.

    Parameters
    ----------
    root : the folder, or a table of paths and labels in it
    part : "train", "validation" or "test"
    side : pixels; the shorter side is resized to this length, and the middle square is taken
    validation : share of the training images that is kept for validation, by their bytes, where
        no folder is for it
    workers : how many files are read at a time; None: one for each processor
    split : "stratified": a part has the same share of every class; "hashed": the rule of version
        0.1, by which the bytes of each JPEG or PNG file decide alone, and other files are left out
    strict : refuse a folder in which a file cannot be read; else such files are left out
    transform : refused; transforms are an argument of `DataLoader`

    Attributes
    ----------
    images : (N, 3, side, side) uint8, a `LazyImages`
    labels : (N,) int64
    classes : the names of the folders, in order
    unreadable : the files that were left out, each with the reason

    Raises
    ------
    DataError : if there is no such folder, if a part or a class is empty, or, with `strict`, if a
        file cannot be read
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
        strict: bool = False,
        transform: None = None,
    ) -> None:
        refuse_transform(transform, "ImageFolder")
        if part not in PARTS:
            raise ValueError(f"ImageFolder: part is one of {', '.join(PARTS)}, not {part!r}.")
        if split not in SUFFIXES:
            raise ValueError(f"ImageFolder: split is one of {', '.join(SUFFIXES)}, not {split!r}.")
        self.classes, parts, self.unreadable = scan(folder_of(root), validation, split, strict)
        found = parts[part]
        if not found:
            raise DataError(_empty(folder_of(root), part, parts, validation))
        self.images = LazyImages([f.path for f in found], side, workers)
        self.labels: Array = np.array([f.label for f in found], np.int64)


def scan(
    root: Path, validation: float = 0.0, split: str = "stratified", strict: bool = False
) -> Scan:
    """Return the classes, and the images of each part, below a folder.

    Parameters
    ----------
    root, validation, split, strict : see `ImageFolder`

    Raises
    ------
    DataError : if there is no such folder, no class, or a class without an image to learn from
    """
    layout = recognize(root, SUFFIXES[split])
    broken = _broken(root, layout, strict)
    listed = {p: [f for f in all_ if f.path not in broken] for p, all_ in layout.parts.items()}
    named = "all" not in listed
    train = listed.pop("train" if named else "all", [])
    parts: dict[str, list[Found]] = {"train": train, "validation": [], "test": [], **listed}
    begins = functools.cache(beginning)
    divide = _stratified if split == "stratified" else _hashed
    if "test" not in listed and "validation" in listed:
        parts["test"] = parts["validation"]
        parts["validation"] = []
    elif "test" not in listed:
        parts["train"], parts["test"] = divide(train, "test", TEST_SHARE, begins)
    if validation and not parts["validation"]:
        parts["train"], parts["validation"] = divide(
            parts["train"], "validation", validation, begins
        )
    every = [f for part in PARTS for f in parts[part]]
    copies = copies_among([f.path for f in every], begins)
    _note_contradictions(every, copies)
    if listed:
        parts = _without_copies(parts, copies)
    _check_classes(root, layout.classes, parts)
    return Scan(layout.classes, parts, broken)


def _broken(root: Path, layout: Layout, strict: bool) -> dict[Path, str]:
    """Return the files that cannot be read, with a warning; raise DataError if that is refused."""
    paths = dict.fromkeys(f.path for found in layout.parts.values() for f in found)
    broken = unreadable(root, paths)
    if not broken:
        return broken
    listed = [f"{path} ({why})" for path, why in broken.items()]
    said = "{root}: {broken:,} of {count:,} image files cannot be read and are left out: {first}."
    if strict:
        said = (
            "{root}: {broken:,} of {count:,} image files cannot be read: {first}. Put good copies "
            "in their place, or take them away."
        )
    first = first_names(listed, NAMED)
    told = sentence(said, root=root, broken=len(broken), count=len(paths), first=first)
    if strict:
        raise DataError(told)
    note(told)
    return broken


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
        note(
            sentence(
                "{count:,} images have the same bytes as one of another class, so their classes "
                "contradict each other; the first is {first}.",
                count=len(contradicting),
                first=contradicting[0],
            )
        )


def _without_copies(
    parts: dict[str, list[Found]], copies: dict[Path, bytes]
) -> dict[str, list[Found]]:
    """Return the parts without the images that a later one of train, validation, test has."""
    for i, part in enumerate(PARTS[:-1]):
        later = {copies.get(f.path) for other in PARTS[i + 1 :] for f in parts[other]} - {None}
        kept = [f for f in parts[part] if copies.get(f.path) not in later]
        if left := len(parts[part]) - len(kept):
            note(
                sentence(
                    "{count:,} images for {part} are left out: the same bytes are also in another "
                    "part, which must stay unseen.",
                    count=left,
                    part=part,
                )
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
                f"{root}: every class must have images to learn from. All {held:,} of "
                f"{missing[0]} are in other parts. Add images of it, or divide them yourself "
                "into folders train and test."
            )
        note(
            sentence(
                "{root}: no image for {part} is of {classes}, so the accuracy there says nothing "
                "about that; of {first} there are {count:,} in all.",
                root=root,
                part=part,
                classes=some(missing),
                first=missing[0],
                count=held,
            )
        )


def _empty(root: Path, part: str, parts: dict[str, list[Found]], validation: float) -> str:
    counts = ", ".join(f"{len(parts[p]):,} for {p}" for p in PARTS)
    asked = part != "validation" or validation
    way = "More images are needed." if asked else "Ask for validation=0.1 of the training images."
    return f"{root}: there is no image for {part} ({counts}). {way}"
