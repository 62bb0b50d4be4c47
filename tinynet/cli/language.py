"""The option --lang, and help texts in the reader's language."""

from __future__ import annotations

import copy
import inspect
import re
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

from tinynet.words import LANGUAGES, language, phrase, spoken, use

Any_command = TypeVar("Any_command", bound=click.Command)

OF_CLICK = {  # its messages, and how they are said here
    r"Got unexpected extra arguments? \((?P<found>.*)\)": "not expected here: {found}.",
    r"No such command '(?P<name>.*)'\.": "there is no command {name}.",
    r"Option '(?P<name>.*)' requires an argument\.": "{name} needs a value.",
    r"Option '(?P<name>.*)' requires (?P<count>\d+) arguments\.": "{name} needs {count} values.",
    r"Option '(?P<name>.*)' does not take a value\.": "{name} takes no value.",
    r"(?P<given>'.*') is not one of (?P<known>.*)\.": "{given} is none of {known}.",
    r"(?P<given>'.*') is not a valid (?:integer|float)(?: range)?\.": "{given} is no number.",
    r"(?:File|Directory|Path) (?P<path>'.*') does not exist\.": "{path} is not there.",
    r"(?P<given>\S+) is not in the range (?P<range>.*)\.": "{given} is not in the range {range}.",
}


SAID_BY_CLICK = ("Options", "Commands", "Show this message and exit.", "Show the version and exit.")


class Formatter(click.HelpFormatter):
    """Formatter of help: `SAID_BY_CLICK` is in the reader's language too."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """Write the usage line."""
        super().write_usage(prog, args, prefix or f"{phrase('Usage:')} ")

    def write_heading(self, heading: str) -> None:
        """Write a heading."""
        super().write_heading(phrase(heading))

    def write_dl(self, rows: Iterable[tuple[str, str]], *args: Any, **kwargs: Any) -> None:
        """Write a list of names and texts."""
        said = [
            (name, phrase(text).replace("[default:", phrase("[default:"))) for name, text in rows
        ]
        super().write_dl(said, *args, **kwargs)


class Context(click.Context):
    """Context of a command whose help is written by `Formatter`."""

    formatter_class = Formatter


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
    shown.context_class = Context
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


NO_ARGUMENTS: Any = getattr(click.exceptions, "NoArgsIsHelpError", ())  # since click 8.2


def show(error: click.ClickException) -> None:
    """Print an error of the command line in the reader's language."""
    if language() == "en" or isinstance(error, NO_ARGUMENTS):
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
        return _in_our_words(error.message)
    named = error.param.get_error_hint(error.ctx) if error.param and error.ctx else ""
    if isinstance(error, click.MissingParameter):
        return phrase("{name} is missing.", name=named)
    return phrase("{name}: {message}", name=named, message=_in_our_words(error.message))


def _in_our_words(text: str) -> str:
    """Return a message of ours, or a frequent one of click, in the reader's language."""
    for pattern, said in OF_CLICK.items():
        found = re.fullmatch(pattern, text)
        if found:
            return phrase(said, **found.groupdict())
    return spoken(text)


class Command(click.Command):
    """A command whose help is in the language that --lang has set before it is shown."""

    context_class = Context

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the help."""
        click.Command.format_help(translated(self), ctx, formatter)


class Group(click.Group):
    """A group of such commands."""

    context_class = Context

    command_class = Command

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the help."""
        click.Group.format_help(translated(self), ctx, formatter)
