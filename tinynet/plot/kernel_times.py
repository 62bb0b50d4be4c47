"""Bar chart of a profile: the estimated time of each kernel, and what bounds it."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from tinynet.plot import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tinynet.kernels.profiler.profiles import Profile

SHOWN = 12


def kernel_times(found: Profile, path: Path | str | None = None, *, title: str = "") -> Figure:
    """Draw the estimated time of each kernel, all of its launches together.

    Parameters
    ----------
    found : Profile
        Of `tinynet.kernels.profile`.
    path : Path or str, optional
        A .png, .svg or .pdf file to write.
    title : str

    Returns
    -------
    matplotlib.figure.Figure
    """
    times: dict[tuple[str, str], float] = defaultdict(float)
    launches: dict[tuple[str, str], int] = defaultdict(int)
    for kernel in found.kernels:
        name = "matrix products" if kernel.name.startswith("matrix product") else kernel.name
        times[name, kernel.bound] += kernel.estimate_us * kernel.launches
        launches[name, kernel.bound] += kernel.launches
    times["between nodes", ""] = found.gaps_ms * 1e3
    launches["between nodes", ""] = found.nodes
    longest = sorted(times, key=lambda key: -times[key])[:SHOWN]
    figure = style.new_figure(7.5, 0.8 + 0.32 * len(longest))
    axes = figure.subplots()
    colors = {"memory": style.BLUE, "": style.GRAY, "product": style.GREEN}
    axes.barh(
        range(len(longest)),
        [times[key] for key in longest],
        color=[colors.get(key[1], style.ORANGE) for key in longest],
    )
    for i, key in enumerate(longest):
        bound = f", bound by {key[1]}" if key[1] else ""
        axes.text(times[key], i, f"  {times[key]:.0f}{bound}", va="center", fontsize=8)
    axes.set_yticks(range(len(longest)), [f"{key[0]} ({launches[key]})" for key in longest])
    axes.invert_yaxis()
    axes.margins(x=0.35)
    axes.set_xlabel("microseconds a step, estimated, not measured")
    axes.set_title(
        f"{title}: {found.estimate_ms:.2f} ms and {found.nodes} nodes on {found.gpu.name}",
        fontsize=11,
        loc="left",
    )
    axes.spines[["top", "right"]].set_visible(False)
    description = f"Estimated times of {len(longest)} kernels, {found.estimate_ms:.2f} ms in all."
    return style.finish(figure, path, description)
