"""Further cases of the grader: answers are compared with the course's solution.

An answer that only knows the cases that learners see is wrong here. Each function yields arguments.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tinynet.lessons.answer import small
from tinynet.lessons.exercise import Exercise, Wrong, cases, expect
from tinynet.words import phrase

Generator = np.random.Generator
Arguments = Iterator[tuple[Any, ...]]
ROUNDS = 4
_MADE: dict[str, Callable[[Generator], Arguments]] = {}


def _of(*numbers: str) -> Callable[[Any], Any]:
    def keep(make: Callable[[Generator], Arguments]) -> Callable[[Generator], Arguments]:
        _MADE.update(dict.fromkeys(numbers, make))
        return make

    return keep


def exercise_of(known: Exercise) -> Exercise | None:
    """Return an exercise that compares answers with the solution on further cases, if any."""
    make = _MADE.get(known.number)
    if make is None:
        return None

    def check(answer: Any) -> None:
        right = known.right_answer()
        for seed in range(ROUNDS):
            for arguments in make(cases(seed)):
                case = ", ".join(small(value) for value in arguments)
                _same(
                    answer(*arguments), right(*arguments), phrase("the arguments {case}", case=case)
                )

    return Exercise(known.number, known.title, check, (), returns=known.returns, value=known.value)


def _same(got: Any, wanted: Any, case: str) -> None:
    """Raise Wrong unless a result is the wanted one: numbers, or a structure of them."""
    if isinstance(wanted, tuple) and any(np.ndim(part) for part in wanted):
        if not isinstance(got, tuple | list) or len(got) != len(wanted):
            raise Wrong(
                phrase(
                    "for {case}: expected {count} arrays, got {got}.",
                    case=case,
                    count=len(wanted),
                    got=small(got),
                )
            )
        for i, part in enumerate(wanted):
            expect(got[i], part, phrase("{case}, result {i}", case=case, i=i + 1))
    elif isinstance(wanted, dict | list) or wanted is math.inf:
        plain = got.tolist() if isinstance(got, np.ndarray) else got
        if plain != wanted and not (isinstance(plain, tuple) and list(plain) == wanted):
            raise Wrong(
                phrase(
                    "for {case}: expected {wanted}, got {got}.",
                    case=case,
                    wanted=small(wanted),
                    got=small(got),
                )
            )
    else:
        expect(got, wanted, case)


@_of("04.1")
def _with_inputs(rng: Generator) -> Arguments:
    yield rng.standard_normal(7), rng.standard_normal(7)


@_of("04.2", "04.3")
def _with_outputs(rng: Generator) -> Arguments:
    yield rng.standard_normal(7), rng.uniform(0.05, 0.95, 7)


@_of("04.4")
def _curve(rng: Generator) -> Arguments:
    errors = rng.uniform(0.1, 0.9, 6).round(3).tolist()
    yield list(range(2, 8)), errors, float(rng.uniform(0.2, 0.8))


@_of("03.3")
def _linear(rng: Generator) -> Arguments:
    yield rng.standard_normal((5, 2)), rng.standard_normal((5, 3))


@_of("05.1")
def _window(rng: Generator) -> Arguments:
    kernel = int(rng.integers(1, 8))
    size = kernel + int(rng.integers(0, 40))
    yield size, kernel, int(rng.integers(1, 5)), int(rng.integers(0, 4))


@_of("06.1")
def _strides(rng: Generator) -> Arguments:
    w, h, c, n = np.cumprod(rng.integers(2, 9, 4)).tolist()
    yield (n, c, h, w), int(rng.integers(1, 6))


@_of("10.1")
def _crop(rng: Generator) -> Arguments:
    size = int(rng.integers(1, 200))
    yield size + int(rng.integers(0, 60)), size


@_of("11.1", "11.2")
def _step(rng: Generator) -> Arguments:
    yield tuple(rng.uniform(0.01, 1, 6).tolist())


@_of("11.3")
def _decay(rng: Generator) -> Arguments:
    yield float(rng.uniform(0.001, 1)), float(rng.uniform(0.01, 1)), int(rng.integers(1, 100))


def _plan(rng: Generator) -> list[tuple[Any, ...]]:
    a, b, n = rng.integers(1, 9, 3).tolist()
    return [("conv", 2 * a, 3, 2, 1, 1), ("pool", 3, 2), ("conv", 2 * b, 5, 1, 2, 2), ("fc", n)]


@_of("12.1")
def _plan_of_neurons(rng: Generator) -> Arguments:
    yield _plan(rng), int(rng.integers(15, 64))


@_of("12.2")
def _layer(rng: Generator) -> Arguments:
    groups = int(rng.integers(1, 4))
    inputs, outputs = (groups * rng.integers(1, 40, 2)).tolist()
    yield inputs, outputs, int(rng.integers(1, 8)), int(rng.integers(1, 900)), groups


@_of("12.3")
def _plan_of_costs(rng: Generator) -> Arguments:
    yield _plan(rng), int(rng.integers(1, 5)), int(rng.integers(15, 64))


@_of("13.3")
def _maps(rng: Generator) -> Arguments:
    shapes = {f"conv{i}": tuple(rng.integers(1, 30, 3).tolist()) for i in (2, 3, 4)}
    yield shapes, ["conv2", "conv4"], int(rng.integers(1, 300))


@_of("14.2")
def _runs(rng: Generator) -> Arguments:
    names = ("validation", "parameters", "training", "test")
    rows = rng.permutation(40).reshape(10, 4).tolist()
    yield ([dict(zip(names, row, strict=True)) for row in rows],)


@_of("14.3")
def _classes(rng: Generator) -> Arguments:
    yield rng.integers(0, 5, 60), rng.integers(0, 5, 60), 5


@_of("15.2")
def _drops(rng: Generator) -> Arguments:
    yield rng.standard_normal((4, 5)), int(rng.integers(1, 6)), int(rng.integers(1, 4))


@_of("18.1")
def _layers(rng: Generator) -> Arguments:
    yield ([tuple(row) for row in rng.integers(1, 6, (5, 2)).tolist()],)


@_of("18.2")
def _block(rng: Generator) -> Arguments:
    yield tuple(rng.integers(1, 60, 3).tolist())


@_of("19.1")
def _table(rng: Generator) -> Arguments:
    rows = rng.integers(0, 4, (3, 3)).tolist()
    yield 2, {f"row {i}": dict(zip("abc", row, strict=True)) for i, row in enumerate(rows)}


@_of("19.2")
def _errors(rng: Generator) -> Arguments:
    a, b = rng.uniform(5, 95, 2).tolist()
    yield a, int(rng.integers(50, 5000)), b, int(rng.integers(50, 5000))


@_of("19.4")
def _claims(rng: Generator) -> Arguments:
    computed = int(rng.integers(1_000_000, 90_000_000))
    digits = int(rng.integers(1, 5))
    claimed = float(f"{computed:.{digits}g}")
    yield claimed, computed, digits
    yield claimed + 10 ** (len(str(computed)) - digits), computed, digits
