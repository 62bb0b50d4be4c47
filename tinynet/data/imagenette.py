"""Imagenette, version 2: ten classes of ImageNet that are easily told apart (Howard 2019).

9,469 images for training and 3,925 for tests (its folder `val`), whose shorter side has 320 or 160
pixels, in a .tgz that is unpacked once. A folder that you put there by hand is as good as the
archive.

The address and the md5 sums are those of torchvision's `Imagenette`. The sums decide; the sizes are
uncertain: fastai counts 341,663,724 bytes in a download of the larger archive, no source at hand
confirms those of the smaller, and TensorFlow Datasets has listed other ones, of earlier archives at
the same address.
"""

from __future__ import annotations

import os
import shutil
import tarfile
import zlib
from pathlib import Path, PurePosixPath

from tinynet.core.errors import DataError
from tinynet.data.download import Progress, Source, fetch
from tinynet.data.files import (
    DamagedError,
    fetching,
    folder_of,
    is_there,
    open_regular,
    with_way_out,
)
from tinynet.data.folder import ImageFolder
from tinynet.words import sentence

CLASSES = {
    "n01440764": "tench",
    "n02102040": "English springer",
    "n02979186": "cassette player",
    "n03000684": "chain saw",
    "n03028079": "church",
    "n03394916": "French horn",
    "n03417042": "garbage truck",
    "n03425413": "gas pump",
    "n03445777": "golf ball",
    "n03888257": "parachute",
}
ADDRESS = "https://s3.amazonaws.com/fast-ai-imageclas/"


def _archive(name: str, size: int, md5: str) -> Source:
    return Source(name, size, md5, (ADDRESS + name,), size_is_sure=False)


ARCHIVES = {
    "imagenette": _archive("imagenette2-320.tgz", 341_663_724, "3df6f0d01a2c9592104656642f5e78a3"),
    "imagenette-160": _archive(
        "imagenette2-160.tgz", 99_003_388, "e793b78cc4c9e9a4ccc0c1155377a412"
    ),
}


class Imagenette(ImageFolder):
    """The images of Imagenette.

    Parameters
    ----------
    root : the unpacked folder, or the folder that holds it;
        None: $TINYNET_DATA, or the user's cache
    part, side, validation, workers, split, strict : see `ImageFolder`; its folder `val` is the test
    name : "imagenette" or "imagenette-160"

    Raises
    ------
    DataError : if the folder is missing; the message says how to get it
    """

    def __init__(
        self,
        root: str | Path | None = None,
        part: str = "train",
        *,
        side: int = 256,
        validation: float = 0.0,
        workers: int | None = None,
        split: str = "stratified",
        strict: bool = False,
        name: str = "imagenette",
    ) -> None:
        folder = folder_of(root)
        where = locate(folder, name)
        if where is None:
            raise _missing(folder, name, root)
        super().__init__(
            where,
            part,
            side=side,
            validation=validation,
            workers=workers,
            split=split,
            strict=strict,
        )
        self.classes = tuple(CLASSES.get(wnid, wnid) for wnid in self.classes)


def locate(root: Path, name: str) -> Path | None:
    """Return the unpacked folder at `root`, or None."""
    for folder in (root, root / _folder(name)):
        if all(is_there(folder / part / wnid) for part in ("train", "val") for wnid in CLASSES):
            return folder
    return None


def get(name: str, root: Path, progress: Progress | None = None) -> Path:
    """Return the unpacked folder at `root`, after fetching and unpacking what is missing."""
    with with_way_out(_fetching(name, root)):
        return locate(root, name) or unpack(fetch(ARCHIVES[name], root, progress), root, name)


def unpack(archive: Path, root: Path, name: str) -> Path:
    """Unpack the images of an archive into `root`; the folder gets its name when it is whole."""
    target = root / _folder(name)
    beginning = root / f"{_folder(name)}.part{os.getpid()}"
    try:
        with open_regular(archive) as file, tarfile.open(fileobj=file, mode="r|gz") as members:
            for member in members:
                path = PurePosixPath(member.name)
                content = members.extractfile(member) if member.isreg() else None
                if content is None or len(path.parts) != 4 or path.parts[0] != target.name:
                    continue
                known = path.parts[2] in CLASSES and path.parts[1] in ("train", "val")
                if not known or path.suffix != ".JPEG":
                    continue
                place = beginning.joinpath(*path.parts[1:])
                place.parent.mkdir(parents=True, exist_ok=True)
                with open(place, "wb") as out:
                    shutil.copyfileobj(content, out)
        if locate(beginning, name) is None:
            raise DamagedError(f"{archive}: it does not hold the folders of {name}.")
        beginning.rename(target)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise DamagedError(f"{archive}: the archive cannot be unpacked ({error}).") from None
    except OSError as error:
        if locate(root, name) is None:  # else another process was faster
            needed = f"about {archive.stat().st_size:,} bytes, and nothing in the folder's place"
            raise DataError(
                f"{archive}: could not be unpacked to {target}. {error.strerror or error}. "
                f"It needs {needed}."
            ) from None
    finally:
        shutil.rmtree(beginning, ignore_errors=True)
    return target


def _folder(name: str) -> str:
    return ARCHIVES[name].name.removesuffix(".tgz")


def _fetching(name: str, root: str | Path | None) -> str:
    call = f"tn.data.get({name!r}, {{}})"
    return fetching(name, call, root).replace(", )", ")")


def _missing(folder: Path, name: str, root: str | Path | None) -> DataError:
    source = ARCHIVES[name]
    return DataError(
        sentence(
            "{name}: {folder} must hold the folder {inside}, with train and val inside. {fetching} "
            "fetches it (about {size:,} bytes); on a machine without a network, put the folder "
            "there.",
            name=name,
            folder=folder,
            inside=_folder(name),
            fetching=_fetching(name, root),
            size=source.size,
        )
    )
