"""The option --lang, and help texts in the reader's language."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import click

from tinynet.words import LANGUAGES, language, phrase, use

Any_command = TypeVar("Any_command", bound=click.Command)


def lang_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a command with --lang; it is in force before other options are read."""
    return click.option(
        "--lang",
        type=click.Choice(LANGUAGES),
        is_eager=True,
        expose_value=False,
        callback=_set,
        help="Language of messages and lessons. Default: TINYNET_LANG, else en.",
    )(function)


def _set(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    if value is not None:
        use(value)


def translated(command: Any_command) -> Any_command:
    """Return the command with its help in the reader's language."""
    if language() == "en":
        return command
    shown = copy.copy(command)
    shown.help = phrase(inspect.cleandoc(command.help or ""))
    shown.params = [_translated(param) for param in command.params]
    if isinstance(shown, click.Group):
        shown.commands = {name: translated(each) for name, each in shown.commands.items()}
    return shown


def _translated(param: click.Parameter) -> click.Parameter:
    shown = copy.copy(param)
    if isinstance(shown, click.Option):
        shown.help = phrase(shown.help or "")
    return shown


class Command(click.Command):
    """A command whose help is in the language that --lang has set before it is shown."""

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the help."""
        click.Command.format_help(translated(self), ctx, formatter)


class Group(click.Group):
    """A group of such commands."""

    command_class = Command

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the help."""
        click.Group.format_help(translated(self), ctx, formatter)
