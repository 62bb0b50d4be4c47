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

FIRST = 1.75  # heights of the two rows
SECOND = 0.0
STEP = 1.5  # from layer to layer
TALLEST = 0.95  # of a face
LARGEST = 224  # pixels: the side of the tallest face
DEEPEST = 192  # maps: the deepest box
DEPTH = 0.32  # of that box, to the right
SLANT = 0.55  # of the depth, upwards
GAP = 0.1  # between a box and an arrow
DOWN = style.BLUE
UP = style.ORANGE
FACE = "#f6f6f6"
TOP = "#e6e6e6"
SIDE = "#d2d2d2"
EDGE = "#333333"


def towers(
    maps: Mapping[str, Shape],
    crossed: Crossed,
    path: Path | str | None = None,
    *,
    kernels: Mapping[str, str] | None = None,
    title: str = "",
) -> Figure:
    """Draw two towers and what crosses between them for one image.

    The height of a box is the square root of the maps' side, its depth the number of maps; the
    width of an arrow is the square root of the bytes.

    Parameters
    ----------
    maps : dict of str to tuple of int
        Output shape of each layer of one tower, (C, H, W) or (units,), in order. The last layer
        stands on the first device alone.
    crossed : dict of (str, bool) to int
        Bytes by the layer that they go into and whether they go to the second device.
    path : Path or str, optional
        A .png, .svg or .pdf file to write.
    kernels : dict of str to str, optional
        Window of each layer, e.g. "11x11, stride 4", written at the arrow into it.
    title : str

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = style.new_figure(10.5, 4.2)
    axes = figure.subplots()
    listed = list(maps.items())
    most = max(crossed.values(), default=1)
    for i, (layer, shape) in enumerate(listed):
        rows = (FIRST,) if i == len(listed) - 1 else (FIRST, SECOND)
        for row in rows:
            _box(axes, i * STEP, row, shape)
            if i:
                _arrow(axes, (i, row), (i, row), listed, style.GRAY, 1.2)
        _name(axes, i, layer, shape, (kernels or {}).get(layer, ""))
        if i:
            _crossing(axes, i, layer, crossed, listed, most)
    axes.text(-1.05, FIRST, "first\ndevice", ha="center", va="center", fontsize=10)
    axes.text(-1.05, SECOND, "second\ndevice", ha="center", va="center", fontsize=10)
    axes.set(xlim=(-1.4, (len(listed) - 1) * STEP + 0.7), ylim=(-1.5, FIRST + 1.15))
    axes.set_aspect("equal")
    axes.set_axis_off()
    axes.set_title(title, fontsize=11)
    _legend(axes)
    words = towers_in_words(crossed)
    numbers = {f"{layer} {'down' if there else 'up'}": n for (layer, there), n in crossed.items()}
    return style.finish(figure, path, words, numbers)


def towers_in_words(crossed: Crossed) -> str:
    """Return what the arrows show, as a text alternative; it is stored in the file."""
    ways = {True: "to the second", False: "to the first"}
    parts = [f"{n:,} bytes {ways[there]} into {layer}" for (layer, there), n in crossed.items()]
    return f"Two towers of layers on two devices. Between them cross {', '.join(parts)}."


def _size(shape: Shape) -> tuple[float, float, float]:
    """Return width, height and depth of the box of a layer; units are a thin column."""
    if len(shape) < 3:
        return 0.1, TALLEST * 0.85, 0.06
    face = TALLEST * (shape[1] / LARGEST) ** 0.5
    return 0.62 * face, face, DEPTH * max(0.12, min(shape[0], DEEPEST) / DEEPEST)


def _box(axes: Axes, x: float, y: float, shape: Shape) -> None:
    """Draw maps as a box around (x, y)."""
    width, height, depth = _size(shape)
    rise = SLANT * depth
    left = x - (width + depth) / 2
    right = left + width
    low = y - (height + rise) / 2
    high = low + height
    faces = (
        (FACE, [left, right, right, left], [low, low, high, high]),
        (TOP, [left, right, right + depth, left + depth], [high, high, high + rise, high + rise]),
        (SIDE, [right, right + depth, right + depth, right], [low, low + rise, high + rise, high]),
    )
    for color, xs, ys in faces:
        axes.fill(xs, ys, facecolor=color, edgecolor=EDGE, linewidth=0.9, zorder=2)


def _name(axes: Axes, i: int, layer: str, shape: Shape, kernel: str) -> None:
    """Write name and size above a layer, and below the second tower the window of the layer."""
    count = shape[0]
    words = f"{count} maps\n{shape[1]}x{shape[2]}" if len(shape) == 3 else f"{count:,}\nunits"
    axes.text(i * STEP, FIRST + 1.03, layer, ha="center", weight="bold", fontsize=10)
    axes.text(i * STEP, FIRST + 0.98, words, ha="center", va="top", fontsize=8.5)
    if kernel:
        axes.text((i - 0.5) * STEP, SECOND - 0.62, kernel, ha="center", va="top", fontsize=8)


def _arrow(
    axes: Axes,
    begin: tuple[float, float],
    end: tuple[float, float],
    listed: list[tuple[str, Shape]],
    color: str,
    width: float,
) -> None:
    """Draw an arrow from behind one layer, where `begin` lies, to the next, where `end` lies."""
    i = int(end[0])
    before, after = (_size(listed[j][1]) for j in (i - 1, i))
    tail = ((i - 1) * STEP + (before[0] + before[2]) / 2 + GAP, begin[1])
    tip = (i * STEP - (after[0] + after[2]) / 2 - GAP, end[1])
    look = {"arrowstyle": "-|>", "color": color, "linewidth": width, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", tip, tail, arrowprops=look, zorder=1)


def _crossing(
    axes: Axes,
    i: int,
    layer: str,
    crossed: Crossed,
    listed: list[tuple[str, Shape]],
    most: int,
) -> None:
    """Draw the arrows into a layer from the other device, with the bytes that they stand for."""
    down = crossed.get((layer, True), 0)
    up = crossed.get((layer, False), 0)
    for amount, ends, color in ((down, (FIRST, SECOND), DOWN), (up, (SECOND, FIRST), UP)):
        if amount:
            width = 1.2 + 2.6 * (amount / most) ** 0.5
            _arrow(axes, (i, ends[0]), (i, ends[1]), listed, color, width)
    if down or up:
        ways = "each way" if down == up else "one way"
        words = f"{max(down, up):,} bytes\n{ways}"
        box = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
        middle = (FIRST + SECOND) / 2
        axes.text((i - 0.5) * STEP, middle, words, ha="center", va="center", fontsize=9, bbox=box)


def _legend(axes: Axes) -> None:
    """Say what the arrows and the sizes mean."""
    entries = (
        (DOWN, "to the second device"),
        (UP, "to the first device"),
        (style.GRAY, "within a device"),
    )
    for color, label in entries:
        axes.plot([], [], color=color, linewidth=2, label=label)
    axes.legend(
        loc="lower center",
        ncols=len(entries),
        frameon=False,
        fontsize=9,
        title="height: square root of the side; depth: number of maps; arrow: square root of bytes",
        title_fontsize=8,
        bbox_to_anchor=(0.5, -0.13),
    )
