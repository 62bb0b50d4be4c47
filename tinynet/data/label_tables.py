"""Tables of labels: text files that name image files and the class of each.

id,label              trainLabels.csv of Kaggle: names without their ending
path,label,split      a table of your own; the column of parts may be missing
ImageId,PredictionString    LOC_val_solution.csv of ImageNet: the class is the first word
NAME 65               val.txt of Caffe: the number of a class in the order of the folders
NAME<tab>n03444034    val_annotations.txt of Tiny ImageNet
"""

from __future__ import annotations

import csv
import itertools
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from tinynet.core.errors import DataError
from tinynet.data.files import open_regular, unreadable

NAMES = {
    *("id", "image", "image_id", "imageid", "image_name", "img", "name", "filename", "file_name"),
    *("file", "path", "filepath", "file_path", "image_path"),
}
LABELS = {
    *("label", "labels", "class", "class_name", "category", "target", "breed", "species"),
    *("wnid", "predictionstring"),
}
BOXED = "predictionstring"  # of ImageNet: the class, then the boxes of objects
SPLITS = {"split", "part", "set", "subset", "fold", "dataset"}
LARGEST = 1 << 27  # bytes of a table; that of ImageNet's 1.3 million images has half as many
MOST = 2_000_000  # lines of a table
LONGEST = 1 << 16  # characters of a line


class Row(NamedTuple):
    """A line of a table: an image, its class and, where a column says so, its part."""

    name: str
    label: str
    part: str = ""


def read(path: Path) -> list[Row]:
    """Return the rows of a table; a first line of column names decides what each column is.

    Raises
    ------
    DataError : if it is no table of images and labels
    """
    lines = lines_of(path)
    separator = _separator(lines[0] if lines else "")
    try:
        cells = csv.reader(lines, delimiter=separator, skipinitialspace=True)
        rows = list(_rows(path, cells, separator))
    except csv.Error as error:
        raise DataError(f"{path}: not a table that can be read ({error}).") from error
    if not rows:
        raise DataError(f"{path}: a row for each image is expected. There is none.")
    return rows


def _rows(path: Path, cells: Iterable[list[str]], separator: str) -> Iterator[Row]:
    """Yield the rows of a table, without the one of the titles."""
    rows = ([cell.strip() for cell in row] for row in cells if any(row))
    first = next(rows, None)
    if first is None:
        raise DataError(f"{path}: a table of images and labels is expected; it is empty.")
    titles = [cell.lower() for cell in first]
    name, label, part = _columns(path, titles, separator)
    titled = {titles[name], titles[label]} & (NAMES | LABELS)
    boxed = titles[label] == BOXED
    width = max(name, label, part) + 1
    for number, row in enumerate(rows if titled else itertools.chain([first], rows), 1):
        if len(row) < width or not row[label]:
            raise DataError(
                f"{path}: every row names an image and its class. Row {number:,} does not: "
                f"{', '.join(row[:6])}."
            )
        yield Row(
            row[name],
            row[label].split()[0] if boxed else row[label],
            row[part].lower() if part >= 0 else "",
        )


class Index:
    """Image files by the names that a table may give them: paths, names, without their ending."""

    def __init__(self, root: Path, files: Iterable[Path]) -> None:
        self.root = root
        self.found: dict[str, list[Path]] = {}
        for path in files:
            relative = path.relative_to(root).as_posix()
            names = {relative, os.path.splitext(relative)[0], path.name, path.stem}
            for name in names:
                self.found.setdefault(name, []).append(path)

    def find(self, name: str, inside: str = "") -> Path | None:
        """Return the file of this name, or None.

        Parameters
        ----------
        name : as the table has it
        inside : a name without a path is that of a file in this folder
        """
        wanted = name.replace("\\", "/").removeprefix("./")
        candidates = self.found.get(wanted) or self.found.get(self._relative(wanted)) or []
        if inside and "/" not in wanted:
            candidates = [p for p in candidates if p.relative_to(self.root).parts[0] == inside]
        if len(candidates) > 1:
            exact = [p for p in candidates if p.relative_to(self.root).as_posix() == wanted]
            candidates = exact or candidates
        if len(candidates) > 1:
            raise DataError(
                f"{self.root}: a table names {name}, and there are {len(candidates)} such files; "
                f"{candidates[0]} and {candidates[1]}, for instance. Give their paths."
            )
        return candidates[0] if candidates else None

    def _relative(self, name: str) -> str:
        """Return an absolute path as one from the root; other paths stay, and lead nowhere else."""
        try:
            return Path(name).relative_to(self.root.absolute()).as_posix()
        except ValueError:
            return name


def lines_of(path: Path) -> list[str]:
    """Return the lines of a text file that are not empty."""
    with open_regular(path) as file:
        try:
            content = file.read(LARGEST + 1)
        except OSError as error:
            raise unreadable(path, error) from None
    if len(content) > LARGEST or b"\0" in content[:LONGEST]:
        raise DataError(f"{path}: a table is a text file of at most {LARGEST:,} bytes.")
    content = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if content.count(b"\n") > MOST:
        raise DataError(f"{path}: a table of images has at most {MOST:,} lines.")
    text = content.decode("utf-8-sig", "replace")
    lines = [line for line in text.split("\n") if line.strip()]
    longest = max(map(len, lines), default=0)
    if longest > LONGEST:
        raise DataError(f"{path}: a line of a table is short; this one has {longest:,} characters.")
    return lines


def _separator(line: str) -> str:
    """Return what separates the columns of a table."""
    return next((mark for mark in (",", "\t", ";") if mark in line), " ")


def _columns(path: Path, titles: list[str], separator: str) -> tuple[int, int, int]:
    """Return the columns of the names, the labels and the parts; -1: there are no parts."""
    names = [i for i, title in enumerate(titles) if title in NAMES]
    labels = [i for i, title in enumerate(titles) if title in LABELS]
    parts = [i for i, title in enumerate(titles) if title in SPLITS and names]
    part = parts[0] if parts else -1
    others = [i for i in range(len(titles)) if i != part]
    if len(others) == 2 or (separator in " \t" and len(others) > 2 and not names):
        names = names or [i for i in others if i not in labels]
        labels = labels or [i for i in others if i != names[0]]
    if not names or not labels:
        raise DataError(
            f"{path}: a table of images and labels has a column of names (such as id or path) and "
            f"one of classes (such as label). Found {', '.join(titles[:6])}."
        )
    return names[0], labels[0], part
