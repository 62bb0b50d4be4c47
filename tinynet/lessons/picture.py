"""Figures: ``figure`` shows one with an alternative text, ``move`` one with sliders."""

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

from tinynet.lessons import captions, speak

FOLDER = "TINYNET_FIGURES"
"""Environment variable: a folder in which every figure is also saved."""

AIR = 0.06
"""Inches of space around each panel: a title touches neither the edge nor the panel above it."""

_shown = 0


def figure(fig: Any, alt: str) -> None:
    """Show a figure of matplotlib.

    Parameters
    ----------
    fig : matplotlib Figure
        It is closed afterwards.
    alt : text
        A description of the figure, built from its own numbers.
    """
    alt = captions.spoken(alt)
    display = speak.notebook()
    if display is not None or os.environ.get(FOLDER):
        shown = _still(fig, alt)
    else:
        shown = {"text/plain": f"Figure: {alt}"}
        _close(fig)
    if display is not None:
        display(shown, raw=True)
    else:
        sys.stdout.write(f"{shown['text/plain']}\n")


def move(draw: Callable[..., tuple[Any, str]], **choices: Sequence[Any]) -> None:
    """Show a figure and, where ipywidgets is installed, sliders that redraw it.

    Parameters
    ----------
    draw : function of the choices
        Returns a figure and its alt text.
    choices : sequences
        The values of each slider: i=range(3). It starts at the default of `draw`, or else at the
        first value; so does the figure without sliders.
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
        name: widgets.SelectionSlider(
            options=list(values),
            description=name,
            value=first[name],
            style={"description_width": "initial"},  # otherwise long names are cut
        )
        for name, values in choices.items()
    }
    fig, told = draw(**first)
    picture: Any = display(_still(fig, captions.spoken(told)), raw=True, display_id=True)

    def again(_: Any) -> None:
        fig, told = draw(**{name: slider.value for name, slider in sliders.items()})
        alt = captions.spoken(told)
        picture.update(_shown_as(_png(fig, alt), alt), raw=True)

    for slider in sliders.values():
        slider.observe(again, "value")
    display(widgets.VBox(list(sliders.values())))


def _still(fig: Any, alt: str) -> dict[str, str]:
    """Return a figure in notebook form; save it too if `FOLDER` is set."""
    global _shown
    _shown += 1
    png = _png(fig, alt)
    folder = os.environ.get(FOLDER)
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        (Path(folder) / f"{_lesson()}-{_shown}.png").write_bytes(png)
    return _shown_as(png, alt)


def _png(fig: Any, alt: str) -> bytes:
    """Render a figure to PNG and close it."""
    captions.translate(fig)
    layout = fig.get_layout_engine()
    drawn = io.BytesIO()
    if layout is not None:
        layout.set(w_pad=AIR, h_pad=AIR)
    fig.savefig(drawn, format="png", dpi=110, metadata={"Description": alt})
    _close(fig)
    return drawn.getvalue()


def _shown_as(png: bytes, alt: str) -> dict[str, str]:
    """Return an image with its alternative text, in notebook form."""
    coded = base64.b64encode(png).decode()
    words = html.escape(alt, quote=True)
    image = f'<img src="data:image/png;base64,{coded}" alt="{words}">'
    return {"text/plain": f"Figure: {alt}", "text/html": image}


def _close(fig: Any) -> None:
    """Close a figure; otherwise pyplot keeps it and a notebook shows it twice."""
    pyplot: Any = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        pyplot.close(fig)


def _lesson() -> str:
    """Return the name of the running script, or "figure"."""
    path = getattr(sys.modules["__main__"], "__file__", None)
    return Path(path).stem if path else "figure"
