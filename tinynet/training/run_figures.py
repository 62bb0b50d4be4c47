"""Figures of a run, curves.png and filters.png, drawn again while it lasts."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

from tinynet import plot
from tinynet.training import run_dir

if TYPE_CHECKING:
    from tinynet.training.runs import Run

SHARE = 0.05  # of the time of a run that its figures may take
FIRST_COST = 0.5  # seconds, a guess before the first drawing


def draw(run: Run) -> None:
    """Write curves.png and filters.png."""
    title = run.recipe.title
    plot.curves(
        run.state.records, run.folder / run_dir.CURVES, title=title, classes=len(run.classes)
    )
    first = next((w for w in run.model.parameters() if len(w.shape) == 4), None)
    if first is not None:
        plot.filters(
            first.data, run.folder / run_dir.FILTERS, title=f"{title}: filters of the first layer"
        )


class Redrawing:
    """Drawing of the figures, at most so often that it takes a twentieth of the time.

    Parameters
    ----------
    draw : function of a Run
    clock : function that returns seconds
    """

    def __init__(
        self, draw: Callable[[Run], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.draw = draw
        self.clock = clock
        self.ended = clock()
        self.cost = FIRST_COST

    def if_due(self, run: Run) -> None:
        """Draw, if the last drawing is long enough ago."""
        if self.clock() - self.ended >= self.cost / SHARE:
            self.now(run)

    def now(self, run: Run) -> None:
        """Draw; a figure that cannot be drawn is a warning, since it must not end the run."""
        began = self.clock()
        try:
            self.draw(run)
        except Exception as error:  # noqa: BLE001
            warnings.warn(
                f"the figures of {run.folder} could not be drawn: {error}", RuntimeWarning, 2
            )
        self.ended = self.clock()
        self.cost = self.ended - began
