"""Comparison of runs: their curves in one chart, their results, and the settings that differ."""

from __future__ import annotations

import dataclasses
import string
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tinynet.core.atomic_file import write_atomically
from tinynet.core.errors import DataError
from tinynet.reports.charts import Line, line_chart, sample
from tinynet.reports.html import Html, figure, join, page, table, tag
from tinynet.training import repeat, run_list
from tinynet.training.loop import Epoch
from tinynet.training.metrics import wilson_interval
from tinynet.training.run_list import SavedRun
from tinynet.words import phrase, phrases, sentence

MOST = 6  # runs: as many colors and dashes can be told apart
FACTS = ("device", "threads", "ranks", "tinynet", "numpy")
HEADER = ("", "run", "state", "epochs", "test accuracy", "95 % interval", "best epoch", "seconds")


def compare(runs: Sequence[Path | str], path: Path | str = "comparison.html") -> Path:
    """Write a page that compares runs, and return where it is.

    Parameters
    ----------
    runs : sequence of Path or str
        Two to six run folders.
    path : Path or str
        File to write.

    Returns
    -------
    Path

    Raises
    ------
    DataError
        Where a folder holds no run, or the number of folders is another.

    Examples
    --------
    >>> from tinynet import reports
    >>> reports.compare(["runs/demo-0", "runs/demo-1"])         # doctest: +SKIP
    PosixPath('comparison.html')
    """
    target = Path(path)
    write_atomically(target, render(read(runs)).encode())
    return target


def read(runs: Sequence[Path | str]) -> list[SavedRun]:
    """Return the runs to compare, each once, in the order given."""
    folders = list(dict.fromkeys(Path(run) for run in runs))
    if not 2 <= len(folders) <= MOST:
        said = "compare: it takes 2 to {most} different runs, got {count}."
        raise DataError(sentence(said, most=MOST, count=len(folders)))
    return [run_list.read(folder) for folder in folders]


def letters(runs: Sequence[SavedRun]) -> str:
    """Return a letter for each run: A, B, ..."""
    return string.ascii_uppercase[: len(runs)]


def results(runs: Sequence[SavedRun]) -> list[tuple[str, ...]]:
    """Return a row for each run, as `HEADER` names its columns."""
    return [(letter, *_result(run)) for letter, run in zip(letters(runs), runs, strict=True)]


def _result(run: SavedRun) -> tuple[str, ...]:
    accuracy = run.accuracy
    images = run.images("test")
    around = ""
    if accuracy is not None and images is not None:
        low, high = wilson_interval(round(accuracy * images), images)
        around = phrase("{low:.1f} to {high:.1f} %", low=100 * low, high=100 * high)
    best = min(run.records, key=lambda record: record.error) if run.records else None
    return (
        str(run.folder),
        phrase(run.state),
        f"{len(run.records)}/{run.recipe.epochs}",
        "" if accuracy is None else f"{100 * accuracy:.2f} %",
        around,
        "" if best is None else str(best.epoch),
        f"{sum(record.seconds for record in run.records):,.0f}",
    )


def differences(runs: Sequence[SavedRun]) -> list[tuple[str, ...]]:
    """Return the settings that are not the same in all runs: the name, then a value for each run.

    Devices and versions count as settings here. The name of a recipe does not: its settings do.
    """
    every = [_settings(run) for run in runs]
    names = dict.fromkeys(name for settings in every for name in settings)
    rows = []
    for name in names:
        values = [settings.get(name, "") for settings in every]
        if len(set(values)) > 1:
            rows.append((name, *values))
    return rows


def _settings(run: SavedRun) -> dict[str, str]:
    recipe: dict[str, Any] = dataclasses.asdict(run.recipe)
    facts = {name: run.facts[name] for name in FACTS if name in run.facts}
    settings = {k: v for k, v in recipe.items() if k not in ("name", "about")} | facts
    return {name: _shown(value) for name, value in settings.items()}


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        said = "×{factor:g} from {fraction:.0%}"
        drops = [phrase(said, factor=factor, fraction=fraction) for fraction, factor in value]
        return ", ".join(drops) or phrase("none")
    return phrase("none") if value is None or value == "" else str(value)


def render(runs: Sequence[SavedRun]) -> str:
    """Return the page as text."""
    names = ", ".join(run.folder.name for run in runs)
    title = phrase("Comparison of {count} runs", count=len(runs))
    header = [tag("h1", title), tag("p", names, class_="lead")]
    sections = [
        ("results", phrase("Results"), _results(runs)),
        ("curves", phrase("Curves"), _curves(runs)),
        ("differences", phrase("Settings that differ"), _differences(runs)),
        ("repeat", phrase("How to repeat them"), _commands(runs)),
    ]
    return page(f"{title}: {names}", header, sections)


def _results(runs: Sequence[SavedRun]) -> Html:
    rows = [
        [join([row[0], " ", sample(f"s{i}")]), tag("td", row[1]), *row[2:]]
        for i, row in enumerate(results(runs))
    ]
    note = phrase(
        "Two accuracies whose intervals overlap may differ by the choice of the test images alone. "
        "Other seeds would move them too: compare several runs of each setting."
    )
    caption = phrase("Each run has a letter, a color and a dash of its own.")
    return join([table(phrases(*HEADER), rows, caption, numbers=3), tag("p", note, class_="soft")])


def _curves(runs: Sequence[SavedRun]) -> Html:
    charts = []
    for title, field, factor, form, top in (
        ("Test accuracy (%)", "test_accuracy", 100.0, "{:.1f}", 100.0),
        ("Test loss (nats)", "test_loss", 1.0, "{:.3f}", None),
        ("Training accuracy (%)", "train_accuracy", 100.0, "{:.1f}", 100.0),
        ("Training loss (nats)", "train_loss", 1.0, "{:.3f}", None),
    ):
        lines = _lines(runs, field, factor)
        if any(line.points for line in lines):
            words = _in_words(lines, form)
            title = phrase(title)
            charts.append(figure(line_chart(title, words, lines, form=form, top=top), words))
    if not charts:
        return tag("p", phrase("No epoch has finished in any of these runs."))
    return tag("div", *charts, class_="pair")


def _lines(runs: Sequence[SavedRun], field: str, factor: float) -> list[Line]:
    return [
        Line(letter, f"s{i}", _points(run.records, field, factor))
        for i, (letter, run) in enumerate(zip(letters(runs), runs, strict=True))
    ]


def _points(records: Sequence[Epoch], field: str, factor: float) -> list[tuple[float, float]]:
    found = [(record.epoch, getattr(record, field)) for record in records]
    return [(epoch, factor * value) for epoch, value in found if value is not None]


def _in_words(lines: Sequence[Line], form: str) -> str:
    said = "{run} ends at {value}"
    ends = [
        phrase(said, run=line.name, value=form.format(line.points[-1][1]))
        for line in lines
        if line.points
    ]
    return f"{', '.join(ends)}."


def _differences(runs: Sequence[SavedRun]) -> Html:
    rows = differences(runs)
    if not rows:
        return tag("p", phrase("The runs have the same settings, devices and versions."))
    header = [phrase("setting"), *letters(runs)]
    same = len(_settings(runs[0])) - len(rows)
    caption = phrase("The other {count} settings are the same in all runs.", count=same)
    return table(header, rows, caption, numbers=9, class_="settings")


def _commands(runs: Sequence[SavedRun]) -> Html:
    """Return the command of each run, below its letter."""
    unknown = phrase("Some settings have no option of tinynet train: config.json has them all.")
    parts = []
    for letter, run in zip(letters(runs), runs, strict=True):
        command = repeat.command(run.recipe, run.facts)
        parts.append(tag("h3", letter))
        parts.append(tag("p", unknown) if command is None else tag("pre", tag("code", command)))
    return join(parts)
