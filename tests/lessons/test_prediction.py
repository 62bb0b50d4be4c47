"""Predictions: the truth is computed and shown only after a guess."""

import re

import pytest

from support.checkout import ROOT, needs_lessons
from tinynet.lessons import editions, pages, prediction

pytestmark = needs_lessons

EVERY = [f"{i:02d}" for i in range(20)]
CALL = re.compile(r'predict\("(\d\d\.[a-z])", (.*?), \w+')


def refused():
    raise AssertionError("the truth was computed before a guess")


def said(capsys, *arguments):
    prediction.predict(*arguments)
    return capsys.readouterr().out.strip()


def test_without_a_guess_the_truth_is_not_even_computed(capsys):
    assert said(capsys, "05.a", ..., refused).startswith("05.a predict first: write your guess")


@pytest.mark.parametrize("open_", [None, ...])
def test_the_truth_can_be_had_without_a_guess(open_, capsys, monkeypatch):
    monkeypatch.setenv(prediction.SHOW, "show")
    assert said(capsys, "05.a", open_, lambda: 12.345, "%") == "05.a it is 12.3 %."


@pytest.mark.parametrize(
    ("guess", "truth", "words"),
    [
        (7, 7, "you said 7, it is 7: right"),
        (10, 9.996, "you said 10, it is 10: right"),
        (95, 100, "you said 95, it is 100: close"),
        (120, 100, "you said 120, it is 100: too large"),
        (1, 0, "you said 1, it is 0: too large"),
        (-3, 3, "you said -3, it is 3: too small"),
        (0, 0, "you said 0, it is 0: right"),
        (2, 250.0, "you said 2, it is 250: 125 times too small"),
        (float("nan"), 2, "you said nan, it is 2: too small"),
        (float("inf"), 2, "you said inf, it is 2: inf times too large"),
        ("Down", "down", "you said Down, it is down: right"),
        ("down", "across", "you said down, it is across: not right"),
        ("ten", 10, "you said ten, it is 10: not right"),
        ((3, 14), (3, 14.0), "you said 3, 14, it is 3, 14: right"),
        ((3, 15), (3, 99.0), "you said 3, 15, it is 3, 99: 1 of 2 right"),
        (3, (3, 14), "you said 3, it is 3, 14: 2 values were asked for"),
        ([3], (3, 14), "you said [3], it is 3, 14: 2 values were asked for"),
    ],
)
def test_a_guess_is_compared(guess, truth, words, capsys):
    assert said(capsys, "05.a", guess, lambda: truth) == f"05.a {words}."


def test_a_wrong_number_is_refused():
    with pytest.raises(ValueError, match=r'a number like "05\.a"'):
        prediction.predict("5a", 1, refused)


@pytest.mark.parametrize("number", EVERY)
def test_a_lesson_asks_before_it_shows(number):
    lesson = pages.find(number)
    parts = pages.cells(lesson.path.read_text(encoding="utf-8"))
    asked = [CALL.findall(cell.text) for cell in parts if "predict" in cell.tags]
    assert asked == [[(f"{number}.{letter}", "...")] for letter in "abcdefg"[: len(asked)]]
    assert asked
    assert sum(len(CALL.findall(cell.text)) for cell in parts) == len(asked)
    assert "predict(" in editions.front(lesson, pages.lessons())


def not_asked(parts):
    """Find prose that says "Predict" without a cell below it that asks for the guess."""
    asks = False  # whether a cell below, and above the next prose, asks
    for cell in reversed(parts):
        if cell.prose:
            if not asks and re.search(r"\b(Predict|Guess)\b", cell.text):
                yield cell.text
            asks = False
        asks = asks or "predict" in cell.tags


def test_prose_that_says_predict_without_asking_is_found():
    prose = '# %% [markdown] lang="en"\n# Predict the size.\n\n'
    code = '# %%\nx = 1\n\n# %% tags=["predict"]\npredict("42.a", ..., f)\n'
    assert list(not_asked(pages.cells(prose + code))) == []
    assert len(list(not_asked(pages.cells(prose + code.replace('tags=["predict"]', ""))))) == 1
    assert len(list(not_asked(pages.cells(prose + prose + code)))) == 1


@pytest.mark.parametrize("number", EVERY)
def test_where_a_lesson_says_predict_a_cell_asks(number):
    parts = pages.cells(pages.find(number).path.read_text(encoding="utf-8"))
    assert list(not_asked(parts)) == []


def test_a_new_folder_has_open_predictions_only(tmp_path):
    known = pages.lessons(ROOT / "lessons")
    for lesson in known:
        text = editions.copy(lesson, known, tmp_path, scripts=True).read_text()
        assert {guess for _, guess in CALL.findall(text)} <= {"..."}
