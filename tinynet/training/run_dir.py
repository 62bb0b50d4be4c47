"""Run directory: its files, its lock, and config.json, which holds the settings of the run.

config.json               the recipe, the devices and the versions
last.safetensors          the latest checkpoint; last.previous.safetensors is the one before it
best.safetensors          the weights of the epoch with the best accuracy, on validation images if
                              some are held out, else on the test images
log.jsonl                 one object per epoch
result.json               written once, at the end
curves.png                drawn from what log.jsonl holds
filters.png               the weights of the first convolution
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tinynet.core.errors import DataError
from tinynet.training import recipe_json
from tinynet.training.recipes import Recipe
from tinynet.weights import checkpoint
from tinynet.weights.checkpoint import write_atomically

LAST = "last.safetensors"
BEST = "best.safetensors"
CONFIG = "config.json"
LOG = "log.jsonl"
RESULT = "result.json"
CURVES = "curves.png"
FILTERS = "filters.png"
WRITTEN = (RESULT, LOG, CURVES, FILTERS, LAST, BEST, CONFIG)


def begun(folder: Path) -> bool:
    """Return whether a folder holds a checkpoint, be it the one before the last."""
    return (folder / LAST).exists() or checkpoint.previous(folder / LAST).exists()


@contextlib.contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Keep every other run out of this folder; the system frees it if this process dies."""
    with open(folder / ".lock", "a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise DataError(
                f"{folder}: another run (process {file.read().strip()}) is writing to this folder. "
                "Wait for it, or choose another folder."
            ) from None
        checkpoint.sweep(folder)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def write_config(folder: Path, recipe: Recipe, **facts: Any) -> None:
    """Write config.json; a folder that already holds a run is refused."""
    if holds_run(folder):
        raise DataError(f"{folder}: this folder already holds a run. Resume it, or choose another.")
    write_json(folder / CONFIG, {"recipe": dataclasses.asdict(recipe), **facts})


def holds_run(folder: Path) -> bool:
    """Return whether a folder holds a run already."""
    return (folder / CONFIG).exists()


def data_folder(folder: Path) -> Path | None:
    """Return where a run found its data; None: in the default place."""
    named = read_config(folder)[1].get("data_dir")
    return None if named is None else Path(named)


def read_config(folder: Path) -> tuple[Recipe, dict[str, Any]]:
    """Return the recipe of a run folder and the other facts of its config.json."""
    path = folder / CONFIG
    if not path.is_file():
        raise DataError(f"{folder}: not a run folder: it has no {CONFIG}. tinynet train makes one.")
    try:
        config = json.loads(path.read_bytes())
        recipe = recipe_json.from_json(config.pop("recipe"))
        for name in ("device", "data_dir"):
            if not isinstance(config.get(name), str | None):
                raise TypeError(f"{name} cannot be {config[name]!r}")
        return recipe, config
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(f"{path}: not the config.json of a run ({error}).") from error


def free_folder(recipe: Recipe) -> Path:
    """Return runs/NAME-SEED, or the first of runs/NAME-SEED-2, -3, ... that holds no run."""
    base = Path("runs") / f"{recipe.name}-{recipe.seed}"
    folder = base
    number = 1
    while (folder / CONFIG).exists():
        number += 1
        folder = base.with_name(f"{base.name}-{number}")
    return folder


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write an object, whole or not at all."""
    write_atomically(path, (json.dumps(value, indent=2) + "\n").encode())
