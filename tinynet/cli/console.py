"""Progress of a run: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

import click

from tinynet.kernels.codegen import native
from tinynet.training.loop import Epoch, Step

SECONDS_BETWEEN_LINES = 10.0


class Display(Protocol):
    """Shows the events of a run."""

    def show(self, event: Step | Epoch) -> None:
        """Show that a batch or an epoch is done."""

    def say(self, text: str) -> None:
        """Show a sentence."""


class Clock:
    """How long the rest takes, if it goes on as it did since this process began to train."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs
        self.done = -1
        self.started = 0.0

    def left(self, step: Step) -> str:
        """Count a training step; return the time left, as people say it."""
        if step.phase != "train":
            return ""
        self.done += 1
        if self.done == 0:  # the first step pays for compilation and says nothing of the others
            self.started = time.monotonic()
            return "some time"
        steps = (self.epochs - step.epoch) * step.steps + step.steps - step.step
        return duration(steps * (time.monotonic() - self.started) / self.done)


class Silence:
    """Shows nothing: of several ranks one speaks."""

    def show(self, event: Step | Epoch) -> None:
        """Do not show the event."""

    def say(self, text: str) -> None:
        """Do not say it."""


class Lines:
    """One line for the first loss, one now and then, one an epoch."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs
        self.clock = Clock(epochs)
        self.spoken = -SECONDS_BETWEEN_LINES
        self.left = "some time"  # a run that goes on may begin with a test

    def show(self, event: Step | Epoch) -> None:
        """Print the event, or keep quiet if a line was printed a moment ago."""
        if isinstance(event, Epoch):
            click.echo(f"{epoch_line(event, self.epochs)}  {self.left} left")
            self.spoken = time.monotonic()
            return
        self.left = self.clock.left(event) or self.left
        if time.monotonic() - self.spoken >= SECONDS_BETWEEN_LINES:
            click.echo(f"{step_line(event, self.epochs)}  {self.left} left")
            self.spoken = time.monotonic()

    def say(self, text: str) -> None:
        """Print a sentence."""
        click.echo(text)


class Bar:
    """A bar for the epoch at hand; finished epochs scroll up as lines."""

    def __init__(self, epochs: int) -> None:
        from rich.progress import BarColumn, Progress, TextColumn

        self.epochs = epochs
        self.clock = Clock(epochs)
        self.progress = Progress(
            TextColumn("{task.description}"), BarColumn(24), TextColumn("{task.fields[left]} left")
        )
        self.task = self.progress.add_task("starting", total=None, left="...")

    def show(self, event: Step | Epoch) -> None:
        """Move the bar."""
        if isinstance(event, Epoch):
            self.say(epoch_line(event, self.epochs))
            return
        left = self.clock.left(event)
        if left:
            self.progress.update(self.task, left=left)
        self.progress.update(
            self.task,
            description=step_line(event, self.epochs),
            total=event.steps,
            completed=event.step,
        )

    def say(self, text: str) -> None:
        """Print a sentence above the bar."""
        self.progress.console.print(text, highlight=False, markup=False)


@contextmanager
def display(epochs: int) -> Iterator[Display]:
    """Return what shows the run: a bar on a terminal, else lines."""
    if not sys.stdout.isatty():
        yield Lines(epochs)
        return
    bar = Bar(epochs)
    with bar.progress:
        yield bar


def step_line(step: Step, epochs: int) -> str:
    """Return where an epoch stands, in one line."""
    if step.phase != "train":
        return f"epoch {step.epoch}/{epochs}  testing {step.step}/{step.steps}"
    return (
        f"epoch {step.epoch}/{epochs}  step {step.step}/{step.steps}  loss {step.loss:.4f}  "
        f"accuracy {100 * step.accuracy:.1f} %  {step.images_per_second:,.0f} images/s"
    )


def epoch_line(record: Epoch, epochs: int) -> str:
    """Return what an epoch came to, in one line."""
    return str(record).replace(f"epoch {record.epoch}", f"epoch {record.epoch}/{epochs}", 1)


def duration(seconds: float) -> str:
    """Return a length of time as people say it: 42 s, 3 min 05 s, 2 h 10 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


@contextmanager
def compilation_said(shown: Display) -> Iterator[None]:
    """Inside the block the first kernel that has to be compiled is the reason for one sentence."""
    said = False

    def say_once(name: str) -> None:
        nonlocal said
        if not said:
            shown.say(native.COMPILING)
        said = True

    before, native.on_compile = native.on_compile, say_once
    try:
        yield
    finally:
        native.on_compile = before


def downloading() -> Callable[[str, int, int], None]:
    """Return what shows a download: called with a name, the bytes that are there, and all bytes."""
    spoken = 0.0
    live = sys.stderr.isatty()

    def show(name: str, done: int, size: int) -> None:
        nonlocal spoken
        now = time.monotonic()
        if done < size and now - spoken < (0.2 if live else SECONDS_BETWEEN_LINES):
            return
        spoken = now
        line = f"{name}  {done / 2**20:.1f} of {size / 2**20:.1f} MiB"
        click.echo(f"\r{line}" if live else line, err=True, nl=not live or done == size)

    return show
