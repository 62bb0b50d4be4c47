"""Content of the page of claims as parts that HTML and Markdown both show."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from tinynet.claims import figures, outcome, overview, setting
from tinynet.claims.claim import LABELS, Claim
from tinynet.claims.figures import LETTERS, Picture
from tinynet.claims.in_language import in_language
from tinynet.claims.outcome import Compared, upper
from tinynet.claims.overview import Entry
from tinynet.claims.results import Results
from tinynet.words import phrase, phrases

TITLE = "The paper's claims, measured"
LEAD = (
    "What Krizhevsky, Sutskever and Hinton claimed in 2012, and some of what others built on it, "
    "each rerun here with several seeds."
)
READING = (
    "A 95 % interval is by Student's t over the seeds, and for differences over the differences of "
    "paired seeds. “Does not show at this scale” means that the interval includes no difference: "
    "it is no proof that there is none, least of all on ImageNet. Each comparison is judged by "
    "itself: of 20 without any true difference, about one would show one by chance."
)


class Text(NamedTuple):
    """A paragraph."""

    text: str


class Named(NamedTuple):
    """A paragraph with a name in front."""

    name: str
    text: str


class Heading(NamedTuple):
    """A heading within a section."""

    text: str


class Table(NamedTuple):
    """A table; `keys` says that the first cell of row i has the color of arm i."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: int = 1
    keys: bool = False


class Command(NamedTuple):
    """A command line."""

    text: str


Part = Text | Named | Heading | Table | Picture | Command


class Section(NamedTuple):
    """A section: its name in links, its title, its parts."""

    identity: str
    title: str
    parts: Sequence[Part]


def sections(found: Iterable[Results]) -> Iterator[Section]:
    """Yield a section for each claim of the catalog."""
    for entry in overview.entries(found):
        yield Section(entry.claim.name, phrase(entry.claim.title), list(_claim(entry)))


def _claim(entry: Entry) -> Iterator[Part]:
    claim = entry.claim
    yield Text(phrase(claim.statement))
    yield Named(phrase("Source"), f"{phrase(claim.source)}.")
    yield Named(phrase("Published"), f"{phrase(claim.published)}.")
    if claim.lab_note:
        yield Named(phrase("Notes of 2012"), phrase(claim.lab_note))
    yield Named(phrase("Here"), phrase(claim.about))
    if not entry.results:
        yield Text(phrase("It has not been run yet:"))
        first = claim.budgets[0]
        yield Command(setting.command(claim, Results(claim.name, claim.data[0], first)))
    for results in entry.results:
        yield from _results(claim, results)


def _results(claim: Claim, results: Results) -> Iterator[Part]:
    data = upper(phrase(setting.NAMES.get(results.data, results.data)))
    yield Heading(phrase("{data}, budget {budget}", data=data, budget=results.budget))
    yield Named(phrase("Verdict"), _verdict(claim, results))
    yield Text(" ".join(setting.in_words(claim, results)))
    yield _arms(claim, results)
    yield from figures.pictures(claim, results)
    if claim.comparisons:
        yield _comparisons(claim, results)
    if results.tuning:
        yield _tuning(claim, results)
    if claim.classes:
        yield _classes(claim, results)
    yield Text(setting.provenance(claim, results))
    yield Command(setting.command(claim, results))


def _verdict(claim: Claim, results: Results) -> str:
    """Return the verdict with its numbers, in a sentence."""
    if claim.comparisons:
        return _compared(outcome.compare(claim, results, claim.comparisons[0]))
    measure = claim.measures[0]
    mean = outcome.mean(results, next(iter(claim.arms)), measure)
    if mean is None:
        return f"{upper(in_language(outcome.NOT_MEASURED))}."
    parts = {
        "verdict": upper(in_language(outcome.verdict(claim, results))),
        "measure": upper(outcome.label(measure, phrase)),
        "mean": in_language(str(mean)),
        "seeds": phrase("one seed" if mean.seeds == 1 else "{count} seeds", count=mean.seeds),
    }
    if claim.target is None:
        return phrase("{verdict}. {measure}: {mean} % ({seeds}).", **parts)
    said = "{verdict}. {measure}: {mean} % ({seeds}); published {target:g} %."
    return phrase(said, target=claim.target, **parts)


def _compared(found: Compared) -> str:
    """Return the verdict of a comparison, and the numbers on which it rests."""
    what = upper(found.in_words(phrase))
    begin = f"{upper(in_language(found.verdict))}. {what}"
    if found.interval is None:
        return f"{begin}."
    value = in_language(found.value)
    if found.seeds < 2:
        return f"{begin}: {value}."
    said = "{value} (95 % interval {range}, {count} seeds)."
    numbers = phrase(said, value=value, range=in_language(found.range), count=found.seeds)
    return f"{begin}: {numbers}"


def _arms(claim: Claim, results: Results) -> Table:
    rate = ("rate",) if claim.rates else ()
    measured = (LABELS[name] for name in claim.measures)
    header = phrases("arm", "setting", *rate, "seeds", *measured)
    rows = [_arm(claim, results, i, arm) for i, arm in enumerate(claim.arms)]
    caption = phrase("Mean over seeds ± half of the 95 % interval.")
    return Table(caption, header, rows, 2, keys=True)


def _arm(claim: Claim, results: Results, index: int, arm: str) -> tuple[str, ...]:
    means = [outcome.mean(results, arm, name) for name in claim.measures]
    lost = outcome.diverged(results, arm)
    name = phrase(arm)
    if lost:
        name = phrase("{arm} ({count} diverged)", arm=name, count=lost)
    rate = (setting.rate(results, arm),) if claim.rates else ()
    return (
        f"{LETTERS[index]}  {name}",
        setting.changes(claim, results, arm),
        *rate,
        str(len(results.runs.get(arm, []))),
        *("–" if mean is None else in_language(str(mean)) for mean in means),
    )


def _comparisons(claim: Claim, results: Results) -> Table:
    found = [outcome.compare(claim, results, each) for each in claim.comparisons]
    rows = [
        (
            upper(c.in_words(phrase)),
            in_language(c.value),
            in_language(c.range),
            str(c.seeds),
            in_language(c.verdict),
        )
        for c in found
    ]
    names = ("compared, seed by seed", "difference", "95 % interval", "seeds", "verdict")
    return Table(phrase("Comparisons; the first one decides."), phrases(*names), rows)


def _tuning(claim: Claim, results: Results) -> Table:
    header = (phrase("arm"), *(f"{rate:g}" for rate in claim.rates))
    rows = []
    for arm in claim.arms:
        values = dict(results.tuning.get(arm, []))
        limit = _limit(claim, results, arm)
        cells = [_judged(values[rate], limit) if rate in values else "–" for rate in claim.rates]
        rows.append((phrase(arm), *cells))
    said = "Choice of the learning rate: {measure}, seed 0."
    return Table(phrase(said, measure=phrase(LABELS[claim.chosen_by])), header, rows)


def _limit(claim: Claim, results: Results, arm: str) -> float:
    """Return from which value on a run ended without reaching what was counted."""
    trial = results.settings.get(arm, {})
    if claim.chosen_by != "epochs" or trial.get("until_error") is None:
        return math.inf
    return float(trial["settings"]["epochs"])


def _judged(value: float, limit: float) -> str:
    return f"{value:.2f}" if value < limit else phrase("more than {limit:g}", limit=limit)


def _classes(claim: Claim, results: Results) -> Table:
    columns = {arm: _class_means(results, arm) for arm in claim.arms}
    count = max(map(len, columns.values()), default=0)
    header = phrases("class", *columns)
    rows = [
        (str(c), *(f"{means[c]:.2f}" if means else "–" for means in columns.values()))
        for c in range(count)
    ]
    return Table(phrase("Test error of each class, %, mean over seeds."), header, rows)


def _class_means(results: Results, arm: str) -> list[float]:
    runs = [run["class_errors"] for run in results.runs.get(arm, []) if "class_errors" in run]
    return [sum(each) / len(each) for each in zip(*runs, strict=True)]
