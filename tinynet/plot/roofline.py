"""Roofline: the speed of ops beside the limits of the machine (Williams et al. 2009)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet.plot import point_labels, style, tiles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAMED = 12  # ops with a label, those that take longest
WAYS = (("forward", "o", style.BLUE), ("backward", "s", style.ORANGE))


def roofline(found: Any, path: Path | str | None = None, *, title: str = "") -> Figure:
    """Draw the time of each op, and the speed of those that multiply below the machine's roof.

    Parameters
    ----------
    found : Profile
        As `analysis.profile.profile` returns it.
    path : Path or str, optional
        A .png, .svg or .pdf file to write.
    title : str

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = style.new_figure(10.5, 5.0)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.15))
    named = _slowest(found)
    _draw_times(left, found, named)
    _draw_roof(right, found, named)
    largest = max(found.ops, key=lambda op: op.seconds)
    share = largest.seconds / found.seconds
    said = f"{style.plain(largest.label)} takes {style.percent(share)} of the ops' time"
    tiles.headline(figure, f"{title}: {said}" if title else said)
    _label_points(right, found, named)
    words = (
        f"Times of {len(found.ops)} ops and their speeds below the roof of "
        f"{found.machine.peak / 1e9:.0f} GFLOP/s and {found.machine.bandwidth / 1e9:.1f} GB/s. "
        f"{said}."
    )
    numbers = {
        "op": [op.label for op in found.ops],
        "forward_seconds": np.array([op.forward.seconds for op in found.ops]),
        "backward_seconds": np.array([op.backward.seconds for op in found.ops]),
    }
    return style.finish(figure, path, words, numbers)


def _slowest(found: Any) -> list[Any]:
    """Return the ops that are named, in the order of the step."""
    kept = sorted(range(len(found.ops)), key=lambda i: -found.ops[i].seconds)[:NAMED]
    return [found.ops[i] for i in sorted(kept)]


def _others(found: Any, named: list[Any]) -> list[Any]:
    ids = set(map(id, named))
    return [op for op in found.ops if id(op) not in ids]


def _draw_times(axes: Axes, found: Any, ops: list[Any]) -> None:
    places = np.arange(len(ops))
    forward = np.array([1e3 * op.forward.seconds for op in ops])
    backward = np.array([1e3 * op.backward.seconds for op in ops])
    axes.barh(places, forward, color=style.BLUE, label="forward")
    axes.barh(places, backward, left=forward, color=style.ORANGE, hatch="//", label="backward")
    axes.set_yticks(places, _names(ops), fontsize=8)
    axes.set(ylim=(len(ops) - 0.4, -0.6), xlabel="time (ms)")
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    axes.spines[["top", "right"]].set_visible(False)
    hidden = len(found.ops) - len(ops)
    if hidden:
        axes.set_title(f"the {NAMED} slowest of {len(found.ops)} ops", fontsize=9)


def _counted(ops: list[Any]) -> list[Any]:
    """Return the ops whose multiplications are counted; a number in the figure is a place here."""
    return [op for op in ops if op.forward.flops]


def _names(ops: list[Any]) -> list[str]:
    """Return the labels of ops, each with its number in the roofline if it is there."""
    numbers = {id(op): f"[{i}] " for i, op in enumerate(_counted(ops), 1)}
    return [f"{numbers.get(id(op), '')}{style.plain(op.label)}" for op in ops]


def _draw_roof(axes: Axes, found: Any, named: list[Any]) -> None:
    peak = found.machine.peak / 1e9
    bandwidth = found.machine.bandwidth / 1e9
    points = np.array([[1.0, peak], [4 * peak / bandwidth, peak], *_points(found.ops)])
    for direction, marker, color in WAYS:
        look: Any = {"color": color, "markersize": 7, "markeredgecolor": "white"}
        others = _others(found, named)
        axes.plot(*_columns(_points(others, direction)), marker, alpha=0.45, **look)
        axes.plot(*_columns(_points(named, direction)), marker, label=direction, **look)
    ends = points[:, 0].min() / 1.5, points[:, 0].max() * 1.5
    line = np.geomspace(*ends, 200)
    axes.plot(line, np.minimum(peak, bandwidth * line), color="black", linewidth=1.6)
    axes.fill_between(line, np.minimum(peak, bandwidth * line), color=style.GRID, zorder=0)
    axes.set(xscale="log", yscale="log", xlim=ends)
    axes.set(ylim=(points[:, 1].min() / 3, points[:, 1].max() * 2.2))
    axes.set(xlabel="FLOP for each byte moved", ylabel="speed (GFLOP/s)")
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    roof = f"the roof: memory {bandwidth:.3g} GB/s, then a matrix product {peak:.0f} GFLOP/s"
    axes.set_title("\n".join([roof, *_notes(found, named)]), fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)


def _points(ops: list[Any], *directions: str) -> list[tuple[float, float]]:
    """Return (FLOP/byte, GFLOP/s) of the passes whose multiplications are counted."""
    passes = [getattr(op, d) for d in directions or ("forward", "backward") for op in ops]
    return [(each.intensity, each.rate / 1e9) for each in passes if each.flops]


def _columns(points: list[tuple[float, float]]) -> Any:
    return np.reshape(points, (-1, 2)).T


def _notes(found: Any, named: list[Any]) -> list[str]:
    """Return a line for each reason why a point lies above the roof, and one for pale points."""
    peak = found.machine.peak
    reasons = {"pale"} if len(_counted(found.ops)) > len(_counted(named)) else set()
    for op in _counted(found.ops):
        for each in (op.forward, op.backward):
            if each.flops and each.rate > peak:
                reasons.add("winograd" if op.winograd else "peak")
            if each.flops and each.rate > found.machine.bandwidth * each.intensity:
                reasons.add("cache")
    lines = {
        "winograd": "above the top: Winograd multiplies less than is counted here",
        "peak": "above the top without Winograd: faster than the product that was measured",
        "cache": "above the slope: arrays that a cache still holds",
        "pale": "pale: ops that are not listed on the left",
    }
    return [words for reason, words in lines.items() if reason in reasons]


def _label_points(axes: Axes, found: Any, named: list[Any]) -> None:
    """Write the numbers of the named ops beside their points."""
    points = []
    for direction, _, _ in WAYS:
        for number, op in enumerate(_counted(named), 1):
            points += [(x, y, f"{number}") for x, y in _points([op], direction)]
    roof = np.asarray(axes.lines[-1].get_xydata())
    point_labels.place(axes, points, [*roof, *_points(_others(found, named))])
