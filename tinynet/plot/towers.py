"""Figure 2 of the AlexNet paper: two rows of layers, and the bytes that cross between them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tinynet.plot import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Shape = tuple[int, ...]
Crossed = Mapping[tuple[str, bool], int]

FIRST = 1.0  # heights of the two rows
SECOND = 0.0
STEP = 1.0  # from layer to layer
DOWN = style.BLUE
UP = style.ORANGE


def towers(
    maps: Mapping[str, Shape], crossed: Crossed, path: Path | str | None = None, *, title: str = ""
) -> Figure:
    """Draw two towers and what crosses between them for one image.

    Parameters
    ----------
    maps : dict of str to tuple of int
        Output shape of each layer of one tower, (C, H, W) or (units,), in order. The last layer
        stands on the first device alone.
    crossed : dict of (str, bool) to int
        Bytes by the layer that they go into and whether they go to the second device.
    path : Path or str, optional
        A .png, .svg or .pdf file to write.
    title : str

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = style.new_figure(10, 4.6)
    axes = figure.subplots()
    for i, (layer, shape) in enumerate(maps.items()):
        rows = (FIRST,) if i == len(maps) - 1 else (FIRST, SECOND)
        for row in rows:
            _box(axes, i * STEP, row, shape)
        axes.text(i * STEP, FIRST + 0.6, layer, ha="center", weight="bold", fontsize=10)
        for row in rows if i else ():
            _arrow(axes, (i, row), (i, row), style.GRAY, 1.0)
        if i:
            _crossing(axes, i, layer, crossed)
    axes.text(-0.75, FIRST, "first\ndevice", ha="center", va="center", fontsize=10)
    axes.text(-0.75, SECOND, "second\ndevice", ha="center", va="center", fontsize=10)
    axes.set(xlim=(-1.1, len(maps) * STEP - 0.4), ylim=(-0.6, FIRST + 0.75))
    axes.set_axis_off()
    axes.set_title(title, fontsize=11)
    return style.finish(figure, path, towers_in_words(crossed))


def towers_in_words(crossed: Crossed) -> str:
    """Return what the arrows show, as a text alternative; it is stored in the file."""
    ways = {True: "to the second", False: "to the first"}
    parts = [f"{n:,} bytes {ways[there]} into {layer}" for (layer, there), n in crossed.items()]
    return f"Two towers of layers on two devices. Between them cross {', '.join(parts)}."


def _box(axes: Axes, x: float, y: float, shape: Shape) -> None:
    """Draw maps as a box: its height shows their side, its width their number."""
    count = shape[0]
    side = shape[1] if len(shape) == 3 else 0
    width = 0.06 + 0.3 * (min(count, 256) / 256 if side else 0)
    height = 0.12 + 0.5 * (side / 224) ** 0.5 if side else 0.62
    xs = [x - width / 2, x + width / 2, x + width / 2, x - width / 2]
    ys = [y - height / 2, y - height / 2, y + height / 2, y + height / 2]
    axes.fill(xs, ys, facecolor="#f2f2f2", edgecolor="#333333", linewidth=1, zorder=2)
    words = f"{count} maps\n{side}x{shape[2]}" if side else f"{count:,}\nunits"
    place = y + 0.34 if y == FIRST else y - 0.34
    align = "bottom" if y == FIRST else "top"
    axes.text(x, place, words, ha="center", va=align, fontsize=9, zorder=3)


def _arrow(
    axes: Axes, begin: tuple[float, float], end: tuple[float, float], color: str, width: float
) -> None:
    """Draw an arrow from behind one layer, where `begin` lies, to the next, where `end` lies."""
    tail = (begin[0] * STEP - STEP + 0.22, begin[1])
    tip = (end[0] * STEP - 0.22, end[1])
    look = {"arrowstyle": "-|>", "color": color, "linewidth": width, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", tip, tail, arrowprops=look, zorder=1)


def _crossing(axes: Axes, i: int, layer: str, crossed: Crossed) -> None:
    """Draw the arrows into a layer from the other device, with the bytes that they stand for."""
    down = crossed.get((layer, True), 0)
    up = crossed.get((layer, False), 0)
    if down:
        _arrow(axes, (i, FIRST), (i, SECOND), DOWN, 1.8)
    if up:
        _arrow(axes, (i, SECOND), (i, FIRST), UP, 1.8)
    if down or up:
        ways = "each way" if down == up else "one way"
        words = f"{max(down, up):,} bytes\n{ways}"
        box = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
        axes.text((i - 0.5) * STEP, 0.5, words, ha="center", va="center", fontsize=9, bbox=box)
