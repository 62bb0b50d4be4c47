"""Options --show, --figure and --tensorboard: the file or folder may be left out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tinynet.cli.options import RenamedOptions
from tinynet.core.errors import printable
from tinynet.plot import style
from tinynet.training import run_dir
from tinynet.words import phrase, sentence

if TYPE_CHECKING:
    PathType = click.ParamType[Path]
else:
    PathType = click.ParamType  # a generic class only since click 8.4

UNNAMED = Path()  # the option stands there without a file


class FigureFile(PathType):
    """A file that a figure can be written to; "" if none is named."""

    name = "file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the file, or refuse what no figure can be written to."""
        path = Path(value).expanduser()
        if path == UNNAMED or path.suffix.lower() in ("", *style.FORMATS):
            return path
        known = ", ".join(style.FORMATS)
        said = "figures are written as {known}, and {file} is none of them."
        return self.fail(sentence(said, known=known, file=path), param, ctx)

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """Return the placeholder in the help."""
        return "[FILE]"


FIGURE_FILE = FigureFile()


def _is_figure(word: str) -> bool:
    """Return whether a word after an option is its file, not the next argument."""
    suffix = Path(word).suffix.lower()
    return suffix in style.FORMATS or (suffix != "" and not Path(word).exists())


def _is_no_run(word: str) -> bool:
    return not run_dir.holds_run(Path(word))


OPTIONS = {"--show": _is_figure, "--figure": _is_figure, "--tensorboard": _is_no_run}


class OutputCommand(RenamedOptions):
    """A command with options of `OPTIONS`, whose file or folder may be left out."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments; an option without a file gets an empty one."""
        own = {name for param in self.params for name in param.opts} & set(OPTIONS)
        return super().parse_args(ctx, _with_files(args, own))


def _with_files(args: list[str], options: set[str]) -> list[str]:
    """Return the arguments with "--show=" for a --show that no file follows.

    >>> from tinynet.cli.output_file import _with_files
    >>> _with_files(["RUN", "--show", "pictures"], {"--show"})
    ['RUN', '--show=', 'pictures']
    >>> _with_files(["RUN", "cat.jpg", "--show", "out.png"], {"--show"})
    ['RUN', 'cat.jpg', '--show', 'out.png']
    """
    end = args.index("--") if "--" in args else len(args)
    found = list(args)
    for i in range(end):
        following = args[i + 1] if i + 1 < end else "-"
        if args[i] in options and (following.startswith("-") or not OPTIONS[args[i]](following)):
            found[i] = f"{args[i]}="
    return found


def chosen(file: Path, default: Path) -> Path:
    """Return the file to write: the named one, or the first free name like `default`.

    A figure of tinynet is replaced.

    Raises
    ------
    UsageError
        The named file is something else.
    """
    if file != UNNAMED:
        if not _replaceable(file):
            said = "{file} is there and is no figure of tinynet. Choose another name."
            raise click.UsageError(sentence(said, file=file))
        return file
    number = 1
    path = default
    while not _replaceable(path):
        number += 1
        path = default.with_name(f"{default.stem}-{number}{default.suffix}")
    return path


def say_drawn(file: Path) -> None:
    """Say which file was written, apart from the output of the command."""
    click.echo(phrase("Drawn: {file}", file=printable(str(file))), err=True)


def _replaceable(path: Path) -> bool:
    return not path.exists() or (path.is_file() and style.MARK.encode() in path.read_bytes())
