"""Runs: a recipe, its model and its loaders, trained into a run folder.

`advance` iterates over `fit` and saves. Whenever the process ends, the folder holds a complete
checkpoint, from which the run resumes to the same weights.
"""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tinynet.core import random
from tinynet.core.backend import Array, Device
from tinynet.core.errors import DataError, DeviceError
from tinynet.data import DataLoader
from tinynet.distributed.data_parallel import assert_equal_on_all_ranks, fingerprints, sharded
from tinynet.distributed.process_group import SINGLE, ProcessGroup
from tinynet.kernels import precision
from tinynet.nn import Module
from tinynet.optim import Optimizer
from tinynet.training import input_pipeline, recipe_json, run_dir
from tinynet.training.device_loader import on_device
from tinynet.training.loop import Epoch, Loader, State, Step, fit
from tinynet.training.non_finite import check_finite
from tinynet.training.recipe_data import Sets
from tinynet.training.recipes import Recipe
from tinynet.training.run_figures import Redrawing, draw
from tinynet.training.signals import stop_requests
from tinynet.training.steps import device_of
from tinynet.weights import checkpoint, conventions
from tinynet.weights.checkpoint import Checkpoint, Damage, write_atomically
from tinynet.words import sentence

SAVE_EVERY = 300.0  # seconds, in the middle of a long epoch


@dataclasses.dataclass
class Run:
    """Parts of a run: those of its recipe, and its folder, position and ranks.

    Attributes
    ----------
    classes : tuple of str
        Their names, in the order of the labels.
    preprocessing : dict of str to array
        The normalization, for the checkpoints.
    """

    folder: Path
    recipe: Recipe
    classes: tuple[str, ...]
    model: Module
    optimizer: Optimizer
    train: Loader
    test: Loader
    preprocessing: dict[str, Array]
    validation: Loader | None = None
    ranks: ProcessGroup = SINGLE
    state: State = dataclasses.field(default_factory=State)


def assemble(
    folder: Path,
    recipe: Recipe,
    sets: Sets,
    devices: Sequence[str | Device] = ("cpu",),
    ranks: ProcessGroup = SINGLE,
) -> Run:
    """Return a run at its start: a new model, its optimizer and its loaders.

    Parameters
    ----------
    folder : Path
        Of the run; nothing is written yet.
    recipe : Recipe
    sets : data sets
        (train, test) or (train, test, validation).
    devices : sequence of str or Device
        One, or two for a model on two devices.
    ranks : ProcessGroup
    """
    parts = recipe.build(devices=devices, sets=sets)
    where = device_of(parts.model)
    preprocessing = input_pipeline.normalization(parts.train).arrays()

    def here(loader: DataLoader) -> Loader:
        """Return this rank's part of the batches, on the device of the model."""
        found: Loader = sharded(on_device(loader, where), ranks)
        return found

    return Run(
        folder,
        recipe,
        sets[0].classes,
        parts.model,
        parts.optimizer,
        here(parts.train),
        here(parts.test),
        preprocessing,
        None if parts.validation is None else here(parts.validation),
        ranks,
    )


def place(named: Sequence[Device], ranks: ProcessGroup) -> tuple[Device, ...]:
    """Return the devices that this rank uses.

    Raises
    ------
    DeviceError
        Where one network has two devices and there are several ranks.
    """
    devices = tuple(map(ranks.place, named))
    if ranks.size > 1 and len(devices) > 1:
        raise DeviceError(
            f"train: two towers, on {','.join(named)}, train in one process, not in {ranks.size} "
            "ranks. Start one process, or train on one device."
        )
    return devices


@dataclasses.dataclass(frozen=True)
class Stopped:
    """The run was asked to stop, and is saved.

    Attributes
    ----------
    why : str
        "Ctrl-C", another signal, or "the time is up".
    exit_code : int
        128 + the number of the signal; 0 without one.
    """

    why: str
    exit_code: int


@dataclasses.dataclass(frozen=True)
class Finished:
    """The run has ended; `result` is the content of result.json."""

    result: dict[str, Any]


Event = Step | Epoch | Stopped | Finished


def advance(run: Run, *, max_minutes: float = math.inf) -> Iterator[Event]:
    """Train to the end, or until a signal or the time limit, and save to the folder.

    Parameters
    ----------
    run : Run
    max_minutes : float
        Time limit.

    Yields
    ------
    Step and Epoch, and at last Stopped or Finished
    """
    random.seed(run.recipe.seed)
    saved = time.monotonic()
    deadline = saved + 60 * max_minutes
    figures = Redrawing(draw)
    with stop_requests() as request:
        events = fit(
            run.model,
            run.optimizer,
            run.train,
            run.test,
            epochs=run.recipe.epochs,
            validation=run.validation,
            state=run.state,
            every_step=True,
            ranks=run.ranks,
        )
        events = _in_precision(run.recipe.precision, events)
        for event in _saved_at_bad_data(run, events):
            yield event
            if isinstance(event, Epoch):
                _end_epoch(run)
                saved = time.monotonic()
                if not run.ranks.rank and run.state.epoch < run.recipe.epochs:
                    figures.if_due(run)
            late = time.monotonic() > deadline
            stop = run.ranks.any(request.why or ("the time is up" if late else ""))
            if stop and run.state.epoch < run.recipe.epochs:
                request.step_is_done()
                save(run)
                if not run.ranks.rank:
                    figures.now(run)
                yield Stopped(stop, request.exit_code)
                return
            if time.monotonic() > saved + SAVE_EVERY:
                save(run)
                saved = time.monotonic()
    result = _finish(run)
    if not run.ranks.rank:
        figures.now(run)
    yield Finished(result)


def _in_precision(kind: str, events: Iterator[Step | Epoch]) -> Iterator[Step | Epoch]:
    """Yield the events, computed with this precision; between them the caller has its own."""
    while True:
        with precision(kind):
            event = next(events, None)
        if event is None:
            return
        yield event


def _saved_at_bad_data(run: Run, events: Iterator[Step | Epoch]) -> Iterator[Step | Epoch]:
    """Yield the events; save the run before an error about a damaged image."""
    try:
        yield from events
    except DataError as error:
        if run.state.epoch == 0 and run.state.step == 0:
            raise
        save(run)
        said = "{error} What was learned so far is saved in {folder}."
        raise DataError(sentence(said, error=error, folder=run.folder)) from None


def save(run: Run) -> None:
    """Write a checkpoint.

    Raises
    ------
    FloatingPointError
        Where a weight is not finite; nothing is written.
    """
    if run.ranks.rank:
        return  # all ranks have the same weights, and the first one writes
    check_finite(run.model, _steps_done(run), run.optimizer.lr)
    checkpoint.save(run.folder / run_dir.LAST, _snapshot(run, run.optimizer.state_dict()))


@dataclasses.dataclass(frozen=True)
class Restored:
    """Checkpoint that a run was restored from; `str` is a sentence unless it was the last one.

    Parameters
    ----------
    folder : Path
    found : bool
        False if the folder holds no checkpoint yet: the run starts from the beginning.
    damage : Damage or None
        Set if the last checkpoint was damaged and the one before it was used.
    """

    folder: Path
    found: bool = True
    damage: Damage | None = None

    def __str__(self) -> str:
        if not self.found:
            said = "{folder} holds no checkpoint yet: starting from the beginning."
            return sentence(said, folder=self.folder)
        return "" if self.damage is None else str(self.damage)


def restore(run: Run) -> Restored:
    """Load the last checkpoint of the run's folder into the run.

    Raises
    ------
    DataError
        Where the checkpoint is of another recipe, or cannot be read.
    """
    path = run.folder / run_dir.LAST
    if not run_dir.begun(run.folder):
        return Restored(run.folder, found=False)
    found, damage = checkpoint.load_latest(path)
    recipe_json.refuse_changes(run.recipe, found.metadata, str(run.folder / run_dir.CONFIG))
    state = State.from_json(found.metadata["state"])
    if state.epoch + (state.step > 0) > run.recipe.epochs:
        raise DataError(
            sentence(
                "{folder}: epoch {begun} of this run has begun, so it cannot end after {epochs}. "
                "Choose more epochs.",
                folder=run.folder,
                begun=state.epoch + (state.step > 0),
                epochs=run.recipe.epochs,
            )
        )
    checkpoint.restore(found, run.model, run.optimizer)
    if damage and path.exists() and not run.ranks.rank:
        # Moved away, so that the next save does not keep it as the previous checkpoint.
        path.replace(path.with_name(f"damaged.{run_dir.LAST}"))
    run.state = state
    return Restored(run.folder, damage=damage)


def facts(run: Run) -> dict[str, Any]:
    """Return the values that must be equal on all ranks, by name."""
    arrays = {"weights": run.model.state_dict(), "velocities": run.optimizer.state_dict()}
    return {"its step": _steps_done(run), **fingerprints(dataclasses.asdict(run.recipe), arrays)}


def _end_epoch(run: Run) -> None:
    """Save the epoch that has just ended: log, best, last, in this order.

    The log is rewritten from the state, so a line that a killed run wrote ahead of its checkpoint
    is gone when the resumed run gets there.
    """
    assert_equal_on_all_ranks(run.ranks, facts(run))
    if run.ranks.rank:
        return
    check_finite(run.model, _steps_done(run), run.optimizer.lr)
    *earlier, record = run.state.records
    rows = [dataclasses.asdict(r).items() for r in run.state.records]
    lines = "".join(json.dumps({k: v for k, v in r if v is not None}) + "\n" for r in rows)
    write_atomically(run.folder / run_dir.LOG, lines.encode())
    if record.error < min((each.error for each in earlier), default=2.0):
        checkpoint.save(run.folder / run_dir.BEST, _snapshot(run, {}), keep_previous=False)
    save(run)


def _finish(run: Run) -> dict[str, Any]:
    last = run.state.records[-1]
    result = {
        "test_accuracy": last.test_accuracy,
        "test_loss": last.test_loss,
        "epochs": run.state.epoch,
        "seconds": round(run.state.total_seconds, 1),
        "parameters": sum(math.prod(p.shape) for p in run.model.parameters()),
        "device": ",".join(dict.fromkeys(p.device for p in run.model.parameters())),
        "seed": run.recipe.seed,
    }
    if last.validation_accuracy is not None:
        result["validation_accuracy"] = last.validation_accuracy
    if not run.ranks.rank:
        run_dir.write_json(run.folder / run_dir.RESULT, result)
    return result


def _snapshot(run: Run, optimizer: dict[str, Array]) -> Checkpoint:
    metadata = {
        "recipe": json.dumps(dataclasses.asdict(run.recipe)),
        "model": run.recipe.model,
        "classes": json.dumps(run.classes),
        "seed": str(run.recipe.seed),
        "epoch": str(run.state.epoch),
        "step": str(_steps_done(run)),
        "state": run.state.to_json(),
        conventions.KEY: conventions.of_model(run.model).json(),
    }
    return Checkpoint(run.model.state_dict(), optimizer, run.preprocessing, metadata)


def _steps_done(run: Run) -> int:
    return run.state.epoch * run.train.steps + run.state.step
