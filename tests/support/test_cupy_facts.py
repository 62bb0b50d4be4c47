"""Facts of CuPy: the stand-in agrees with each of them, and so does CuPy where it is installed."""

import pytest

from support import cupy_facts
from support.required import run_with_cupy

FACTS = cupy_facts.read()


@pytest.mark.parametrize(("mode", "expression", "expected"), FACTS)
def test_the_stand_in_says_what_cupy_says(stand_in, mode, expression, expected):
    found = cupy_facts.outcome(stand_in, mode, expression)
    assert found.startswith("TypeError" if mode == "stricter" else expected)


def test_a_wrong_fact_is_seen(stand_in):
    assert cupy_facts.outcome(stand_in, "", "x.sum()") == "cupy float64 () ()"
    assert cupy_facts.outcome(stand_in, "", "x.no_such_name").startswith("AttributeError: ")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("cupy.array([1, -1, 2]) ** -1", [1, -1, 0]),
        ("x.__setitem__((0, cupy.array([4])), 7.0) or x", [[0, 7, 0], [0, 0, 0]]),
        ("cupy.broadcast_to(i, (2, 2)).__setitem__((0, 1), 3) or i", [0, 3]),
        ("cupy.array(h.T * 2)", [[2, 2], [2, 2], [2, 2]]),
        ("cupy.stack([i] * 9).sum(axis=0)", [0, 0]),
    ],
)
def test_the_values_that_belong_to_it(stand_in, expression, expected):
    names = cupy_facts.arguments(stand_in)
    assert eval(expression, names).get().tolist() == expected


def test_more_than_eight_small_arrays_are_joined_with_a_copy_from_the_host(stand_in):
    x = stand_in.zeros(3)
    stand_in.concatenate([x] * 8)
    assert stand_in.card.writes == 0
    stand_in.concatenate([x] * 9)
    assert stand_in.card.writes == 1


def test_cupy_itself_says_so():
    """In a process of its own, in which the functions of CUDA are answered by the host."""
    found = run_with_cupy("support.cupy_facts")
    wrong = [
        f"{mode} {expression}: {said}, not {expected}"
        for (mode, expression, expected), said in zip(FACTS, found["facts"], strict=True)
        if not said.startswith(expected)
    ]
    assert wrong == [], f"CuPy {found['version']}"
