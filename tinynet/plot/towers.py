"""Figure 2 of the paper, with what crosses: two rows of layers, and arrows between the rows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tinynet.plot.figures import GREY, TEST, TRAIN, _figure, _write

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Shape = tuple[int, ...]
Crossed = Mapping[tuple[str, bool], int]

FIRST, SECOND = 1.0, 0.0  # heights of the two rows
STEP = 1.0  # from layer to layer
DOWN, UP = str(TRAIN["color"]), str(TEST["color"])


def towers(maps: Mapping[str, Shape], crossed: Crossed, path: Path, *, title: str = "") -> None:
    """Draw two towers and what crosses between them for one picture.

    Parameters
    ----------
    maps : what each layer of one tower makes, (C, H, W) or (units,), in order; the last stands on
        the first device alone
    crossed : bytes by (layer that they go into, whether they go to the second device)
    """
    figure = _figure(10, 4.6)
    axes = figure.subplots()
    for i, (layer, shape) in enumerate(maps.items()):
        rows = (FIRST,) if i == len(maps) - 1 else (FIRST, SECOND)
        for row in rows:
            _box(axes, i * STEP, row, shape)
        axes.text(i * STEP, FIRST + 0.6, layer, ha="center", weight="bold", fontsize=10)
        for row in rows if i else ():
            _arrow(axes, (i, row), (i, row), GREY, 1.0)
        if i:
            _crossing(axes, i, layer, crossed)
    axes.text(-0.75, FIRST, "first\ndevice", ha="center", va="center", fontsize=10)
    axes.text(-0.75, SECOND, "second\ndevice", ha="center", va="center", fontsize=10)
    axes.set(xlim=(-1.1, len(maps) * STEP - 0.4), ylim=(-0.6, FIRST + 0.75))
    axes.set_axis_off()
    axes.set_title(title, fontsize=11)
    _write(figure, path, in_words(crossed))


def in_words(crossed: Crossed) -> str:
    """Return what the arrows show, for readers who do not see them; stored in the picture."""
    ways = {True: "to the second", False: "to the first"}
    said = [f"{n:,} bytes {ways[there]} into {layer}" for (layer, there), n in crossed.items()]
    return f"Two towers of layers on two devices. Between them cross {', '.join(said)}."


def _box(axes: Axes, x: float, y: float, shape: Shape) -> None:
    """Draw maps as a box: as high as their side, as wide as there are many."""
    many, side = shape[0], shape[1] if len(shape) == 3 else 0
    width = 0.06 + 0.3 * (min(many, 256) / 256 if side else 0)
    height = 0.12 + 0.5 * (side / 224) ** 0.5 if side else 0.62
    xs = [x - width / 2, x + width / 2, x + width / 2, x - width / 2]
    ys = [y - height / 2, y - height / 2, y + height / 2, y + height / 2]
    axes.fill(xs, ys, facecolor="#f2f2f2", edgecolor="#333333", linewidth=1, zorder=2)
    words = f"{many} maps\n{side}x{shape[2]}" if side else f"{many:,}\nunits"
    place, side_of_it = (y + 0.34, "bottom") if y == FIRST else (y - 0.34, "top")
    axes.text(x, place, words, ha="center", va=side_of_it, fontsize=9, zorder=3)


def _arrow(
    axes: Axes, begin: tuple[float, float], end: tuple[float, float], colour: str, width: float
) -> None:
    """Draw an arrow from behind one layer, where `begin` lies, to the next, where `end` lies."""
    (x0, y0), (x1, y1) = begin, end
    tip, tail = (x1 * STEP - 0.22, y1), (x0 * STEP - STEP + 0.22, y0)
    style = {"arrowstyle": "-|>", "color": colour, "linewidth": width, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", tip, tail, arrowprops=style, zorder=1)


def _crossing(axes: Axes, i: int, layer: str, crossed: Crossed) -> None:
    """Draw the arrows into a layer from the other device, and say how many bytes they stand for."""
    down, up = (crossed.get((layer, there), 0) for there in (True, False))
    if down:
        _arrow(axes, (i, FIRST), (i, SECOND), DOWN, 1.8)
    if up:
        _arrow(axes, (i, SECOND), (i, FIRST), UP, 1.8)
    if down or up:
        ways = "each way" if down == up else "one way"
        words = f"{max(down, up):,} bytes\n{ways}"
        box = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
        axes.text((i - 0.5) * STEP, 0.5, words, ha="center", va="center", fontsize=9, bbox=box)
