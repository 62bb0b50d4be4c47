"""Exercises: the decorated function is the check, which raises Wrong for a wrong answer.

    @exercise("07.2", "Backward of overlapping max-pool", hints=("...", "...", "..."))
    def max_pool_backward(answer):
        '''Write max_pool_backward(gy, x, k, s): ...'''          # the task, shown to learners
        x = np.array([[1.0, 2.0], [3.0, 1.0]])
        expect(answer(...), [[0, 0], [1, 0]], f"x = {small(x)}, k = 2, s = 1", "Why it is so.")

    @max_pool_backward.solution
    def max_pool_backward_solution(gy, x, k, s):
        ...

A check begins with small cases and ends with larger ones; it may call the judges of
``tinynet.testing``, whose AssertionErrors count as Wrong. It may return lines that are shown with
"ok": the check of a question must not tell the answer before it is right, and may explain it then.
"""

from __future__ import annotations

import contextlib
import contextvars
import importlib
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinynet.core.autograd import Variable
from tinynet.core.backend import to_numpy
from tinynet.core.errors import DeviceError
from tinynet.lessons.answer import SMALL, Caught, GoneError, NotYetError, blame, small, watched
from tinynet.testing.compare import both, place
from tinynet.words import phrase

__all__ = ["Exercise", "Outcome", "Wrong", "cases", "exercise", "expect", "find", "small"]

Check = Callable[[Any], list[str] | None]


class Wrong(Exception):  # noqa: N818 -- not an error of the program: the verdict of a check
    """A wrong answer: the case, the expected and the actual result, and an explanation."""


@dataclass(frozen=True)
class Outcome:
    """The result of a check. `state` is "ok", "wrong", "raised", "not yet" or "not here"."""

    number: str
    state: str
    text: str

    def __str__(self) -> str:
        joint = " " if self.state == "raised" else ": "
        return f"{self.number} {phrase(self.state)}{joint}{self.text}"


class Exercise:
    """One exercise: task, hints, check and solution.

    Parameters
    ----------
    returns : bool
        False if the learner's function changes its arguments and returns nothing.
    value : bool
        True if the answer is a value (a number, a dict of functions); the solution returns it.
    """

    def __init__(
        self, number: str, title: str, check: Check, hints: tuple[str, ...], **how: bool
    ) -> None:
        self.number = number
        self.title = title
        self.check = check
        self.hints = hints
        self.returns = how["returns"]
        self.value = how["value"]
        self.task = inspect.getdoc(check) or title
        self.__doc__ = self.task
        self._solution: Callable[..., Any] | None = None

    def solution(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Decorate the solution."""
        self._solution = function
        return function

    def right_answer(self) -> Any:
        """Return a right answer."""
        if self._solution is None:
            raise ValueError(f"exercise {self.number}: it has no solution yet.")
        return self._solution() if self.value else self._solution

    def solution_source(self) -> str:
        """Return the source of the solution, without its decorator."""
        if self._solution is None:
            raise ValueError(f"exercise {self.number}: it has no solution yet.")
        lines = textwrap.dedent(inspect.getsource(self._solution)).splitlines()
        first = next(i for i, line in enumerate(lines) if line.startswith(("def ", "class ")))
        return "\n".join(lines[first:])

    def judge(self, answer: Any) -> Outcome:
        """Check a learner's answer: the course's own solution, imported, is none."""
        if str(getattr(answer, "__module__", "")).startswith("tinynet.lessons.lesson_"):
            text = phrase("this is the course's own solution. Write yours.")
            return Outcome(self.number, "wrong", text)
        return self.try_out(answer)

    def try_out(self, answer: Any) -> Outcome:
        """Check an answer; return an Outcome, whatever the answer raises."""
        if not (self.value or answer is None or answer is ... or callable(answer)):
            text = phrase("it is {answer}, not a function.", answer=small(answer))
            return Outcome(self.number, "wrong", text)
        changes: list[str] = []
        told = None
        with Caught() as caught, np.errstate(all="ignore"):
            told = self.check(watched(answer, self.returns, changes))
        error = caught.error
        if error is None:
            return self._passed(changes, told or [])
        if isinstance(error, NotYetError | NotImplementedError) and not changes:
            return Outcome(self.number, "not yet", " ".join(phrase(self.task).split()))
        failed = self._failed(error, answer)
        text = "\n  ".join([failed.text, *(phrase("And {it}", it=it) for it in changes[:1])])
        return Outcome(self.number, failed.state, text)

    def _passed(self, changes: list[str], told: list[str]) -> Outcome:
        if not changes:
            return Outcome(self.number, "ok", "\n  ".join([phrase(self.title), *told]))
        text = phrase("the numbers are right, but {change}", change=changes[0])
        return Outcome(self.number, "wrong", text)

    def _failed(self, error: BaseException, answer: Any) -> Outcome:
        if isinstance(error, GoneError | NotYetError):
            said = "it returns nothing for {call}.\n  Does every branch end with return?"
            text = phrase(said, call=error)
            return Outcome(self.number, "wrong", text)
        if isinstance(error, Wrong):
            return Outcome(self.number, "wrong", phrase(str(error)))
        if (inside := blame(error, answer, self.check)) is not None:
            return Outcome(self.number, "raised", inside)
        if isinstance(error, DeviceError):
            text = phrase("it cannot be judged on this machine. {error}", error=error)
            return Outcome(self.number, "not here", text)
        if isinstance(error, AssertionError):  # raised by a judge of tinynet.testing
            return Outcome(self.number, "wrong", str(error))
        said = "what it returns cannot be judged ({kind}: {error})."
        text = phrase(said, kind=type(error).__name__, error=error)
        return Outcome(self.number, "wrong", text)


def exercise(
    number: str,
    title: str,
    *,
    hints: tuple[str, ...] = (),
    returns: bool = True,
    value: bool = False,
) -> Callable[[Check], Exercise]:
    """Decorate the check of an exercise; see :class:`Exercise` for `returns` and `value`."""

    def make(check: Check) -> Exercise:
        return Exercise(number, title, check, hints, returns=returns, value=value)

    return make


def expect(
    got: Any,
    expected: Any,
    case: str,
    why: str = "",
    tolerance: float = 1e-6,
    slips: Sequence[tuple[Any, str]] = (),
) -> None:
    """Raise Wrong unless `got` is `expected`, number by number.

    Parameters
    ----------
    case : text
        The arguments, in small numbers: "x = [1, 2], k = 2".
    why : text
        The explanation.
    tolerance : float
        The largest error, relative to the largest expected number (or to 1 if all are smaller).
    slips : pairs of a result and a text
        Results of common mistakes in this case, each with an explanation that replaces `why`.
    """
    plain = to_numpy(got.data) if isinstance(got, Variable) else got
    wanted = np.asarray(expected)
    try:
        found = np.asarray(plain)
    except ValueError:  # rows of different lengths
        found = np.asarray(None)
    why = next((told for result, told in slips if _same(found, np.asarray(result))), why)
    case = phrase(case)
    why = f"\n  {phrase(why)}" if why else ""
    if found.dtype.kind not in "fiub" or found.shape != wanted.shape:
        told = small(plain)
        shape = ""
        if found.dtype.kind in "fiub" and max(found.size, wanted.size) > 1:
            said = " Yours has the shape {found}; the expected shape is {wanted}."
            shape = phrase(said, found=found.shape, wanted=wanted.shape)
        raise Wrong(phrase(GOT, case=case, wanted=small(wanted), got=told) + shape + why)
    error = np.abs(found.astype(float) - wanted)
    scale = max(1.0, float(np.abs(wanted).max(initial=0)))
    if (error <= tolerance * scale).all():
        return
    if wanted.size <= SMALL:
        for digits in (6, 9, 13, 17):
            texts = small(wanted, digits), small(found, digits)
            if texts[0] != texts[1]:
                break
        raise Wrong(phrase(GOT, case=case, wanted=texts[0], got=texts[1]) + why)
    worst = np.unravel_index(np.where(np.isnan(error), np.inf, error).argmax(), error.shape)
    at = tuple(int(i) for i in worst)
    numbers = both(float(found[at]), float(wanted[at]))
    said = "for {case}: at {place} it is wrong: {numbers}."
    raise Wrong(phrase(said, case=case, place=place(at), numbers=numbers) + why)


GOT = "for {case}: expected {wanted}, got {got}."


def _same(found: Any, result: Any) -> bool:
    """Return whether an answer equals this result; NaN equals NaN."""
    if found.dtype.kind not in "fiub" or found.shape != result.shape:
        return False
    return bool(np.allclose(found.astype(float), result, equal_nan=True))


_other: contextvars.ContextVar[int | None] = contextvars.ContextVar(
    "tinynet.lessons.other_cases", default=None
)


def cases(seed: int) -> np.random.Generator:
    """Return the generator of a check's random cases; inside `other_cases` they are others."""
    other = _other.get()
    return np.random.default_rng(seed if other is None else [seed, other])


@contextlib.contextmanager
def other_cases(seed: int) -> Iterator[None]:
    """Give checks other random cases than learners get, inside the block."""
    token = _other.set(seed)
    try:
        yield
    finally:
        _other.reset(token)


def find(number: str) -> Exercise:
    """Return the exercise of this number; the error lists the existing ones."""
    if not isinstance(number, str) or not re.fullmatch(r"\d\d\.\d+", number):
        said = 'an exercise has a number like "07.2", not {number!r}.'
        raise ValueError(phrase(said, number=number))
    known = exercises(number[:2])
    if number not in known:
        numbers = ", ".join(known) or "none"
        said = "there is no exercise {number}. Those of lesson {lesson}: {numbers}."
        raise ValueError(phrase(said, number=number, lesson=number[:2], numbers=numbers))
    return known[number]


def exercises(lesson: str) -> dict[str, Exercise]:
    """Return the exercises of a lesson ("07") by number; none if there is no such lesson."""
    name = f"tinynet.lessons.lesson_{lesson}"
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        return {}
    found = [thing for thing in vars(module).values() if isinstance(thing, Exercise)]
    return {e.number: e for e in sorted(found, key=lambda e: int(e.number[3:]))}


_notes: contextvars.ContextVar[dict[str, Outcome] | None] = contextvars.ContextVar(
    "tinynet.lessons.outcomes", default=None
)


def note(outcome: Outcome) -> None:
    """Record an outcome inside `listening()`; a later outcome of the same exercise replaces it."""
    notes = _notes.get()
    if notes is not None:
        notes[outcome.number] = outcome


@contextlib.contextmanager
def listening() -> Iterator[dict[str, Outcome]]:
    """Record every outcome inside the block, by exercise number."""
    notes: dict[str, Outcome] = {}
    token = _notes.set(notes)
    try:
        yield notes
    finally:
        _notes.reset(token)
