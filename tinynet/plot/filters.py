"""First-layer filters as small images."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet.core.backend import Array, is_array, to_numpy
from tinynet.core.errors import ShapeError
from tinynet.nn import Module
from tinynet.plot import style, tiles
from tinynet.tensors import Tensor

if TYPE_CHECKING:
    from matplotlib.figure import Figure

VISIBLE = 1.2  # times: a difference that is smaller by this factor is enlarged
MANY_TIMES = 10  # the change above which percent are hard to read
IN_A_ROW = 16  # filters: so few are compared one above the other
APART = 0.06  # the gap between filters before training and after it, in widths of a panel


def filters(
    weights: Array | Tensor | Module,
    path: Path | str | None = None,
    *,
    title: str = "",
    before: Array | Tensor | Module | None = None,
    groups: int = 1,
) -> Figure:
    """Draw each filter of a convolution as a small image.

    Three input channels are shown in color, other numbers in gray, channel by channel. All filters
    share one scale, and gray is zero: a pale image is a weak filter.

    Parameters
    ----------
    weights : array or Tensor of shape (OC, C, KH, KW), or nn.Module
        Of a module, the first parameter with four axes is drawn: the filters of the first
        convolution.
    path : Path or str, optional
        A .png, .svg or .pdf file to write.
    title : str
    before : array, Tensor or nn.Module, optional
        The same filters before training. They are drawn to the left, in the same order: the filters
        that changed most come first. Up to 16 filters stand in three rows on one scale: before,
        after, and the difference.
    groups : int
        Parts of equally many filters, drawn apart: 2 shows what each GPU learned, as Figure 3 of
        the paper.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ShapeError
        The weights do not have four axes, the module has no convolution, the two sets of filters
        have different shapes, or `groups` does not divide their number.
    TypeError
        The weights are not numbers.

    Examples
    --------
    >>> import tinynet as tn
    >>> from tinynet import nn
    >>> figure = tn.plot.filters(nn.Sequential(nn.Conv2d(3, 16, 5), nn.ReLU()), title="conv1")
    >>> figure.axes[0].get_title()
    'conv1'
    """
    weight = _filters_of(weights)
    sets = [weight] if before is None else [_initial(before, weight), weight]
    change = _change(*sets) if len(sets) == 2 else None
    if change is not None and groups == 1 and len(weight) <= IN_A_ROW:
        figure = _one_above_the_other(sets[0], weight, change, title)
        return _finished(figure, path, weight, change)
    parts = [[_part(each, change, group, groups) for each in sets] for group in range(groups)]
    drawn = [
        [mosaic(each, _largest(whole)) for each, whole in zip(row, sets, strict=True)]
        for row in parts
    ]
    height, width = drawn[0][0].shape[:2]
    across = 6 if len(sets) == 1 else 4.6 * len(sets)
    each = across / len(sets) * height / width + (0.3 if groups > 1 or change is not None else 0)
    figure = style.new_figure(across, groups * each + 0.5)
    rows = figure.subplots(groups, len(sets), squeeze=False, gridspec_kw={"wspace": APART})
    first = _before_in_words(*sets) if len(sets) == 2 else ""
    for group, (row, images) in enumerate(zip(rows, drawn, strict=True)):
        for axes, image, when in zip(row, images, (first, "after"), strict=False):
            axes.imshow(image, interpolation="nearest", vmin=0, vmax=1)
            axes.set_axis_off()
            names = [f"group {group + 1}" if groups > 1 else "", when if change is not None else ""]
            axes.set_title(", ".join(name for name in names if name), fontsize=9)
    said = _changed_in_words(change)
    if change is None and groups == 1:
        rows[0][0].set_title(title, fontsize=11)
    else:
        tiles.headline(figure, f"{title}: {said}" if title and said else title or said)
    return _finished(figure, path, weight, change)


def _one_above_the_other(before: Array, after: Array, change: Array, title: str) -> Figure:
    """Draw few filters in three rows: before training, after it, and the difference.

    A small difference is drawn enlarged, and its row says how many times.
    """
    first = np.argsort(-change, kind="stable")
    largest = max(_largest(before), _largest(after))
    times = max(1.0, largest / _largest(after - before))
    last = "difference" if times < VISIBLE else f"difference\n× {times:.2g}"
    rows = {"before\ntraining": before, "after": after}
    rows[last] = (after - before) * (1 if times < VISIBLE else times)
    figure = style.new_figure(9, 0.7 + 3 * (8 / max(len(after), 6) + 0.1))
    for axes, (name, weights) in zip(figure.subplots(3, 1), rows.items(), strict=True):
        image = mosaic(weights[first], largest, columns=len(after))
        axes.imshow(image, interpolation="nearest", vmin=0, vmax=1)
        axes.set_ylabel(name, fontsize=10)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    said = _changed_in_words(change)
    tiles.headline(figure, f"{title}: {said}" if title else said)
    return figure


def _finished(
    figure: Figure, path: Path | str | None, weight: Array, change: Array | None
) -> Figure:
    """Give a figure its description and its numbers; write it."""
    count, channels, kh, kw = weight.shape
    shown = "in color" if channels == 3 else "in gray"
    words = f"{count} filters of {kh}x{kw} pixels {shown}"
    said = _changed_in_words(change)
    numbers = {"filters": weight, **({} if change is None else {"change": change})}
    return style.finish(figure, path, f"{words}; {said}" if said else words, numbers)


def _largest(weight: Array) -> float:
    """Return the scale that all groups share."""
    return float(abs(weight[np.isfinite(weight)]).max(initial=0)) or 1.0


def _before_in_words(before: Array, after: Array) -> str:
    """Return the title of the filters before training: small ones are drawn enlarged."""
    times = _largest(after) / _largest(before)
    return "before training" + (f", values × {times:,.0f}" if times > MANY_TIMES else "")


def _initial(before: Any, weight: Array) -> Array:
    found = _filters_of(before)
    if found.shape != weight.shape:
        raise ShapeError(
            f"filters: before and after training the filters have one shape; got {found.shape} and "
            f"{weight.shape}."
        )
    return found


def _change(before: Array, after: Array) -> Array:
    """Return the length of each filter's change, divided by the length it had before."""
    lengths = [np.linalg.norm(x.reshape(len(x), -1), axis=1) for x in (after - before, before)]
    return lengths[0] / np.where(lengths[1] > 0, lengths[1], 1)


def _part(weight: Array, change: Array | None, group: int, groups: int) -> Array:
    """Return the filters of a group, those that changed most first."""
    if groups < 1 or len(weight) % groups:
        raise ShapeError(
            f"filters: {groups} groups of equally many filters cannot be made of {len(weight)}."
        )
    size = len(weight) // groups
    rows = np.arange(group * size, (group + 1) * size)
    if change is not None:
        rows = rows[np.argsort(-change[rows], kind="stable")]
    return weight[rows]


def _changed_in_words(change: Array | None) -> str:
    if change is None:
        return ""
    low = change.min()
    high = change.max()
    if high < MANY_TIMES:
        size = f"{style.percent(low)} to {style.percent(high)}"
    else:
        size = f"{low:,.0f} to {high:,.0f} times their initial length"
    return f"training changed the filters by {size} (most first)"


def mosaic(weight: Array, largest: float | None = None, *, columns: int | None = None) -> Array:
    """Return filters side by side with white seams.

    Parameters
    ----------
    weight : array of shape (OC, C, KH, KW)
    largest : float, optional
        The weight that is shown as full color; None is the largest one.
    columns : int, optional
        Filters in a row; None makes the picture twice as wide as high, which fits a page.

    Returns
    -------
    array of shape (rows, columns, 3), in 0..1
        0.5 is a weight of zero; NaN is white, as the seams are, and infinite values are clipped.
    """
    weight = to_numpy(weight)
    if weight.dtype.kind != "f":
        weight = weight.astype(np.float32)  # bytes would wrap around
    if weight.shape[1] != 3:
        weight = weight.reshape(-1, 1, *weight.shape[2:]).repeat(3, axis=1)
    count, _, kh, kw = weight.shape
    if largest is None:
        largest = _largest(weight)
    columns = columns or math.ceil(math.sqrt(2 * count))
    rows = math.ceil(count / columns)
    tiles = np.ones((rows * columns, kh + 1, kw + 1, 3), np.float32)
    shades = np.nan_to_num((0.5 + 0.5 * weight / largest).clip(0, 1), nan=1.0)
    tiles[:count, :kh, :kw] = shades.transpose(0, 2, 3, 1)
    grid = tiles.reshape(rows, columns, kh + 1, kw + 1, 3).swapaxes(1, 2)
    return grid.reshape(rows * (kh + 1), columns * (kw + 1), 3)[:-1, :-1]


def _filters_of(weights: Any) -> Array:
    """Return the array to draw, (OC, C, KH, KW)."""
    if isinstance(weights, Module):
        found = next((p for p in weights.parameters() if len(p.shape) == 4), None)
        if found is None:
            raise ShapeError(
                f"filters: {type(weights).__name__} has no convolution: none of its parameters has "
                "the shape (OC, C, KH, KW)."
            )
        weights = found
    data = weights.data if isinstance(weights, Tensor) else weights
    array = to_numpy(data) if is_array(data) else np.asarray(data)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"filters: it draws real numbers or a module, got {array.dtype}.")
    if array.ndim != 4 or not array.size:
        raise ShapeError(
            f"filters: filters have the shape (OC, C, KH, KW), none of them 0; got {array.shape}."
        )
    return array
