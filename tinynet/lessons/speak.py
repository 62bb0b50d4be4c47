"""Output of the lessons: a box in a notebook, lines in a terminal, with the same text."""

from __future__ import annotations

import html
import importlib
import sys
from collections.abc import Callable
from typing import Any

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


def notebook() -> Callable[..., Any] | None:
    """Return IPython's display function if this runs in a notebook, else None."""
    ipython: Any = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if getattr(shell, "kernel", None) is None:
        return None
    show: Callable[..., Any] = importlib.import_module("IPython.display").display
    return show
