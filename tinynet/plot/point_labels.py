"""Labels beside points: none lies over another, or over a point."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet.core.backend import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NEAR = 9.0  # in points of 1/72 inch: markers that lie over each other share a label
POINT = 5.0  # half the side of the square that a marker keeps free
LINE = 2.0  # the same of the other places
HEIGHT = 8.0  # of a label
WIDTH = 5.5  # of one of its characters
FAR = 9.0  # from a point to the edge of a label that needs a line
DISTANCES = (9.5, 16.0, 22.0, 29.0, 37.0)  # from a point to the center of its label
ANGLES = np.deg2rad([135, 45, 315, 225, 90, 0, 270, 180])


def place(
    axes: Axes, points: Sequence[tuple[float, float, str]], clear: Sequence[tuple[float, float]]
) -> None:
    """Write a label beside each point, with a line to it where there is room only further away.

    Limits and scales of the axes are set before.

    Parameters
    ----------
    axes : Axes
    points : sequence of (x, y, label)
        Points so near that their markers overlap get one label: "3, 4".
    clear : sequence of (x, y)
        Other places that no label covers, such as points without a label and those of a line.
    """
    if not points:
        return
    figure: Any = axes.get_figure()
    figure.draw_without_rendering()  # the layout is computed now
    scale = 72 / figure.dpi
    centers = axes.transData.transform([(x, y) for x, y, _ in points]) * scale
    area = axes.get_window_extent()
    inside = np.array([area.x0, area.y0, area.x1, area.y1]) * scale
    others = axes.transData.transform(np.reshape(clear, (-1, 2))) * scale
    taken = [np.array([*(center - POINT), *(center + POINT)]) for center in centers]
    taken += [np.array([*(center - LINE), *(center + LINE)]) for center in others]
    for members in _groups(centers):
        text = ", ".join(dict.fromkeys(points[i][2] for i in members))
        center = centers[members[0]]
        half = np.array([WIDTH * len(text), HEIGHT]) / 2
        offset, box = _free(center, half, taken, inside)
        taken.append(box)
        far = np.hypot(*np.maximum(np.abs(offset) - half, 0)) > FAR
        axes.annotate(
            text,
            points[members[0]][:2],
            offset,
            textcoords="offset points",
            fontsize=8,
            ha="center",
            va="center",
            arrowprops={"arrowstyle": "-", "linewidth": 0.6, "shrinkA": 1} if far else None,
        )


def _groups(centers: Array) -> Iterator[list[int]]:
    """Yield the points that lie near the first of them, from the top down."""
    left = sorted(range(len(centers)), key=lambda i: -centers[i][1])
    while left:
        first = centers[left[0]]
        members = [i for i in left if np.hypot(*(centers[i] - first)) < NEAR]
        left = [i for i in left if i not in members]
        yield sorted(members)


def _free(
    center: Array, half: Array, taken: Sequence[Array], inside: Array
) -> tuple[tuple[float, float], Array]:
    """Return the offset of a label that lies over nothing, and its box (x0, y0, x1, y1)."""
    tried = []
    for distance in DISTANCES:
        for angle in ANGLES:
            way = np.array([np.cos(angle), np.sin(angle)])
            offset = distance * way + np.sign(way.round(6)) * np.array([half[0] - WIDTH / 2, 0])
            box = np.concatenate([center + offset - half, center + offset + half])
            over = sum(_overlap(box, other) for other in taken)
            outside = np.maximum(inside[:2] - box[:2], 0).sum()
            outside += np.maximum(box[2:] - inside[2:], 0).sum()
            if over + outside == 0:
                return (offset[0], offset[1]), box
            tried.append((over + 100 * outside, (offset[0], offset[1]), box))
    _, offset, box = min(tried, key=lambda each: each[0])
    return offset, box


def _overlap(a: Array, b: Array) -> float:
    """Return the area that two boxes share."""
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    return float(np.prod(np.maximum(sides, 0)))
