"""Runs on the disk: what a run folder says of itself, and the runs below a folder."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from tinynet.core.checks import is_whole
from tinynet.core.errors import DataError
from tinynet.training import run_dir
from tinynet.training.loop import Epoch
from tinynet.training.recipes import Recipe

LARGEST = 2**24  # bytes of a log.jsonl or result.json; a line has about 250
DEPTH = 3  # folders below the one that is searched
OPTIONAL = {"test_loss", "test_accuracy", "validation_loss", "validation_accuracy"}

State = Literal["running", "stopped", "finished"]


@dataclasses.dataclass(frozen=True)
class SavedRun:
    """A run as its folder has it; no weights and no images are read.

    Attributes
    ----------
    folder : Path
    recipe : Recipe
    facts : dict
        The other facts of config.json: device, threads, versions, numbers of images.
    records : list of Epoch
        Of the finished epochs.
    result : dict or None
        Content of result.json; None before the end.
    state : "running", "stopped" or "finished"
        A run is running while a process of this machine holds the lock of its folder.
    changed : float
        When its log, or else its config.json, was last written, in seconds since 1970.
    """

    folder: Path
    recipe: Recipe
    facts: dict[str, Any]
    records: list[Epoch]
    result: dict[str, Any] | None
    state: State
    changed: float

    def images(self, part: str) -> int | None:
        """Return the number of images of "train", "test" or "validation"; None if not known."""
        counts = self.facts.get("images")
        found = counts.get(part) if isinstance(counts, dict) else None
        return found if isinstance(found, int) and found > 0 else None

    @property
    def accuracy(self) -> float | None:
        """Test accuracy of the last epoch, 0..1; None if it was not measured."""
        return self.records[-1].test_accuracy if self.records else None


def read(folder: Path | str) -> SavedRun:
    """Return what a run folder says of its run.

    Raises
    ------
    DataError
        Where the folder holds no run, or one of its files is damaged.
    """
    folder = Path(folder)
    recipe, facts = run_dir.read_config(folder)
    records = read_log(folder)
    result = _read_result(folder)
    if run_dir.is_locked(folder):
        state: State = "running"
    else:
        state = "stopped" if result is None else "finished"
    written = [folder / name for name in (run_dir.LOG, run_dir.CONFIG)]
    changed = next(path.stat().st_mtime for path in written if path.exists())
    return SavedRun(folder, recipe, facts, records, result, state, changed)


def read_log(folder: Path) -> list[Epoch]:
    """Return the records of log.jsonl; none before the end of the first epoch.

    Raises
    ------
    DataError
        Where a line is not the record of an epoch.
    """
    path = folder / run_dir.LOG
    found = []
    for number, line in enumerate(_read_text(path).splitlines(), start=1):
        try:
            found.append(_record(json.loads(line)))
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            raise DataError(f"{path}: line {number} is no record of an epoch ({error}).") from error
    return found


def _record(values: Any) -> Epoch:
    """Return an Epoch from the fields that it knows, all of which are numbers."""
    if not isinstance(values, dict):
        raise TypeError(f"an object is needed, not {type(values).__name__}")
    known = {field.name: _number(field.name, values) for field in dataclasses.fields(Epoch)}
    if not is_whole(values["epoch"], least=1):
        raise TypeError(f"epoch is 1, 2, ..., not {values['epoch']!r:.40}")
    return Epoch(**{**known, "epoch": values["epoch"]})


def _number(name: str, values: dict[str, Any]) -> Any:
    """Return a field of a record; only a loss may be infinite or NaN, an accuracy lies in 0..1."""
    value = values.get(name)
    if value is None and name in OPTIONAL:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"{name} is a number, not {value!r:.40}")
    if name.endswith("accuracy") and not 0 <= value <= 1:
        raise ValueError(f"{name} is a fraction, not {value!r:.40}")
    if not name.endswith("loss") and not math.isfinite(value):
        raise ValueError(f"{name} is a finite number, not {value}")
    return float(value)


def _read_result(folder: Path) -> dict[str, Any] | None:
    path = folder / run_dir.RESULT
    if not path.exists():
        return None
    try:
        found = json.loads(_read_text(path))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not the result of a run ({error}).") from error
    if not isinstance(found, dict):
        raise DataError(f"{path}: not the result of a run: an object is needed.")
    return found


def _read_text(path: Path) -> str:
    """Return the text of a small file, "" if there is none."""
    if not path.exists():
        return ""
    if path.stat().st_size > LARGEST or not path.is_file():
        raise DataError(
            f"{path}: not a file of a run, which is a regular file of up to {LARGEST >> 20} MiB."
        )
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a text file ({error}).") from error


def find(folder: Path | str) -> list[Path]:
    """Return the run folders in a folder and up to three levels below it, by name.

    Examples
    --------
    >>> from tinynet.training.run_list import find
    >>> find("no-such-folder")
    []
    """
    return sorted(_search(Path(folder), DEPTH))


def _search(folder: Path, depth: int) -> Iterator[Path]:
    if run_dir.holds_run(folder) and any((folder / name).exists() for name in _SIGNS):
        yield folder
        return
    if depth == 0:
        return
    try:
        inside = [entry.path for entry in os.scandir(folder) if _is_folder(entry)]
    except OSError:  # none, or not allowed to be read
        return
    for path in inside:
        yield from _search(Path(path), depth - 1)


_SIGNS = (run_dir.LOCK, run_dir.LOG, run_dir.LAST)  # other programs have a config.json too


def _is_folder(entry: os.DirEntry[str]) -> bool:
    return not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False)
