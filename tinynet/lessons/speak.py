"""How a lesson speaks: in a box of a notebook, or as lines of a terminal. Same words in both."""

from __future__ import annotations

import html
import importlib
import sys
from collections.abc import Callable
from typing import Any

EDGES = {  # the colour of a box's edge; its words say the same, so no colour is needed to read it
    "ok": "#009E73",
    "wrong": "#D55E00",
    "raised": "#D55E00",
    "not yet": "#767676",
    "not here": "#767676",
    "hint": "#0072B2",
}
BOX = (
    '<pre style="border-left: 4px solid {edge}; padding: 2px 10px; margin: 0; '
    'white-space: pre-wrap">{text}</pre>'
)


def say(state: str, text: str) -> None:
    """Say a few lines."""
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
    """Return what displays things in the notebook that runs us, or None if none does."""
    ipython: Any = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if getattr(shell, "kernel", None) is None:
        return None
    show: Callable[..., Any] = importlib.import_module("IPython.display").display
    return show
