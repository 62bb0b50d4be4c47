"""Tables as layouts: the classes and the parts of a folder whose labels stand in tables.

FOLDER/train/*.png, trainLabels.csv   Kaggle; the images in test have no classes
FOLDER/labels.csv, images/*.jpg       all images, divided by their bytes
FOLDER/train.csv, val.csv, test.csv   a table for each part
FILE.csv                              with a column of parts, or without
"""

from __future__ import annotations

from pathlib import Path

from tinynet.core.errors import DataError
from tinynet.data import label_tables
from tinynet.data.image_tree import (
    PART_NAMES,
    Found,
    Layout,
    entries_of,
    folders_of,
    images_below,
    note,
    part_of,
    some,
)
from tinynet.data.label_tables import Index, Row
from tinynet.data.splits import PARTS

TABLES = {
    "train": ("trainLabels.csv", "train_labels.csv", "labels.csv", "train.csv"),
    "validation": ("val.csv", "valid.csv", "validation.csv", "val_labels.csv"),
    "test": ("testLabels.csv", "test_labels.csv", "test.csv"),
}
PLAIN = ("images", "image", "imgs", "img", "data", "jpg", "png")
"""Folders whose names are not those of classes, where a table says the classes."""


def table_of(root: Path, part: str) -> Path | None:
    """Return the table of the labels of a part, whatever the case of its name."""
    there = {f.name.lower(): f for f in entries_of(root) if f.is_file()}
    return next((there[n.lower()] for n in TABLES[part] if n.lower() in there), None)


def has_no_classes(root: Path) -> bool:
    """Return whether the folders at root are not those of classes."""
    return all(f.name.lower() in PLAIN or part_of(f.name) for f in folders_of(root))


def of_tables(root: Path, train: Path, suffixes: tuple[str, ...]) -> Layout:
    """Return the images that the tables of a folder name, one table for each part."""
    layout = of_table(root, train, "train", suffixes)
    parts = dict(layout.parts)
    for part in PARTS[1:]:
        table = table_of(root, part)
        if table is not None and _has_labels(table) and "all" in layout.parts:
            parts[part] = of_table(root, table, part, suffixes, layout.classes).parts["all"]
    if "all" in parts and len(parts) > 1:
        parts["train"] = parts.pop("all")
    return Layout(layout.classes, parts)


def _has_labels(table: Path) -> bool:
    """Return whether a table has labels; that of a competition's test has none."""
    try:
        label_tables.read(table)
    except DataError:
        return False
    return True


def of_table(
    root: Path,
    table: Path,
    part: str,
    suffixes: tuple[str, ...],
    classes: tuple[str, ...] = (),
) -> Layout:
    """Return the images that a table names, divided if it has a column of parts."""
    rows = label_tables.read(table)
    index = Index(root, images_below(root, suffixes))
    inside = next((f.name for f in folders_of(root) if part and part_of(f.name) == part), "")
    classes = classes or _labels(rows)
    places = {name: i for i, name in enumerate(classes)}
    parts: dict[str, list[Found]] = {}
    missing = list[Row]()
    labels = dict[Path, str]()
    for row in rows:
        path = index.find(row.name, inside)
        if path is None:
            missing.append(row)
            continue
        if labels.setdefault(path, row.label) != row.label:
            raise DataError(
                f"{table}: an image has one class; {row.name} has {labels[path]} and {row.label}."
            )
        if row.label not in places:
            raise DataError(
                f"{table}: every class must have images to learn from. {row.name} is of "
                f"{row.label}."
            )
        parts.setdefault(_part_of(table, row), []).append(Found(path, places[row.label]))
    if not labels:
        raise DataError(
            f"{table}: none of the {len(rows):,} images that it names is in {root}; the first is "
            f"{rows[0].name}."
        )
    if missing:
        note(
            f"{table}: {len(missing):,} of its {len(rows):,} rows name no image that is there; the "
            f"first is {missing[0].name}."
        )
    if len(classes) < 2:
        raise DataError(f"{table}: at least two classes are expected. Found {some(list(classes))}.")
    return Layout(classes, {name: sorted(set(found)) for name, found in parts.items()})


def _part_of(table: Path, row: Row) -> str:
    if not row.part:
        return "all"
    for part, names in PART_NAMES.items():
        if row.part in names:
            return part
    raise DataError(f"{table}: parts are train, val and test. {row.name} is in {row.part}.")


def _labels(rows: list[Row]) -> tuple[str, ...]:
    """Return the classes of a table: numbers by their size, words by their letters."""
    names = {row.label for row in rows}
    if all(name.isdecimal() for name in names):
        return tuple(sorted(names, key=int))
    return tuple(sorted(names))
