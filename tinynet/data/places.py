"""Places of other libraries, in which they keep data sets that tinynet reads.

These are torchvision, Keras, fastai, TensorFlow Datasets and Hugging Face. Only names of files are
looked at; nothing is opened, written or moved. The folders are the default ones of each library, or
those that its environment variables name.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tinynet.core.errors import DataError
from tinynet.data import cifar10, imagenette, mnist

FOLDERS_OF_CLASSES = ("cifar10", "cifar100", "mnist_png", "imagewoof2-320", "imagewoof2-160")
"""Data sets of fastai that are image folders."""


class Elsewhere(NamedTuple):
    """A data set that another library keeps.

    Attributes
    ----------
    name : for ``--data``: of the catalog, or folder:PATH
    library : which puts data sets there
    path : for ``--data-dir``; None where `name` has the path
    """

    name: str
    library: str
    path: Path | None


def elsewhere() -> tuple[Elsewhere, ...]:
    """Return the data sets that other libraries keep on this machine."""
    found = dict[tuple[str, Path | None], Elsewhere]()
    for library, place in _places():
        for each in (*_known_in(library, place), *_folders_in(library, place)):
            found.setdefault((each.name, each.path and each.path.resolve()), each)
    return tuple(found.values())


def _known_in(library: str, place: Path) -> Iterator[Elsewhere]:
    """Yield the data sets of the catalog that are at a place."""
    try:
        if cifar10.locate(place) is not None:
            yield Elsewhere("cifar10", library, place)
        if mnist.find(place, "train") and mnist.find(place, "test"):
            yield Elsewhere("mnist", library, place)
        for name in imagenette.ARCHIVES:
            if imagenette.locate(place, name) is not None:
                yield Elsewhere(name, library, place)
    except (DataError, OSError):  # a folder that may not be looked into
        return


def _folders_in(library: str, place: Path) -> Iterator[Elsewhere]:
    """Yield the image folders of fastai."""
    if library == "fastai":
        for name in FOLDERS_OF_CLASSES:
            if (place / name).is_dir():
                yield Elsewhere(f"folder:{place / name}", library, None)


def _places() -> Iterator[tuple[str, Path]]:
    """Yield each library and a folder in which its data sets may be."""
    for folder in ("data", "datasets", "~/data", "~/datasets"):  # root= is the user's choice
        yield "torchvision", _path(folder)
    yield "Keras", _named("KERAS_HOME", "~/.keras") / "datasets"
    yield "fastai", _named("FASTAI_HOME", "~/.fastai") / "data"
    downloads = _named("TFDS_DATA_DIR", "~/tensorflow_datasets") / "downloads"
    for pattern in ("extracted/*/cifar-10-batches-bin", "extracted/*/*/cifar-10-batches-bin"):
        for path in _matching(downloads, pattern):
            yield "TensorFlow Datasets", path.parent
    for path in _matching(downloads, "*cifar-10-binary*.tar.gz"):
        yield "TensorFlow Datasets", path
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    hub = _named("HF_HUB_CACHE", str(_named("HF_HOME", str(cache / "huggingface")) / "hub"))
    for pattern in ("datasets--*cifar10", "datasets--*mnist"):
        for path in _matching(hub, pattern):
            if "fashion" not in path.name:
                yield "Hugging Face", path


def _named(variable: str, default: str) -> Path:
    return _path(os.environ.get(variable) or default)


def _path(folder: str) -> Path:
    try:
        return Path(folder).expanduser().absolute()
    except RuntimeError:  # there is no home folder
        return Path(folder).absolute()


def _matching(folder: Path, pattern: str) -> list[Path]:
    try:
        return sorted(folder.glob(pattern))
    except OSError:
        return []
