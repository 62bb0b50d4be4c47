"""The commands ``tinynet data list | get | verify``."""

from __future__ import annotations

from pathlib import Path

import click

FOLDER = click.Path(path_type=Path)
IN_MEMORY = click.Choice(["shapes", "cifar10", "mnist"])
KNOWN = click.Choice([*IN_MEMORY.choices, "imagenette", "imagenette-160"])
OWN = "folder:"


class DataName(click.ParamType[str]):
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
        """Return what help shows."""
        return f"[{'|'.join(KNOWN.choices)}|{OWN}PATH]"


DATA = DataName()


@click.group()
def data() -> None:
    """List, fetch and check data sets."""


@data.command(name="list")
def list_data() -> None:
    """List the data sets, and where each one is."""
    from tinynet import data as sets
    from tinynet.core.table import table

    rows = [("name", "what it is", "download", "found at")]
    for entry in sets.catalogue():
        size = f"{entry.size / 2**20:.0f} MiB" if entry.size else "none"
        paths = sets.find(entry.name)
        found = "built in" if not entry.sources else str(_folder(paths[0])) if paths else "nowhere"
        rows.append((entry.name, entry.about, size, found))
    click.echo(table(rows, left=4))
    click.echo(f"Your own: --data {OWN}PATH, with a folder of pictures for each class.")
    click.echo(f"Default folder: {sets.default_root()} (or set TINYNET_DATA, or give --data-dir)")


@data.command(name="get")
@click.argument("name", type=KNOWN)
@click.option("--data-dir", type=FOLDER, help="Where to put the files.")
def get_data(name: str, data_dir: Path | None) -> None:
    """Download data set NAME; what is there already is not fetched again."""
    from tinynet import data as sets
    from tinynet.cli import console

    paths = sets.get(name, data_dir, console.downloading())
    for path in paths:
        click.echo(str(path))
    if not paths:
        click.echo(f"{name}: built in, there is nothing to download.")


@data.command(name="verify")
@click.argument("name", type=DATA)
@click.option("--data-dir", type=FOLDER, help="Where the files are.")
def verify_data(name: str, data_dir: Path | None) -> None:
    """Read all of data set NAME and compare it with the original where that is known."""
    from tinynet import data as sets

    for line in sets.verify(name, data_dir):
        click.echo(line)


def _folder(path: Path) -> Path:
    return path if path.is_dir() else path.parent
