"""Commands ``tinynet runs | explain | report | compare``: about runs that are there."""

from __future__ import annotations

import json
import shlex
import time
from pathlib import Path
from typing import Any

import click

from tinynet import reports
from tinynet.cli import console, errors
from tinynet.cli.json_lines import finite
from tinynet.cli.options import FOLDER
from tinynet.core.errors import DataError, printable
from tinynet.core.table import table
from tinynet.reports import comparison
from tinynet.training import explanation, recipe_data, repeat, run_list
from tinynet.training.diagnosis import Diagnosis
from tinynet.training.run_list import SavedRun
from tinynet.words import phrase, phrases, sentence, spoken

RUNS = Path("runs")


@click.command()
@click.argument("folder", default=RUNS, type=FOLDER)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a run, a line each.")
def runs(folder: Path, as_json: bool) -> None:
    """List the runs in FOLDER, or in runs/: accuracy, epochs, state.

    FOLDER may be a run itself, or have runs up to three levels below it.
    """
    if not folder.is_dir() and folder != RUNS:
        raise DataError(sentence("{folder}: there is no such folder.", folder=folder))
    found = [_read(path) for path in run_list.find(folder)]
    if as_json:
        for path, run in found:
            click.echo(json.dumps(finite(_facts(path, run)), ensure_ascii=False))
        return
    if not found:
        click.echo(phrase("{folder}: no runs here. To start one: tinynet train", folder=folder))
        return
    header = phrases("run", "recipe", "data", "state", "changed", "epochs", "test accuracy")
    rows = [(_row(run) if isinstance(run, SavedRun) else _damaged(path)) for path, run in found]
    click.echo(table([header, *rows], left=5))
    for _, run in found:
        if isinstance(run, str):
            click.echo(phrase("Damaged: {error}", error=spoken(run)))


def _read(path: Path) -> tuple[Path, SavedRun | str]:
    """Return a run, or the sentence why it cannot be read."""
    try:
        return path, run_list.read(path)
    except (DataError, OSError) as error:
        return path, errors.sentence(error)


def _row(run: SavedRun) -> tuple[str, ...]:
    changed = time.strftime("%Y-%m-%d %H:%M", time.localtime(run.changed))
    epochs = f"{len(run.records)}/{run.recipe.epochs}"
    cells = (run.recipe.name, run.recipe.images, phrase(run.state), changed, epochs)
    return tuple(map(printable, (str(run.folder), *cells, spoken(_accuracy(run)))))


def _damaged(path: Path) -> tuple[str, ...]:
    return (printable(str(path)), "", "", phrase("damaged"), "", "", "")


def _accuracy(run: SavedRun) -> str:
    if run.accuracy is None:
        return ""
    images = run.images("test")
    percent = f"{100 * run.accuracy:.2f} %"
    if images is None:
        return percent
    ends = console.interval_range(run.accuracy, images)
    return sentence("{percent} ({ends})", percent=percent, ends=ends)


def _facts(path: Path, run: SavedRun | str) -> dict[str, Any]:
    if isinstance(run, str):
        return {"folder": str(path), "state": "damaged", "error": run}
    return {
        "folder": str(path),
        "state": run.state,
        "recipe": run.recipe.name,
        "model": run.recipe.model,
        "data": run.recipe.data,
        "seed": run.recipe.seed,
        "epochs": len(run.records),
        "epochs_wanted": run.recipe.epochs,
        "test_accuracy": run.accuracy,
        "test_images": run.images("test"),
        "changed": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(run.changed)),
    }


@click.command()
@click.argument("run", type=FOLDER)
@click.option("--data-dir", type=FOLDER, help="Folder of the data set's files.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a finding.")
def explain(run: Path, data_dir: Path | None, as_json: bool) -> None:
    """Say in words what the curves of a run show, and what to try."""
    saved = run_list.read(run)
    counts, note = _class_counts(saved, data_dir)
    classes = len(counts[0]) or saved.facts.get("classes")
    if not isinstance(classes, int) or classes < 1:
        said = "{run}: the number of its classes is not known. {note}"
        raise DataError(sentence(said, run=run, note=note))
    found = explanation.explain(saved.records, classes, *counts)
    if as_json:
        for one in found:
            facts = {"kind": one.kind, "text": str(one), "try": attempt(one, saved)}
            click.echo(json.dumps(facts, ensure_ascii=False))
        return
    click.echo(spoken(_where(saved)))
    if note:
        click.echo(spoken(note))
    if saved.records and not found:
        click.echo(spoken(explanation.nothing_found(saved.records)))
    for one in found:
        click.echo(f"\n{heading(one)} {spoken(one.message)}")
        click.echo(phrase("  To try: {attempt}", attempt=spoken(attempt(one, saved))))


def heading(finding: Diagnosis) -> str:
    """Return the kind of a finding as the first words of its sentence, in the reader's language."""
    return f"{phrase(finding.kind).capitalize()}."


@click.command()
@click.argument("run", type=FOLDER)
@click.option("--out", type=FOLDER, help="File to write; default: report.html in RUN.")
@click.option("--data-dir", type=FOLDER, help="Folder of the data set's files.")
def report(run: Path, out: Path | None, data_dir: Path | None) -> None:
    """Write a page about a run: curves, mistakes, filters, settings.

    The page is one file; it needs no network and runs no script. The network answers all test
    images once.
    """
    click.echo(reports.report(run, out, data_dir=data_dir))


@click.command()
@click.argument("folders", metavar="RUN RUN...", nargs=-1, required=True, type=FOLDER)
@click.option("--out", type=FOLDER, default="comparison.html", help="File to write.")
def compare(folders: tuple[Path, ...], out: Path) -> None:
    """Compare two to six runs: results, curves, settings that differ."""
    found = comparison.read(folders)
    click.echo(table([phrases(*comparison.HEADER), *_printable(comparison.results(found))], left=3))
    differ = comparison.differences(found)
    if differ:
        header = (phrase("setting"), *comparison.letters(found))
        click.echo(f"\n{table([header, *_printable(differ)], left=len(header))}")
    else:
        click.echo(f"\n{phrase('The runs have the same settings, devices and versions.')}")
    page = comparison.compare(folders, out)
    click.echo(f"\n{phrase('The curves: {page}', page=page)}")


def _printable(rows: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    return [tuple(map(printable, row)) for row in rows]


def _where(saved: SavedRun) -> str:
    """Return the sentence on where a run stands."""
    where = {"folder": saved.folder, "title": printable(spoken(saved.recipe.title))}
    state = sentence(saved.state)
    if not saved.records:
        said = "{folder}: {title}, {state}. No epoch has finished yet."
        return sentence(said, **where, state=state)
    last = saved.records[-1]
    test = "" if last.test_accuracy is None else ", of the test images {accuracy}"
    return sentence(
        "{folder}: {title}, {state} after epoch {done} of {epochs}. Right at the end: "
        "{percent:.1f} % of the training images{test}.",
        **where,
        state=state,
        done=len(saved.records),
        epochs=saved.recipe.epochs,
        percent=100 * last.train_accuracy,
        test=sentence(test, accuracy=_accuracy(saved)) if test else "",
    )


def _class_counts(saved: SavedRun, data_dir: Path | None) -> tuple[list[list[int]], str]:
    """Return the number of images of each class, of training and of the test, or a note."""
    place = data_dir or _path(saved.facts.get("data_dir"))
    try:
        sets = [recipe_data.open_set(saved.recipe, place, train=part) for part in (True, False)]
    except (DataError, OSError) as error:
        said = "The images are not at hand, so their numbers are left out: {error}"
        return [[], []], sentence(said, error=error)
    counts: list[list[int]] = []
    for each in sets:
        found = [0] * len(sets[0].classes)
        for label in each.labels.tolist():
            found[label] += 1
        counts.append(found)
    return counts, ""


def _path(named: str | None) -> Path | None:
    return None if named is None else Path(named)


def attempt(finding: Diagnosis, saved: SavedRun) -> str:
    """Return the command, or the words, for what to try about a finding."""
    recipe = saved.recipe
    slower = _again(saved, lr=_rounded(recipe.lr / 3))
    smooth = _again(saved, schedule="cosine")
    data = shlex.quote(recipe.data)
    finer = f"tinynet train fine-tune --init-from FILE --freeze features --data {data}"
    tries = {
        "plateau": sentence("{one}, then {other}", one=slower, other=f"{3 * recipe.lr:.2g}"),
        "explosion": _again(saved, lr=_rounded(recipe.lr / 10)),
        "rate too high": slower,
        "chance": sentence("{command}, and look at the labels", command=slower),
        "overfitting": sentence("{command}, or more images", command=finer),
        "few images": sentence("more images, or {command}", command=finer),
        "stalled": sentence("{command}, or another --model", command=smooth),
        "still improving": _longer(saved),
        "noisy": smooth,
    }
    return tries[finding.kind]


def _longer(saved: SavedRun) -> str:
    """Return the command for twice as many epochs; a constant rate resumes."""
    epochs = 2 * saved.recipe.epochs
    if saved.state != "finished":
        return f"tinynet train --resume {shlex.quote(str(saved.folder))}"
    if saved.recipe.schedule in ((), "plateau"):
        return f"tinynet train --resume {shlex.quote(str(saved.folder))} --epochs {epochs}"
    return _again(saved, epochs=epochs)


def _again(saved: SavedRun, **changes: Any) -> str:
    return repeat.changed(saved.recipe, saved.facts, **changes)


def _rounded(rate: float) -> float:
    return float(f"{rate:.2g}")
