"""First-layer filters as small pictures."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet.core.backend import Array, is_array, to_numpy
from tinynet.core.errors import ShapeError
from tinynet.nn import Module
from tinynet.plot import style
from tinynet.tensors import Tensor

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def filters(
    weights: Array | Tensor | Module, path: Path | str | None = None, *, title: str = ""
) -> Figure:
    """Draw each filter of a convolution as a small picture.

    Three input channels are shown in color, other numbers in gray, channel by channel. All filters
    share one scale, and gray is zero: a pale picture is a weak filter.

    Parameters
    ----------
    weights : array or Tensor of shape (OC, C, KH, KW), or nn.Module
        Of a module, the first parameter with four axes is drawn: the filters of the first
        convolution.
    path : Path or str, optional
        A .png, .svg or .pdf file to write.
    title : str

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ShapeError
        The weights do not have four axes, or the module has no convolution.
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
    tiles = mosaic(weight)
    height, width = tiles.shape[:2]
    figure = style.new_figure(6, 6 * height / width + 0.5)
    axes = figure.subplots()
    axes.imshow(tiles, interpolation="nearest", vmin=0, vmax=1)
    axes.set_axis_off()
    axes.set_title(title, fontsize=10)
    count, channels, kh, kw = weight.shape
    shown = "in color" if channels == 3 else "in gray"
    return style.finish(figure, path, f"{count} filters of {kh}x{kw} pixels {shown}")


def mosaic(weight: Array) -> Array:
    """Return filters side by side with white seams.

    Parameters
    ----------
    weight : array of shape (OC, C, KH, KW)

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
    largest = abs(weight[np.isfinite(weight)]).max(initial=0) or 1
    columns = math.ceil(math.sqrt(2 * count))  # twice as wide as high: fits a page
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
