"""Line charts as SVG: they follow the colors of the page, and their text stays text.

A chart of matplotlib would be ten times as large and light on a dark page, and its import alone
costs a third of a second at the end of each run.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tinynet.plot.curves import spread
from tinynet.reports.html import Html, join, tag
from tinynet.words import phrase

WIDTH = 480
LEFT = 46
RIGHT = 108  # place for the labels at the ends of the lines
TOP = 44
BOTTOM = 36
MARKED = 30  # points up to which each has a marker
LETTER = 8  # pixels of a letter, at most on average
DASHES = {"train": "7 4", "s1": "9 4", "s2": "3 3", "s3": "10 3 2 3", "s4": "14 4", "s5": "5 2"}

Point = tuple[float, float]


class Line(NamedTuple):
    """A line of a chart: its name, the class of its color, and its points (epoch, value)."""

    name: str
    kind: str
    points: Sequence[Point]


class Marks(NamedTuple):
    """Marks in a chart: heights with words, epochs with words, and one point with a ring."""

    heights: Sequence[tuple[float, str]] = ()
    epochs: Sequence[tuple[float, str]] = ()
    ring: tuple[float, float, str] | None = None


NO_MARKS = Marks()


class Frame(NamedTuple):
    """Place of the axes: the values at their ends, and the height of the drawing."""

    first: float
    last: float
    top: float
    height: int

    def x(self, epoch: float) -> float:
        """Return the place of an epoch, in pixels from the left."""
        span = (self.last - self.first) or 1.0
        return round(LEFT + (WIDTH - LEFT - RIGHT) * (epoch - self.first) / span, 1)

    def y(self, value: float) -> float:
        """Return the place of a value, in pixels from the top; values above the axis lie on it."""
        share = min(max(value / self.top, 0.0), 1.0)
        return round(self.height - BOTTOM - (self.height - TOP - BOTTOM) * share, 1)


def line_chart(
    title: str,
    description: str,
    lines: Sequence[Line],
    *,
    form: str,
    top: float | None = None,
    marks: Marks = NO_MARKS,
    height: int = 310,
) -> Html:
    """Return a chart over the epochs, from 0 up.

    Parameters
    ----------
    title : str
        Stands above the chart.
    description : str
        What the chart shows, for a screen reader.
    lines : sequence of Line
    form : str
        Format of a value, such as "{:.1f}".
    top : float, optional
        Upper end of the axis; None is a little more than the largest value.
    marks : Marks
    height : int
        In pixels, where the chart is 480 wide.
    """
    lines = [Line(n, kind, _finite(points)) for n, kind, points in lines]
    lines = [line for line in lines if line.points]
    epochs = [x for line in lines for x, _ in line.points] or [1.0]
    values = [y for line in lines for _, y in line.points] + [y for y, _ in marks.heights]
    largest = top or 1.06 * max(values, default=1.0) or 1.0
    edge = 0.5 if min(epochs) == max(epochs) else 0.0
    frame = Frame(min(epochs) - edge, max(epochs) + edge, largest, height)
    parts = [
        tag("text", title, x=0, y=15, class_="title"),
        *_axes(frame),
        *(_line(frame, line) for line in lines),
        *_marks(frame, marks, lines),
        *_labels(frame, lines, form),
    ]
    return tag(
        "svg",
        *parts,
        viewBox=f"0 0 {WIDTH} {height}",
        role="img",
        aria_label=f"{title}. {description}",
    )


def _finite(points: Sequence[Point]) -> list[Point]:
    return [(x, y) for x, y in points if math.isfinite(y)]


def _axes(frame: Frame) -> list[Html]:
    """Return the grid, the numbers at it, and the axis of the epochs."""
    parts = []
    right = WIDTH - RIGHT
    for value in ticks(frame.top, 5):
        y = frame.y(value)
        parts.append(tag("line", x1=LEFT, x2=right, y1=y, y2=y, class_="grid"))
        parts.append(tag("text", f"{value:g}", x=LEFT - 7, y=y + 4.5, text_anchor="end"))
    floor = frame.height - BOTTOM
    parts += [
        tag("text", epoch, x=frame.x(epoch), y=floor + 17, text_anchor="middle")
        for epoch in whole_ticks(frame.first, frame.last, 8)
    ]
    middle = (LEFT + right) / 2
    parts.append(tag("line", x1=LEFT, x2=right, y1=floor, y2=floor, class_="axis"))
    parts.append(tag("text", phrase("epoch"), x=middle, y=frame.height - 3, text_anchor="middle"))
    return parts


def sample(kind: str) -> Html:
    """Return a short piece of a line of this kind, for the first cell of a table's row."""
    line = tag(
        "line", x1=0, x2=34, y1=6, y2=6, class_=f"line {kind}", stroke_dasharray=DASHES.get(kind)
    )
    return tag("svg", line, viewBox="0 0 34 12", class_="sample", aria_hidden="true")


def ticks(top: float, count: int) -> list[float]:
    """Return about `count` round numbers from 0 to `top`.

    >>> ticks(2.4, 5), ticks(100, 5)
    ([0.0, 0.5, 1.0, 1.5, 2.0], [0.0, 20.0, 40.0, 60.0, 80.0, 100.0])
    """
    if not 0 < top < math.inf:
        return [0.0]
    rough = top / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    return [float(f"{i * step:.10g}") for i in range(int(top / step * 1.0000001) + 1)]


def whole_ticks(first: float, last: float, count: int) -> list[int]:
    """Return about `count` whole numbers from `first` to `last`.

    >>> whole_ticks(1, 8, 8), whole_ticks(0.5, 1.5, 8), whole_ticks(1, 90, 8)
    ([1, 2, 3, 4, 5, 6, 7, 8], [1], [20, 40, 60, 80])
    """
    span = last - first
    step = 1
    while span / step > count:
        step = next(s for s in _steps() if s > step)
    start = math.ceil(first / step) * step
    return list(range(start, math.floor(last) + 1, step))


def _steps() -> list[int]:
    return [factor * 10**power for power in range(9) for factor in (1, 2, 5)]


def _marks(frame: Frame, marks: Marks, lines: Sequence[Line]) -> list[Html]:
    parts = []
    right = WIDTH - RIGHT
    for value, words in marks.heights:
        y = frame.y(value)
        parts.append(tag("line", x1=LEFT, x2=right, y1=y, y2=y, class_="mark"))
        parts.append(tag("text", words, x=right - 4, y=y - 5, text_anchor="end"))
    free = 0.0  # the pixel from which the next words of an epoch have room
    for epoch, words in marks.epochs:
        x = frame.x(epoch)
        floor = frame.height - BOTTOM
        parts.append(tag("line", x1=x, x2=x, y1=TOP, y2=floor, class_="mark"))
        half = LETTER * len(words) / 2
        if x - half >= free:
            parts.append(tag("text", words, x=x, y=TOP - 9, text_anchor="middle"))
            free = x + half + LETTER
    if marks.ring is not None:
        epoch, value, words = marks.ring
        x = frame.x(epoch)
        y = frame.y(value)
        late = x > (LEFT + right) / 2
        start = x + 6 - LETTER * len(words) if late else x - 6
        sides = (24, -14) if y < frame.height / 2 else (-14, 24)
        side = min(sides, key=lambda dy: _crossings(frame, lines, start, words, y + dy))
        parts.append(tag("circle", cx=x, cy=y, r=7, class_="ring"))
        parts.append(
            tag(
                "text",
                words,
                x=x + (6 if late else -6),
                y=y + side,
                text_anchor="end" if late else "start",
            )
        )
    return parts


def _crossings(frame: Frame, lines: Sequence[Line], start: float, words: str, base: float) -> int:
    """Return at how many pixels a line, or the axis, goes through words that begin at `start`."""
    xs = np.arange(start, start + LETTER * len(words))
    count = int(base > frame.height - BOTTOM)
    for line in lines:
        places = np.array([(frame.x(x), frame.y(y)) for x, y in line.points])
        inside = xs[(xs >= places[0, 0]) & (xs <= places[-1, 0])]
        ys = np.interp(inside, places[:, 0], places[:, 1])
        count += int(((ys > base - 12) & (ys < base + 4)).sum())
    return count


def _line(frame: Frame, line: Line) -> Html:
    places = [(frame.x(x), frame.y(y)) for x, y in line.points]
    path = " ".join(f"{x},{y}" for x, y in places)
    parts = [
        tag(
            "polyline",
            points=path,
            class_=f"line {line.kind}",
            stroke_dasharray=DASHES.get(line.kind),
        )
    ]
    if len(places) <= MARKED:
        parts += [tag("circle", cx=x, cy=y, r=2.8, class_=line.kind) for x, y in places]
    return join(parts)


def _labels(frame: Frame, lines: Sequence[Line], form: str) -> list[Html]:
    """Return the name and the last value of each line, beside its end and apart from others."""
    inside = frame.height - TOP - BOTTOM
    shares = [(frame.height - BOTTOM - frame.y(line.points[-1][1])) / inside for line in lines]
    heights = spread(shares, 18 / inside)
    return [
        tag(
            "text",
            f"{line.name} {form.format(line.points[-1][1])}",
            x=WIDTH - RIGHT + 10,
            y=round(frame.height - BOTTOM - inside * share + 4.5, 1),
            class_=line.kind,
        )
        for line, share in zip(lines, heights, strict=True)
    ]
