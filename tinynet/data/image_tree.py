"""Image trees: the visible image files and folders below a folder, and notes about the others.

Hidden files and folders are never data, nor are folders that systems make beside the images, nor
links to folders, since they may lead in circles.
"""

from __future__ import annotations

import os
import re
import warnings
from pathlib import Path
from typing import NamedTuple

from tinynet.core.errors import printable
from tinynet.core.table import first_names
from tinynet.data.files import unreadable

SUFFIXES = (
    *(".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"),
    *(".jfif", ".jpe", ".avif", ".jp2", ".ppm", ".pgm", ".pbm", ".pnm"),
)
"""The files that count as images."""
SYSTEM_FOLDERS = {
    *("__MACOSX", "@eaDir", "#recycle", "$RECYCLE.BIN", "System Volume Information", "lost+found"),
}
"""The folders that archives of macOS, network storages, Windows and file systems add."""
PART_NAMES = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
"""The names of the folders of each part, and of parts in a table."""
PART_FOLDER = re.compile(r"([a-z]+?)[_ -]?(set|images?|imgs?|img|data)?\d?")
"""The names of folders of parts: also training_set, test1, train_images."""


class Found(NamedTuple):
    """An image file, and the number of its class."""

    path: Path
    label: int


class Layout(NamedTuple):
    """The classes of a folder and its images.

    Attributes
    ----------
    classes : their names, in the order of the labels
    parts : the images of each part that the folder has; "all": not divided into parts
    """

    classes: tuple[str, ...]
    parts: dict[str, list[Found]]


def images_below(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """Return the images below a folder, in the order of their paths, without hidden ones."""
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not _is_passed_over(name)]
        found += [
            Path(place, name)
            for name in names
            if not _is_passed_over(name) and name.lower().endswith(suffixes)
        ]
    return sorted(found)


def is_hidden(path: Path, place: Path) -> bool:
    """Return whether a file, or a folder on its way from `place`, is hidden or a system's."""
    return any(_is_passed_over(name) for name in path.relative_to(place).parts)


def _is_passed_over(name: str) -> bool:
    return name.startswith(".") or name in SYSTEM_FOLDERS


def entries_of(folder: Path) -> list[Path]:
    """Return what is in a folder, by name."""
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise unreadable(folder, error) from None


def folders_of(folder: Path) -> list[Path]:
    """Return the visible folders in a folder, by name."""
    return [f for f in entries_of(folder) if f.is_dir() and not _is_passed_over(f.name)]


def part_of(name: str) -> str:
    """Return the part whose folder has this name, or nothing."""
    found = PART_FOLDER.fullmatch(name.lower())
    word = found[1] if found else ""
    return next((part for part, names in PART_NAMES.items() if word in names), "")


def parts_spoken_of(name: str) -> set[str]:
    """Return the parts of which a name speaks: those of seg_train are {"train"}."""
    return {part for word in re.split(r"[_ .-]+", name) if (part := part_of(word))}


def note(text: str) -> None:
    """Warn of what is left out or looks wrong."""
    warnings.warn(printable(text), stacklevel=3)


def some(names: list[str]) -> str:
    """Return the first five names."""
    return first_names(names, 5) or "none"
