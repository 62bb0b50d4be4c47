"""``figure``: shows a figure in a notebook, with a text for readers who do not see it."""

from __future__ import annotations

import base64
import html
import importlib
import importlib.util
import io
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tinynet.lessons import speak

FOLDER = "TINYNET_FIGURES"
"""The environment variable that names a folder: every figure is saved there as well."""

_shown = 0


def figure(fig: Any, alt: str) -> None:
    """Show a figure of matplotlib.

    Parameters
    ----------
    fig : matplotlib Figure
        It is closed afterwards.
    alt : text
        What it shows, built from its own numbers.
    """
    global _shown
    _shown += 1
    folder = os.environ.get(FOLDER)
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        fig.savefig(Path(folder) / f"{_lesson()}-{_shown}.png", dpi=110, metadata=_described(alt))
    display = speak.notebook()
    if display is not None:
        drawn = io.BytesIO()
        fig.savefig(drawn, format="png", dpi=110, metadata=_described(alt))
        coded = base64.b64encode(drawn.getvalue()).decode()
        image = f'<img src="data:image/png;base64,{coded}" alt="{html.escape(alt, quote=True)}">'
        display({"text/plain": f"Figure: {alt}", "text/html": image}, raw=True)
    else:
        sys.stdout.write(f"Figure: {alt}\n")
    pyplot: Any = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        pyplot.close(fig)


def move(draw: Callable[..., tuple[Any, str]], **choices: Sequence[Any]) -> None:
    """Show a figure that can be moved by sliders, where ipywidgets is installed; else, stills.

    Parameters
    ----------
    draw : function of the choices
        Returns a figure and its alt text.
    choices : sequences
        What each slider may be set to: i=range(3). The first values give the still picture.
    """
    if speak.notebook() is None or importlib.util.find_spec("ipywidgets") is None:
        figure(*draw(**{name: values[0] for name, values in choices.items()}))
        return
    widgets: Any = importlib.import_module("ipywidgets")
    sliders = {
        name: widgets.SelectionSlider(options=list(values), description=name)
        for name, values in choices.items()
    }
    widgets.interact(lambda **values: figure(*draw(**values)), **sliders)


def _described(alt: str) -> dict[str, str]:
    return {"Description": alt}


def _lesson() -> str:
    """Return the name of the script that runs, or "figure"."""
    path = getattr(sys.modules["__main__"], "__file__", None)
    return Path(path).stem if path else "figure"
