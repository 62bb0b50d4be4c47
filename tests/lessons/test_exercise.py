"""Checks of exercises: every answer gets an outcome in words, and none breaks a notebook."""

import sys

import numpy as np
import pytest

import tinynet as tn
from support.checkout import needs_lessons
from tinynet.lessons import exercise
from tinynet.lessons.exercise import Wrong, expect

pytestmark = needs_lessons


@exercise.exercise("42.1", "Double", hints=("Look at x.", "Twice."))
def double(answer):
    """Write double(x)."""
    expect(answer(1.0), 2, "x = 1", "Twice one is two.")
    expect(answer(np.array([1.0, 3.0])), [2, 6], "x = [1, 3]")


@double.solution
def double_solution(x):
    return 2 * x


def nothing_but_for_one(x):
    return 2 * x if np.ndim(x) == 0 else None


def fails_inside(x):
    y = x + "one"
    return 2 * y


def not_yet(x):
    raise NotImplementedError


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (double_solution, "42.1 ok: Double"),
        (lambda x: x * x, "42.1 wrong: for x = 1: expected 2, got 1.\n  Twice one is two."),
        (lambda x: 2 * np.sum(x), "42.1 wrong: for x = [1, 3]: expected [2, 6], got 8."),
        (lambda x: "two", "42.1 wrong: for x = 1: expected 2, got 'two'.\n  Twice one is two."),
        (lambda x: None, "42.1 not yet: Write double(x)."),
        (lambda x: (None, ...), "42.1 not yet: Write double(x)."),
        (not_yet, "42.1 not yet: Write double(x)."),
        (None, "42.1 not yet: Write double(x)."),
        (3, "42.1 wrong: it is 3, not a function."),
        (lambda x: sys.exit(3), "42.1 raised SystemExit: 3"),
        (lambda x: [object()], "42.1 wrong: for x = 1: expected 2, got [<object"),
        (nothing_but_for_one, "42.1 wrong: it returns nothing for nothing_but_for_one(x = [1, 3])"),
        (lambda: 2, "42.1 raised TypeError: "),
    ],
)
def test_every_answer_comes_to_words(answer, said):
    assert str(double.try_out(answer)).startswith(said)


def test_what_an_answer_raises_is_told_with_its_call_and_its_line():
    text = str(double.try_out(fails_inside))
    assert text.startswith("42.1 raised TypeError: ")
    assert "in fails_inside(x = 1)" in text
    assert text.endswith('y = x + "one"')


def test_a_judge_of_the_library_may_speak():
    @exercise.exercise("42.2", "Square")
    def square(answer):
        """Square."""
        tn.testing.check_gradient(answer, np.array([1.0, 2.0]))

    assert square.try_out(lambda x: x * x).state == "ok"
    cut = square.try_out(lambda x: x * x.detach())
    assert cut.state == "wrong"
    assert "check_gradient" in cut.text


def test_an_answer_that_works_in_place_may_return_nothing():
    @exercise.exercise("42.3", "Clear", returns=False)
    def clear(answer):
        """Set x to zero."""
        x = np.ones(2)
        answer(x)
        expect(x, [0, 0], "x = [1, 1]")

    assert clear.try_out(lambda x: x.fill(0)).state == "ok"
    assert clear.try_out(lambda x: None).state == "wrong"


def in_place(x):
    x *= 2
    return x


def test_an_answer_that_changes_its_argument_is_told_so_and_spoils_nothing():
    kept = {"x": np.array([1.0, 3.0])}

    @exercise.exercise("42.4", "Double them")
    def doubled(answer):
        """Write doubled(x)."""
        expect(answer(**kept), [2, 6], "x = [1, 3]")
        expect(answer([kept["x"], 7][0]), [2, 6], "x = [1, 3], again")

    text = str(doubled.try_out(in_place))
    assert text.startswith(
        "42.4 wrong: the numbers are right, but your answer changed its argument"
    )
    assert "copy: write x = x / 2, not x /= 2, or begin with x = x.copy()." in text
    assert doubled.try_out(double_solution).state == "ok"
    for spoiler in (lambda x: in_place(in_place(x)), lambda x: x.fill(7)):
        outcome = doubled.try_out(spoiler)
        assert outcome.state == "wrong"
        assert "\n  And your answer changed its argument x" in outcome.text


def test_what_an_answer_puts_back_counts_as_unchanged():
    x = np.array([0.1, 3.0])

    def there_and_back(x):
        x += 0.7
        x -= 0.7
        return 2 * x

    @exercise.exercise("42.6", "Double them")
    def doubled(answer):
        """Write doubled(x)."""
        expect(answer(x), [0.2, 6], "x = [0.1, 3]")

    assert there_and_back(x.copy())[0] != 2 * x[0]  # rounding
    assert doubled.try_out(there_and_back).state == "ok"


def test_an_answer_that_empties_a_list_or_a_dict_is_told_so():
    @exercise.exercise("42.5", "First")
    def first(answer):
        """Write first(v, names)."""
        v, names = [np.ones(1), 2.0], {"a": [1]}
        for _ in range(2):
            expect(answer(v, names), 2, "v = [[1], 2]")

    assert first.try_out(lambda v, names: v[-1]).state == "ok"
    assert "changed its argument v" in first.try_out(lambda v, names: v.pop()).text
    spoiler = first.try_out(lambda v, names: names["a"].append(1) or v[-1])
    assert "changed its argument names" in spoiler.text


def test_ctrl_c_is_not_caught():
    def impatient(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        double.try_out(impatient)


@pytest.mark.parametrize(
    ("got", "expected", "fragment"),
    [
        ([1.0, 2.0], [[1.0, 2.0]], "the shape (2,); the expected shape is (1, 2)."),
        ([[1.0], [2.0, 3.0]], [1.0, 2.0], "got [[1], [2, 3]]"),
        (1.0000021, 1.0, "expected 1, got 1.0000021"),
        (tn.tensor([1.0, 3.0]), [1.0, 2.0], "expected [1, 2], got [1, 3]"),
        (np.arange(40.0), np.arange(40.0) % 39, "at [i=39] it is wrong: got 39, expected 0"),
        (np.full(2, np.nan), np.zeros(2), "got [nan, nan]"),
    ],
)
def test_a_difference_is_said_in_small_numbers(got, expected, fragment):
    with pytest.raises(Wrong) as wrong:
        expect(got, expected, "this")
    assert fragment in str(wrong.value)


@pytest.mark.parametrize(
    ("got", "fragment"),
    [(4.0, "this slip"), (np.nan, "that slip"), (5.0, "as a rule"), ([4.0], "as a rule")],
)
def test_a_well_known_mistake_gets_its_own_sentence(got, fragment):
    with pytest.raises(Wrong) as wrong:
        expect(got, 2, "this", "as a rule", slips=[(4, "this slip"), (np.nan, "that slip")])
    assert str(wrong.value).endswith(f"\n  {fragment}")


def test_what_is_equal_up_to_rounding_is_right():
    expect(1 + 1e-9, 1, "this")
    expect(1e6 + 0.01, 1e6, "this")
