"""Pages for teachers: common mistakes, and a syllabus that names every lesson."""

import re

import pytest

from support import mistakes
from support.checkout import ROOT, needs_lessons
from support.required import need_compiler
from tinynet.lessons import pages
from tinynet.lessons.exercise import Outcome

pytestmark = needs_lessons


def test_a_reason_is_the_explanation_without_the_case():
    text = "for x = 1: expected 2, got 3.\n  Add, do not multiply."
    assert mistakes.reason(Outcome("05.1", "wrong", text)) == "Add, do not multiply."
    changed = text + "\n  And your answer changed its argument x.\n  Work on a copy."
    assert mistakes.reason(Outcome("05.1", "wrong", changed)) == "Add, do not multiply."
    raised = Outcome("05.1", "raised", "NameError: name 'foo'\n  in its line 3: foo")
    assert mistakes.reason(raised) == "NameError: name 'foo'"


@pytest.mark.slow
def test_the_page_of_mistakes_is_that_of_the_tests():
    need_compiler()
    made = mistakes.page(pages.lessons())
    found = mistakes.PAGE.read_text(encoding="utf-8")
    assert found == made, "write it anew: PYTHONPATH=tests python -m support.mistakes"


def test_the_page_of_mistakes_has_every_lesson():
    text = mistakes.PAGE.read_text(encoding="utf-8")
    titles = [f"## {lesson.number} {lesson.title}" for lesson in pages.lessons()]
    assert re.findall(r"^## .*$", text, re.MULTILINE) == titles


def weeks_of(text, count):
    """Return the lessons that the syllabus of so many weeks names, in order."""
    part = text.partition(f"## {count} weeks")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (\d+) \| (.*?) \|", part, re.MULTILINE)
    assert [int(week) for week, _ in rows] == list(range(1, count + 1))
    return [number for _, lessons in rows for number in re.findall(r"\d\d", lessons)]


@pytest.mark.parametrize("count", [4, 8, 14])
def test_a_syllabus_needs_no_lesson_before_its_time(count):
    text = (ROOT / "docs" / "teaching.md").read_text(encoding="utf-8")
    chosen = weeks_of(text, count)
    known = {lesson.number: lesson for lesson in pages.lessons()}
    assert len(set(chosen)) == len(chosen)
    assert set(chosen) <= known.keys()
    assert chosen == sorted(chosen)
    for place, number in enumerate(chosen):
        before = re.findall(r"\b\d\d\b", known[number].facts["before"])
        assert set(before) <= set(chosen[:place]), number
    if count == 14:
        assert chosen == sorted(known)
