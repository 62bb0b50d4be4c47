"""Checkpoints: one safetensors file with everything that a run needs to resume.

    model.NAME           parameters and buffers
    optimizer.NAME       state of the optimizer for each parameter
    preprocessing.NAME   arrays that images are prepared with
    metadata             strings: format, checksums, and the facts that the run adds

Files are replaced atomically, and the one before is kept: last.previous.safetensors. Reading
compares checksums, names, shapes and dtypes before any weight changes.
"""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tinynet.core.atomic_file import previous, sweep, write_atomically
from tinynet.core.backend import Array, to_numpy
from tinynet.core.errors import DataError, ShapeError
from tinynet.core.table import first_names
from tinynet.words import sentence

if TYPE_CHECKING:
    from tinynet.nn import Module
    from tinynet.optim import Optimizer

__all__ = [
    "Checkpoint",
    "Damage",
    "LatestCheckpoint",
    "compare",
    "load",
    "load_latest",
    "load_model",
    "previous",
    "restore",
    "save",
    "sweep",
    "write_atomically",
]

FORMAT = 1
GROUPS = ("model", "optimizer", "preprocessing")
SHOWN = 3  # differences in a message

Arrays = dict[str, Array]


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """Arrays by group and name, and metadata; a file keeps their order.

    Parameters
    ----------
    model : dict of str to array
        Parameters and buffers, as `Module.state_dict` returns them.
    optimizer : dict of str to array
        As `Optimizer.state_dict` returns them.
    preprocessing : dict of str to array
    metadata : dict of str to str
    """

    model: Arrays
    optimizer: Arrays = dataclasses.field(default_factory=dict)
    preprocessing: Arrays = dataclasses.field(default_factory=dict)
    metadata: dict[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Damage:
    """A damaged file, and the earlier one that was read in its place."""

    reason: str
    used: Path

    def __str__(self) -> str:
        said = "{reason} Using the checkpoint before it, {used}."
        return sentence(said, reason=self.reason, used=self.used)


class LatestCheckpoint(NamedTuple):
    """A checkpoint; `damage` is None unless the latest file was damaged and an earlier one read."""

    checkpoint: Checkpoint
    damage: Damage | None


def save(path: Path | str, checkpoint: Checkpoint, *, keep_previous: bool = True) -> None:
    """Write a checkpoint; the file that was there before is kept as `previous(path)`.

    Parameters
    ----------
    path : Path or str
    checkpoint : Checkpoint
    keep_previous : bool

    Raises
    ------
    OSError
        The file could not be written; the earlier one is still whole.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from tinynet.weights import checkpoint
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = f"{folder}/last.safetensors"
    ...     checkpoint.save(path, checkpoint.Checkpoint({"weight": np.ones(2)}))
    ...     checkpoint.load(path).model
    {'weight': array([1., 1.])}
    """
    from safetensors.numpy import save as serialize

    groups = {group: _on_cpu(getattr(checkpoint, group)) for group in GROUPS}
    metadata = {"format": f"tinynet {FORMAT}", **checkpoint.metadata}
    metadata |= {f"crc32.{group}": _checksum(arrays) for group, arrays in groups.items()}
    metadata["crc32.metadata"] = _checksum_of_text(metadata)
    arrays = {f"{group}.{name}": a for group, named in groups.items() for name, a in named.items()}
    write_atomically(path, serialize(arrays, metadata), keep_previous=keep_previous)


def load(path: Path | str) -> Checkpoint:
    """Return everything in a checkpoint file.

    Raises
    ------
    DataError
        The file is missing, damaged, or of a newer format.
    """
    return _read(Path(path), GROUPS)


def load_model(path: Path | str) -> Checkpoint:
    """Return what prediction needs: weights and preprocessing, without the optimizer's state."""
    return _read(Path(path), ("model", "preprocessing"))


def load_latest(path: Path | str, read: Callable[[Path], Checkpoint] = load) -> LatestCheckpoint:
    """Return the checkpoint at `path` or, if that file is damaged, the one before it.

    Parameters
    ----------
    path : Path or str
    read : `load` or `load_model`

    Returns
    -------
    LatestCheckpoint
        (checkpoint, damage): `damage` is None if the latest file is whole.

    Raises
    ------
    DataError
        Neither file can be read.
    """
    path = Path(path)
    try:
        return LatestCheckpoint(read(path), None)
    except DataError as damage:
        older = previous(path)
        if not older.exists():
            raise
        try:
            found = read(older)
        except DataError as second:
            raise DataError(f"{damage} The one before it is damaged too. {second}") from second
        return LatestCheckpoint(found, Damage(str(damage), older))


def restore(checkpoint: Checkpoint, model: Module, optimizer: Optimizer | None = None) -> None:
    """Load a checkpoint into a model and an optimizer; if anything does not fit, change nothing.

    Raises
    ------
    DataError
        Names, shapes or dtypes differ.
    """
    compare("model", model.state_dict(), checkpoint.model)
    if optimizer is not None:
        try:
            optimizer.load_state_dict(checkpoint.optimizer)
        except (ShapeError, KeyError) as error:
            raise DataError(f"checkpoint: its optimizer arrays do not fit ({error}).") from error
    model.load_state_dict(checkpoint.model)


def compare(group: str, expected: Arrays, found: Arrays) -> None:
    """Raise DataError unless names, shapes and dtypes agree; the message names the differences."""
    problems = [f"{name} is missing" for name in expected if name not in found]
    problems += [f"{name} is not expected" for name in found if name not in expected]
    problems += [
        f"{name} is {_kind(found[name])}, expected {_kind(array)}"
        for name, array in expected.items()
        if name in found and _kind(found[name]) != _kind(array)
    ]
    if problems:
        raise DataError(
            f"checkpoint: its {group} arrays are not those of this {group}. "
            f"{first_names(problems, SHOWN, separator='; ')}. Nothing was changed."
        )


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
        said = "{path}: this checkpoint is damaged or incomplete ({error})."
        raise DataError(sentence(said, path=path, error=error)) from error
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
    """Raise DataError if the metadata do not have their checksum; remove the checksum from them."""
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
