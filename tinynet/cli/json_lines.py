"""Display of a run as JSON, for programs: one object a line on standard output.

Each has an "event": "begin", "step" (every ten seconds), "epoch", "note", "finding" or "end". A
number that is not finite is null, as JSON knows no other.
"""

from __future__ import annotations

import dataclasses
import json
import math
import time
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import click

from tinynet.cli.console import SECONDS_BETWEEN_LINES
from tinynet.training.diagnosis import Diagnosis
from tinynet.training.loop import Epoch, Step


class JsonLines:
    """Display as one JSON object a line."""

    def __init__(self) -> None:
        self.printed = -SECONDS_BETWEEN_LINES

    def begin(self, text: str, facts: dict[str, Any]) -> None:
        """Print the facts."""
        self._print("begin", facts)

    def show(self, event: Step | Epoch) -> None:
        """Print an epoch; a step only if the last line is ten seconds old."""
        now = time.monotonic()
        if isinstance(event, Step) and now - self.printed < SECONDS_BETWEEN_LINES:
            return
        self.printed = now
        kind = "epoch" if isinstance(event, Epoch) else "step"
        self._print(kind, dataclasses.asdict(event))

    def say(self, text: str) -> None:
        """Print a sentence."""
        self._print("note", {"text": text})

    def find(self, finding: Diagnosis) -> None:
        """Print a finding."""
        self._print("finding", {"kind": finding.kind, "text": str(finding)})

    def end(self, text: str, facts: dict[str, Any]) -> None:
        """Print the facts."""
        self._print("end", facts)

    def live(self) -> AbstractContextManager[Any]:
        """Return a block without effect."""
        return nullcontext()

    def _print(self, event: str, facts: dict[str, Any]) -> None:
        click.echo(json.dumps(finite({"event": event, **facts}), ensure_ascii=False))


def finite(value: Any) -> Any:
    """Return a value for JSON, with None in place of numbers that are not finite.

    >>> from tinynet.cli.json_lines import finite
    >>> finite({"loss": float("nan"), "epochs": [1, float("inf")]})
    {'loss': None, 'epochs': [1, None]}
    """
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {name: finite(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [finite(member) for member in value]
    return value
