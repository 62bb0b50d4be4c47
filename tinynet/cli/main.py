"""Command line: ``tinynet train | eval | predict | summary | info | data | lessons ...``.

A mistake of the user or in a file ends with one sentence and exit code 1. A traceback means a bug
in tinynet.

A command is imported only when it is run, so that ``tinynet --help`` is fast.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
import warnings
from collections.abc import Callable

import click

import tinynet
from tinynet.cli.language import Context, lang_option, show, translated
from tinynet.words import phrase, spoken

COMMANDS = {  # name: (module in tinynet.cli, function, first sentence of its help)
    "baseline": ("evaluate", "baseline", "Recognize images as before 2012, with a linear SVM."),
    "claims": (
        "claims",
        "claims",
        "Run the paper's claims with seeds, and compare with what was published.",
    ),
    "compare": (
        "runs",
        "compare",
        "Compare two to six runs: results, curves, settings that differ.",
    ),
    "data": ("data", "data", "List, download and check data sets."),
    "eval": ("evaluate", "evaluate", "Measure the network of folder RUN on its test images."),
    "export": (
        "log_export",
        "export",
        "Write the learning curves of folder RUN as CSV or for TensorBoard.",
    ),
    "explain": ("runs", "explain", "Say in words what the curves of a run show, and what to try."),
    "info": ("inspect", "info", "Show versions, devices, threads and caches."),
    "kernels": ("kernels", "kernels", "Look at the CUDA kernels, without a GPU."),
    "lessons": ("lessons", "lessons", "Show, open and check the twenty lessons."),
    "look": ("look", "look", "Draw the inside of the network of RUN as figures."),
    "lr-find": ("measure", "lr_find", "Find a learning rate for RECIPE by a range test."),
    "predict": ("predict", "predict", "Classify each of IMAGES with the network of folder RUN."),
    "profile": (
        "measure",
        "profile",
        "Measure each op of a training step of RECIPE on this CPU.",
    ),
    "recipes": ("inspect", "recipes", "List the recipes of train by name."),
    "report": ("runs", "report", "Write a page about a run: curves, mistakes, filters, settings."),
    "runs": ("runs", "runs", "List the runs in FOLDER, or in runs/: accuracy, epochs, state."),
    "serve": ("serve", "serve", "Open a local page on which the network of RUN answers images."),
    "summary": ("inspect", "summary", "List the layers of MODEL: shapes, parameters, bytes."),
    "train": ("train", "train", "Train a network; the default, demo, needs no download."),
    "warm": ("inspect", "warm", "Compile all kernels now, so that later commands start faster."),
    "weights": ("weights", "weights", "Show and convert weight files."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are run."""

    context_class = Context

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command and return it."""
        if cmd_name not in COMMANDS:
            return None
        module, function, _ = COMMANDS[cmd_name]
        found: click.Command = getattr(importlib.import_module(f"tinynet.cli.{module}"), function)
        return translated(found)

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what this command line is for."""
        click.Group.format_help_text(translated(self), ctx, formatter)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, then the commands."""
        click.Command.format_options(translated(self), ctx, formatter)
        self.format_commands(ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            listed = self.list_commands(ctx)
            formatter.write_dl([(name, phrase(COMMANDS[name][2])) for name in listed])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(tinynet.__version__)
@lang_option
def cli() -> None:
    """AlexNet from scratch: train it, look inside, read every line."""


def _notes() -> Callable[..., str]:
    """Return a function that words a warning, and the same one no second time."""
    said = set[str]()

    def note(message: Warning | str, *_: object, **__: object) -> str:
        text = phrase("Note: {message}", message=spoken(message)) + "\n"
        again = text in said
        said.add(text)
        return "" if again else text

    return note


def _write_out() -> None:
    """Write what stdout still holds, or drop it where nothing reads: Python would exit with 120."""
    try:
        sys.stdout.flush()
    except OSError:  # a closed terminal, or a pipe whose reader has left
        with open(os.devnull, "wb") as nothing:
            os.dup2(nothing.fileno(), sys.stdout.fileno())


def main() -> None:
    """Run the command line and leave with its exit code."""
    warnings.formatwarning = _notes()  # without a line of source
    try:
        _main()
    finally:
        _write_out()


def _main() -> None:
    try:
        sys.exit(cli.main(prog_name="tinynet", standalone_mode=False) or 0)
    except click.ClickException as error:
        show(error)
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _stop()
    except Exception as error:
        if isinstance(error.__cause__, KeyboardInterrupt):  # Ctrl-C while a module was imported
            _stop()
        if str(error).startswith("TINYNET_"):  # an environment variable, before anything loads
            click.echo(f"Error: {error}", err=True)
            sys.exit(1)
        from tinynet.cli.errors import USER_ERRORS, leave

        if not isinstance(error, USER_ERRORS):
            raise
        leave(error)


def _stop() -> None:
    """Leave after Ctrl-C; a second one ends the process, with no traceback of what ends with it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    click.echo(phrase("Stopped."), err=True)
    sys.exit(130)
