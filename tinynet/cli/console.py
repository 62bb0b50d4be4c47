"""Progress display of a run as plain lines, and the words of every display."""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Protocol

import click

from tinynet.kernels.codegen import native
from tinynet.training.diagnosis import Diagnosis
from tinynet.training.loop import Epoch, Step
from tinynet.training.metrics import wilson_interval
from tinynet.training.signals import HANG_UP
from tinynet.words import Sentence, phrase, sentence, spoken

SECONDS_BETWEEN_LINES = 10.0


class Display(Protocol):
    """Display of a run: its first line, its events, sentences in between, and its end."""

    def begin(self, text: str, facts: dict[str, Any]) -> None:
        """Show on what the run runs, as a line or as facts."""

    def show(self, event: Step | Epoch) -> None:
        """Show that a batch or an epoch is done."""

    def say(self, text: str) -> None:
        """Show a sentence."""

    def find(self, finding: Diagnosis) -> None:
        """Show a finding about the run."""

    def end(self, text: str, facts: dict[str, Any]) -> None:
        """Show how the run ended, as lines or as facts."""

    def live(self) -> AbstractContextManager[Any]:
        """Return a block in which the display may move."""


class TimeLeft:
    """Estimate of the remaining time, from the mean time of the steps in this process.

    Parameters
    ----------
    epochs : int
        Of the whole run.
    """

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs
        self.done = -1
        self.started = 0.0

    def left(self, step: Step) -> str:
        """Count a training step; return the remaining time, "" for a step of another phase."""
        if step.phase != "train":
            return ""
        self.done += 1
        if self.done == 0:  # the first step includes compilation
            self.started = time.monotonic()
            return sentence("some time")
        steps = (self.epochs - step.epoch) * step.steps + step.steps - step.step
        return duration(steps * (time.monotonic() - self.started) / self.done)


class Quiet:
    """A display that shows nothing: for --quiet, and for the ranks other than 0."""

    def begin(self, text: str, facts: dict[str, Any]) -> None:
        """Do nothing."""

    def show(self, event: Step | Epoch) -> None:
        """Do nothing."""

    def say(self, text: str) -> None:
        """Do nothing."""

    def find(self, finding: Diagnosis) -> None:
        """Do nothing."""

    def end(self, text: str, facts: dict[str, Any]) -> None:
        """Do nothing."""

    def live(self) -> AbstractContextManager[Any]:
        """Return a block without effect."""
        return nullcontext()


class Lines:
    """Display as lines: one for the first loss, one every ten seconds, one for each epoch."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs
        self.time_left = TimeLeft(epochs)
        self.printed = -SECONDS_BETWEEN_LINES
        self.left: str = sentence("some time")  # a resumed run may begin with a test

    def begin(self, text: str, facts: dict[str, Any]) -> None:
        """Print the line."""
        self.say(text)

    def show(self, event: Step | Epoch) -> None:
        """Print the event; a step only if the last line is ten seconds old."""
        if isinstance(event, Epoch):
            done = event.epoch >= self.epochs
            left = "" if done else f"  {left_of(self.left)}"
            self.say(f"{epoch_line(event, self.epochs)}{left}")
            self.printed = time.monotonic()
            return
        self.left = self.time_left.left(event) or self.left
        if time.monotonic() - self.printed >= SECONDS_BETWEEN_LINES:
            self.say(f"{step_line(event, self.epochs)}  {left_of(self.left)}")
            self.printed = time.monotonic()

    def say(self, text: str) -> None:
        """Print a sentence."""
        click.echo(spoken(text))

    def find(self, finding: Diagnosis) -> None:
        """Print the finding."""
        self.say(str(finding))

    def end(self, text: str, facts: dict[str, Any]) -> None:
        """Print the lines."""
        self.say(text)

    def live(self) -> AbstractContextManager[Any]:
        """Return a block without effect."""
        return nullcontext()


@contextmanager
def terminal_may_close(*, training: bool = False) -> Iterator[None]:
    """Ignore that a terminal is gone: the signal that follows ends the run, and saves it.

    No signal follows where the reader of a pipe has left, so it is sent here during training.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.EIO, errno.EPIPE):
            raise
        if error.errno == errno.EPIPE:
            _print_no_more()
            if training and HANG_UP is not None:
                signal.raise_signal(HANG_UP)


def _print_no_more() -> None:
    with open(os.devnull, "wb") as nothing:
        os.dup2(nothing.fileno(), sys.stdout.fileno())


def step_line(step: Step, epochs: int) -> str:
    """Return the progress of an epoch in one line."""
    if step.phase != "train":
        return place_line(step, epochs)
    return f"{place_line(step, epochs)}  {numbers_line(step)}"


def place_line(step: Step, epochs: int) -> str:
    """Return the epoch and the step, or the part of a test."""
    said = {
        "train": "step {number}",
        "test": "testing {number}",
        "validation": "validating {number}",
    }[step.phase]
    epoch = phrase("epoch {number}", number=f"{step.epoch}/{epochs}")
    return f"{epoch}  {phrase(said, number=f'{step.step}/{step.steps}')}"


def numbers_line(step: Step) -> str:
    """Return the loss, the accuracy and the speed of a training step."""
    parts = (
        phrase("loss {loss:.4f}", loss=step.loss),
        phrase("accuracy {percent:.1f} %", percent=100 * step.accuracy),
        phrase("{count:,.0f} images/s", count=step.images_per_second),
    )
    return "  ".join(parts)


def left_of(time: str) -> str:
    """Return how long the run still takes."""
    return phrase("{time} left", time=spoken(time))


def epoch_line(record: Epoch, epochs: int) -> str:
    """Return the numbers of an epoch in one line."""
    return "  ".join(map(spoken, record.parts(epochs)))


def count_epochs(epochs: int) -> Sentence:
    """Return "1 epoch", "2 epochs", ..."""
    return sentence("1 epoch") if epochs == 1 else sentence("{count} epochs", count=epochs)


def duration(seconds: float) -> Sentence:
    """Return a length of time as text.

    Examples
    --------
    >>> from tinynet.cli.console import duration
    >>> duration(42), duration(185), duration(7800)
    ('42 s', '3 min 05 s', '2 h 10 min')
    """
    whole = round(seconds)
    if whole < 60:
        return sentence("{seconds} s", seconds=whole)
    if whole < 3600:
        said = "{minutes} min {seconds:02d} s"
        return sentence(said, minutes=whole // 60, seconds=whole % 60)
    said = "{hours} h {minutes:02d} min"
    return sentence(said, hours=whole // 3600, minutes=whole % 3600 // 60)


def interval(accuracy: float, images: int) -> Sentence:
    """Return the 95 % interval of an accuracy that was measured on so many images.

    Examples
    --------
    >>> from tinynet.cli.console import interval
    >>> interval(0.6, 10)
    '95 % interval 31.3 to 83.2 %'
    """
    return sentence("95 % interval {ends}", ends=interval_range(accuracy, images))


def interval_range(accuracy: float, images: int) -> Sentence:
    """Return the ends of that interval alone.

    Examples
    --------
    >>> from tinynet.cli.console import interval_range
    >>> interval_range(0.6, 10)
    '31.3 to 83.2 %'
    """
    low, high = wilson_interval(round(accuracy * images), images)
    return sentence("{low:.1f} to {high:.1f} %", low=100 * low, high=100 * high)


@contextmanager
def announce_compilation(shown: Display) -> Iterator[None]:
    """Inside the block, print one sentence when the first kernel has to be compiled."""
    said = False

    def say_once(name: str) -> None:
        nonlocal said
        if not said:
            shown.say(sentence(native.COMPILING))
        said = True

    before = native.on_compile
    native.on_compile = say_once
    try:
        yield
    finally:
        native.on_compile = None if said else before  # what runs later need not say it again


def downloading() -> Callable[[str, int, int], None]:
    """Return a function that shows a download: of (name, bytes so far, bytes in all)."""
    printed = 0.0
    live = sys.stderr.isatty()

    def show(name: str, done: int, size: int) -> None:
        nonlocal printed
        now = time.monotonic()
        if done < size and now - printed < (0.2 if live else SECONDS_BETWEEN_LINES):
            return
        printed = now
        said = "{name}  {done:.1f} of {size:.1f} MiB"
        line = phrase(said, name=name, done=done / 2**20, size=size / 2**20)
        click.echo(f"\r{line}" if live else line, err=True, nl=not live or done == size)

    return show
