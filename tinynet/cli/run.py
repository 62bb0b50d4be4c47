"""Runs of ``tinynet train``: begin or resume a run, display its progress, report its end."""

from __future__ import annotations

import contextlib
import platform
import shlex
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import tinynet
from tinynet.cli.console import (
    Display,
    Quiet,
    announce_compilation,
    count_epochs,
    terminal_may_close,
)
from tinynet.cli.output import TEXT, Output, display
from tinynet.cli.run_end import report_end, resumption
from tinynet.core import backend
from tinynet.core.backend import Device
from tinynet.core.errors import DataError, ShapeError
from tinynet.distributed.data_parallel import assert_equal_on_all_ranks
from tinynet.distributed.process_group import SINGLE, ProcessGroup, init_process_group
from tinynet.kernels import get_num_threads
from tinynet.training import (
    compatibility,
    diagnosis,
    finetune,
    presets,
    recipe_json,
    repeat,
    run_dir,
    runs,
)
from tinynet.training.batch_check import refuse_single_values
from tinynet.training.input_pipeline import fingerprint
from tinynet.training.loop import Epoch, Step
from tinynet.training.recipe_data import Sets, open_sets
from tinynet.training.recipes import Recipe
from tinynet.training.runs import Finished, Run, Stopped
from tinynet.words import Sentence, sentence


def start(
    recipe: Recipe,
    out: Path | None,
    data_dir: Path | None,
    devices: tuple[Device, ...],
    *,
    limit: float,
    output: Output = TEXT,
    strict: bool = False,
) -> int:
    """Begin a run in a new folder; return the exit code.

    Parameters
    ----------
    recipe : Recipe
    out : Path, optional
        Folder of the run; None is the first free one, runs/NAME-SEED.
    data_dir : Path, optional
        Folder of the data set's files; None is the default one.
    devices : tuple of Device
        One, or two for a model on two devices.
    limit : float
        Minutes until the run is saved and stopped.
    output : Output
        What is printed.
    strict : bool
        Refuse a folder in which an image file cannot be read; else such files are left out.
    """
    ranks = init_process_group(devices[0])
    placed = runs.place(devices, ranks)
    with contextlib.ExitStack() as stack:
        mine: Path | None = None
        if not ranks.rank:
            if out is not None:
                refuse_folder(out)
            mine = stack.enter_context(run_dir.new_folder(recipe, out))
        folder: Path = ranks.all_gather(mine)[0]
        stack.enter_context(monitored(ranks, folder))
        if ranks.rank:
            sets = _silently_open(recipe, data_dir, strict)
            return run_other_rank(recipe, folder, sets, placed, ranks, limit)
        return _begin(recipe, folder, data_dir, placed, ranks, limit, output, strict)


def _begin(
    recipe: Recipe,
    folder: Path,
    data_dir: Path | None,
    devices: tuple[Device, ...],
    ranks: ProcessGroup,
    limit: float,
    output: Output,
    strict: bool,
) -> int:
    """Begin a run as rank 0, the only one that writes and prints."""
    shown = display(recipe.epochs, output.kind)
    sets = open_sets(recipe, data_dir, strict=strict)
    compatibility.check(recipe, len(sets[0].classes))
    shown.begin(
        first_line(recipe, sets, devices, ranks), first_facts(recipe, sets, devices, folder)
    )
    run = runs.assemble(folder, recipe, sets, devices, ranks)
    _check_batches(run)
    say(shown, presets.published_differences(recipe), *finetune.begin(run.model, recipe))
    train, _, *validation = sets
    facts: dict[str, Any] = {
        "data_dir": None if data_dir is None else str(data_dir.resolve()),
        "fingerprint": fingerprint(*sets),
        "training_fingerprint": fingerprint(train, *validation),
        "device": ",".join(devices),
        "ranks": ranks.size,
        "threads": get_num_threads(),
        "images": count_images(sets),
        "classes": len(train.classes),
        "tinynet": tinynet.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }
    run_dir.write_config(folder, recipe, **facts)
    return drive(run, sets, limit, shown, output)


def resume(
    folder: Path,
    data_dir: Path | None,
    *,
    limit: float,
    epochs: int | None = None,
    output: Output = TEXT,
    strict: bool = False,
) -> int:
    """Resume the run in a folder; return the exit code.

    Parameters
    ----------
    folder : Path
    data_dir : Path, optional
        Folder of the data set's files; None is the one of the run.
    limit : float
        Minutes until the run is saved and stopped.
    epochs : int, optional
        Another length of the whole run, where its schedule allows that.
    output : Output
        What is printed.
    strict : bool
        Refuse a folder in which an image file cannot be read; else such files are left out.
    """
    recipe, facts = run_dir.read_config(folder)
    if missing := {"device", "fingerprint"} - facts.keys():
        raise DataError(
            sentence(
                "{file}: to resume, it must have {missing}. `tinynet train` writes that; a run of "
                "your own resumes with runs.restore.",
                file=folder / run_dir.CONFIG,
                missing=", ".join(sorted(missing)),
            )
        )
    begun_with = recipe
    if epochs is not None:
        recipe = _with_epochs(recipe, facts, epochs, folder)
    devices = backend.devices(facts["device"])
    ranks = init_process_group(devices[0])
    placed = runs.place(devices, ranks)
    lock = contextlib.nullcontext() if ranks.rank else run_dir.lock(folder)
    with monitored(ranks, folder), lock:
        place = data_dir or run_dir.data_folder(folder)
        opened = _silently_open if ranks.rank else open_sets
        sets = opened(recipe, place, strict=strict)
        note = _compare_images(folder, recipe, sets, facts)
        if ranks.rank:
            return run_other_rank(recipe, folder, sets, placed, ranks, limit, resumed=True)
        shown = display(recipe.epochs, output.kind)
        shown.begin(
            first_line(recipe, sets, placed, ranks), first_facts(recipe, sets, placed, folder)
        )
        run = runs.assemble(folder, recipe, sets, placed, ranks)
        _check_batches(run)
        say(shown, note, *finetune.begin(run.model, recipe, load=not run_dir.begun(folder)))
        say(shown, runs.restore(run))
        if recipe != begun_with:
            run_dir.change_recipe(folder, recipe)
        said = "Resuming after epoch {epoch}, step {step}."
        shown.say(sentence(said, epoch=run.state.epoch, step=run.state.step))
        return drive(run, sets, limit, shown, output)


def _silently_open(recipe: Recipe, data_dir: Path | None, strict: bool) -> Sets:
    """Return the data sets on another rank than 0, which prints the notes about them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return open_sets(recipe, data_dir, strict=strict)


def _with_epochs(recipe: Recipe, facts: dict[str, Any], epochs: int, folder: Path) -> Recipe:
    """Return the recipe with another number of epochs, or refuse it with the way out."""
    try:
        return recipe_json.with_epochs(recipe, epochs)
    except DataError as error:
        raise DataError(
            sentence(
                "{error} Like this: {again}",
                error=error,
                again=new_run(recipe, facts, folder, epochs=epochs),
            )
        ) from None


def _compare_images(folder: Path, recipe: Recipe, sets: Sets, facts: dict[str, Any]) -> str:
    """Refuse other training images than those of the run; return a note about other test images."""
    if fingerprint(*sets) == facts["fingerprint"]:
        return ""
    train, _, *validation = sets
    if facts.get("training_fingerprint") == fingerprint(train, *validation):
        return sentence(
            "The test images are not those with which this run began; the training images are, so "
            "its weights do not change. Test numbers before and after this cannot be compared."
        )
    raise DataError(
        sentence(
            "{folder}: this run began on other images than the {data} found now. Put the same "
            "files back, in place of a damaged one a good copy of the same name; or say where they "
            "are with --data-dir. To start a new run from its weights: {again}",
            folder=folder,
            data=recipe.data,
            again=new_run(recipe, facts, folder),
        )
    )


def _check_batches(run: Run) -> None:
    """Refuse a batch size that leaves too few images to batch normalization, with the option."""
    try:
        refuse_single_values(run.model, run.train)
    except ShapeError as error:
        said = "{error} On the command line: --batch-size."
        raise ShapeError(sentence(said, error=error)) from None


def run_other_rank(
    recipe: Recipe,
    folder: Path,
    sets: Sets,
    devices: tuple[Device, ...],
    ranks: ProcessGroup,
    limit: float,
    resumed: bool = False,
) -> int:
    """Train as a rank other than 0, which prints and writes nothing; return the exit code."""
    run = runs.assemble(folder, recipe, sets, devices, ranks)
    finetune.begin(run.model, recipe, load=not (resumed and run_dir.begun(folder)))
    if resumed:
        runs.restore(run)
    assert_equal_on_all_ranks(ranks, {**runs.facts(run), "its data": fingerprint(*sets)})
    end = None
    with announce_compilation(Quiet()):
        for event in runs.advance(run, max_minutes=limit):
            end = event
    return end.exit_code if isinstance(end, Stopped) else 0


def drive(run: Run, sets: Sets, limit: float, shown: Display, output: Output) -> int:
    """Train with a display, then report the end and the files; return the exit code."""
    assert_equal_on_all_ranks(run.ranks, {**runs.facts(run), "its data": fingerprint(*sets)})
    said: set[str] = set()
    end: Stopped | Finished | None = None
    with shown.live(), announce_compilation(shown), resumable(run):
        for event in runs.advance(run, max_minutes=limit):
            if isinstance(event, Stopped | Finished):
                end = event
            else:
                with terminal_may_close(training=True):
                    _show(shown, event, len(run.classes), said)
    with terminal_may_close():
        report_end(run, sets, end, said, shown, output)
    return end.exit_code if isinstance(end, Stopped) else 0


def _show(shown: Display, event: Step | Epoch, classes: int, said: set[str]) -> None:
    """Show an event, and once each finding about an epoch."""
    shown.show(event)
    if isinstance(event, Epoch):
        finding = diagnosis.of_epoch(event, classes)
        if finding is not None and finding.kind not in said:
            said.add(finding.kind)
            shown.find(finding)


@contextlib.contextmanager
def resumable(run: Run) -> Iterator[None]:
    """Add to an error about the data how the run resumes."""
    try:
        yield
    except DataError as error:
        saved = run_dir.begun(run.folder)
        facts = run_dir.read_config(run.folder)[1]
        again = new_run(run.recipe, facts, run.folder if saved else None)
        raise DataError(
            sentence(
                "{error} Then: {resume}. If a training image was removed, that is refused, and "
                "this starts a new run: {again}",
                error=error,
                resume=resumption(run.ranks, run.folder),
                again=again,
            )
        ) from None


def refuse_folder(folder: Path) -> None:
    """Raise if a run cannot begin in this folder, with the options that help."""
    if run_dir.holds_run(folder):
        raise DataError(
            sentence(
                "{folder}: this folder already holds a run. Resume it with tinynet train --resume "
                "{quoted}, or choose another with --out.",
                folder=folder,
                quoted=shlex.quote(str(folder)),
            )
        )
    if folder.exists() and not folder.is_dir():
        said = "{folder}: is not a directory. Choose another with --out."
        raise DataError(sentence(said, folder=folder))


def monitored(ranks: ProcessGroup, folder: Path) -> contextlib.AbstractContextManager[None]:
    """Inside the block, report the death of a rank, with the command that resumes the run."""
    return ranks.monitored(folder / run_dir.CONFIG, resumption(ranks, folder))


def new_run(recipe: Recipe, facts: dict[str, Any], folder: Path | None, **changes: Any) -> str:
    """Return the command that starts a new run, from the weights of the one in a folder."""
    if folder is not None:
        changes["init_from"] = str(folder / run_dir.LAST)
    return repeat.changed(recipe, facts, **changes)


def first_line(
    recipe: Recipe, sets: Sets, devices: tuple[Device, ...], ranks: ProcessGroup = SINGLE
) -> Sentence:
    """Return the devices, the threads, the ranks and the data of a run in one line."""
    train, test, *held_out = sets
    where: str = " + ".join(devices)
    if len(devices) > 1:
        where = sentence("{first} and {second}", first=devices[0], second=devices[1])
    if devices[0].kind == "cpu":
        count = get_num_threads()
        said = "{where} with 1 thread" if count == 1 else "{where} with {count} threads"
        where = sentence(said, where=where, count=count)
    if ranks.size > 1:
        where = sentence(
            "{where} in each of {count} ranks (processes {numbers})",
            where=where,
            count=ranks.size,
            numbers=", ".join(map(str, ranks.process_ids)),
        )
    images = sentence("{train:,} + {test:,} images", train=len(train), test=len(test))
    if held_out:
        said = "{images}, {count:,} for validation"
        images = sentence(said, images=images, count=len(held_out[0]))
    return sentence(
        "tinynet {version}: {recipe} on {where}; data {data}, {images}, {classes} classes; "
        "seed {seed}, {epochs}",
        version=tinynet.__version__,
        recipe=recipe.name,
        where=where,
        data=recipe.data,
        images=images,
        classes=len(train.classes),
        seed=recipe.seed,
        epochs=count_epochs(recipe.epochs),
    )


def first_facts(
    recipe: Recipe, sets: Sets, devices: tuple[Device, ...], folder: Path
) -> dict[str, Any]:
    """Return the facts of the first line, for programs."""
    return {
        "tinynet": tinynet.__version__,
        "folder": str(folder),
        "recipe": recipe.name,
        "model": recipe.model,
        "data": recipe.data,
        "devices": [str(device) for device in devices],
        "threads": get_num_threads(),
        "images": count_images(sets),
        "classes": len(sets[0].classes),
        "seed": recipe.seed,
        "epochs": recipe.epochs,
    }


def count_images(sets: Sets) -> dict[str, int]:
    """Return the number of images of each part: train, test, validation."""
    return dict(zip(("train", "test", "validation"), map(len, sets), strict=False))


def say(shown: Display, *notes: object) -> None:
    """Show each note that is a sentence; None and empty ones are left out."""
    for note in notes:
        if note is not None and str(note):
            shown.say(str(note))
