"""Gradient flow by layer, and histograms of weights, activations and gradients."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet import inspection
from tinynet.core.backend import Array
from tinynet.inspection.inputs import Prepare
from tinynet.nn import Module
from tinynet.plot import style, tiles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BINS = 60
LAYERS = 8  # columns of histograms, at most
FINEST = 1e-12  # a gradient below this is drawn at the edge
KINDS = (
    ("weight", "weights", style.BLUE),
    ("activation", "outputs", style.GREEN),
    ("weight_gradient", "gradients\nof the weights", style.ORANGE),
)


def gradient_flow(
    model: Module,
    images: Any,
    labels: Any,
    path: Path | str | None = None,
    *,
    prepare: Prepare | None = None,
) -> Figure:
    """Draw the size of the gradient that arrives at each layer, and beside its weights.

    Above, the root mean square of the gradient of the loss with respect to each layer's output: a
    curve that falls steeply to the left vanishes, one that rises to the left explodes. Below, the
    length of the weights' gradient divided by the length of the weights.

    Parameters
    ----------
    model, images, labels, prepare
        As in `inspection.gradient_flow`, which computes them.
    path : Path or str, optional
        A .png, .svg or .pdf file to write.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ShapeError
        There is no image, or no layer has parameters that are trained.

    Examples
    --------
    >>> import numpy as np
    >>> import tinynet as tn
    >>> from tinynet import nn
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    >>> figure = tn.plot.gradient_flow(model, np.eye(4, dtype=np.float32), [0, 1, 2, 0])
    >>> [axes.get_yscale() for axes in figure.axes]
    ['log', 'log']
    """
    flow = inspection.gradient_flow(model, images, labels, prepare=prepare)
    places = np.arange(len(flow))
    arriving = np.array([layer.arriving for layer in flow])
    ratios = np.array([layer.ratio for layer in flow])
    figure = style.new_figure(min(12, 5.4 + 0.4 * len(flow)), 5.2)
    upper, lower = figure.subplots(2, 1, sharex=True)
    lines: Any = {"markersize": 6, "linewidth": 1.6}
    upper.plot(places, arriving.clip(FINEST), "o-", color=style.BLUE, **lines)
    lower.plot(places, ratios.clip(FINEST), "s--", color=style.ORANGE, **lines)
    upper.set_ylabel("gradient at the output\n(rms, nats per unit)")
    lower.set_ylabel("gradient / weights\n(ratio of lengths)")
    for axes in (upper, lower):
        axes.set_yscale("log")
        _at_least_a_decade(axes)
        tiles.tidy(axes)
    names = [f"{style.plain(layer.name)}\n{layer.kind}" for layer in flow]
    crowded = len(flow) > 8
    lower.set_xticks(places, names, fontsize=8, rotation=90 if crowded else 0)
    lower.set_xlabel("layer, from the image to the scores; the gradient comes from the right")
    said = flow_in_words(arriving)
    tiles.headline(figure, said)
    numbers = {
        "layer": [layer.name for layer in flow],
        "arriving": arriving,
        "ratio": ratios,
    }
    return style.finish(figure, path, f"Gradient flow. {said}.", numbers)


def flow_in_words(arriving: Array) -> str:
    """Return how the gradient at the first layer compares with that at the last.

    >>> flow_in_words(np.array([1e-6, 1e-3]))
    'The gradient at the first layer is 1,000 times smaller than at the last'
    """
    if not arriving[0] or not arriving[-1]:
        return "No gradient reaches the first layer"
    ratio = arriving[0] / arriving[-1]
    if 1 / 3 < ratio < 3:
        return "The gradient keeps its size from the last layer to the first"
    times = max(ratio, 1 / ratio)
    side = "larger" if ratio > 1 else "smaller"
    return f"The gradient at the first layer is {times:,.0f} times {side} than at the last"


def _at_least_a_decade(axes: Axes) -> None:
    """Let a logarithmic axis span a factor of ten, so that it has two labels."""
    low, high = axes.get_ylim()
    middle = np.sqrt(low * high)
    axes.set_ylim(min(low, middle / 4), max(high, middle * 4))


def histograms(
    model: Module,
    images: Any,
    labels: Any,
    path: Path | str | None = None,
    *,
    prepare: Prepare | None = None,
) -> Figure:
    """Draw how weights, outputs and gradients are distributed, layer by layer.

    Of more than eight layers, eight are drawn, evenly through the depth. Counts are on a
    logarithmic axis, so that a few far values can be seen.

    Parameters
    ----------
    model, images, labels, prepare
        As in `inspection.gradient_flow`.
    path : Path or str, optional
        A .png, .svg or .pdf file to write.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ShapeError
        There is no image, or no layer has parameters that are trained.

    Examples
    --------
    >>> import numpy as np
    >>> import tinynet as tn
    >>> from tinynet import nn
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    >>> figure = tn.plot.histograms(model, np.eye(4, dtype=np.float32), [0, 1, 2, 0])
    >>> len(figure.axes)
    6
    """
    flow = inspection.gradient_flow(model, images, labels, prepare=prepare)
    if len(flow) > LAYERS:
        flow = [flow[round(i)] for i in np.linspace(0, len(flow) - 1, LAYERS)]
    figure = style.new_figure(1.2 + 1.9 * len(flow), 5.4)
    parts = figure.subplots(len(KINDS), len(flow), squeeze=False)
    numbers: dict[str, Any] = {}
    for row, (field, name, color) in zip(parts, KINDS, strict=True):
        for axes, layer in zip(row, flow, strict=True):
            values = getattr(layer, field)
            _histogram(axes, values, color)
            numbers[f"{layer.name} {field}"] = {
                "mean": float(values.mean()),
                "deviation": float(values.std()),
            }
        row[0].set_ylabel(f"{name}\n(count)", fontsize=9)
    for axes, layer in zip(parts[0], flow, strict=True):
        above = style.plain(f"{layer.name} {layer.kind}")
        axes.set_title(f"{above}\n{axes.get_title()}", fontsize=8)
    widths = [layer.weight.std() for layer in flow]
    for axes in parts[-1]:
        axes.set_xlabel("value", fontsize=8)
    said = f"Standard deviations of the weights lie between {min(widths):.2g} and {max(widths):.2g}"
    tiles.headline(figure, said)
    return style.finish(figure, path, f"Histograms of {len(flow)} layers. {said}.", numbers)


def _histogram(axes: Axes, values: Array, color: str) -> None:
    """Draw the distribution of all finite values, with 0 and the standard deviation."""
    finite = values[np.isfinite(values)].ravel()
    counts, edges = np.histogram(finite, bins=BINS)
    axes.stairs(counts, edges, fill=True, color=color)
    axes.set_yscale("log")
    axes.set_ylim(0.8, 2 * max(1, counts.max()))
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_title(f"std. deviation {finite.std() if finite.size else np.nan:.2g}", fontsize=8)
    axes.tick_params(labelsize=7)
    axes.locator_params(axis="x", nbins=3)
    axes.spines[["top", "right"]].set_visible(False)
