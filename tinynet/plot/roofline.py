"""Roofline: the speed of ops beside the limits of the machine (Williams et al. 2009)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet.plot import style, tiles

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
    _draw_times(left, found)
    _draw_roof(right, found)
    largest = max(found.ops, key=lambda op: op.seconds)
    share = largest.seconds / found.seconds
    said = f"{style.plain(largest.label)} takes {style.percent(share)} of the ops' time"
    tiles.headline(figure, f"{title}: {said}" if title else said)
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


def _draw_times(axes: Axes, found: Any) -> None:
    kept = sorted(range(len(found.ops)), key=lambda i: -found.ops[i].seconds)[:NAMED]
    ops = [found.ops[i] for i in sorted(kept)]
    places = np.arange(len(ops))
    forward = np.array([1e3 * op.forward.seconds for op in ops])
    backward = np.array([1e3 * op.backward.seconds for op in ops])
    axes.barh(places, forward, color=style.BLUE, label="forward")
    axes.barh(places, backward, left=forward, color=style.ORANGE, hatch="//", label="backward")
    axes.set_yticks(places, [_numbered(found, op) for op in ops], fontsize=8)
    axes.set(ylim=(len(ops) - 0.4, -0.6), xlabel="time (ms)")
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    axes.spines[["top", "right"]].set_visible(False)
    hidden = len(found.ops) - len(ops)
    if hidden:
        axes.set_title(f"the {NAMED} slowest of {len(found.ops)} ops", fontsize=9)


def _numbered(found: Any, op: Any) -> str:
    """Return the label of an op, with its number in the roofline if it is there."""
    counted = [each for each in found.ops if each.forward.flops]
    number = f"[{counted.index(op) + 1}] " if op in counted else ""
    return f"{number}{style.plain(op.label)}"


def _draw_roof(axes: Axes, found: Any) -> None:
    peak = found.machine.peak / 1e9
    bandwidth = found.machine.bandwidth / 1e9
    counted = [op for op in found.ops if op.forward.flops]
    xs = [1.0, 4 * peak / bandwidth]
    ys = [peak]
    for direction, marker, color in WAYS:
        for number, op in enumerate(counted, 1):
            each = getattr(op, direction)
            if not each.flops:
                continue
            x = each.intensity
            y = each.rate / 1e9
            axes.plot(x, y, marker, color=color, markersize=7, markeredgecolor="white")
            place = (-4, 4) if direction == "forward" else (4, -10)
            side = "right" if direction == "forward" else "left"
            axes.annotate(
                f"{number}", (x, y), place, textcoords="offset points", fontsize=8, ha=side
            )
            xs.append(x)
            ys.append(y)
    ends = np.array([min(xs) / 1.5, max(xs) * 1.5])
    line = np.geomspace(ends[0], ends[1], 200)
    axes.plot(line, np.minimum(peak, bandwidth * line), color="black", linewidth=1.6)
    axes.fill_between(line, np.minimum(peak, bandwidth * line), color=style.GRID, zorder=0)
    axes.set(xscale="log", yscale="log", xlim=ends, ylim=(min(ys) / 3, max(*ys, peak) * 2.2))
    axes.set(xlabel="FLOP for each byte moved", ylabel="speed (GFLOP/s)")
    roof = f"the roof: memory {bandwidth:.3g} GB/s, then a matrix product {peak:.0f} GFLOP/s"
    if max(ys) > peak:
        roof += "\nabove it: Winograd multiplies less than is counted here"
    axes.set_title(roof, fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
