"""Outcome of a claim: the means of its arms, and its comparisons with verdicts, also in words."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from tinynet.claims import statistics
from tinynet.claims.claim import LABELS, Claim, Comparison
from tinynet.claims.results import Results
from tinynet.claims.statistics import Interval

ONE_SEED = "one seed: no interval"
NOT_MEASURED = "not measured"
NO_NUMBER = "no published number"
WITHIN = "within 1 point"
NEAR = 1.0  # points
UNITS = (", %p", ", %", ", points")  # at the ends of labels, also in Korean


class Mean(NamedTuple):
    """Mean of a measure over the seeds of an arm.

    Attributes
    ----------
    interval : Interval
    seeds : int
    at_least : bool
        Some runs ended before they reached what was counted, so the mean is a lower bound.
    """

    interval: Interval
    seeds: int
    at_least: bool

    def __str__(self) -> str:
        """Return the mean and half of its 95 % interval."""
        around = "" if self.seeds < 2 else f" ± {self.interval.half:.2f}"
        return f"{'at least ' if self.at_least else ''}{self.interval.mean:.2f}{around}"


class Compared(NamedTuple):
    """A comparison as it came out.

    Attributes
    ----------
    comparison : Comparison
    interval : Interval or None
        Of the worse arm minus the better one, or of their quotient, seed by seed; None where no
        seed has both.
    seeds : int
    bound : "at least", "at most", "about" or ""
        Where runs ended before they reached what was counted: those of the worse arm, of the
        better one, of both, of none.
    verdict : str
    """

    comparison: Comparison
    interval: Interval | None
    seeds: int
    bound: str
    verdict: str

    @property
    def what(self) -> str:
        """What was compared, in English."""
        return self.in_words(str.format)

    def in_words(self, said: Callable[..., str]) -> str:
        """Return what was compared, by a function that says a text: `words.phrase`."""
        better, worse, measure, other, ratio = (
            getattr(self.comparison, name)
            for name in ("better", "worse", "measure", "worse_measure", "ratio")
        )
        arms = {"worse": said(worse), "better": said(better), "measure": label(measure, said)}
        if other:
            text = "“{worse}”, {other}, minus “{better}”, {measure}"
            return said(text, other=label(other, said), **arms)
        if ratio:
            return said("{measure}: “{worse}” divided by “{better}”", **arms)
        return said("{measure}: “{worse}” minus “{better}”", **arms)

    @property
    def value(self) -> str:
        """The mean of the differences with their unit, or of the factors."""
        if self.interval is None:
            return "–"
        bound = f"{self.bound} " if self.bound else ""
        if self.comparison.ratio:
            return f"{bound}{self.interval.mean:.2f} times"
        unit = " points" if LABELS[self.comparison.measure].endswith(UNITS) else ""
        return f"{bound}{signed(self.interval.mean)}{unit}"

    @property
    def range(self) -> str:
        """The 95 % interval."""
        if self.interval is None or self.seeds < 2:
            return "–"
        if self.comparison.ratio:
            return f"{self.interval.low:.2f} to {self.interval.high:.2f}"
        return f"{signed(self.interval.low)} to {signed(self.interval.high)}"


def label(measure: str, said: Callable[..., str] = str) -> str:
    """Return the name of a measure without its unit, by a function that says it.

    >>> label("test_error"), label("error_times_p")
    ('test error', 'test error, units times p')
    """
    return re.sub(f"(?:{'|'.join(UNITS)})$", "", said(LABELS[measure]))


def upper(text: str) -> str:
    """Return a text with a capital in front."""
    return text[0].upper() + text[1:]


def signed(value: float) -> str:
    """Return a difference with its sign.

    >>> signed(0.5), signed(-0.5), signed(0.001)
    ('+0.50', '−0.50', '0.00')
    """
    text = f"{abs(value):.2f}"
    return text if not float(text) else f"{'+' if value > 0 else '−'}{text}"


def unfinished(results: Results, arm: str, measure: str) -> set[int]:
    """Return the seeds whose runs ended before they reached what the measure counts."""
    settings = results.settings.get(arm, {})
    if measure != "epochs" or settings.get("until_error") is None:
        return set()
    limit = settings["settings"]["epochs"]
    return {seed for seed, value in results.values(arm, measure).items() if value >= limit}


def mean(results: Results, arm: str, measure: str) -> Mean | None:
    """Return the mean of a measure over the seeds of an arm; None where there is no run."""
    values = list(results.values(arm, measure).values())
    if not values:
        return None
    at_least = bool(unfinished(results, arm, measure))
    return Mean(statistics.interval(values), len(values), at_least)


def compare(claim: Claim, results: Results, comparison: Comparison) -> Compared:
    """Return how a comparison came out.

    Examples
    --------
    >>> from tinynet.claims import catalog
    >>> from tinynet.claims.results import Results
    >>> claim = catalog.find("color")
    >>> found = Results("color", "cifar10", "quick")
    >>> for arm, errors in (("color noise", (30.0, 32.0)), ("none", (33.0, 34.9))):
    ...     found.runs[arm] = [{"seed": s, "test_error": e} for s, e in enumerate(errors)]
    >>> compared = compare(claim, found, claim.comparisons[0])
    >>> compared.value, compared.range, compared.verdict
    ('+2.95 points', '+2.31 to +3.59', 'holds here')
    """
    other = comparison.worse_measure or comparison.measure
    better, worse = results.paired(
        (comparison.better, comparison.measure), (comparison.worse, other)
    )
    if not better:
        return Compared(comparison, None, 0, "", NOT_MEASURED)
    found = statistics.paired(better, worse, ratio=comparison.ratio)
    verdict = ONE_SEED
    if len(better) > 1:
        verdict = statistics.verdict(found, ratio=comparison.ratio, neutral=claim.neutral)
    return Compared(comparison, found, len(better), _bound(results, comparison), verdict)


def _bound(results: Results, comparison: Comparison) -> str:
    below = unfinished(results, comparison.better, comparison.measure)
    above = unfinished(results, comparison.worse, comparison.measure)
    if below and above:
        return "about"
    return "at most" if below else "at least" if above else ""


def verdict(claim: Claim, results: Results) -> str:
    """Return the verdict on a claim: that of its first comparison, or on its published error."""
    if claim.comparisons:
        return compare(claim, results, claim.comparisons[0]).verdict
    found = mean(results, next(iter(claim.arms)), claim.measures[0])
    if found is None:
        return NOT_MEASURED
    if claim.target is None:
        return NO_NUMBER
    away = found.interval.mean - claim.target
    if abs(away) <= NEAR:
        return WITHIN
    return f"{abs(away):.1f} points {'above' if away > 0 else 'below'}"


def here(claim: Claim, results: Results) -> str:
    """Return what was measured for the verdict, with its interval, in a few words."""
    if claim.comparisons:
        first = compare(claim, results, claim.comparisons[0])
        return first.value if first.seeds < 2 else f"{first.value} ({first.range})"
    measure = claim.measures[0]
    found = mean(results, next(iter(claim.arms)), measure)
    return "–" if found is None else f"{found} %"


def seeds(claim: Claim, results: Results) -> int:
    """Return on how many seeds the verdict rests."""
    if claim.comparisons:
        return compare(claim, results, claim.comparisons[0]).seeds
    found = mean(results, next(iter(claim.arms)), claim.measures[0])
    return 0 if found is None else found.seeds


def diverged(results: Results, arm: str) -> int:
    """Return how many runs of an arm ended with a loss that was not finite."""
    return sum(bool(run.get("diverged")) for run in results.runs.get(arm, []))
