"""What ``tinynet train`` does: begin a run or go on with one, show it, say how it ended."""

from __future__ import annotations

import contextlib
import dataclasses
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np

import tinynet
from tinynet import data, kernels, models, nn
from tinynet.cli.console import Silence, compilation_said, display, duration
from tinynet.core import backend
from tinynet.core.autograd import no_grad
from tinynet.core.backend import Device
from tinynet.core.errors import DataError, DeviceError, ShapeError
from tinynet.data import Dataset
from tinynet.distributed.data_parallel import assert_equal_on_all_ranks
from tinynet.distributed.process_group import SINGLE, ProcessGroup, init_process_group
from tinynet.kernels import get_num_threads
from tinynet.models.two_devices import device_pair
from tinynet.tensors import tensor
from tinynet.training import finetune, presets, run_dir, runs
from tinynet.training.diagnosis import explain_plateau
from tinynet.training.input_pipeline import Sets, fingerprint
from tinynet.training.loop import Epoch
from tinynet.training.recipes import PLAIN_SIDE, Recipe
from tinynet.training.runs import Finished, Run, Stopped


def start(
    recipe: Recipe, out: Path | None, data_dir: Path | None, device: str, *, limit: float
) -> int:
    """Begin a run in a folder of its own; return the exit code. `limit` is in minutes."""
    ranks = init_process_group(backend.devices(device)[0])
    where = placed(device, ranks)
    folder = run_dir.free_folder(recipe) if out is None else out
    with monitored(ranks, folder):
        return _begin(recipe, folder, data_dir, where, ranks, limit)


def placed(named: str, ranks: ProcessGroup) -> tuple[Device, ...]:
    """Return the devices that are named, as this rank has them: towers have no ranks."""
    where = tuple(map(ranks.place, backend.devices(named)))
    if ranks.size > 1 and len(where) > 1:
        raise DeviceError(
            f"train: two towers, on {named}, train in one process, not in {ranks.size} ranks. "
            "Leave mpiexec out, or begin a run without --devices."
        )
    return where


def monitored(ranks: ProcessGroup, folder: Path) -> contextlib.AbstractContextManager[None]:
    """Inside the block, a rank that is killed is named, and how the run in this folder goes on."""
    return ranks.monitored(folder / run_dir.CONFIG, resumption(ranks, folder))


def resumption(ranks: ProcessGroup, folder: Path) -> str:
    """Return the command that goes on with the run in a folder, with as many ranks."""
    several = f"mpiexec -n {ranks.size} " if ranks.size > 1 else ""
    return f"{several}tinynet train --resume {shlex.quote(str(folder))}"


def _begin(
    recipe: Recipe,
    folder: Path,
    data_dir: Path | None,
    where: tuple[Device, ...],
    ranks: ProcessGroup,
    limit: float,
) -> int:
    if ranks.rank:
        return follow(recipe, folder, open_sets(recipe, data_dir), where, ranks, limit)
    run_dir.refuse_used(folder)
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder}: a run needs a folder, this is none. Name another with --out.")
    sets = open_sets(recipe, data_dir)
    refuse(recipe, len(sets[0].classes))
    click.echo(first_line(recipe, sets, where, ranks))
    run = runs.assemble(folder, recipe, sets, ",".join(where), ranks)
    for note in [presets.published_differences(recipe), *finetune.begin(run.model, recipe)]:
        if note:
            click.echo(note)
    folder.mkdir(parents=True, exist_ok=True)
    with run_dir.lock(folder):
        run_dir.write_config(
            folder,
            recipe,
            data_dir=None if data_dir is None else str(data_dir.resolve()),
            fingerprint=fingerprint(*sets),
            device=",".join(where),
            ranks=ranks.size,
            threads=get_num_threads(),
            tinynet=tinynet.__version__,
            numpy=np.__version__,
        )
        return drive(run, sets, limit)


def refuse(recipe: Recipe, classes: int) -> None:
    """Raise if the network cannot take the recipe's weights, frozen layers or pictures.

    It is asked before anything is said: nothing is drawn, and no picture computed.
    """
    with nn.init.undrawn():
        model = runs.build(recipe, classes)
    finetune.begin(model, recipe)
    made_for = models.entry(recipe.model, recipe.variant).side
    shown = recipe.size or PLAIN_SIDE * recipe.enlarge
    side = recipe.crop or shown
    if side > shown or (side != made_for and not takes(model, side)):
        name = f"{recipe.model}, {recipe.variant}," if recipe.variant else recipe.model
        raise ShapeError(
            f"train: {name} is made for pictures of {made_for}x{made_for}; these would be "
            f"{shown}x{shown}. Give --size {made_for}{' or more' if recipe.crop else ''}."
        )


def takes(model: nn.Module, side: int) -> bool:
    """Return whether a network can be given pictures (N, 3, side, side)."""
    try:
        with no_grad(), kernels.use("reference"):
            model.eval()(tensor(np.zeros((0, 3, side, side), np.float32)))
    except ShapeError:
        return False
    return True


def resume(folder: Path, data_dir: Path | None, *, limit: float) -> int:
    """Go on with the run in a folder; return the exit code."""
    recipe, facts = run_dir.read_config(folder)
    if missing := {"device", "fingerprint"} - facts.keys():
        raise DataError(
            f"{folder / run_dir.CONFIG}: to resume, it must say {', '.join(sorted(missing))}. "
            "`tinynet train` writes that; a run of your own goes on with runs.restore."
        )
    ranks = init_process_group(backend.devices(facts["device"])[0])
    where = placed(facts["device"], ranks)
    with (
        monitored(ranks, folder),
        contextlib.nullcontext() if ranks.rank else run_dir.lock(folder),
    ):
        sets = open_sets(recipe, data_dir or run_dir.data_folder(folder))
        if fingerprint(*sets) != facts["fingerprint"]:
            raise DataError(
                f"{folder}: this run began on other pictures than the {recipe.data} found now. "
                "Say where the first ones are with --data-dir."
            )
        if ranks.rank:
            return follow(recipe, folder, sets, where, ranks, limit, resumed=True)
        click.echo(first_line(recipe, sets, where, ranks))
        run = runs.assemble(folder, recipe, sets, ",".join(where), ranks)
        notes = finetune.begin(run.model, recipe, load=not run_dir.begun(folder))
        for note in [*notes, runs.restore(run)]:
            if note:
                click.echo(note)
        click.echo(f"Going on after epoch {run.state.epoch}, step {run.state.step}.")
        return drive(run, sets, limit)


def follow(
    recipe: Recipe,
    folder: Path,
    sets: Sets,
    where: tuple[Device, ...],
    ranks: ProcessGroup,
    limit: float,
    resumed: bool = False,
) -> int:
    """Do this rank's share of the run that rank 0 begins or resumes; say and write nothing."""
    run = runs.assemble(folder, recipe, sets, ",".join(where), ranks)
    finetune.begin(run.model, recipe, load=not (resumed and run_dir.begun(folder)))
    if resumed:
        runs.restore(run)
    assert_equal_on_all_ranks(ranks, {**runs.facts(run), "its data": fingerprint(*sets)})
    end = None
    with compilation_said(Silence()):
        for event in runs.advance(run, max_minutes=limit):
            end = event
    return end.exit_code if isinstance(end, Stopped) else 0


def drive(run: Run, sets: Sets, limit: float) -> int:
    """Train, show it, say how it ended and what it wrote; return the exit code."""
    assert_equal_on_all_ranks(run.ranks, {**runs.facts(run), "its data": fingerprint(*sets)})
    explained, end = False, None
    with display(run.recipe.epochs) as shown, compilation_said(shown):
        for event in saved_at_bad_data(run, limit):
            if isinstance(event, Stopped | Finished):
                end = event
                continue
            shown.show(event)
            if isinstance(event, Epoch) and not explained:
                reason = explain_plateau(event.train_loss, len(run.classes))
                explained = bool(reason)
                if reason:
                    shown.say(reason)
    return say_end(run, end)


def saved_at_bad_data(run: Run, limit: float) -> Iterator[runs.Event]:
    """Train; where a picture turns out to be damaged, save what was learnt before saying so."""
    try:
        yield from runs.advance(run, max_minutes=limit)
    except DataError as error:
        if (run.state.epoch, run.state.step) == (0, 0):
            raise
        runs.save(run)
        raise DataError(
            f"{error} What was learnt is saved; after that, go on with: "
            f"{resumption(run.ranks, run.folder)}"
        ) from None


def say_end(run: Run, end: Stopped | Finished | None) -> int:
    """Say what came out, which files there are, and how to go on; return the exit code."""
    if isinstance(end, Stopped):
        click.echo(
            f"Stopped: {end.why}. Saved after epoch {run.state.epoch}, step {run.state.step}. "
            f"Go on with:\n  {resumption(run.ranks, run.folder)}"
        )
        return end.exit_code
    if isinstance(end, Finished):
        result = end.result
        click.echo(
            f"test accuracy {100 * result['test_accuracy']:.2f} % after {result['epochs']} epochs, "
            f"{duration(result['seconds'])}; {result['parameters']:,} parameters. Written:"
        )
        for name in run_dir.WRITTEN:
            click.echo(f"  {run.folder / name}")
    return 0


def on_towers(recipe: Recipe, named: str, cross_at: str | None) -> Recipe:
    """Return the recipe for the two towers of its network; see `models.cross_layers`."""
    device_pair(backend.devices(named))
    model = models.two_tower_form(recipe.model)
    if model is None or recipe.variant is not None:
        raise DataError(
            f"{recipe.name}: this recipe has no two towers. small-alexnet and alexnet have."
        )
    return dataclasses.replace(recipe, model=model, cross_at=cross_at)


def first_line(
    recipe: Recipe, sets: Sets, where: tuple[Device, ...], ranks: ProcessGroup = SINGLE
) -> str:
    """Name the devices, the threads, the ranks and the data."""
    train, test, *held = sets
    threads = f" with {get_num_threads()} threads" if where[0].kind == "cpu" else ""
    if ranks.size > 1:
        processes = ", ".join(map(str, ranks.process_ids))
        threads += f" in each of {ranks.size} ranks (processes {processes})"
    places = " and ".join(where)
    kept = f", {len(held[0]):,} for validation" if held else ""
    return (
        f"tinynet {tinynet.__version__}: {recipe.name} on {places}{threads}; data {recipe.data}, "
        f"{len(train):,} + {len(test):,} pictures{kept}, {len(train.classes)} classes; "
        f"seed {recipe.seed}, {recipe.epochs} epochs"
    )


def open_sets(recipe: Recipe, folder: Path | None) -> Sets:
    """Return the training and the test set of a recipe, and what is held out of the first."""
    train, test = open_set(recipe, folder, train=True), open_set(recipe, folder, train=False)
    if not recipe.validation:
        return train, test
    if data.is_folder(recipe.data):
        return train, test, open_set(recipe, folder, train=True, part="validation")
    rest, held = data.hold_out(train, recipe.validation)
    return rest, test, held


def open_set(recipe: Recipe, folder: Path | None, *, train: bool, part: str = "") -> Dataset:
    """Return one of the sets of a recipe; pictures in files have the recipe's size."""
    settings: dict[str, Any] = {}
    if data.is_folder(recipe.data):
        settings = {"side": recipe.size, "validation": recipe.validation, "part": part}
    return data.open_dataset(recipe.data, folder, train=train, **settings)
