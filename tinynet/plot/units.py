"""Images that excite units most, nearest neighbors, and units that never fire."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet import inspection
from tinynet.core.backend import Array
from tinynet.inspection.inputs import Prepare, as_array, batch_of
from tinynet.nn import Module
from tinynet.plot import style, tiles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROWS = 8  # units of a figure, if none are named


def top_images(
    model: Module,
    images: Any,
    path: Path | str | None = None,
    *,
    layer: str | None = None,
    units: Sequence[int] | None = None,
    k: int = 8,
    prepare: Prepare | None = None,
) -> Figure:
    """Draw the images that excite units of a layer most, and mark the pixels that did it.

    Parameters
    ----------
    model, images, layer, units, k, prepare
        As in `inspection.top_images`, which finds them. Without `units`, the eight are drawn whose
        k largest activations have the largest mean.
    path : Path or str, optional
        A .png, .svg or .pdf file to write.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ShapeError
        There is no such layer, or no image.
    ValueError
        There is no such unit.

    Examples
    --------
    >>> import numpy as np
    >>> import tinynet as tn
    >>> from tinynet import nn
    >>> images = np.random.default_rng(0).random((5, 3, 8, 8), np.float32)
    >>> figure = tn.plot.top_images(nn.Sequential(nn.Conv2d(3, 2, 3)), images, k=3)
    >>> len(figure.axes)
    6
    """
    pixels = batch_of("top_images", images)
    if units is None:
        everything = inspection.top_images(model, pixels, layer, k=k, boxes=False, prepare=prepare)
        means = everything.values.mean(axis=1)
        units = np.sort(everything.units[np.argsort(-means, kind="stable")[:ROWS]]).tolist()
    found = inspection.top_images(model, pixels, layer, units=units, k=k, prepare=prepare)
    columns = found.indices.shape[1]
    figure = style.new_figure(0.6 + 0.95 * columns, 0.7 + 0.98 * len(found.units))
    parts = figure.subplots(len(found.units), columns, squeeze=False)
    for axes, unit, rows, boxes in zip(parts, found.units, found.indices, found.boxes, strict=True):
        for place, row, box in zip(axes, rows, boxes, strict=True):
            tiles.show(place, tiles.viewable(pixels[row]))
            _mark(place, box, pixels.shape[2:])
        axes[0].set_ylabel(f"unit {unit}", fontsize=8)
    name = style.plain(found.layer)
    tiles.headline(figure, f"{name}: what excites each unit most, and the pixels that do it")
    words = (
        f"For {len(found.units)} units of {found.layer}, the {columns} of {len(pixels):,} images "
        "with the largest activation, the largest first, with a frame around the pixels on which "
        "it depends."
    )
    numbers = {"units": found.units, "indices": found.indices, "values": found.values}
    return style.finish(figure, path, words, numbers)


def _mark(axes: Axes, box: Array, shape: tuple[int, ...]) -> None:
    """Draw a frame around the box, unless it is the whole image."""
    top, left, bottom, right = (float(side) for side in box)
    if (top, left) == (0, 0) and (bottom, right) == tuple(shape):
        return
    xs = np.array([left, right, right, left, left]) - 0.5
    ys = np.array([top, top, bottom, bottom, top]) - 0.5
    axes.plot(xs, ys, color="black", linewidth=2.6)
    axes.plot(xs, ys, color="white", linewidth=1.1)


def neighbors(
    model: Module,
    queries: Any,
    gallery: Any,
    path: Path | str | None = None,
    *,
    k: int = 6,
    labels: Any = None,
    classes: Sequence[str] | None = None,
    prepare: Prepare | None = None,
) -> Figure:
    """Draw images beside the images of a gallery that the last hidden layer takes for alike.

    Figure 4 of Krizhevsky, Sutskever and Hinton (2012).

    Parameters
    ----------
    model, queries, gallery, k, prepare
        As in `inspection.neighbors`, which finds them.
    path : Path or str, optional
        A .png, .svg or .pdf file to write.
    labels : (Q,) and (N,) integers, optional
        Classes of the queries and of the gallery, as a pair.
    classes : sequence of str, optional
        Names of the classes.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ShapeError
        There is no image, or the model has no linear layer.

    Examples
    --------
    >>> import numpy as np
    >>> import tinynet as tn
    >>> from tinynet import nn
    >>> images = np.random.default_rng(0).random((5, 3, 8, 8), np.float32)
    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(192, 2))
    >>> figure = tn.plot.neighbors(model, images[:2], images, k=3, labels=([0, 1], [0, 1, 0, 1, 0]))
    >>> len(figure.axes)
    8
    """
    asked = batch_of("neighbors", queries)
    known = as_array(gallery)
    found = inspection.neighbors(model, asked, known, k, prepare=prepare)
    columns = 1 + found.indices.shape[1]
    figure = style.new_figure(0.9 + 1.12 * columns, 0.8 + 1.28 * len(asked))
    ratios = [1.15] + [1.0] * (columns - 1)
    parts = figure.subplots(len(asked), columns, squeeze=False, width_ratios=ratios)
    alike = 0
    for q, (axes, rows) in enumerate(zip(parts, found.indices, strict=True)):
        mine = None if labels is None else int(labels[0][q])
        title = "query" if mine is None else f"query:\n{tiles.name_of(mine, classes)}"
        tiles.show(axes[0], tiles.viewable(asked[q]), title)
        axes[0].title.set_weight("bold")
        for place, row in zip(axes[1:], rows, strict=True):
            theirs = None if labels is None else int(labels[1][row])
            alike += theirs is not None and theirs == mine
            tiles.show(place, tiles.viewable(known[row]), _judged(mine, theirs, classes))
    total = found.indices.size
    said = "The nearest images in the last hidden layer"
    if labels is not None:
        said = f"Of {total} nearest images in the last hidden layer, {alike} are of the same class"
    tiles.headline(figure, said)
    numbers = {"indices": found.indices, "distances": found.distances}
    return style.finish(figure, path, f"{len(asked)} images and their neighbors. {said}.", numbers)


def _judged(mine: int | None, theirs: int | None, classes: Sequence[str] | None) -> str:
    """Return the class of a neighbor; a cross says that it is another one."""
    if theirs is None:
        return ""
    name = tiles.name_of(theirs, classes)
    return name if mine == theirs else f"× {name}"


def dead_units(
    model: Module, images: Any, path: Path | str | None = None, *, prepare: Prepare | None = None
) -> Figure:
    """Draw how often the units of each ReLU layer fire, from the rarest to the most frequent.

    Parameters
    ----------
    model, images, prepare
        As in `inspection.dead_units`, which counts.
    path : Path or str, optional
        A .png, .svg or .pdf file to write.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ShapeError
        There is no image, or the model has no ReLU layer.

    Examples
    --------
    >>> import numpy as np
    >>> import tinynet as tn
    >>> from tinynet import nn
    >>> model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    >>> model[0].weight.data[...] = 1.0
    >>> model[0].bias.data[...] = [0.0, -100.0]
    >>> tn.plot.dead_units(model, np.ones((5, 2), np.float32)).get_suptitle()
    '1 of 2 units never fires on 5 images'
    """
    pixels = batch_of("dead_units", images)
    fired = inspection.dead_units(model, pixels, prepare=prepare)
    columns = min(4, len(fired))
    rows = -(-len(fired) // columns)
    figure = style.new_figure(max(5.0, 2.5 * columns + 0.8), 2.3 * rows + 0.7)
    parts = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    for axes, (name, shares) in zip(parts, fired.items(), strict=False):
        _draw_shares(axes, name, np.sort(shares))
    for axes in parts[len(fired) :]:
        axes.set_axis_off()
    for axes in parts[: len(fired) : columns]:
        axes.set_ylabel("fires on (% of places)", fontsize=8)
    total = sum(len(shares) for shares in fired.values())
    dead = sum(int((shares == 0).sum()) for shares in fired.values())
    verb = "fires" if dead == 1 else "fire"
    said = f"{dead or 'None'} of {total:,} units {'never ' if dead else 'is silent'}"
    said = f"{said}{verb} on" if dead else f"{said} on all"
    tiles.headline(figure, f"{said} {len(pixels):,} images")
    each = (f"{int((s == 0).sum())} of {len(s)} in layer {name}" for name, s in fired.items())
    return style.finish(figure, path, f"Dead units of the ReLU layers: {', '.join(each)}.", fired)


def _draw_shares(axes: Axes, name: str, shares: Array) -> None:
    edges = np.arange(len(shares) + 1) + 0.5
    dead = int((shares == 0).sum())
    axes.stairs(100 * shares, edges, fill=True, color=style.SKY, alpha=0.45)
    axes.stairs(100 * shares, edges, baseline=None, color=style.BLUE, linewidth=1.3)
    if dead:
        axes.axvspan(0.5, dead + 0.5, color=style.ORANGE, alpha=0.3, linewidth=0, hatch="//")
    axes.set_title(f"layer {style.plain(name)}: {dead} of {len(shares)} dead", fontsize=9)
    axes.set_xlabel("unit, from the rarest", fontsize=8)
    axes.set(ylim=(0, 100), xlim=(0.5, len(shares) + 0.5))
    axes.tick_params(labelsize=8)
    axes.set_xticks(sorted({1, (len(shares) + 1) // 2, len(shares)}))
    tiles.tidy(axes)
