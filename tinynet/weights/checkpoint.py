"""Checkpoints: one safetensors file that holds everything a run needs to go on.

    model.NAME           weights and buffers
    optimizer.NAME       what the optimiser remembers of each parameter
    preprocessing.NAME   the arrays that images are prepared with
    metadata             strings: format, checksums, and whatever the run says of itself

A file is written beside its final name, flushed to the disk and only then renamed, so a reader
sees the old file or the new one, never half of one. The file that was there before stays beside
it: last.previous.safetensors. Reading compares checksums, names, shapes and dtypes before a weight
is touched.
"""

import contextlib
import dataclasses
import errno
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tinynet.core.backend import Array, to_numpy
from tinynet.core.errors import DataError, ShapeError

if TYPE_CHECKING:
    from tinynet.nn import Module
    from tinynet.optim import Optimizer

FORMAT = 1
GROUPS = ("model", "optimizer", "preprocessing")

FULL = (errno.ENOSPC, errno.EDQUOT)

Arrays = dict[str, Array]


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """Arrays by group and name, and what is said about them. Files keep this order too."""

    model: Arrays
    optimizer: Arrays = dataclasses.field(default_factory=dict)
    preprocessing: Arrays = dataclasses.field(default_factory=dict)
    metadata: dict[str, str] = dataclasses.field(default_factory=dict)


def save(path: Path, checkpoint: Checkpoint, *, keep_previous: bool = True) -> None:
    """Write the checkpoint; the file that was there before stays as `previous(path)`."""
    from safetensors.numpy import save as serialise

    groups = {group: _on_cpu(getattr(checkpoint, group)) for group in GROUPS}
    metadata = {"format": f"tinynet {FORMAT}", **checkpoint.metadata}
    metadata |= {f"crc32.{group}": _checksum(arrays) for group, arrays in groups.items()}
    metadata["crc32.metadata"] = _checksum_of_text(metadata)
    arrays = {f"{group}.{name}": a for group, named in groups.items() for name, a in named.items()}
    write_atomically(path, serialise(arrays, metadata), keep_previous=keep_previous)


def load(path: Path) -> Checkpoint:
    """Return everything in the file, or raise DataError if any of it is damaged."""
    return _read(path, GROUPS)


def load_model(path: Path) -> Checkpoint:
    """Return what prediction needs: weights and preprocessing. The optimiser's is not read."""
    return _read(path, ("model", "preprocessing"))


def load_latest(path: Path, read: Callable[[Path], Checkpoint] = load) -> tuple[Checkpoint, str]:
    """Return the checkpoint at `path`, or the previous one and a sentence that says why."""
    try:
        return read(path), ""
    except DataError as damage:
        older = previous(path)
        if not older.exists():
            raise
        try:
            found = read(older)
        except DataError as second:
            raise DataError(f"{damage} Nor is the one before it whole. {second}") from second
        return found, f"{damage} Going on from the one before it, {older}."


def restore(checkpoint: Checkpoint, model: "Module", optimizer: "Optimizer | None" = None) -> None:
    """Put the checkpoint into model and optimiser: all of it or, if it does not fit, none."""
    compare("model", model.state_dict(), checkpoint.model)
    if optimizer is not None:
        try:
            optimizer.load_state_dict(checkpoint.optimizer)
        except (ShapeError, KeyError) as error:
            raise DataError(f"checkpoint: its optimizer arrays do not fit ({error}).") from error
    model.load_state_dict(checkpoint.model)


def compare(group: str, expected: Arrays, found: Arrays) -> None:
    """Raise DataError unless names, shapes and dtypes agree; the message names what differs."""
    problems = [f"{name} is missing" for name in expected if name not in found]
    problems += [f"{name} is not expected" for name in found if name not in expected]
    problems += [
        f"{name} is {_kind(found[name])}, expected {_kind(array)}"
        for name, array in expected.items()
        if name in found and _kind(found[name]) != _kind(array)
    ]
    if problems:
        more = f" (and {len(problems) - 3} more)" if len(problems) > 3 else ""
        raise DataError(
            f"checkpoint: its {group} arrays are not those of this {group}. "
            f"{'; '.join(problems[:3])}{more}. Nothing was changed."
        )


def previous(path: Path) -> Path:
    """Return where the file before this one is kept, e.g. last.previous.safetensors."""
    return path.with_suffix(".previous" + path.suffix)


def write_atomically(path: Path, data: bytes, *, keep_previous: bool = False) -> None:
    """Replace the file's contents; at every moment the old ones or the new ones are whole."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if keep_previous and path.exists():
            os.replace(path, previous(path))
        os.replace(temporary, path)
        _flush_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        kept = path if path.exists() else previous(path)
        whole = f" {kept}, written earlier, is whole." if kept.exists() else ""
        reason = error.strerror or str(error)
        way_out = " Make room, or write to another disk." if error.errno in FULL else ""
        raise OSError(
            error.errno, f"{path}: could not be written ({reason}).{whole}{way_out}"
        ) from error


def sweep(folder: Path) -> None:
    """Remove the temporaries of killed writers, from a folder that nobody else writes to."""
    for temporary in folder.glob(".*.tmp"):
        temporary.unlink()


def _read(path: Path, groups: tuple[str, ...]) -> Checkpoint:
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        found = "something else" if path.exists() else "nothing"
        raise DataError(f"{path}: expected a checkpoint file, found {found}.")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = dict(file.metadata() or {})
            _check_format(path, metadata)
            _check_text(path, metadata)
            keys = [key for key in list(file.keys()) if key.split(".", 1)[0] in groups]
            arrays = {key: file.get_tensor(key) for key in keys}
    except SafetensorError as error:
        raise DataError(f"{path}: this checkpoint is damaged or incomplete ({error}).") from error
    named: dict[str, Arrays] = {group: {} for group in groups}
    for key, array in arrays.items():
        group, name = key.split(".", 1)
        named[group][name] = array
    for group in groups:
        if metadata.pop(f"crc32.{group}", None) != _checksum(named[group]):
            raise DataError(
                f"{path}: damaged checkpoint: its {group} arrays do not have their checksum."
            )
    return Checkpoint(**named, metadata=metadata)


def _check_format(path: Path, metadata: dict[str, str]) -> None:
    name, _, number = metadata.get("format", "").partition(" ")
    if name != "tinynet" or not number.isdecimal():
        raise DataError(
            f"{path}: not a tinynet checkpoint: a safetensors file whose metadata names no format."
        )
    if int(number) > FORMAT:
        raise DataError(
            f"{path}: written in format {number}; this tinynet reads up to {FORMAT}. Update it."
        )


def _check_text(path: Path, metadata: dict[str, str]) -> None:
    """Raise DataError if what is said in the file is not what was written; drop its checksum."""
    written = metadata.pop("crc32.metadata", None)  # the first files have none
    if written is not None and written != _checksum_of_text(metadata):
        raise DataError(f"{path}: damaged checkpoint: its metadata do not have their checksum.")


def _on_cpu(arrays: Arrays) -> Arrays:
    return {name: np.asarray(to_numpy(array), order="C") for name, array in arrays.items()}


def _checksum(arrays: Arrays) -> str:
    total = 0
    for name in sorted(arrays):
        total = zlib.crc32(
            arrays[name].reshape(-1).view(np.uint8), zlib.crc32(name.encode(), total)
        )
    return f"{total:08x}"


def _checksum_of_text(metadata: dict[str, str]) -> str:
    return f"{zlib.crc32(repr(sorted(metadata.items())).encode()):08x}"


def _kind(array: Array) -> str:
    return f"{array.dtype} {tuple(array.shape)}"


def _flush_folder(folder: Path) -> None:
    """Make the rename itself durable: a folder is a file whose contents are names."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
