"""``figure``: shows a figure in a notebook, with a text for readers who do not see it."""

from __future__ import annotations

import base64
import html
import importlib
import importlib.util
import inspect
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
        display(_shown_as(fig, alt), raw=True)
    else:
        sys.stdout.write(f"Figure: {alt}\n")
        _close(fig)


def move(draw: Callable[..., tuple[Any, str]], **choices: Sequence[Any]) -> None:
    """Show a figure, and, where ipywidgets is installed, sliders that draw it anew.

    Parameters
    ----------
    draw : function of the choices
        Returns a figure and its alt text.
    choices : sequences
        What each slider may be set to: i=range(3). It begins at the default of `draw`, or else at
        the first value; so does the still picture.
    """
    display = speak.notebook()
    own = inspect.signature(draw).parameters
    defaults = {name: own[name].default for name in choices if name in own}
    first = {n: defaults[n] if defaults.get(n) in v else v[0] for n, v in choices.items()}
    if display is None or importlib.util.find_spec("ipywidgets") is None:
        figure(*draw(**first))
        return
    widgets: Any = importlib.import_module("ipywidgets")
    sliders = {
        name: widgets.SelectionSlider(options=list(values), description=name, value=first[name])
        for name, values in choices.items()
    }
    picture: Any = display(_shown_as(*draw(**first)), raw=True, display_id=True)

    def again(_: Any) -> None:
        picture.update(_shown_as(*draw(**{n: s.value for n, s in sliders.items()})), raw=True)

    for slider in sliders.values():
        slider.observe(again, "value")
    display(widgets.VBox(list(sliders.values())))


def _shown_as(fig: Any, alt: str) -> dict[str, str]:
    """Return a figure as what a notebook displays, and close it."""
    drawn = io.BytesIO()
    fig.savefig(drawn, format="png", dpi=110, metadata=_described(alt))
    _close(fig)
    coded = base64.b64encode(drawn.getvalue()).decode()
    image = f'<img src="data:image/png;base64,{coded}" alt="{html.escape(alt, quote=True)}">'
    return {"text/plain": f"Figure: {alt}", "text/html": image}


def _close(fig: Any) -> None:
    """Close a figure, or pyplot keeps it and a notebook shows it twice."""
    pyplot: Any = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        pyplot.close(fig)


def _described(alt: str) -> dict[str, str]:
    return {"Description": alt}


def _lesson() -> str:
    """Return the name of the script that runs, or "figure"."""
    path = getattr(sys.modules["__main__"], "__file__", None)
    return Path(path).stem if path else "figure"
