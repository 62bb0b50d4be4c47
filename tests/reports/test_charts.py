"""Line charts as SVG: places, ticks, marks, and numbers that are not finite."""

import itertools
import math
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinynet.reports import charts
from tinynet.reports.charts import Line, Marks, line_chart, ticks, whole_ticks


def drawn(*lines, form="{:.1f}", **settings):
    return ET.fromstring(line_chart("Loss", "It falls.", lines, form=form, **settings))


def points(svg):
    """Return the corners of each line."""
    found = [line.get("points").split() for line in svg.iter("polyline")]
    return [[tuple(map(float, point.split(","))) for point in line] for line in found]


def words(svg):
    return [text.text for text in svg.iter("text")]


def test_a_chart_is_an_image_with_words():
    svg = drawn(Line("train", "train", [(1, 2.0), (2, 1.0)]))
    assert svg.get("role") == "img"
    assert svg.get("aria-label") == "Loss. It falls."


def test_a_point_lies_where_its_numbers_say():
    (line,) = points(drawn(Line("train", "train", [(1, 0.0), (3, 100.0)]), top=100.0, height=310))
    floor = 310 - charts.BOTTOM
    assert line == [(charts.LEFT, floor), (charts.WIDTH - charts.RIGHT, charts.TOP)]


def test_the_last_values_stand_at_the_ends():
    svg = drawn(Line("train", "train", [(1, 2.0), (2, 1.0)]), Line("test", "test", [(1, 1.25)]))
    assert {"train 1.0", "test 1.2"} <= set(words(svg))


def test_marks_and_the_ring_are_drawn():
    marks = Marks([(2.3, "chance")], [(1.5, "lr 0.01")], (2, 1.0, "best: epoch 2"))
    svg = drawn(Line("train", "train", [(1, 2.0), (2, 1.0)]), marks=marks)
    assert {"chance", "lr 0.01", "best: epoch 2"} <= set(words(svg))
    assert sum(circle.get("class") == "ring" for circle in svg.iter("circle")) == 1


@pytest.mark.parametrize(("others", "below"), [(1.25, True), (0.85, False)])
def test_the_words_of_the_ring_stand_where_no_line_goes(others, below):
    ring = (2, 1.05, "best: epoch 2")
    lines = (Line("test", "test", [(1, 1.4), (2, 1.05)]), Line("b", "b", [(1, 1.6), (2, others)]))
    svg = drawn(*lines, marks=Marks(ring=ring), top=2.0)
    (circle,) = (each for each in svg.iter("circle") if each.get("class") == "ring")
    (text,) = (each for each in svg.iter("text") if each.text == ring[2])
    assert (float(text.get("y")) > float(circle.get("cy"))) == below


def test_words_above_a_chart_do_not_overlap():
    line = Line("train", "train", [(i, 1.0) for i in range(1, 31)])
    epochs = [(i + 0.5, f"lr {i}e-05") for i in range(1, 30)]
    svg = drawn(line, marks=Marks(epochs=epochs))
    shown = [text for text in svg.iter("text") if text.text.startswith("lr ")]
    ends = [(float(t.get("x")), charts.LETTER * len(t.text) / 2) for t in shown]
    assert len(shown) > 3
    assert all(x + half <= y - other for (x, half), (y, other) in itertools.pairwise(ends))
    assert sum(mark.get("class") == "mark" for mark in svg.iter("line")) == 29, "each has a line"


@pytest.mark.parametrize("values", [[], [math.nan], [math.inf, 1.0], [0.0, 0.0], [1e300], [5.0]])
def test_any_numbers_can_be_drawn(values):
    svg = drawn(Line("train", "train", list(enumerate(values, 1))))
    for line in points(svg):
        assert all(math.isfinite(x) and math.isfinite(y) for x, y in line)


def test_a_long_run_has_no_markers():
    long = [(i, 1.0) for i in range(1, 200)]
    assert list(drawn(Line("train", "train", long)).iter("circle")) == []


@given(st.floats(1e-12, 1e12))
def test_ticks_are_round_few_and_within(top):
    found = ticks(top, 5)
    assert 3 <= len(found) <= 7
    assert found[0] == 0
    assert found[-1] <= top * 1.000001


@given(st.integers(1, 10**6), st.integers(0, 10**6))
def test_whole_ticks_are_few_and_within(first, span):
    found = whole_ticks(first, first + span, 8)
    assert len(found) <= 9
    assert all(first <= tick <= first + span for tick in found)
    assert found or span < 20 * first
