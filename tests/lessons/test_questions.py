"""Questions with one right value: a wrong guess does not tell it, the right one explains it."""

import itertools
import re

import pytest

from support.checkout import needs_lessons
from tinynet.lessons import exercise, lesson_05

pytestmark = needs_lessons


def told(number, guess):
    outcome = exercise.find(number).try_out(guess)
    assert outcome.state == "wrong"
    return outcome.text


@pytest.mark.parametrize("letter", lesson_05.QUIZ)
@pytest.mark.parametrize("guess", [0, -1, 10**9, "x", 0.5])
def test_a_guessed_number_gets_no_number_back(letter, guess):
    right = lesson_05.my_sizes()
    for answer in ({letter: guess}, {**right, letter: guess}):
        said = told("05.3", answer).replace(repr(guess), "").replace(",", "")
        assert str(right[letter]) not in re.findall(r"\d+", said)


@pytest.mark.parametrize(
    ("number", "names", "right"),
    [
        ("12.4", "ABCDEFGH", {"A", "C", "D", "F", "H"}),
        (
            "02.3",
            ("Plus", "Times", "Ratio", "Cube", "Clip", "Softplus"),
            {"Plus", "Ratio", "Clip"},
        ),
    ],
)
def test_a_guessed_set_is_told_counts_and_no_names(number, names, right):
    for size in range(1, len(names) + 1):
        for guess in map(set, itertools.combinations(names, size)):
            if guess != right:
                said = told(number, guess)
                assert not [name for name in names if re.search(rf"\b{name}\b", said)]


@pytest.mark.parametrize("number", ["05.3", "12.4"])
def test_the_right_answer_is_explained(number):
    known = exercise.find(number)
    outcome = known.try_out(known.right_answer())
    assert outcome.state == "ok"
    assert outcome.text.count("\n") == 8
