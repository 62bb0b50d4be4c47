"""Response normalization before and after, and the winners of max pooling."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet import inspection
from tinynet.core.backend import Array
from tinynet.inspection.inputs import Prepare, one_image
from tinynet.nn import Module
from tinynet.plot import style, tiles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAPS = 4  # maps of a layer
ZOOM = 14  # pixels
VISIBLE = 1.1  # ratio of the largest and the smallest divisor
POINTS = 4000  # of the scatter


def pool_winners(
    model: Module,
    image: Any,
    path: Path | str | None = None,
    *,
    prepare: Prepare | None = None,
) -> Figure:
    """Draw which pixels win in the first max-pooling layer: only these get a gradient.

    Parameters
    ----------
    model : Module
        A network, or a pooling layer by itself.
    image : (C, H, W)
        Floats as the model takes them, or bytes of the kind that `tn.fit` trained on.
    path : Path or str, optional
        A .png, .svg or .pdf file to write.
    prepare : function of images to inputs, optional

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ShapeError
        The image is not (C, H, W), or there is no layer nn.MaxPool2d.

    Examples
    --------
    >>> import numpy as np
    >>> import tinynet as tn
    >>> from tinynet import nn
    >>> x = np.array([[[1, 2, 0], [0, 9, 0], [3, 0, 4]]], np.float32)
    >>> tn.plot.pool_winners(nn.MaxPool2d(2, stride=1), x).get_suptitle()
    '0 MaxPool2d(kernel_size=2, stride=1): 1 of 9 pixels win, one of them in 4 windows'
    """
    pixels = one_image("pool_winners", image)
    found = inspection.pool_winners(model, pixels, prepare=prepare)[0]
    order = np.argsort(-found.x[0].std(axis=(1, 2)), kind="stable")[:MAPS]
    figure = style.new_figure(max(8.0, 2.35 * len(order) + 1.2), 5.3)
    parts = figure.subplots(2, len(order), squeeze=False)
    for (above, below), c in zip(parts.T, order, strict=True):
        _draw_winners(above, below, found.x[0, c], found.wins[0, c])
        above.set_title(f"map {c}", fontsize=9)
    parts[0][0].set_ylabel("a part of the input: dots win,\narea: number of windows", fontsize=8)
    parts[1][0].set_ylabel("whole input: the brighter,\nthe more windows", fontsize=8)
    most = int(found.wins.max())
    winners = int((found.wins > 0).sum())
    one = int((found.wins == most).sum())
    name = style.plain(_called(model, found.name))
    times = f"{'one' if one == 1 else f'{one:,}'} of them in {most} windows"
    tiles.headline(figure, f"{name}: {winners:,} of {found.wins.size:,} pixels win, {times}")
    words = f"{winners:,} of {found.wins.size:,} input pixels are the maximum of a window, {times}."
    return style.finish(figure, path, words, {"wins": found.wins[0]})


def _draw_winners(above: Axes, below: Axes, x: Array, wins: Array) -> None:
    """Draw a part of a map with its winners, and the winners of the whole map."""
    H, W = x.shape
    k = min(ZOOM, H, W)
    h, w = np.unravel_index(x.argmax(), x.shape)
    top = int(min(max(h - k // 2, 0), H - k))
    left = int(min(max(w - k // 2, 0), W - k))
    tiles.show(above, x, cmap="gray")
    rows, columns = np.nonzero(wins)
    area = 700 / k * wins[rows, columns] / max(1, wins.max())
    look: Any = {"color": style.ORANGE, "edgecolor": "white", "linewidth": 0.5}
    above.scatter(columns, rows, s=area, **look)
    above.set(xlim=(left - 0.5, left + k - 0.5), ylim=(top + k - 0.5, top - 0.5))
    tiles.show(
        below, wins, f"{style.percent((wins > 0).mean())} of the pixels win", cmap=style.HEAT
    )
    if k < max(H, W):
        xs = [left - 0.5, left + k - 0.5, left + k - 0.5, left - 0.5, left - 0.5]
        ys = [top - 0.5, top - 0.5, top + k - 0.5, top + k - 0.5, top - 0.5]
        below.plot(xs, ys, color="white", linewidth=1.4)


def _called(model: Module, name: str) -> str:
    """Return a layer by name, with its settings."""
    layers = dict(model.named_modules())
    return f"{'0' if model is layers.get(name, model) else name} {layers.get(name, model)!r}"


def lrn_before_after(
    model: Module,
    image: Any,
    path: Path | str | None = None,
    *,
    prepare: Prepare | None = None,
) -> Figure:
    """Draw the first layer of local response normalization: maps before and after, and the gain.

    Parameters
    ----------
    model : Module
        A network, or a layer by itself.
    image : (C, H, W)
        Floats as the model takes them, or bytes of the kind that `tn.fit` trained on.
    path : Path or str, optional
        A .png, .svg or .pdf file to write.
    prepare : function of images to inputs, optional

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ShapeError
        The image is not (C, H, W), or there is no layer nn.LocalResponseNorm.

    Examples
    --------
    >>> import numpy as np
    >>> import tinynet as tn
    >>> from tinynet import nn
    >>> layer = nn.LocalResponseNorm(n=1, k=1.0, alpha=1.0, beta=1.0)
    >>> x = np.array([[[1.0, 3.0]]], np.float32)
    >>> tn.plot.lrn_before_after(layer, x).get_suptitle()
    'The loudest places are divided by 10, the quietest by 2'
    """
    pixels = one_image("lrn_before_after", image)
    found = inspection.lrn_before_after(model, pixels, prepare=prepare)[0]
    x = found.x[0]
    y = found.y[0]
    order = np.argsort(-x.max(axis=(1, 2)), kind="stable")[:MAPS]
    figure = style.new_figure(10.4, 4.1)
    parts = figure.subplots(2, len(order) + 1, squeeze=False, width_ratios=[1] * len(order) + [2.2])
    for (above, below), c in zip(parts.T[: len(order)], order, strict=True):
        for axes, maps in ((above, x), (below, y)):
            tiles.show(axes, maps[c], cmap="gray", vmin=0, vmax=float(maps.max()) or 1)
        above.set_title(f"map {c}", fontsize=9)
    parts[0][0].set_ylabel(f"before\n(white is {x.max():.3g})", fontsize=8)
    parts[1][0].set_ylabel(f"after\n(white is {y.max():.3g})", fontsize=8)
    for axes in parts[:, -1]:
        axes.remove()
    right = figure.add_subplot(parts[0, -1].get_gridspec()[:, -1])
    said = _draw_gain(right, found)
    tiles.headline(figure, said)
    words = f"Local response normalization of {len(x)} maps. {said}."
    return style.finish(
        figure, path, words, {"sum of squares": squares(found), "gain": found.gain[0]}
    )


def squares(found: inspection.NormalizedMaps) -> Array:
    """Return the sum of squares in the window of each value (C, H, W)."""
    layer = found.layer
    x = found.x[0].astype(np.float64)
    parts = []
    for group in np.split(x**2, layer.groups):
        half = layer.n // 2
        padded = np.pad(group, ((half, half), (0, 0), (0, 0)))
        parts.append(sum(padded[i : i + len(group)] for i in range(layer.n)))
    return np.concatenate(parts)


def _draw_gain(axes: Axes, found: inspection.NormalizedMaps) -> str:
    """Draw the divisor against the sum of squares of the window; return what it shows."""
    layer = found.layer
    gain = found.gain[0].ravel()
    known = np.isfinite(gain)
    sums = squares(found).ravel()[known]
    divisor = 1 / gain[known]
    step = max(1, len(sums) // POINTS)
    axes.plot(
        sums[::step],
        divisor[::step],
        "o",
        color=style.BLUE,
        markersize=3,
        alpha=0.5,
        label="values",
    )
    curve = np.linspace(0, sums.max(initial=1e-6), 200)
    equation = (layer.k + layer.alpha * curve) ** layer.beta
    axes.plot(
        curve,
        equation,
        color=style.ORANGE,
        label=f"({layer.k:g} + {layer.alpha:g} s)^{layer.beta:g}",
    )
    axes.set_xlabel("s: sum of squares of the neighbors")
    axes.set_ylabel("input / output")
    axes.legend(frameon=False, fontsize=8)
    tiles.tidy(axes)
    if not len(divisor):
        return "All inputs of the normalization are 0"
    if divisor.max() < VISIBLE * divisor.min():
        return (
            f"Everything is divided by about {divisor.max():.3g}: here the channels hardly compete"
        )
    return (
        f"The loudest places are divided by {divisor.max():.3g}, the quietest by "
        f"{divisor.min():.3g}"
    )
