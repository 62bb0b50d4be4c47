"""Feature maps of an image, occlusion map and saliency."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet import inspection
from tinynet.core.backend import Array
from tinynet.core.errors import ShapeError
from tinynet.inspection.attribution import occlusion_windows
from tinynet.inspection.inputs import Prepare, one_image, prepared
from tinynet.nn import Module
from tinynet.plot import style, tiles

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN = 16  # maps of a layer, the strongest ones
COLUMNS = 8
LAYERS = 8  # rows of maps, at most


def feature_maps(
    model: Module,
    image: Any,
    path: Path | str | None = None,
    *,
    layers: Sequence[str] | None = None,
    maps: int = SHOWN,
    prepare: Prepare | None = None,
    title: str = "",
) -> Figure:
    """Draw the maps of one image through the layers, the strongest of each layer first.

    Within a layer all maps share one scale, from 0 (black) to the largest value (white); the square
    root is drawn, which brightens faint values.

    Parameters
    ----------
    model : Module
    image : (C, H, W)
        Floats as the model takes them, or bytes of the kind that `tn.fit` trained on.
    path : Path or str, optional
        A .png, .svg or .pdf file to write.
    layers : sequence of str, optional
        Names of layers, as `inspection.activations` lists them; None are the ReLU layers, or all
        layers with maps where there is no ReLU.
    maps : int
        Maps drawn of each layer, at most.
    prepare : function of images to inputs, optional
    title : str

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ShapeError
        The image is not (C, H, W), or there is no such layer with maps.

    Examples
    --------
    >>> import numpy as np
    >>> import tinynet as tn
    >>> from tinynet import nn
    >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())
    >>> figure = tn.plot.feature_maps(model, np.ones((3, 8, 8), np.float32))
    >>> figure.axes[1].get_ylabel()
    '1 ReLU'
    """
    pixels = one_image("feature_maps", image)
    found = inspection.activations(model, pixels, prepare=prepare)
    kept = _kept(found, layers)
    rows = [_strongest(each.output[0], maps) for each in kept]
    columns = min(COLUMNS, maps, max(len(row) for row in rows))
    lines = [math.ceil(len(row) / columns) for row in rows]
    figure = style.new_figure(9.0, 0.7 + sum(lines) * 0.86 + 0.3 * len(lines))
    parts = figure.subplots(len(rows), 2, squeeze=False, width_ratios=(1.3, 7), height_ratios=lines)
    for (left, right), each, row in zip(parts, kept, rows, strict=True):
        left.set_axis_off()
        drawn = np.sqrt(row.clip(min=0) / (row.max() or 1))
        wide = tiles.grid(drawn, columns, seam=np.nan)
        tiles.show(right, wide, cmap="gray", vmin=0, vmax=1)
        C, H, W = each.output.shape[1:]
        silent = int((each.output[0].max(axis=(1, 2)) <= 0).sum())
        right.set_ylabel(style.plain(each.label), rotation=0, ha="right", va="center", fontsize=8)
        listed = f"{C} maps of {H}x{W}" if len(row) == C else f"{len(row)} strongest of {C} maps"
        listed = f"{listed} of {H}x{W}" if len(row) < C else listed
        right.set_title(f"{listed}, {silent} without a positive value", fontsize=8, loc="left")
    tiles.show(parts[0][0], tiles.viewable(pixels), "image")
    parts[0][0].set_axis_on()
    tiles.headline(
        figure, title or "The layers answer one image: each map is one filter's response"
    )
    words = "; ".join(f"{e.label}: {e.output.shape[1]} maps" for e in kept)
    numbers = {each.name: each.output[0].mean(axis=(1, 2)) for each in kept}
    return style.finish(figure, path, f"Feature maps of one image. {words}.", numbers)


def _kept(found: list[inspection.Activation], layers: Sequence[str] | None) -> list[Any]:
    """Return the activations with maps that are drawn."""
    maps = [each for each in found if each.output.ndim == 4 and each.output[0, 0].size > 1]
    if layers is not None:
        known = {each.name: each for each in maps}
        missing = [name for name in layers if name not in known]
        if missing:
            raise ShapeError(
                f"feature_maps: no layer {missing[0]!r} has maps (N, C, H, W). There are: "
                f"{', '.join(known) or 'none'}."
            )
        return [known[name] for name in layers]
    if not maps:
        raise ShapeError("feature_maps: the model has no layer with maps (N, C, H, W).")
    kept = [each for each in maps if each.kind == "ReLU"] or maps
    if len(kept) > LAYERS:  # evenly through the depth, the first and the last one included
        kept = [kept[round(i)] for i in np.linspace(0, len(kept) - 1, LAYERS)]
    return kept


def _strongest(maps: Array, count: int) -> Array:
    """Return the maps (C, H, W) with the largest mean, the largest first."""
    order = np.argsort(-maps.mean(axis=(1, 2)), kind="stable")
    return maps[order[:count]]


def occlusion_map(
    model: Module,
    image: Any,
    label: int | None = None,
    path: Path | str | None = None,
    *,
    window: int | None = None,
    stride: int | None = None,
    fill: float = 0.0,
    prepare: Prepare | None = None,
    classes: Sequence[str] | None = None,
) -> Figure:
    """Draw where hiding a square of the image lowers the probability of a class.

    Parameters
    ----------
    model, image, label, window, stride, fill, prepare
        As in `inspection.occlusion_map`, which computes the map.
    path : Path or str, optional
        A .png, .svg or .pdf file to write.
    classes : sequence of str, optional
        Names of the classes.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ShapeError
        The image is not (C, H, W), or the window does not fit into it.
    ValueError
        There is no such class, or a length is not a positive integer.

    Examples
    --------
    >>> import numpy as np
    >>> import tinynet as tn
    >>> from tinynet import nn
    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
    >>> figure = tn.plot.occlusion_map(model, np.ones((1, 8, 8), np.float32), 0)
    >>> figure.axes[-1].get_ylabel()
    'drop of the probability'
    """
    pixels = one_image("occlusion_map", image)
    x = prepared("occlusion_map", model, pixels[None], prepare)[0]
    k, s, OH, OW = occlusion_windows(x.shape, window, stride)
    settings: Any = {"window": window, "stride": stride, "fill": fill, "prepare": prepare}
    p = inspection.probabilities(model, pixels, prepare=prepare)[0]
    label = int(p.argmax()) if label is None else label
    drops = inspection.occlusion_map(model, pixels, label, **settings)
    H, W = x.shape[1:]
    row, column = np.unravel_index(drops.argmax(), drops.shape)
    figure = style.new_figure(7.4, 3.5)
    left, right = figure.subplots(1, 2)
    seen = tiles.viewable(pixels)
    name = tiles.name_of(label, classes)
    tiles.show(left, seen, f"image; p({name}) = {p[label]:.2f}", extent=(0, W, H, 0))
    _square(left, s * column, s * row, k)
    tiles.show(right, seen.mean(axis=2), cmap="gray", extent=(0, W, H, 0), vmin=0, vmax=1)
    edge = (k - s) / 2  # a cell of the map lies around the center of its window
    extent = (edge, edge + s * OW, edge + s * OH, edge)
    heat = tiles.show(
        right,
        drops.clip(min=0),
        f"{k}x{k} pixels are hidden at a time",
        cmap=style.HEAT,
        alpha=0.72,
        extent=extent,
        vmin=0,
        vmax=max(float(drops.max()), 1e-3),
    )
    right.set(xlim=(0, W), ylim=(H, 0))
    figure.colorbar(heat, ax=right, label="drop of the probability", shrink=0.85)
    largest = float(drops.max())
    after = max(0.0, float(p[label]) - largest)
    said = f"Without the marked square, {name} falls from {p[label]:.2f} to {after:.2f}"
    if largest < 0.005:
        said = f"No single square decides about {name}, {p[label]:.2f}"
    tiles.headline(figure, said)
    words = f"Occlusion map. {said}; the square begins at row {s * row}, column {s * column}."
    return style.finish(figure, path, words, {"drop": drops, "window": k, "stride": s})


def _square(axes: Any, x: float, y: float, k: int) -> None:
    """Mark a square of side k with a line that shows on light and on dark."""
    xs = [x, x + k, x + k, x, x]
    ys = [y, y, y + k, y + k, y]
    axes.plot(xs, ys, color="black", linewidth=3.2, clip_on=False)
    axes.plot(xs, ys, color="white", linewidth=1.4, clip_on=False)


def saliency(
    model: Module,
    image: Any,
    label: int | None = None,
    path: Path | str | None = None,
    *,
    prepare: Prepare | None = None,
    classes: Sequence[str] | None = None,
) -> Figure:
    """Draw how much the score of a class changes with each pixel.

    Parameters
    ----------
    model, image, label, prepare
        As in `inspection.saliency`, which computes the map.
    path : Path or str, optional
        A .png, .svg or .pdf file to write.
    classes : sequence of str, optional
        Names of the classes.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ShapeError
        The image is not (C, H, W).
    ValueError
        There is no such class.

    Examples
    --------
    >>> import numpy as np
    >>> import tinynet as tn
    >>> from tinynet import nn
    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
    >>> figure = tn.plot.saliency(model, np.ones((1, 8, 8), np.float32), 0, classes=["cat", "dog"])
    >>> figure.get_suptitle().startswith("Half of the gradient of cat lies on")
    True
    """
    pixels = one_image("saliency", image)
    if label is None:
        label = int(inspection.probabilities(model, pixels, prepare=prepare)[0].argmax())
    found = inspection.saliency(model, pixels, label, prepare=prepare)
    name = tiles.name_of(label, classes)
    half = _half(found)
    figure = style.new_figure(7.4, 3.5)
    left, right = figure.subplots(1, 2)
    tiles.show(left, tiles.viewable(pixels), "image")
    top = float(found.max()) or 1.0
    heat = tiles.show(right, found, "largest over the channels", cmap=style.HEAT, vmin=0, vmax=top)
    figure.colorbar(heat, ax=right, label="|d score / d pixel|", shrink=0.85)
    share = style.percent(half)
    tiles.headline(figure, f"Half of the gradient of {name} lies on {share} of the pixels")
    words = f"Saliency of {name}: half of the gradient lies on {share} of the pixels."
    return style.finish(figure, path, words, {"saliency": found})


def _half(found: Array) -> float:
    """Return the smallest share of the pixels that together hold half of the sum."""
    falling = np.sort(found.ravel().astype(np.float64))[::-1].cumsum()
    if not falling[-1]:
        return 1.0
    return float((np.searchsorted(falling, falling[-1] / 2) + 1) / len(falling))
