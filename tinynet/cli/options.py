"""Options that several commands share, and the old names of options."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

FOLDER = click.Path(path_type=Path)
IN_MEMORY = click.Choice(["shapes", "cifar10", "mnist"])
KNOWN = click.Choice([*IN_MEMORY.choices, "imagenette", "imagenette-160"])
OWN = "folder:"


if TYPE_CHECKING:
    TextType = click.ParamType[str]
else:
    TextType = click.ParamType  # a generic class only since click 8.4


class DataName(TextType):
    """A known data set, or folder:PATH."""

    name = "data set"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name; of a folder, with its whole path."""
        if not value.startswith(OWN):
            if value not in KNOWN.choices:
                self.fail(
                    f"{value!r} is none of {', '.join(KNOWN.choices)}, {OWN}PATH.", param, ctx
                )
            return value
        if value == OWN:
            self.fail(f"{OWN} needs a path, as in {OWN}pictures.", param, ctx)
        return OWN + str(Path(value.removeprefix(OWN)).expanduser().resolve())

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """Return the placeholder in the help."""
        return f"[{'|'.join(KNOWN.choices)}|{OWN}PATH]"


DATA = DataName()


class Finite(click.FloatRange):
    """A number in a range, neither infinite nor NaN, which compares with nothing."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return the number, or refuse it."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


RENAMED = {"--batch": "--batch-size", "--update": "--optimizer", "--exchange": "--cross-at"}


class RenamedOptions(click.Command):
    """A command whose options are still known by their names before 0.2, for one release."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments with today's names in place of the old ones."""
        return super().parse_args(ctx, [self._today(arg) for arg in args])

    @staticmethod
    def _today(arg: str) -> str:
        option, equals, value = arg.partition("=")
        return RENAMED.get(option, option) + equals + value


def given(context: click.Context) -> set[str]:
    """Return the names of the options and arguments that stood on the command line."""
    typed = click.core.ParameterSource.COMMANDLINE
    return {name for name in context.params if context.get_parameter_source(name) == typed}
