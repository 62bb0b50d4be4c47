"""Pictures of a run: its learning curves and its first filters. Matplotlib is known only here.

Colours are Okabe and Ito's, which differ for every kind of colour vision, and each line also has
its own dash, so the figures survive a black-and-white printer. The functions take plain records
and arrays and write a file; no window is ever opened.
"""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet.core.backend import Array, to_numpy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TRAIN = {"color": "#0072B2", "linestyle": "--", "marker": "o", "markersize": 3.5, "label": "train"}
TEST = {"color": "#D55E00", "linestyle": "-", "marker": "s", "markersize": 3.5, "label": "test"}
HELD = {"color": "#009E73", "linestyle": "-.", "marker": "^", "markersize": 3.5}
GREY = "#767676"


def curves(records: Sequence[Mapping[str, Any]], path: Path, *, title: str = "") -> None:
    """Draw loss and accuracy over the epochs; dotted lines mark where the learning rate halves.

    Parameters
    ----------
    records : the objects of a log.jsonl, one an epoch
    """
    figure = _figure(9, 3.6)
    left, right = figure.subplots(1, 2)
    epochs = [record["epoch"] for record in records]
    kinds = {"train": TRAIN, "test": TEST}
    if records and records[0].get("validation_accuracy") is not None:
        kinds["validation"] = {**HELD, "label": "validation"}
    for kind, style in kinds.items():
        left.plot(epochs, [r[f"{kind}_loss"] for r in records], **style)
        right.plot(epochs, [100 * r[f"{kind}_accuracy"] for r in records], **style)
    left.set(ylabel="loss (mean cross-entropy, nats)", ylim=(0, None))
    right.set(ylabel="accuracy (%)")
    if records:
        found = f"test accuracy {100 * records[-1]['test_accuracy']:.1f} %"
        title = f"{title}: {found}" if title else found
    for axes in (left, right):
        _mark_falls(axes, records)
        axes.set(xlabel="epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(visible=True, color="#e4e4e4", linewidth=0.8)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    figure.suptitle(title)
    _write(figure, path, curves_in_words(records))


def filters(weight: Array, path: Path, *, title: str = "") -> None:
    """Draw each filter of a first layer as a small picture.

    Three input channels are shown as colour, other numbers in grey, channel by channel. One scale
    serves all filters: grey is zero, so a pale picture is a weak filter and not a hidden one.

    Parameters
    ----------
    weight : (OC, C, KH, KW)
    """
    tiles = mosaic(weight)
    height, width = tiles.shape[:2]
    figure = _figure(6, 6 * height / width + 0.5)
    axes = figure.subplots()
    axes.imshow(tiles, interpolation="nearest", vmin=0, vmax=1)
    axes.set_axis_off()
    axes.set_title(title, fontsize=10)
    channels = "in colour" if weight.shape[1] == 3 else "in grey"
    _write(
        figure,
        path,
        f"{weight.shape[0]} filters of {weight.shape[2]}x{weight.shape[3]} pixels {channels}",
    )


def mosaic(weight: Array) -> Array:
    """Return filters (OC, C, KH, KW) side by side with white seams, (rows, columns, 3) in 0..1."""
    weight = to_numpy(weight)
    if weight.shape[1] != 3:
        weight = weight.reshape(-1, 1, *weight.shape[2:]).repeat(3, axis=1)
    count, _, kh, kw = weight.shape
    largest = abs(weight).max(initial=0) or 1
    columns = math.ceil(math.sqrt(2 * count))  # twice as wide as high: fits a page
    rows = math.ceil(count / columns)
    tiles = np.ones((rows * columns, kh + 1, kw + 1, 3), np.float32)
    tiles[:count, :kh, :kw] = (0.5 + 0.5 * weight / largest).transpose(0, 2, 3, 1)
    grid = tiles.reshape(rows, columns, kh + 1, kw + 1, 3).swapaxes(1, 2)
    return grid.reshape(rows * (kh + 1), columns * (kw + 1), 3)[:-1, :-1]


def curves_in_words(records: Sequence[Mapping[str, Any]]) -> str:
    """Return what the curves show, for readers who do not see them; stored in the picture."""
    if not records:
        return "No epoch has finished."
    first, last = records[0], records[-1]
    return (
        f"Over {len(records)} epochs the training loss goes from {first['train_loss']:.3f} to "
        f"{last['train_loss']:.3f}, the test loss from {first['test_loss']:.3f} to "
        f"{last['test_loss']:.3f} and the test accuracy from {100 * first['test_accuracy']:.1f} % "
        f"to {100 * last['test_accuracy']:.1f} %."
    )


def _mark_falls(axes: Axes, records: Sequence[Mapping[str, Any]]) -> None:
    for before, after in itertools.pairwise(records):
        if after["lr"] <= before["lr"] / 2:  # a rate that glides down would draw a curtain
            axes.axvline(before["epoch"] + 0.5, color=GREY, linestyle=":", linewidth=1)
            place, top = (before["epoch"] + 0.5, 1.02), axes.get_xaxis_transform()
            axes.text(*place, f"lr {after['lr']:.2g}", transform=top, ha="center", color=GREY)


def _figure(width: float, height: float) -> Figure:
    """Return a figure that draws into memory; the global state of pyplot is never touched."""
    said = logging.getLogger("matplotlib")
    level = said.level
    said.setLevel(logging.ERROR)  # without a home it says at length where its own cache is now
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    finally:
        said.setLevel(level)
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _write(figure: Figure, path: Path, description: str) -> None:
    figure.savefig(path, format="png", dpi=150, metadata={"Description": description})
