"""Learning-rate range test as a figure."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet.plot import style, tiles

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def learning_rates(found: Any, path: Path | str | None = None, *, title: str = "") -> Figure:
    """Draw the loss against the rising learning rate, with the suggested rate.

    Parameters
    ----------
    found : RateTest
        As `tn.lr_find` returns it.
    path : Path or str, optional
        A .png, .svg or .pdf file to write.
    title : str
        The suggested rate is added to it.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> import numpy as np
    >>> import tinynet as tn
    >>> found = SimpleNamespace(rates=np.array([0.01, 0.1, 1.0]), losses=np.array([2.0, 1.0, 3.0]),
    ...                         smoothed=np.array([2.0, 1.5, 2.5]), suggestion=0.05, lowest=0.5)
    >>> tn.plot.learning_rates(found).get_suptitle()
    'Suggested learning rate: 0.05, a tenth of the one with the smallest loss'
    """
    figure = style.new_figure(8, 4.2)
    axes = figure.subplots()
    axes.plot(
        found.rates,
        found.losses,
        color=style.GRAY,
        linewidth=0.8,
        alpha=0.7,
        label="loss of each batch",
    )
    axes.plot(
        found.rates, found.smoothed, color=style.BLUE, linewidth=2, label="average of the neighbors"
    )
    _limit(axes, found)
    _mark(axes, found.lowest, f"smallest loss: {found.lowest:.2g}", ":", style.GRAY, "left")
    said = "The loss never falls: begin with a smaller rate"
    if found.suggestion is not None:
        words = f"suggested: {found.suggestion:.2g}"
        _mark(axes, found.suggestion, words, "--", style.ORANGE, "right")
        said = (
            f"Suggested learning rate: {found.suggestion:.2g}, a tenth of the one with the "
            "smallest loss"
        )
    axes.set_xscale("log")
    axes.set(xlabel="learning rate", ylabel="loss (mean cross-entropy, nats)")
    axes.legend(fontsize=9, framealpha=1, edgecolor="white", loc="lower left")
    tiles.tidy(axes)
    lowered = f"{said[0].lower()}{said[1:].replace(': ', ' ')}"
    tiles.headline(figure, f"{title}: {lowered}" if title else said)
    numbers = {"rate": found.rates, "loss": found.losses, "smoothed": found.smoothed}
    words = f"Learning-rate range test of {len(found.rates)} steps. {said}."
    return style.finish(figure, path, words, numbers)


def _limit(axes: Any, found: Any) -> None:
    """Let the axis show the smoothed curve; single losses may lie far above."""
    low = min(found.smoothed.min(), found.losses.min())
    first = float(np.median(found.smoothed[: max(1, len(found.smoothed) // 5)]))
    axes.set_ylim(max(0.0, low - 0.1 * (first - low)), first + 0.8 * max(first - low, 1e-3))


def _mark(axes: Any, rate: float, words: str, line: str, color: str, side: str) -> None:
    """Draw a line at a rate, with words at its top; `side` of the words touches the line."""
    axes.axvline(rate, color=color, linestyle=line, linewidth=1.5)
    axes.text(
        rate,
        0.98,
        f" {words} ",
        transform=axes.get_xaxis_transform(),
        color=color,
        fontsize=9,
        ha=side,
        va="top",
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.0, "alpha": 0.85},
    )
