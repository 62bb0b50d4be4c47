"""Live display of a run on a terminal: a bar, the numbers of the step, a curve of the loss.

Finished epochs stay above it as lines; the bar itself is cleared at the end. The environment
variable NO_COLOR turns the colors off.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from rich.cells import cell_len
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tinynet.cli.console import (
    Lines,
    epoch_line,
    left_of,
    numbers_line,
    place_line,
    terminal_may_close,
)
from tinynet.training.loop import Epoch, Step
from tinynet.words import phrase, spoken

BLOCKS = "▁▂▃▄▅▆▇█"
BAR = 30  # characters
CURVE = 20


def can_move() -> bool:
    """Return whether the terminal can redraw lines."""
    return not Console().is_dumb_terminal


class LossHistory:
    """Losses of the batches so far, in fewer than `size` means of equally many batches.

    Parameters
    ----------
    size : int
        An even number.
    """

    def __init__(self, size: int = 2 * CURVE) -> None:
        self.size = size
        self.means: list[float] = []
        self.each = 1  # batches in a mean
        self.pending: list[float] = []
        self.before: Step | None = None

    def add(self, step: Step) -> None:
        """Add the loss of a batch, from the means before and after it."""
        before = self.before
        follows = before is not None and (before.epoch, before.step + 1) == (step.epoch, step.step)
        loss = step.loss
        if follows and before is not None:
            loss = max(0.0, step.loss * step.step - before.loss * before.step)
        self.before = step
        if not math.isfinite(loss):
            return
        self.pending.append(loss)
        if len(self.pending) >= self.each:
            self.means.append(sum(self.pending) / len(self.pending))
            self.pending = []
        if len(self.means) == self.size:
            pairs = zip(self.means[::2], self.means[1::2], strict=False)
            self.means = [(a + b) / 2 for a, b in pairs]
            self.each *= 2


def sparkline(values: list[float], width: int) -> str:
    """Return the values as a line of blocks, the largest as a full one.

    >>> from tinynet.cli.bar import sparkline
    >>> sparkline([8, 4, 2, 1, 1], width=5)
    '█▄▂▁▁'
    """
    if not values:
        return ""
    columns = min(width, len(values))
    edges = [round(i * len(values) / columns) for i in range(columns + 1)]
    means = [sum(values[a:b]) / (b - a) for a, b in itertools.pairwise(edges)]
    low = min(means)
    span = (max(means) - low) or 1.0
    top = len(BLOCKS) - 1
    return "".join(BLOCKS[round(top * (mean - low) / span)] for mean in means)


class Bar(Lines):
    """Display of the current epoch as a bar, with the numbers and a curve below it.

    Parameters
    ----------
    epochs : int
        Of the whole run.
    console : rich.console.Console, optional
    """

    def __init__(self, epochs: int, console: Console | None = None) -> None:
        super().__init__(epochs)
        self.console = console or Console(highlight=False)
        self.history = LossHistory()
        self.step: Step | None = None
        self.numbers = ""
        self.best = 2.0  # error of the best epoch so far
        self._live = Live(
            console=self.console, get_renderable=self._draw, transient=True, refresh_per_second=8
        )

    def show(self, event: Step | Epoch) -> None:
        """Move the bar, or print the line of an epoch above it."""
        if isinstance(event, Epoch):
            self._print_epoch(event)
            return
        self.step = event
        self.left = self.time_left.left(event) or self.left
        if event.phase == "train":
            self.history.add(event)

    def say(self, text: str) -> None:
        """Print a sentence above the bar."""
        self._print(Text(spoken(text)))

    def live(self) -> AbstractContextManager[Any]:
        """Return a block in which the bar is shown; at its end it is cleared."""
        return self._shown()

    @contextmanager
    def _shown(self) -> Iterator[None]:
        self._live.start()
        try:
            yield
        finally:
            with terminal_may_close():
                self._live.stop()

    def _print_epoch(self, record: Epoch) -> None:
        """Print an epoch; where its accuracy is the best so far, that is said and colored."""
        line = Text(epoch_line(record, self.epochs))
        if record.error < self.best:
            line.append(f"  {phrase('best')}" if self.best <= 1 else "", style="green")
            measured = ("test accuracy", "validation accuracy")
            parts = [spoken(part) for part in record.parts() if part.startswith(measured)]
            line.highlight_words(parts, "green")
        self.best = min(self.best, record.error)
        self._print(line)

    def _print(self, text: Text) -> None:
        """Print text in lines that end between words; a long path stays whole, to be copied."""
        for line in text.split("\n"):
            longest = max(map(cell_len, line.plain.split()), default=0)
            self.console.print(line, soft_wrap=longest > self.console.width)

    def _draw(self) -> Any:
        """Return two lines: the bar with the time left; the numbers with the curve."""
        step = self.step
        if step is None:
            return Text(phrase("starting ..."))
        table = Table.grid(padding=(0, 2))
        table.add_row(
            Text(place_line(step, self.epochs)),
            ProgressBar(total=step.steps, completed=step.step, width=BAR),
            Text(left_of(self.left)),
        )
        if step.phase == "train":
            self.numbers = numbers_line(step)
        ascii_only = not self.console.encoding.lower().startswith("utf")
        curve = "" if ascii_only else sparkline(self.history.means, CURVE)
        return Group(table, Text.assemble(self.numbers, "  ", (curve, "cyan")))
