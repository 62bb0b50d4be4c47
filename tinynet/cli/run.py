"""Runs of ``tinynet train``: begin one or resume one, show it, and report its end."""

from __future__ import annotations

import contextlib
import shlex
from pathlib import Path
from typing import Any

import click
import numpy as np

import tinynet
from tinynet.cli.console import Silence, compilation_said, display, duration
from tinynet.core import backend
from tinynet.core.backend import Device
from tinynet.core.errors import DataError
from tinynet.distributed.data_parallel import assert_equal_on_all_ranks
from tinynet.distributed.process_group import SINGLE, ProcessGroup, init_process_group
from tinynet.kernels import get_num_threads
from tinynet.training import compatibility, finetune, presets, run_dir, runs
from tinynet.training.diagnosis import explain_plateau
from tinynet.training.input_pipeline import fingerprint
from tinynet.training.loop import Epoch
from tinynet.training.recipe_data import Sets, open_sets
from tinynet.training.recipes import Recipe
from tinynet.training.runs import Finished, Run, Stopped


def start(
    recipe: Recipe, out: Path | None, data_dir: Path | None, device: str, *, limit: float
) -> int:
    """Begin a run in a folder of its own; return the exit code. `limit` is in minutes."""
    ranks = init_process_group(backend.devices(device)[0])
    devices = runs.place(backend.devices(device), ranks)
    folder = run_dir.free_folder(recipe) if out is None else out
    with monitored(ranks, folder):
        if ranks.rank:
            return follow(recipe, folder, open_sets(recipe, data_dir), devices, ranks, limit)
        return _begin(recipe, folder, data_dir, devices, ranks, limit)


def _begin(
    recipe: Recipe,
    folder: Path,
    data_dir: Path | None,
    devices: tuple[Device, ...],
    ranks: ProcessGroup,
    limit: float,
) -> int:
    """Begin a run as its first rank, which alone writes and reports."""
    refuse_folder(folder)
    sets = open_sets(recipe, data_dir)
    compatibility.check(recipe, len(sets[0].classes))
    click.echo(first_line(recipe, sets, devices, ranks))
    run = runs.assemble(folder, recipe, sets, ",".join(devices), ranks)
    say(presets.published_differences(recipe), *finetune.begin(run.model, recipe))
    folder.mkdir(parents=True, exist_ok=True)
    with run_dir.lock(folder):
        facts: dict[str, Any] = {
            "data_dir": None if data_dir is None else str(data_dir.resolve()),
            "fingerprint": fingerprint(*sets),
            "device": ",".join(devices),
            "ranks": ranks.size,
            "threads": get_num_threads(),
            "tinynet": tinynet.__version__,
            "numpy": np.__version__,
        }
        run_dir.write_config(folder, recipe, **facts)
        return drive(run, sets, limit)


def resume(folder: Path, data_dir: Path | None, *, limit: float) -> int:
    """Resume the run in a folder; return the exit code."""
    recipe, facts = run_dir.read_config(folder)
    if missing := {"device", "fingerprint"} - facts.keys():
        raise DataError(
            f"{folder / run_dir.CONFIG}: to resume, it must say {', '.join(sorted(missing))}. "
            "`tinynet train` writes that; a run of your own resumes with runs.restore."
        )
    ranks = init_process_group(backend.devices(facts["device"])[0])
    devices = runs.place(backend.devices(facts["device"]), ranks)
    lock = contextlib.nullcontext() if ranks.rank else run_dir.lock(folder)
    with monitored(ranks, folder), lock:
        sets = open_sets(recipe, data_dir or run_dir.data_folder(folder))
        if fingerprint(*sets) != facts["fingerprint"]:
            raise DataError(
                f"{folder}: this run began on other images than the {recipe.data} found now. "
                "Say where the first ones are with --data-dir."
            )
        if ranks.rank:
            return follow(recipe, folder, sets, devices, ranks, limit, resumed=True)
        click.echo(first_line(recipe, sets, devices, ranks))
        run = runs.assemble(folder, recipe, sets, ",".join(devices), ranks)
        say(*finetune.begin(run.model, recipe, load=not run_dir.begun(folder)))
        say(runs.restore(run))
        click.echo(f"Resuming after epoch {run.state.epoch}, step {run.state.step}.")
        return drive(run, sets, limit)


def follow(
    recipe: Recipe,
    folder: Path,
    sets: Sets,
    devices: tuple[Device, ...],
    ranks: ProcessGroup,
    limit: float,
    resumed: bool = False,
) -> int:
    """Do this rank's share of the run that rank 0 begins or resumes; print and write nothing."""
    run = runs.assemble(folder, recipe, sets, ",".join(devices), ranks)
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
    """Train, show it, report the end and the files; return the exit code."""
    assert_equal_on_all_ranks(run.ranks, {**runs.facts(run), "its data": fingerprint(*sets)})
    explained = False
    end: Stopped | Finished | None = None
    with display(run.recipe.epochs) as shown, compilation_said(shown), resumable(run):
        for event in runs.advance(run, max_minutes=limit):
            if isinstance(event, Stopped | Finished):
                end = event
                continue
            shown.show(event)
            if isinstance(event, Epoch) and not explained:
                reason = explain_plateau(event.train_loss, len(run.classes))
                explained = bool(reason)
                if reason:
                    shown.say(reason)
    return report_end(run, end)


@contextlib.contextmanager
def resumable(run: Run) -> Any:
    """Add the command that resumes the run to an error about its data."""
    try:
        yield
    except DataError as error:
        if not run_dir.begun(run.folder):
            raise
        raise DataError(f"{error} Then: {resumption(run.ranks, run.folder)}") from None


def report_end(run: Run, end: Stopped | Finished | None) -> int:
    """Print the result, the files, and how to resume; return the exit code."""
    if isinstance(end, Stopped):
        click.echo(
            f"Stopped: {end.why}. Saved after epoch {run.state.epoch}, step {run.state.step}. "
            f"Resume with:\n  {resumption(run.ranks, run.folder)}"
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


def refuse_folder(folder: Path) -> None:
    """Raise if a run cannot begin in this folder, with the options that help."""
    if run_dir.holds_run(folder):
        raise DataError(
            f"{folder}: this folder already holds a run. Resume it with "
            f"tinynet train --resume {shlex.quote(str(folder))}, or choose another with --out."
        )
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder}: is not a directory. Choose another with --out.")


def monitored(ranks: ProcessGroup, folder: Path) -> contextlib.AbstractContextManager[None]:
    """Inside the block, the death of a rank is reported, with the command that resumes the run."""
    return ranks.monitored(folder / run_dir.CONFIG, resumption(ranks, folder))


def resumption(ranks: ProcessGroup, folder: Path) -> str:
    """Return the command that resumes the run in a folder, with as many ranks."""
    several = f"mpiexec -n {ranks.size} " if ranks.size > 1 else ""
    return f"{several}tinynet train --resume {shlex.quote(str(folder))}"


def first_line(
    recipe: Recipe, sets: Sets, devices: tuple[Device, ...], ranks: ProcessGroup = SINGLE
) -> str:
    """Return the devices, the threads, the ranks and the data of a run in one line."""
    train, test, *held_out = sets
    threads = f" with {get_num_threads()} threads" if devices[0].kind == "cpu" else ""
    if ranks.size > 1:
        processes = ", ".join(map(str, ranks.process_ids))
        threads += f" in each of {ranks.size} ranks (processes {processes})"
    validation = f", {len(held_out[0]):,} for validation" if held_out else ""
    return (
        f"tinynet {tinynet.__version__}: {recipe.name} on {' and '.join(devices)}{threads}; "
        f"data {recipe.data}, {len(train):,} + {len(test):,} images{validation}, "
        f"{len(train.classes)} classes; seed {recipe.seed}, {recipe.epochs} epochs"
    )


def say(*notes: str) -> None:
    """Print the sentences that are not empty."""
    for note in notes:
        if note:
            click.echo(note)
