"""Layouts of image folders: where the parts and the classes of a data set are.

    FOLDER/cat/*.jpg                      a folder for each class
    FOLDER/train/cat/*.jpg                and for each part: train, val (or valid), test
    FOLDER/train/*.png, trainLabels.csv   Kaggle: the classes are in a table
    FOLDER/labels.csv, images/*.jpg       a table of paths and labels; FILE.csv alone is one too
    FOLDER/train/n01440764/*.JPEG         ImageNet: val/*.JPEG, with a list of the classes

Hidden files and folders are never data, nor are links to folders, since they may lead in circles.
"""

from __future__ import annotations

import re
from pathlib import Path

from tinynet.core.errors import DataError
from tinynet.data import label_tables
from tinynet.data.files import is_there, unpacking
from tinynet.data.image_tree import (
    PART_NAMES,
    SUFFIXES,
    Found,
    Layout,
    folders_of,
    images_below,
    is_hidden,
    note,
    part_of,
    parts_spoken_of,
    some,
)
from tinynet.data.label_tables import Index
from tinynet.data.table_layout import (
    PLAIN,
    TABLES,
    has_no_classes,
    of_table,
    of_tables,
    table_of,
)
from tinynet.words import sentence

LISTS = ("LOC_val_solution.csv", "val_annotations.txt", "val.txt", "val_labels.txt", "val.csv")
"""Of the classes of a folder val that is not divided."""
GROUND_TRUTH = "ILSVRC2012_validation_ground_truth.txt"
IMAGENET = ("", "ILSVRC/Data/CLS-LOC", "Data/CLS-LOC")
SYNSETS = ("LOC_synset_mapping.txt", "synset_words.txt", "words.txt")
WNID = re.compile(r"n\d{8}")


def recognize(root: Path, suffixes: tuple[str, ...] = SUFFIXES) -> Layout:
    """Return the classes and images of a folder, or of a table of labels.

    Parameters
    ----------
    root : a folder, or a table in the folder of its images
    suffixes : of the files that count as images

    Raises
    ------
    DataError : if it is neither, or if the classes of its images are not known
    """
    if is_there(root) and root.is_file() and root.suffix.lower() in (".csv", ".tsv", ".txt"):
        return of_table(root.parent, root, "", suffixes)
    if not is_there(root) or not root.is_dir():
        if archive := unpacking(root):
            raise DataError(archive)
        said = (
            "{root}: images are expected in a folder, with a folder for each class. There is "
            "{found}."
        )
        found = sentence("a file" if is_there(root) else "nothing")
        raise DataError(sentence(said, root=root, found=found))
    place = next(p for p in (root / name for name in reversed(IMAGENET)) if p.is_dir())
    parts = _named_parts(place)
    if parts:
        return _of_parts(root, place, parts, suffixes)
    table = table_of(root, "train")
    if table is not None and has_no_classes(root):
        return of_tables(root, table, suffixes)
    _refuse_unsorted(root)
    classes = _classes(root)
    return Layout(classes, {"all": _images(root, classes, suffixes)})


# folders of classes


def _named_parts(root: Path) -> dict[str, Path]:
    """Return the folders that are parts by their names; none, unless train has folders of classes.

    A class may be called "train" too: its folder holds images, not folders.
    """
    folders = folders_of(root)
    parts = {part: f for f in folders if (part := part_of(f.name))}
    parts |= {p: f for p, names in PART_NAMES.items() for f in folders if f.name.lower() in names}
    parts = {part: parts[part] for part in PART_NAMES if part in parts}
    if "train" not in parts or not _sorted(parts["train"]):
        return {}
    others = [f.name for f in folders if f not in parts.values()]
    if others:
        note(f"{root}: {some(others)} are neither train, val nor test, and left out.")
    return parts


def _sorted(folder: Path) -> bool:
    """Return whether a folder holds folders of classes, not one folder of all images."""
    inside = folders_of(folder)
    return bool(inside) and not (len(inside) == 1 and inside[0].name.lower() in PLAIN)


def _of_parts(root: Path, place: Path, parts: dict[str, Path], suffixes: tuple[str, ...]) -> Layout:
    """Return the images of folders train, val and test."""
    classes = _classes(parts["train"])
    found = {}
    for part, folder in parts.items():
        if part == "train" or _sorted(folder):
            found[part] = _images(folder, classes, suffixes)
        elif files := images_below(folder, suffixes):
            listed = _listed(root, place, folder, files, classes)
            if listed:
                found[part] = listed
    return Layout(_readable_names(root, place, classes), found)


def _classes(folder: Path) -> tuple[str, ...]:
    classes = tuple(f.name for f in folders_of(folder))
    if not classes and images_below(folder, SUFFIXES):
        said = (
            "{folder}: it holds images directly, so their classes are not known. Sort them into a "
            "folder for each class, or name the class of each in a table {table}."
        )
        raise DataError(sentence(said, folder=folder, table=folder / TABLES["train"][2]))
    if len(classes) < 2:
        deeper = [f for f in folders_of(folder) if len(folders_of(f)) > 1]
        hint = sentence(" Did you mean {name}?", name=deeper[0]) if deeper else ""
        said = (
            "{folder}: images are expected in a folder for each class, at least two. Found "
            "{count}: {names}.{hint}"
        )
        names = some(list(classes)) if classes else sentence("none")
        raise DataError(sentence(said, folder=folder, count=len(classes), names=names, hint=hint))
    return classes


def _images(folder: Path, classes: tuple[str, ...], suffixes: tuple[str, ...]) -> list[Found]:
    """Return the images in the folders of the classes, in the order of their names."""
    found = list[Found]()
    others = list[Path]()
    links = list[Path]()
    for place in folders_of(folder):
        if place.name not in classes:
            raise DataError(
                f"{place}: every class must have images to learn from. The classes of the training "
                f"images are {some(list(classes))}."
            )
        inside = sorted(p for p in place.rglob("*") if not is_hidden(p, place))
        files = [p for p in inside if not p.is_dir()]
        links += [p for p in inside if p.is_symlink() and p.is_dir()]
        others += [p for p in files if p.suffix.lower() not in suffixes]
        label = classes.index(place.name)
        images = [Found(p, label) for p in files if p.suffix.lower() in suffixes]
        if not images:
            raise DataError(
                sentence(
                    "{place}: the folder of a class must hold {kinds} files. There are none; fill "
                    "it, or take it away.",
                    place=place,
                    kinds=some(list(suffixes)),
                )
            )
        found += images
    _note_left_out(folder, others, links, suffixes)
    return found


def _note_left_out(
    folder: Path, others: list[Path], links: list[Path], suffixes: tuple[str, ...]
) -> None:
    if others:
        note(
            sentence(
                "{folder}: only {kinds} files are read. Left out: {count:,}; the first is {first}.",
                folder=folder,
                count=len(others),
                kinds=some(list(suffixes)),
                first=others[0],
            )
        )
    if links:
        note(
            f"{folder}: links to folders are not followed, since they may lead in circles. "
            f"Left out: {len(links):,}; the first is {links[0]}."
        )


def _refuse_unsorted(root: Path) -> None:
    """Raise if the folders are called as parts are, not as classes.

    These are folders of which one is for training and another one is not, and all alone `train`
    or `test`. A class may be called "train" too, beside "bus".
    """
    folders = folders_of(root)
    spoken = [parts_spoken_of(f.name) for f in folders]
    several = len(set[str]().union(*spoken)) > 1 and {"train"} in spoken
    if not folders or not (several or all(part_of(f.name) for f in folders)):
        return
    called = [f for f, parts in zip(folders, spoken, strict=True) if parts]
    files = [file for f in called for file in images_below(f, SUFFIXES)]
    if not files:
        return
    names = " and ".join(sorted(f.name for f in called))
    if files[0].parent in called or not folders_of(files[0].parent.parent):
        verb = "hold" if len(called) > 1 else "holds"
        raise DataError(
            f"{root}: {names} {verb} images directly, so their classes are not known. Images are "
            f"expected as in {files[0].parent.name}/CLASS/{files[0].name}; sort them into folders "
            f"of classes, or name the class of each in a table {TABLES['train'][0]}."
        )
    raise DataError(
        f"{root}: {names} are called as parts are, not as classes. Parts are read as "
        f"train/CLASS/{files[0].name} and test/CLASS/{files[0].name}; call the folders so, or name "
        f"the folder that has the classes, such as {files[0].parent.parent}."
    )


# ImageNet


def _listed(
    root: Path, place: Path, folder: Path, files: list[Path], classes: tuple[str, ...]
) -> list[Found]:
    """Return the images of a folder val or test that a list gives a class; none without one."""
    validation = part_of(folder.name) == "validation"
    where = (folder, place, root, root.parent) if validation else ()
    candidates = [at / name for at in where for name in LISTS]
    table = next((path for path in candidates if is_there(path) and path.is_file()), None)
    if table is None:
        truth = any(is_there(at / GROUND_TRUTH) for at in where)
        more = f" {GROUND_TRUTH} counts classes in another order." if truth else ""
        note(
            f"{folder}: {len(files):,} images without classes are left out, since there are no "
            f"folders of classes"
            + (f" and none of {some(list(LISTS))}.{more}" if validation else ".")
        )
        return []
    index = Index(folder, files)
    places = {name: i for i, name in enumerate(classes)}
    found = []
    for row in label_tables.read(table):
        label = places.get(row.label)
        if label is None and row.label.isdecimal() and int(row.label) < len(classes):
            label = int(row.label)
        path = index.find(row.name.rpartition("/")[2])
        if label is None and path is not None:
            raise DataError(
                f"{table}: every class must have images to learn from. {row.name} is of "
                f"{row.label}."
            )
        if path is not None and label is not None:
            found.append(Found(path, label))
    return sorted(found)


def _readable_names(root: Path, place: Path, classes: tuple[str, ...]) -> tuple[str, ...]:
    """Return words for the numbers of ImageNet's classes, where a list has them."""
    if not all(WNID.fullmatch(name) for name in classes):
        return classes
    candidates = [at / name for at in (root, place, root.parent) for name in SYNSETS]
    table = next((path for path in candidates if is_there(path) and path.is_file()), None)
    if table is None:
        return classes
    lines = (line.split(None, 1) for line in label_tables.lines_of(table))
    words = {line[0]: line[1].split(",")[0].strip() for line in lines if len(line) == 2}
    names = [words.get(wnid, wnid) for wnid in classes]
    return tuple(
        f"{name} ({wnid})" if names.count(name) > 1 else name
        for name, wnid in zip(names, classes, strict=True)
    )
