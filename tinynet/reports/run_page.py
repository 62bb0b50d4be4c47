"""Page of a run: report.html, one file that shows what a run learned and how to repeat it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tinynet.core.atomic_file import write_atomically
from tinynet.core.backend import Array
from tinynet.core.errors import DataError
from tinynet.data import Dataset, Normalize
from tinynet.reports import inside, mistakes
from tinynet.reports.curves import curve_figures
from tinynet.reports.html import Html, details, join, page, table, tag
from tinynet.reports.measure import Answers, answers, layer_costs
from tinynet.training import explanation, recipe_data, repeat, run_dir, run_list
from tinynet.training import predict as prediction
from tinynet.training.metrics import wilson_interval
from tinynet.training.predict import TrainedModel
from tinynet.training.run_list import SavedRun
from tinynet.training.runs import Run
from tinynet.words import language, phrase, spoken

TIMED = 64  # images that are prepared for the timing of the layers


@dataclasses.dataclass
class Source:
    """What a page is made from.

    Attributes
    ----------
    run : SavedRun
    trained : TrainedModel or None
        None where there are no weights yet, or they cannot be read.
    test : Dataset or None
        The test images; None where they are not at hand.
    train_counts : list of int
        Training images of each class; empty where they are not known.
    notes : list of str
        What is left out, and why.
    """

    run: SavedRun
    trained: TrainedModel | None = None
    test: Dataset | None = None
    train_counts: list[int] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)
    answers: Answers | None = None

    @property
    def classes(self) -> int | None:
        """Number of classes; None where it is not known."""
        if self.trained is not None:
            return len(self.trained.classes)
        known = self.run.facts.get("classes")
        return known if isinstance(known, int) and known > 0 else None


def report(
    run: Path | str, path: Path | str | None = None, *, data_dir: Path | None = None
) -> Path:
    """Write the page of a run, and return where it is.

    The network answers all test images once; nothing is trained. What cannot be shown, because the
    images or the weights are not there, is left out, and the page says so.

    Parameters
    ----------
    run : Path or str
        A run folder.
    path : Path or str, optional
        File to write; None is report.html in the run folder.
    data_dir : Path, optional
        Folder of the data set's files; None is that of the run.

    Returns
    -------
    Path

    Raises
    ------
    DataError
        Where the folder holds no run, or its log is damaged.

    Examples
    --------
    >>> import tinynet as tn
    >>> tn.report("runs/demo-0")                                # doctest: +SKIP
    PosixPath('runs/demo-0/report.html')
    """
    source = Source(run_list.read(Path(run)))
    _open(source, data_dir)
    return write(source, path)


def write_for(run: Run, sets: Sequence[Dataset]) -> Path:
    """Write the page of a run that has just ended, from the parts that are in memory.

    Parameters
    ----------
    run : Run
    sets : sequence of Dataset
        Training images, then those of the test.
    """
    train, test, *_ = sets
    normalize = Normalize.from_arrays(run.preprocessing)
    trained = TrainedModel(run.model.eval(), run.recipe, normalize, run.classes)
    counts = _counts(train.labels, len(run.classes))
    saved = dataclasses.replace(run_list.read(run.folder), state="finished")
    return write(Source(saved, trained, test, counts))


def write(source: Source, path: Path | str | None = None) -> Path:
    """Write the page of a run whose parts are open; return where it is."""
    target = source.run.folder / run_dir.REPORT if path is None else Path(path)
    write_atomically(target, render(source).encode())
    return target


def _open(source: Source, data_dir: Path | None) -> None:
    """Load the weights and open the images; note what is not there."""
    run = source.run
    if not run_dir.begun(run.folder):
        source.notes.append(phrase("The run has no checkpoint yet, so the network is not shown."))
    else:
        try:
            source.trained = prediction.open_run(run.folder)
        except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
            said = "The weights could not be read: {error}"
            source.notes.append(phrase(said, error=spoken(error)))
    named = run.facts.get("data_dir")
    place = data_dir or (None if named is None else Path(named))
    try:
        train = recipe_data.open_set(run.recipe, place, train=True)
        test = recipe_data.open_set(run.recipe, place, train=False)
        if source.trained is not None:
            prediction.refuse_other_classes(source.trained, test)
    except (DataError, OSError) as error:
        said = "The images are not at hand, so answers to them are left out: {error}"
        source.notes.append(phrase(said, error=spoken(error)))
    else:
        source.test = test
        source.train_counts = _counts(train.labels, len(train.classes))


def render(source: Source) -> str:
    """Return the page as text."""
    run = source.run
    if source.trained is not None and source.test is not None:
        _attempt(source, phrase("The answers"), lambda: _answer(source))
    sections: list[tuple[str, str, Html]] = []
    for identity, heading, build in _parts(source):
        title = phrase(heading)
        found = _attempt(source, title, build)
        if found:
            sections.append((identity, title, found))
    header = [
        tag("h1", spoken(run.recipe.title)),
        tag("p", _lead(source), class_="lead"),
        _facts(source),
        *(tag("p", phrase("Note: {note}", note=note)) for note in source.notes),
    ]
    accuracy = "" if run.accuracy is None else f": {100 * run.accuracy:.1f} %"
    return page(f"{spoken(run.recipe.title)}{accuracy}", header, sections)


def _parts(source: Source) -> list[tuple[str, str, Callable[[], Html | None]]]:
    """Return the parts of the page that can be built: identity, title, function."""
    run = source.run
    trained = source.trained
    test = source.test
    found = source.answers
    parts: list[tuple[str, str, Callable[[], Html | None]]] = []
    if run.records:
        parts.append(("curves", "Curves", lambda: curve_figures(run.records, source.classes)))
        parts.append(("findings", "What the curves show", lambda: _findings(source)))
    if trained is not None and test is not None and found is not None:
        names = trained.classes
        parts += [
            ("confusion", "Confusion matrix", lambda: mistakes.matrix(found, names)),
            ("classes", "Accuracy of each class", lambda: mistakes.class_table(found, names)),
            ("mistakes", "Worst mistakes", lambda: mistakes.worst(found, test, names)),
        ]
    if trained is not None:
        parts.append(("filters", "First-layer filters", lambda: inside.filters(trained)))
    if trained is not None and test is not None:
        index = (found.surest() if found is not None else None) or 0
        parts += [
            ("maps", "An image in the network", lambda: inside.feature_maps(trained, test, index)),
            ("costs", "Time and memory of each layer", lambda: _costs(trained, test)),
        ]
    parts.append(("repeat", "Settings, and how to repeat this", lambda: _settings(source)))
    return parts


def _attempt(source: Source, title: str, build: Callable[[], Any]) -> Any:
    """Return what `build` returns; a part that fails is noted, since it must not end a run."""
    try:
        return build()
    except Exception as error:  # noqa: BLE001
        kind = type(error).__name__
        said = "{title}: left out ({kind}: {error})"
        source.notes.append(phrase(said, title=title, kind=kind, error=spoken(error)))
        return None


def _answer(source: Source) -> None:
    if source.trained is not None and source.test is not None:
        source.answers = answers(source.trained, source.test)


def _lead(source: Source) -> str:
    """Return the sentence below the title."""
    run = source.run
    moment = time.localtime(run.changed)
    changed = time.strftime("%d %B %Y, %H:%M" if language() == "en" else "%Y-%m-%d %H:%M", moment)
    about = ""
    if run.recipe.about:
        told = phrase(run.recipe.about)
        about = phrase("Recipe {name}: {about}.", name=run.recipe.name, about=told)
    done = len(run.records)
    planned = done if run.state == "finished" else run.recipe.epochs
    count = phrase("1 epoch") if planned == 1 else phrase("{count} epochs", count=planned)
    if run.state != "finished":
        count = phrase("{done} of {epochs}", done=done, epochs=count)
    said = "{about} {state} after {epochs}, {changed}."
    state = phrase(run.state).capitalize()
    return phrase(said, about=about, state=state, epochs=count, changed=changed)


def _facts(source: Source) -> Html:
    """Return the final numbers, as a list of terms."""
    run = source.run
    facts: list[tuple[str, str, str]] = []
    last = run.records[-1] if run.records else None
    if last is not None and last.test_accuracy is not None and last.test_loss is not None:
        images = run.images("test") or (len(source.test) if source.test is not None else None)
        around = ""
        if images:
            low, high = wilson_interval(round(last.test_accuracy * images), images)
            said = "95 % interval {low:.1f} to {high:.1f} % ({images:,} images)"
            around = phrase(said, low=100 * low, high=100 * high, images=images)
        facts.append((phrase("test accuracy"), f"{100 * last.test_accuracy:.1f} %", around))
        nats = phrase("mean cross-entropy, nats")
        facts.append((phrase("test loss"), f"{last.test_loss:.3f}", nats))
    if last is not None and last.validation_accuracy is not None:
        percent = f"{100 * last.validation_accuracy:.1f} %"
        facts.append((phrase("validation accuracy"), percent, ""))
    if last is not None:
        percent = f"{100 * last.train_accuracy:.1f} %"
        facts.append((phrase("training accuracy"), percent, phrase("while learning")))
        seconds = sum(record.seconds for record in run.records)
        said = "{rate:,.0f} images/s in the last epoch"
        facts.append(
            (phrase("time"), _duration(seconds), phrase(said, rate=last.images_per_second))
        )
    if source.trained is not None:
        count = sum(int(np.prod(p.shape)) for p in source.trained.model.parameters())
        facts.append((phrase("parameters"), f"{count:,}", run.recipe.model))
    return tag(
        "dl",
        *(
            tag("div", tag("dt", name), tag("dd", value, tag("small", note) if note else None))
            for name, value, note in facts
        ),
        class_="facts",
    )


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return phrase("{seconds} s", seconds=whole)
    if whole < 3600:
        said = "{minutes} min {seconds:02d} s"
        return phrase(said, minutes=whole // 60, seconds=whole % 60)
    said = "{hours} h {minutes:02d} min"
    return phrase(said, hours=whole // 3600, minutes=whole % 3600 // 60)


def _findings(source: Source) -> Html:
    """Return what the curves show, in words."""
    if source.classes is None:
        said = "The number of classes is not known, so the curves are not judged."
        return tag("p", phrase(said))
    counts: Sequence[int] = ()
    if source.test is not None:
        counts = _counts(source.test.labels, source.classes)
    found = explanation.explain(source.run.records, source.classes, source.train_counts, counts)
    if not found:
        return tag("p", spoken(explanation.nothing_found(source.run.records)))
    kinds = [f"{phrase(one.kind).capitalize()}. " for one in found]
    items = [
        join([tag("strong", kind), spoken(one.message)])
        for kind, one in zip(kinds, found, strict=True)
    ]
    return tag("ul", *(tag("li", item) for item in items))


def _costs(trained: TrainedModel, test: Dataset) -> Html:
    pixels = np.stack([test[i][0] for i in range(min(TIMED, len(test)))])
    costs, batch = layer_costs(trained.model, trained.prepare(pixels))
    device = next((p.device for p in trained.model.parameters()), "cpu")
    return inside.cost_table(costs, batch, trained.recipe.batch_size, str(device))


def _settings(source: Source) -> Html:
    """Return the command, the versions, and all settings."""
    run = source.run
    command = repeat.command(run.recipe, run.facts)
    if command is None:
        how = tag(
            "p",
            phrase(
                "Some of these settings have no option of tinynet train. config.json in the run "
                "folder holds them all."
            ),
        )
    else:
        how = tag("pre", tag("code", command))
    names = {
        "tinynet": "tinynet",
        "numpy": "NumPy",
        "python": "Python",
        "device": "device",
        "threads": "threads",
        "ranks": "processes",
        "fingerprint": "fingerprint of the images",
    }
    facts = [[phrase(names[k]), run.facts[k]] for k in names if run.facts.get(k) is not None]
    counts = run.facts.get("images")
    if isinstance(counts, dict):
        sizes = [(phrase(part), n) for part, n in counts.items() if isinstance(n, int)]
        listed = ", ".join(phrase("{count:,} {part}", count=n, part=part) for part, n in sizes)
        facts.append([phrase("images"), listed])
    settings = [[name, _value(value)] for name, value in dataclasses.asdict(run.recipe).items()]
    seed = phrase(
        "The seed, {seed}, decides every random number. The same command on the same "
        "machine and versions gives the same weights, bit for bit.",
        seed=run.recipe.seed,
    )
    return join(
        [
            tag("p", seed),
            how,
            table(
                ["", phrase("value")],
                facts,
                phrase("Versions and place."),
                numbers=2,
                class_="settings",
            ),
            details(
                phrase("All settings"),
                table(
                    [phrase("setting"), phrase("value")],
                    settings,
                    phrase("The recipe."),
                    numbers=2,
                    class_="settings",
                ),
            ),
        ]
    )


def _value(value: Any) -> str:
    return phrase("none") if value is None or value in ("", ()) else str(value)


def _counts(labels: Array, classes: int) -> list[int]:
    """Return the number of images of each class."""
    counts: list[int] = np.bincount(labels.astype(np.intp), minlength=classes).tolist()
    return counts
