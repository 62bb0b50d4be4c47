"""Figures of a claim as SVG: a dot for each seed with mean and interval, and training curves."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from typing import Any, NamedTuple

from tinynet.claims import statistics
from tinynet.claims.claim import LABELS, Claim
from tinynet.claims.outcome import label, unfinished, upper
from tinynet.claims.results import Results
from tinynet.claims.statistics import Interval
from tinynet.reports.charts import WIDTH, Line, line_chart
from tinynet.reports.html import Html, join, tag
from tinynet.words import phrase

EDGE = 14  # pixels left and right of the axis
TOP = 48  # below it lie the rows; above it the title and the words of marks
ROW = 50  # pixels for an arm
BOTTOM = 36
COLORS = 6
PAIRED = 4  # arms up to which dots of one seed are joined
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Row(NamedTuple):
    """Name of an arm, and its value for each seed."""

    name: str
    values: Mapping[int, float]
    bound: str = ""  # in front of the mean, where it is one
    arm: int = 0  # which decides the color

    @property
    def mean(self) -> Interval:
        """The mean and its interval."""
        return statistics.interval(list(self.values.values()))


class Picture(NamedTuple):
    """A figure: the name of its file, the drawing, and what it shows in words."""

    name: str
    svg: Html
    words: str


def kind(index: int) -> str:
    """Return the class of the color of an arm."""
    return f"s{index % COLORS}"


def pictures(claim: Claim, results: Results) -> list[Picture]:
    """Return the figures of the results of a claim."""
    found = []
    for group in _groups(claim):
        rows = _rows(claim, results, group)
        if rows:
            found.append(_dots(claim, results, group, rows))
    curves = _curves(claim, results)
    return [*found, *([curves] if curves else [])]


def _groups(claim: Claim) -> list[tuple[str, ...]]:
    """Return the measures of each figure: those with one unit that are compared with each other."""
    groups = list(
        dict.fromkeys(
            tuple(dict.fromkeys(filter(None, (c.measure, c.worse_measure))))
            for c in claim.comparisons
        )
    )
    crossed = dict.fromkeys(name for group in groups if len(group) > 1 for name in group)
    if not crossed:
        return groups[:2] or [(claim.measures[0],)]
    units: dict[str, list[str]] = {}
    for name in crossed:
        units.setdefault(LABELS[name].removeprefix(label(name)), []).append(name)
    return [tuple(names) for names in units.values()]


def _rows(claim: Claim, results: Results, group: Sequence[str]) -> list[Row]:
    rows = []
    for i, arm in enumerate(claim.arms):
        for name in group:
            values = results.values(arm, name)
            more = f": {label(name, phrase)}" if len(group) > 1 else ""
            if values:
                bound = phrase("at least ") if unfinished(results, arm, name) else ""
                rows.append(Row(f"{LETTERS[i]}  {phrase(arm)}{more}", values, bound, i))
    return rows


def _dots(claim: Claim, results: Results, group: tuple[str, ...], rows: list[Row]) -> Picture:
    title = phrase(min((LABELS[name] for name in group), key=len))
    paired = 1 < len(rows) <= PAIRED and len(group) == 1
    marks = [(claim.target, phrase("published"))] if claim.target is not None else []
    words = " ".join(_described(claim, rows, paired=paired))
    svg = dot_chart(upper(title), words, rows, paired=paired, marks=marks)
    return Picture(f"{results.claim}-{results.data}-{results.budget}-{group[0]}", svg, words)


def _described(claim: Claim, rows: Sequence[Row], *, paired: bool) -> Iterator[str]:
    """Yield sentences on the dots of an arm in each row."""
    if _clipped(rows):
        said = "A dot for each seed; below the dots the mean and its 95 % interval, where it fits."
        yield phrase(said)
    else:
        yield phrase("A dot for each seed; below the dots the mean and its 95 % interval.")
    if paired:
        yield phrase("Thin lines join the dots of one seed.")
    means = [f"{row.name} {row.bound}{row.mean.mean:.2f}" for row in rows]
    yield phrase("Means: {means}.", means="; ".join(means))
    if claim.target is not None:
        yield phrase("Published: {target:g}.", target=claim.target)


def _ends(rows: Sequence[Row]) -> tuple[float, float]:
    values = [value for row in rows for value in row.values.values()]
    return min(values), max(values)


def _clipped(rows: Sequence[Row]) -> bool:
    low, high = _axis(rows, ())
    return any(
        len(row.values) > 1 and (found.low < low or found.high > high)
        for row in rows
        for found in [row.mean]
    )


def _axis(rows: Sequence[Row], marks: Sequence[tuple[float, str]]) -> tuple[float, float]:
    """Return the ends of the axis: all dots, and the intervals where they are not too wide."""
    low, high = _ends(rows)
    span = (high - low) or 1.0
    ends = [low, high, *(value for value, _ in marks)]
    for row in rows:
        found = row.mean
        if len(row.values) > 1:
            ends += [max(found.low, low - span), min(found.high, high + span)]
    rest = 0.04 * (max(ends) - min(ends)) or 0.5
    first = min(ends) - rest
    return (max(0.0, first) if low >= 0 else first), max(ends) + rest


def dot_chart(
    title: str,
    description: str,
    rows: Sequence[Row],
    *,
    paired: bool = False,
    marks: Sequence[tuple[float, str]] = (),
) -> Html:
    """Return a chart with a row for each arm: its dots, and below them its mean and interval.

    Parameters
    ----------
    title : str
        Stands above the chart.
    description : str
        What the chart shows, for a screen reader.
    rows : sequence of Row
    paired : bool
        Join the dots of one seed.
    marks : pairs of a value and a word
        Vertical lines.

    Examples
    --------
    >>> from tinynet.claims import figures
    >>> rows = [figures.Row("A", {0: 1.0, 1: 2.0}), figures.Row("B", {0: 2.0, 1: 2.5})]
    >>> figures.dot_chart("Error", "Two arms.", rows).count("<circle")
    4
    """
    low, high = _axis(rows, marks)
    height = TOP + ROW * len(rows) + BOTTOM

    def x(value: float) -> float:
        share = min(max((value - low) / (high - low), 0.0), 1.0)
        return round(EDGE + (WIDTH - 2 * EDGE) * share, 1)

    parts = [tag("text", title, x=0, y=15, class_="title"), *_grid(low, high, x, height)]
    for value, word in marks:
        parts.append(
            tag("line", x1=x(value), x2=x(value), y1=TOP, y2=height - BOTTOM, class_="mark")
        )
        end = "end" if x(value) > WIDTH / 2 else "start"
        parts.append(tag("text", word, x=x(value), y=TOP - 5, text_anchor=end))
    if paired:
        parts += _pairs(rows, x)
    parts += [_row(i, row, x) for i, row in enumerate(rows)]
    box = f"0 0 {WIDTH} {height}"
    return tag("svg", *parts, viewBox=box, role="img", aria_label=f"{title}. {description}")


def _middle(index: int) -> int:
    return TOP + ROW * index + 28


def _grid(low: float, high: float, x: Any, height: int) -> list[Html]:
    floor = height - BOTTOM
    parts = []
    for value in steps(low, high, 6):
        parts.append(tag("line", x1=x(value), x2=x(value), y1=TOP, y2=floor, class_="grid"))
        parts.append(tag("text", f"{value:g}", x=x(value), y=floor + 17, text_anchor="middle"))
    parts.append(tag("line", x1=EDGE, x2=WIDTH - EDGE, y1=floor, y2=floor, class_="axis"))
    return parts


def steps(low: float, high: float, count: int) -> list[float]:
    """Return about `count` round numbers between two values.

    >>> steps(41.3, 46.1, 5), steps(0.2, 0.9, 3)
    ([42.0, 43.0, 44.0, 45.0, 46.0], [0.5])
    """
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first = math.ceil(low / step)
    return [float(f"{i * step:.10g}") for i in range(first, math.floor(high / step) + 1)]


def _pairs(rows: Sequence[Row], x: Any) -> list[Html]:
    """Return a thin line for each seed, through its dots."""
    parts = []
    for seed in sorted({seed for row in rows for seed in row.values}):
        places = [(x(r.values[seed]), _middle(i)) for i, r in enumerate(rows) if seed in r.values]
        points = " ".join(f"{a},{b}" for a, b in places)
        parts.append(tag("polyline", points=points, class_="grid", fill="none"))
    return parts


def _row(index: int, row: Row, x: Any) -> Html:
    y = _middle(index)
    color = kind(row.arm)
    values = list(row.values.values())
    found = row.mean
    parts = [tag("text", row.name, x=EDGE, y=y - 11, class_=color)]
    parts += [tag("circle", cx=x(value), cy=y, r=3.4, class_=color) for value in values]
    if len(values) > 1:
        low = x(found.low)
        high = x(found.high)
        parts.append(tag("line", x1=low, x2=high, y1=y + 10, y2=y + 10, class_=f"line {color}"))
        middle = x(found.mean)
        parts.append(tag("line", x1=middle, x2=middle, y1=y + 5, y2=y + 15, class_=f"line {color}"))
    return join(parts)


def _curves(claim: Claim, results: Results) -> Picture | None:
    """Return the error while learning over the epochs, a line for each arm."""
    lines = []
    for i, arm in enumerate(claim.arms):
        points = _curve(results.runs.get(arm, []))
        if i < COLORS and len(points) > 1:
            lines.append(Line(LETTERS[i], f"s{i}", points))
    if not lines or len(claim.arms) > COLORS:
        return None
    named = zip(lines, claim.arms, strict=False)
    which = "; ".join(f"{line.name}: {phrase(arm)}" for line, arm in named)
    said = "Error on the training images while learning, {whose}. {which}."
    words = phrase(said, whose=_whose(results), which=which)
    title = phrase("Training error while learning, %")
    chart = line_chart(title, words, lines, form="{:.1f}", top=100.0)
    return Picture(f"{results.claim}-{results.data}-{results.budget}-curves", chart, words)


def _whole(runs: Sequence[dict[str, Any]]) -> bool:
    return len({len(run.get("curve", ())) for run in runs}) == 1


def _whose(results: Results) -> str:
    whole = all(_whole(runs) for runs in results.runs.values() if runs)
    if whole:
        return phrase("mean over the seeds")
    return phrase("of the first seed where seeds end at other epochs")


def _curve(runs: Sequence[dict[str, Any]]) -> list[tuple[float, float]]:
    """Return the mean error of each epoch; of the first run alone where the lengths differ."""
    if not runs:
        return []
    used = runs if _whole(runs) else runs[:1]
    columns = zip(*(run.get("curve", []) for run in used), strict=True)
    return [
        (float(epoch), sum(error for _, error in pairs) / len(pairs))
        for epoch, pairs in enumerate(columns, start=1)
    ]


def standalone(svg: Html) -> str:
    """Return a drawing as a file of its own, with the colors of the page, light and dark."""
    css = resources.files("tinynet.reports").joinpath("page.css").read_text(encoding="utf-8")
    colors = css[: css.index("* {")]
    used = set(re.findall(r"[\w-]+", " ".join(re.findall(r'class="([^"]*)"', svg))))
    rules = [
        rule
        for rule in re.findall(r"svg [^{]*\{[^}]*\}", css)
        if set(re.findall(r"\.([a-z]\w*) *\{", rule)) <= used
    ]
    box = svg.split('viewBox="')[1].split('"')[0].split()
    style = f"{colors}{chr(10).join(rules)}\nsvg {{ font: 13.5px system-ui, sans-serif; }}"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{box[2]}" height="{box[3]}" '
    ground = '<rect width="100%" height="100%" style="fill: var(--paper)"/>'
    opening, _, rest = svg.removeprefix("<svg ").partition(">")
    return f"{head}{opening}>\n<style>\n{style}\n</style>\n{ground}{rest}\n"
