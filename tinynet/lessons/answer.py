"""Wrapper of a learner's answer: records its calls, its errors and whether it is written yet.

A notebook must go on after any error in an answer. So every exception becomes a message.
"""

from __future__ import annotations

import functools
import inspect
import linecache
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import Any

import numpy as np

from tinynet.core.autograd import Variable
from tinynet.core.backend import to_numpy
from tinynet.words import phrase

SMALL = 16  # an array up to this size is printed in full


class NotYetError(Exception):
    """The answer is not written yet."""


class GoneError(Exception):
    """The answer returned nothing for one case, but something for the earlier ones."""


def watched(answer: Any, returns: bool, changes: list[str]) -> Any:
    """Return the answer with its functions wrapped, so that an empty one is noticed.

    They get copies: an answer that works in place must not change data that the check still needs.
    A message about each argument that they change is appended to `changes`.
    """
    if answer is None or answer is ...:
        raise NotYetError
    if isinstance(answer, dict):
        if any(map(_is_plain, answer.values())):  # a dict of plain answers may be incomplete
            return answer
        return {key: watched(value, returns, changes) for key, value in answer.items()}
    if isinstance(answer, tuple | list):
        return type(answer)(watched(value, returns, changes) for value in answer)
    return _wrapped(answer, returns, changes) if inspect.isroutine(answer) else answer


def _is_plain(value: Any) -> bool:
    return value is not None and value is not ... and not inspect.isroutine(value)


def _wrapped(function: Callable[..., Any], returns: bool, changes: list[str]) -> Callable[..., Any]:
    answered = False

    @functools.wraps(function)
    def asked(*args: Any, **kwargs: Any) -> Any:
        nonlocal answered
        if not returns:  # its purpose is to change its arguments
            return function(*args, **kwargs)
        lent = _copy((args, kwargs))
        result = function(*lent[0], **lent[1])
        if not _unchanged((args, kwargs), lent):
            changes.append(_change(function, (args, kwargs), lent))
        if _empty(result):
            raise (GoneError if answered else NotYetError)(called(function, args, kwargs))
        answered = True
        return result

    asked.__dict__["watches"] = function
    return asked


def _copy(value: Any) -> Any:
    """Return a value whose arrays, lists and dicts are copies; other objects are not copied."""
    if isinstance(value, np.ndarray):
        return value.copy(order="K")
    if type(value) in (list, tuple):
        return type(value)(map(_copy, value))
    return {k: _copy(v) for k, v in value.items()} if type(value) is dict else value


def _unchanged(before: Any, after: Any) -> bool:
    """Return whether a copy still equals its original; floats may differ by rounding."""
    if isinstance(before, np.ndarray):
        if before.shape == after.shape and before.dtype.kind == "f":
            return bool(np.allclose(before, after, 1e-6, 1e-9, equal_nan=True))
        return before.shape == after.shape and before.tobytes() == after.tobytes()
    if type(before) in (list, tuple):
        return len(before) == len(after) and all(map(_unchanged, before, after))
    if type(before) is dict:
        return before.keys() == after.keys() and all(_unchanged(before[k], after[k]) for k in after)
    return before is after


def _change(function: Callable[..., Any], given: Any, lent: Any) -> str:
    """Return a message that names the changed argument and says what to write instead."""
    takes = inspect.signature(function)
    before, after = (takes.bind(*args, **kwargs).arguments for args, kwargs in (given, lent))
    name = next(name for name in before if not _unchanged(before[name], after[name]))
    text = "your answer changed its argument {name}, which its caller may still need unchanged."
    other = "Work on a copy of {name}, or make a new one."
    if isinstance(before[name], np.ndarray):
        other = (
            "Work on a copy: write {name} = {name} / 2, not {name} /= 2, or begin with "
            "{name} = {name}.copy()."
        )
    return f"{phrase(text, name=name)}\n  {phrase(other, name=name)}"


def _empty(result: Any) -> bool:
    """Return whether a function returned nothing: None, ..., or a tuple of them."""
    if isinstance(result, tuple) and result:
        return all(_empty(part) for part in result)
    return result is None or result is ...


class Caught:
    """A context that catches every exception except Ctrl-C; `error` holds it."""

    error: BaseException | None = None

    def __enter__(self) -> Caught:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> bool:
        self.error = error
        return isinstance(error, Exception | SystemExit)  # not Ctrl-C


def blame(error: BaseException, answer: Any, check: Callable[..., Any]) -> str | None:
    """Return a message with the answer's call and line for an error in it; None if not in it."""
    call = ""
    line = ""
    files = _files(answer)
    judges = check.__code__.co_filename
    for frame, number in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_name == "asked" and frame.f_code.co_filename == __file__:
            known = frame.f_locals
            call = called(known["function"], known["args"], known["kwargs"])
        elif frame.f_code.co_filename in files and (call or frame.f_code.co_filename != judges):
            text = linecache.getline(frame.f_code.co_filename, number).strip()
            said = phrase("in its line {number}: {text}", number=number, text=text)
            line = f"\n  {said}" if text else ""
            call = call or f"{frame.f_code.co_name}(...)"
    where = phrase("in {call}", call=call)
    return f"{type(error).__name__}: {error}\n  {where}{line}" if call else None


def _files(answer: Any) -> set[str]:
    """Return the files that define the functions of an answer."""
    if isinstance(answer, dict):
        return set().union(*(_files(part) for part in answer.values()))
    if isinstance(answer, tuple | list):
        return set().union(*(_files(part) for part in answer))
    parts = vars(answer).values() if inspect.isclass(answer) else [answer]
    return {part.__code__.co_filename for part in parts if hasattr(part, "__code__")}


def called(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """Return a call as text: pool(x = [1, 2], k = 2)."""
    try:
        named = dict(inspect.signature(function).bind(*args, **kwargs).arguments)
        texts = [f"{name} = {small(value)}" for name, value in named.items()]
    except (TypeError, ValueError):  # its signature does not fit the exercise's arguments
        texts = [small(value) for value in args] + [f"{k} = {small(v)}" for k, v in kwargs.items()]
    return f"{getattr(function, '__name__', 'answer')}({', '.join(texts)})"


def small(x: Any, digits: int = 6) -> str:
    """Return a short text for a value."""
    if isinstance(x, Variable):
        x = to_numpy(x.data)
    if isinstance(x, np.ndarray):
        if 0 < x.size <= SMALL:
            return _nested(x, digits)
        return phrase("an array of shape {shape}", shape=x.shape)
    if isinstance(x, tuple | list) and len(x) <= SMALL:
        inner = ", ".join(small(part, digits) for part in x)
        return f"({inner}{',' * (len(x) == 1)})" if isinstance(x, tuple) else f"[{inner}]"
    if isinstance(x, float | np.floating):
        return f"{float(x):.{digits}g}"
    if inspect.isroutine(x) or inspect.isclass(x):
        return x.__name__
    text = str(x) if isinstance(x, np.generic) else repr(x)
    return text if len(text) <= 80 else phrase("a {kind}", kind=type(x).__name__)


def _nested(x: Any, digits: int) -> str:
    """Return an array as nested lists on one line."""
    if x.ndim == 0:
        return small(x[()], digits)
    return "[" + ", ".join(_nested(part, digits) for part in x) + "]"
