"""Output of the lessons: a box in a notebook, lines in a terminal, with the same text."""

from __future__ import annotations

import html
import importlib
import sys
import traceback
from collections.abc import Callable
from typing import Any

from tinynet.words import spoken

EDGES = {  # edge colour of a box; the text says the same, so the colour is not needed
    "ok": "#009E73",
    "wrong": "#D55E00",
    "raised": "#D55E00",
    "not yet": "#767676",
    "not here": "#767676",
    "hint": "#0072B2",
}
BOX = (
    '<pre style="border-left: 4px solid {edge}; padding: 2px 10px; margin: 0; '
    'white-space: pre-wrap; word-break: normal; overflow-wrap: break-word">{text}</pre>'
)  # Jupyter's own style would break a line inside a word


def say(state: str, text: str) -> None:
    """Print a few lines, or show them in a box."""
    display = notebook()
    if display is None:
        sys.stdout.write(text + "\n")
        return
    boxed = BOX.format(edge=EDGES.get(state, "#767676"), text=html.escape(text))
    display({"text/plain": text, "text/html": boxed}, raw=True)


def code(heading: str, source: str, language: str = "python") -> None:
    """Show lines of Python, or of C++ ("cpp")."""
    text = f"{'//' if language == 'cpp' else '#'} {heading}\n{source.strip()}"
    display = notebook()
    if display is None:
        sys.stdout.write(text + "\n")
        return
    display({"text/plain": text, "text/markdown": f"```{language}\n{text}\n```"}, raw=True)


def tell_errors() -> None:
    """Have the notebook say an error of tinynet below its traceback, where that is English."""
    shell = _shell()
    if shell is not None and tell_error not in shell.events.callbacks["post_run_cell"]:
        shell.events.register("post_run_cell", tell_error)


def tell_error(result: Any) -> None:
    """Say the error of a cell in the reader's language, where tinynet raised it in English."""
    error = result.error_in_exec
    if error is None or not _raised_here(error):
        return
    told = spoken(error)
    if told != str(error):
        say("raised", told)


def _raised_here(error: BaseException) -> bool:
    """Return whether the function that raised an error belongs to tinynet."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return bool(frames) and frames[-1].f_globals.get("__name__", "").startswith("tinynet.")


def notebook() -> Callable[..., Any] | None:
    """Return IPython's display function if this runs in a notebook, else None."""
    if _shell() is None:
        return None
    show: Callable[..., Any] = importlib.import_module("IPython.display").display
    return show


def _shell() -> Any:
    """Return IPython's shell if this runs in a notebook, else None."""
    ipython: Any = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return None if getattr(shell, "kernel", None) is None else shell
