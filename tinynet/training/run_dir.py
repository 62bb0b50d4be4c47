"""Run directory: its files, its lock, and config.json, which holds the settings of the run.

config.json               the recipe, the devices and the versions
last.safetensors          the latest checkpoint; last.previous.safetensors is the one before it
best.safetensors          the weights of the epoch with the best accuracy, on validation images if
                              some are held out, else on the test images
log.jsonl                 one object per epoch
result.json               written once, at the end
curves.png                loss and accuracy of the epochs
filters.png               the weights of the first convolution
report.html               the page of the run: curves, answers, mistakes, layers, settings
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tinynet.core import file_lock
from tinynet.core.errors import DataError
from tinynet.training import recipe_json
from tinynet.training.recipes import Recipe
from tinynet.weights import checkpoint
from tinynet.weights.checkpoint import write_atomically
from tinynet.words import sentence

LAST = "last.safetensors"
BEST = "best.safetensors"
CONFIG = "config.json"
LOG = "log.jsonl"
RESULT = "result.json"
CURVES = "curves.png"
FILTERS = "filters.png"
REPORT = "report.html"
LOCK = ".lock"
WRITTEN = (REPORT, RESULT, LOG, CURVES, FILTERS, LAST, BEST, CONFIG)


def begun(folder: Path) -> bool:
    """Return whether a folder holds a checkpoint: the last one, or the one before it."""
    return (folder / LAST).exists() or checkpoint.previous(folder / LAST).exists()


@contextlib.contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Keep other runs out of a folder, inside the block; the lock ends with this process.

    Raises
    ------
    DataError
        Where another run holds the lock.
    """
    with open(folder / LOCK, "a+") as file:
        if not file_lock.acquire(file):
            file.seek(0)
            raise DataError(
                sentence(
                    "{folder}: another run (process {number}) is writing to this folder. "
                    "Wait for it, or choose another folder.",
                    folder=folder,
                    number=file.read().strip(),
                )
            )
        checkpoint.sweep(folder)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def is_locked(folder: Path) -> bool:
    """Return whether a process of this machine holds the lock of a folder."""
    try:
        with open(folder / LOCK) as file:
            return not file_lock.acquire(file, shared=True)
    except OSError:  # there is no such file, or it may not be read
        return False


@contextlib.contextmanager
def new_folder(recipe: Recipe, folder: Path | None = None) -> Iterator[Path]:
    """Create and lock the folder of a new run; yield it.

    If no config.json is written inside the block, the folder is removed again.

    Parameters
    ----------
    recipe : Recipe
    folder : Path, optional
        None is runs/NAME-SEED, or the first of runs/NAME-SEED-2, -3, ... without a run. Of several
        processes that ask at once, each gets a folder of its own.

    Raises
    ------
    DataError
        Where `folder` already holds a run, or another run is writing to it.
    """
    base = Path("runs") / f"{recipe.name}-{recipe.seed}" if folder is None else folder
    absent = [path for path in (base, *base.parents) if not path.exists()]
    with contextlib.ExitStack() as stack:
        found = _lock_free(base, stack) if folder is None else _lock_new(folder, stack)
        try:
            yield found
        finally:
            if not holds_run(found):
                with contextlib.suppress(PermissionError):  # Windows, while the file is open
                    (found / LOCK).unlink(missing_ok=True)
                for path in dict.fromkeys((*([found] if folder is None else []), *absent)):
                    with contextlib.suppress(OSError):  # it is not empty
                        path.rmdir()


def _lock_free(base: Path, stack: contextlib.ExitStack) -> Path:
    """Return `base`, or the first of NAME-2, -3, ... that holds no run and is locked now."""
    folder = base
    number = 1
    while True:
        if not holds_run(folder):
            with contextlib.suppress(DataError):  # another process was faster
                return _lock_new(folder, stack)
        number += 1
        folder = base.with_name(f"{base.name}-{number}")


def _lock_new(folder: Path, stack: contextlib.ExitStack) -> Path:
    refuse_used(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as attempt:
        attempt.enter_context(lock(folder))
        refuse_used(folder)  # by a run that ended meanwhile
        stack.push(attempt.pop_all())
    return folder


def refuse_used(folder: Path) -> None:
    """Raise DataError if a folder already holds a run."""
    if holds_run(folder):
        said = "{folder}: this folder already holds a run. Resume it, or choose another."
        raise DataError(sentence(said, folder=folder))


def write_config(folder: Path, recipe: Recipe, **facts: Any) -> None:
    """Write config.json for a new run.

    Parameters
    ----------
    folder : Path
    recipe : Recipe
    facts : strings and numbers
        What else resuming needs: the device, the folder of the data, its fingerprint.

    Raises
    ------
    DataError
        Where the folder already holds a run.
    """
    refuse_used(folder)
    settings = dataclasses.asdict(recipe)
    write_json(folder / CONFIG, {"recipe": settings, **facts, "checksum": _checksum(settings)})


def change_recipe(folder: Path, recipe: Recipe) -> None:
    """Replace the recipe in config.json; the other facts stay."""
    _, facts = read_config(folder)
    settings = dataclasses.asdict(recipe)
    write_json(folder / CONFIG, {"recipe": settings, **facts, "checksum": _checksum(settings)})


def holds_run(folder: Path) -> bool:
    """Return whether a folder holds a run."""
    return (folder / CONFIG).exists()


def data_folder(folder: Path) -> Path | None:
    """Return the folder of a run's data; None is the default one."""
    named = read_config(folder)[1].get("data_dir")
    return None if named is None else Path(named)


def _run_nearby(path: Path) -> str:
    """Return a question that proposes the run of a file, or the first run in a folder."""
    places = [path.parent] if path.is_file() else sorted(p.parent for p in path.glob(f"*/{CONFIG}"))
    found = next((place for place in places if (place / CONFIG).is_file()), None)
    return "" if found is None else sentence(" Did you mean {name}?", name=found)


def read_config(folder: Path) -> tuple[Recipe, dict[str, Any]]:
    """Return the recipe of a run folder and the other facts of its config.json.

    Raises
    ------
    DataError
        Where the folder holds no run, or its config.json is damaged. After the first checkpoint,
        which holds the recipe too, changed settings are found by `recipe_json.refuse_changes`.
    """
    path = folder / CONFIG
    if not path.is_file():
        said = "{folder}: not a run folder: it has no {name}. tinynet train makes one.{hint}"
        raise DataError(sentence(said, folder=folder, name=CONFIG, hint=_run_nearby(folder)))
    try:
        config = json.loads(path.read_bytes())
        settings = config.pop("recipe")
        recipe = recipe_json.from_json(settings)
        for name in ("device", "data_dir"):
            if not isinstance(config.get(name), str | None):
                raise TypeError(f"{name} cannot be {config[name]!r}")
        if config.pop("checksum", _checksum(settings)) != _checksum(settings) and not begun(folder):
            raise ValueError("its settings are not those that were written; begin another run")
        return recipe, config
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(f"{path}: not the config.json of a run ({error}).") from error


def _checksum(settings: dict[str, Any]) -> int:
    """Return a checksum of a recipe's settings: the same before and after JSON."""
    return zlib.crc32(json.dumps(settings, sort_keys=True).encode())


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write an object, whole or not at all."""
    write_atomically(path, (json.dumps(value, indent=2) + "\n").encode())
