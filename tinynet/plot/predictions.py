"""Predictions: what the network saw, with the most probable classes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet.core.backend import Array
from tinynet.core.errors import ShapeError
from tinynet.inspection.inputs import as_array, batch_of
from tinynet.plot import style, tiles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BARS = 5  # classes beside an image
COLUMNS = 6  # of a contact sheet
SHEET = 120  # images of a contact sheet, at most
CUT = 18  # characters of a name in a contact sheet


def predictions(
    images: Any,
    probabilities: Any,
    classes: Sequence[str],
    path: Path | str | None = None,
    *,
    names: Sequence[str] | None = None,
) -> Figure:
    """Draw images with their most probable classes: one with five bars, several as a contact sheet.

    Of more than 120 images, the 120 least certain are drawn.

    Parameters
    ----------
    images : (N, C, H, W) or one image (C, H, W)
        As the network saw them, before the normalization.
    probabilities : (N, classes)
        As `tn.predict` returns them.
    classes : sequence of str
        Their names.
    path : Path or str, optional
        A .png, .svg or .pdf file to write.
    names : sequence of str, optional
        Of the images.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ShapeError
        There is no image, or the probabilities are not of these images and classes.

    Examples
    --------
    >>> import numpy as np
    >>> import tinynet as tn
    >>> image = np.zeros((3, 8, 8), np.uint8)
    >>> tn.plot.predictions(image, [[0.9, 0.1]], ["cat", "dog"]).get_suptitle()
    'cat, 90.0 %'
    """
    pixels = batch_of("predictions", images)
    shares = as_array(probabilities)
    if shares.shape != (len(pixels), len(classes)):
        raise ShapeError(
            f"predictions: the probabilities of {len(pixels)} images and {len(classes)} classes "
            f"have the shape {(len(pixels), len(classes))}, not {shares.shape}."
        )
    listed = [style.plain(str(name)) for name in (names or [""] * len(pixels))]
    named = [style.plain(str(name)) for name in classes]
    if len(pixels) == 1:
        return _one(pixels[0], shares[0], named, path, listed[0])
    return _sheet(pixels, shares, named, path, listed)


def _one(
    image: Array, shares: Array, classes: list[str], path: Path | str | None, name: str
) -> Figure:
    order = np.argsort(-shares, kind="stable")[:BARS]
    figure = style.new_figure(7.6, 3.2)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.5))
    tiles.show(
        left, tiles.viewable(image), f"what the network saw, {image.shape[1]}x{image.shape[2]}"
    )
    places = np.arange(len(order))
    right.barh(places, 100 * shares[order], color=style.BLUE, height=0.62)
    right.set(xlim=(0, 112), ylim=(len(order) - 0.5, -0.5), xlabel="probability (%)")
    right.set_yticks(places, [classes[i] for i in order], fontsize=10)
    right.set_xticks(range(0, 101, 20))
    for place, i in zip(places, order, strict=True):
        right.text(100 * shares[i] + 1.5, place, f"{100 * shares[i]:.1f}", va="center", fontsize=9)
    right.spines[["top", "right", "left"]].set_visible(False)
    right.tick_params(axis="y", length=0)
    said = f"{classes[order[0]]}, {100 * shares[order[0]]:.1f} %"
    tiles.headline(figure, f"{name}: {said}" if name else said)
    words = ", ".join(f"{classes[i]} {100 * shares[i]:.1f} %" for i in order)
    numbers = {"classes": [classes[i] for i in order], "probabilities": shares[order]}
    return style.finish(figure, path, f"One image and its most probable classes: {words}.", numbers)


def _sheet(
    images: Array, shares: Array, classes: list[str], path: Path | str | None, names: list[str]
) -> Figure:
    best = shares.max(axis=1)
    rows = np.arange(len(images))
    if len(images) > SHEET:
        rows = np.sort(np.argsort(best, kind="stable")[:SHEET])
    columns = min(COLUMNS, len(rows))
    lines = math.ceil(len(rows) / columns)
    figure = style.new_figure(max(4.5, 1.55 * columns + 0.3), 1.95 * lines + 0.6)
    parts = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes, row in zip(parts, rows, strict=False):
        tiles.show(axes, tiles.viewable(images[row]))
        _caption(axes, classes[int(shares[row].argmax())], float(best[row]), names[row])
    for axes in parts[len(rows) :]:
        axes.set_axis_off()
    counts = np.bincount(shares.argmax(axis=1), minlength=len(classes))
    most = np.argsort(-counts, kind="stable")[:3]
    found = ", ".join(f"{counts[i]} {classes[i]}" for i in most if counts[i])
    more = f"; the {SHEET} least certain are shown" if len(images) > SHEET else ""
    tiles.headline(figure, f"{len(images):,} images: {found}{more}")
    words = f"{len(images):,} images with their most probable class: {found}{more}."
    numbers = {"predicted": shares.argmax(axis=1), "probability": best}
    return style.finish(figure, path, words, numbers)


def _caption(axes: Axes, name: str, share: float, file: str) -> None:
    """Write class, probability and file under an image, with a bar as long as the probability."""
    axes.set_title(_cut(file), fontsize=7, color=style.GRAY)
    axes.set_xlabel(f"{_cut(name)}\n{100 * share:.0f} %", fontsize=8)
    axes.axhline(-0.5, 0, 1, color=style.GRID, linewidth=5, clip_on=False, solid_capstyle="butt")
    axes.axhline(
        -0.5, 0, share, color=style.BLUE, linewidth=5, clip_on=False, solid_capstyle="butt"
    )


def _cut(text: str) -> str:
    return text if len(text) <= CUT else f"{text[: CUT - 3]}..."
