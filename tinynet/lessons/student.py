"""Grading of a learner's file: run cell by cell, one outcome per exercise."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import inspect
import io
import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from tinynet.core.errors import DataError
from tinynet.lessons import exercise, magics, pages
from tinynet.lessons.answer import Caught
from tinynet.lessons.exercise import Outcome
from tinynet.words import phrase

LIMIT = 60.0  # seconds that a cell or an answer may take


class Report(NamedTuple):
    """The outcome of every exercise of a lesson, and the errors of the cells."""

    outcomes: list[Outcome]
    broken: list[str]


def judge(number: str, path: Path) -> Report:
    """Run a learner's .py or .ipynb and return the outcomes of a lesson's exercises."""
    asked = exercise.exercises(number)
    if not asked:
        said = "lessons: lesson {number} has no exercises to check."
        raise DataError(phrase(said, number=number))
    with exercise.listening() as notes:
        names, broken = _run(path)
        wanted = answer_names(number)
        for known, expression in wanted.items():
            if known not in notes and expression in names:
                with limited():
                    notes[known] = asked[known].judge(names[expression])
    outcomes = [notes.get(n) or Outcome(n, "not yet", _missing(n, wanted)) for n in asked]
    return Report(outcomes, broken)


def _missing(number: str, wanted: dict[str, str]) -> str:
    return phrase(
        'no answer was found. Define {name}, or call check("{number}", ...).',
        name=wanted.get(number, "it"),
        number=number,
    )


def _run(path: Path) -> tuple[dict[str, Any], list[str]]:
    """Execute a file cell by cell, without output; return its names and its errors."""
    module = ModuleType("__main__")
    names = vars(module)
    broken = []
    shell = magics.Shell(names)
    names.update(__file__=str(path), display=lambda *_, **__: None, get_ipython=lambda: shell)
    os.environ.setdefault("MPLBACKEND", "Agg")
    for i, (source, lines_before) in enumerate(sources(path)):
        with Caught() as caught, contextlib.redirect_stdout(io.StringIO()), limited():
            _execute(source, lines_before, str(path), names)
        if caught.error is not None:
            kind = type(caught.error).__name__
            said = "cell {number} raised {kind}: {error}"
            broken.append(phrase(said, number=i + 1, kind=kind, error=caught.error))
    return names, broken


def _execute(source: str, lines_before: int, file: str, names: dict[str, Any]) -> None:
    """Execute one cell as a notebook does: with magics, and with `await` outside of functions."""
    tree = ast.increment_lineno(ast.parse(magics.plain(source), file), lines_before)
    code = compile(tree, file, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    if code.co_flags & inspect.CO_COROUTINE:
        asyncio.run(eval(code, names))
    else:
        exec(code, names)


@contextlib.contextmanager
def limited() -> Iterator[None]:
    """Stop an endless Python loop inside the block with a TimeoutError."""
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or not hasattr(signal, "setitimer"):  # other threads get no signals, nor Windows
        yield
        return

    def stop(*_: object) -> None:
        said = "it had not ended after {seconds:g} s. Is there an endless loop?"
        raise TimeoutError(phrase(said, seconds=LIMIT))

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, LIMIT)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def sources(path: Path) -> list[tuple[str, int]]:
    """Return the code of each cell of a file, with the number of lines before it."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        said = "{path}: it cannot be read as text ({error})."
        raise DataError(phrase(said, path=path, error=error)) from None
    if path.suffix == ".ipynb":
        try:
            listed = json.loads(text)["cells"]
        except (ValueError, KeyError, TypeError):
            said = "{path}: it ends in .ipynb, but it is not a notebook."
            raise DataError(phrase(said, path=path)) from None
        return [("".join(c["source"]), 0) for c in listed if c["cell_type"] == "code"]
    lines = text.splitlines()
    starts = [0] + [i for i, line in enumerate(lines) if pages.MARK.match(line)]
    ends = [*starts[1:], len(lines)]
    return [("\n".join(lines[a:b]), a) for a, b in zip(starts, ends, strict=True)]


def answer_names(number: str) -> dict[str, str]:
    """Return the name of each exercise's answer in the lesson."""
    text = pages.find(number).path.read_text(encoding="utf-8")
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    return {
        str(ast.literal_eval(call.args[0])): ast.unparse(call.args[1])
        for call in calls
        if ast.unparse(call.func) == "check" and len(call.args) == 2
    }


def table(report: Report) -> str:
    """Return a report as lines of text."""
    lines = [str(outcome) for outcome in report.outcomes]
    done = sum(outcome.state == "ok" for outcome in report.outcomes)
    said = "{right} of {count} exercises are right."
    lines += [*report.broken, phrase(said, right=done, count=len(report.outcomes))]
    return "\n".join(lines)
