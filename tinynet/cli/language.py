"""The option --lang, and help texts in the reader's language."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import click

from tinynet.words import LANGUAGES, language, phrase, spoken, use

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


def show(error: click.ClickException) -> None:
    """Print an error of the command line in the reader's language."""
    if language() == "en":
        error.show()
        return
    context = getattr(error, "ctx", None)
    if context is not None:
        said = "Try '{command} --help' for help."
        click.echo(context.get_usage(), err=True)
        click.echo(phrase(said, command=context.command_path) + "\n", err=True)
    click.echo(phrase("Error: {message}", message=_message(error)), err=True)


def _message(error: click.ClickException) -> str:
    """Return the message; that of click itself where it is a frequent one, else as it is."""
    if isinstance(error, click.NoSuchOption):
        return phrase("there is no option {name}.", name=error.option_name)
    if not isinstance(error, click.BadParameter):
        return spoken(error.message)
    named = error.param.get_error_hint(error.ctx) if error.param and error.ctx else ""
    if isinstance(error, click.MissingParameter):
        return phrase("{name} is missing.", name=named)
    return phrase("{name}: {message}", name=named, message=spoken(error.message))


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
