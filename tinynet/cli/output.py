"""Choice of the display of a run: a live bar, plain lines, JSON lines, or nothing."""

from __future__ import annotations

import os
import sys
from typing import NamedTuple

from tinynet.cli.bar import Bar, can_move
from tinynet.cli.console import Display, Lines, Quiet
from tinynet.cli.json_lines import JsonLines


class Output(NamedTuple):
    """Choices of what a run prints: the kind "text", "quiet" or "json"; whether report.html."""

    kind: str = "text"
    report: bool = True


TEXT = Output()


def display(epochs: int, kind: str = "text") -> Display:
    """Return the display of a run: a bar on a terminal, else lines; or nothing, or JSON lines.

    Open MPI gives each rank a terminal of its own, also where the output goes to a file.
    """
    if kind == "quiet":
        return Quiet()
    if kind == "json":
        return JsonLines()
    if not sys.stdout.isatty() or "OMPI_COMM_WORLD_SIZE" in os.environ:
        return Lines(epochs)
    return Bar(epochs) if can_move() else Lines(epochs)
