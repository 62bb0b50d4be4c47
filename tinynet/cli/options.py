"""Options shared by several commands, and the old names of options."""

from __future__ import annotations

import math
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tinynet.cli.language import Command
from tinynet.data.files import unpacking
from tinynet.words import sentence


class HomePath(click.Path):
    """A path in which ~ is the user's home: a shell leaves it in --option=~/FILE."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path that was typed."""
        return super().convert(os.path.expanduser(value), param, ctx)


FOLDER = HomePath(path_type=Path)
IN_MEMORY = click.Choice(["shapes", "cifar10", "mnist"])
KNOWN = click.Choice([*IN_MEMORY.choices, "imagenette", "imagenette-160"])
OWN = "folder:"


def folder_name(folder: Path) -> str:
    """Return the name of a data set in a folder: "folder:" and its whole path."""
    return OWN + str(folder.expanduser().resolve())


if TYPE_CHECKING:
    TextType = click.ParamType[str]
else:
    TextType = click.ParamType  # a generic class only since click 8.4


class DataName(TextType):
    """A known data set, or folder:PATH."""

    name = "data set"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name, with the whole path of a folder."""
        if not value.startswith(OWN):
            if value not in KNOWN.choices:
                if archive := unpacking(Path(value).expanduser()):
                    self.fail(archive, param, ctx)
                there = Path(value).expanduser().is_dir()
                hint = sentence(" Did you mean {name}?", name=OWN + value) if there else ""
                known = ", ".join([*KNOWN.choices, f"{OWN}PATH"])
                said = "{value!r} is none of {known}.{hint}"
                self.fail(sentence(said, value=value, known=known, hint=hint), param, ctx)
            return value
        if value == OWN:
            said = "{name} needs a path, as in {name}pictures."
            self.fail(sentence(said, name=OWN), param, ctx)
        return folder_name(Path(value.removeprefix(OWN)))

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """Return the placeholder in the help."""
        return f"[{'|'.join(KNOWN.choices)}|{OWN}PATH]"


DATA = DataName()


class Finite(click.FloatRange):
    """A number in a range, neither infinite nor NaN."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return the number, or refuse it."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(sentence("{value} is not a finite number.", value=value), param, ctx)
        return number


def _without_notes(context: click.Context, option: click.Parameter, quiet: bool) -> None:
    if quiet:
        context.with_resource(warnings.catch_warnings(action="ignore"))


QUIET = click.option(
    "--quiet",
    is_flag=True,
    expose_value=False,
    callback=_without_notes,
    help="Print the results and errors, without notes.",
)
RENAMED = {"--batch": "--batch-size", "--update": "--optimizer", "--exchange": "--cross-at"}


class RenamedOptions(Command):
    """A command that also accepts the option names of version 0.1, for one release."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments with the current names in place of the old ones."""
        return super().parse_args(ctx, [self._renamed(arg) for arg in args])

    @staticmethod
    def _renamed(arg: str) -> str:
        option, equals, value = arg.partition("=")
        return RENAMED.get(option, option) + equals + value


def given(context: click.Context) -> set[str]:
    """Return the names of the options and arguments on the command line."""
    typed = click.core.ParameterSource.COMMANDLINE
    return {name for name in context.params if context.get_parameter_source(name) == typed}
