"""Architecture of a network: areas by parameters and by multiply-adds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet.core.backend import Array
from tinynet.core.errors import ShapeError
from tinynet.nn import Module
from tinynet.plot import style, tiles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LARGEST = 1.22  # inches: the side of the largest square
STEP = 1.26  # inches from layer to layer, at most
MOST = 24  # layers of a figure
ROWS = (("parameters", style.BLUE, ""), ("multiply-adds", style.ORANGE, "//"))


def architecture(
    model: Module,
    input_shape: tuple[int, ...],
    path: Path | str | None = None,
    *,
    title: str = "",
) -> Figure:
    """Draw the layers of a network with areas by parameters and by multiply-adds of one image.

    Layers without either are left out. Of more than 24, the 24 with the largest share are drawn.

    Parameters
    ----------
    model : Module
    input_shape : tuple of int
        Shape of one input without the batch axis: (C, H, W), in pixels.
    path : Path or str, optional
        A .png, .svg or .pdf file to write.
    title : str
        The layers with the largest shares are added to it.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ShapeError
        The shape is not made of positive integers, or no layer has parameters.

    Examples
    --------
    >>> import tinynet as tn
    >>> from tinynet import nn
    >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 10))
    >>> tn.plot.architecture(model, (3, 8, 8)).get_suptitle()
    'layer 3 holds 93 % of the parameters, layer 0 does 73 % of the multiply-adds'
    """
    return costs(model.summary(input_shape).layers, path, title=title)


def costs(layers: Any, path: Path | str | None = None, *, title: str = "") -> Figure:
    """Draw layers of `tn.summary(...).layers`: see `architecture`."""
    counted = [layer for layer in layers if layer.parameters or layer.multiply_adds]
    if not counted:
        raise ShapeError("architecture: no layer of the model has parameters.")
    amounts = np.array([[layer.parameters, layer.multiply_adds] for layer in counted], float)
    shares = amounts / np.where(amounts.sum(axis=0) > 0, amounts.sum(axis=0), 1)
    said = _in_words([layer.name for layer in counted], shares)
    keep = np.sort(np.argsort(-shares.max(axis=1), kind="stable")[:MOST])
    kept = [counted[i] for i in keep]
    step = max(STEP, 6.0 / len(kept))
    figure = style.new_figure(1.5 + step * len(kept), 5.0, layout=None)
    axes = style.bare_axes(figure)
    scale = LARGEST / np.sqrt(shares.max())
    for row, (what, color, hatch) in enumerate(ROWS):
        y = 3.2 - 1.75 * row
        total = _short(amounts[:, row].sum())
        axes.text(0.15, y, f"{what}\n{total}", va="center", fontsize=9, weight="bold", color=color)
        for i, number in enumerate(keep):
            x = 1.5 + step * (i + 0.5)
            side = max(scale * np.sqrt(shares[number, row]), 0.02)
            _square(axes, x, y, side, color, hatch)
            words = f"{_short(amounts[number, row])}\n{style.percent(shares[number, row], 1)}"
            axes.text(x, y - side / 2 - 0.06, words, ha="center", va="top", fontsize=7.5)
    for i, layer in enumerate(kept):
        x = 1.5 + step * (i + 0.5)
        shape = "x".join(map(str, layer.shape))
        axes.text(x, 4.32, style.plain(layer.name), ha="center", fontsize=8.5, weight="bold")
        axes.text(x, 4.26, f"{layer.kind}\n{shape}", ha="center", va="top", fontsize=7.5)
    tiles.headline(figure, f"{title}: {said}" if title else said, y=0.985)
    numbers = {
        "layer": [layer.name for layer in counted],
        "parameters": amounts[:, 0],
        "multiply_adds": amounts[:, 1],
    }
    return style.finish(figure, path, f"Layers with areas by cost: {said}.", numbers)


def _in_words(names: list[str], shares: Array) -> str:
    """Return the layers with the largest shares."""
    first, second = (int(column.argmax()) for column in shares.T)
    return (
        f"{_called(names[first])} holds {100 * shares[first, 0]:.0f} % of the parameters, "
        f"{_called(names[second])} does {100 * shares[second, 1]:.0f} % of the multiply-adds"
    )


def _called(name: str) -> str:
    """Return the name of a layer for a sentence: "layer 8" where it is a number."""
    return f"layer {name}" if name[:1].isdigit() else name


def _square(axes: Axes, x: float, y: float, side: float, color: str, hatch: str) -> None:
    half = side / 2
    xs = [x - half, x + half, x + half, x - half]
    ys = [y - half, y - half, y + half, y + half]
    axes.fill(xs, ys, facecolor=color, alpha=0.3, linewidth=0)
    axes.fill(xs, ys, fill=False, edgecolor=color, linewidth=1.2, hatch=hatch)


def _short(number: float) -> str:
    """Return a count with three digits: 37.7 M.

    >>> _short(37_748_736), _short(960), _short(0)
    ('37.7 M', '960', '0')
    """
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g} {letter}"
    return f"{number:.0f}"
