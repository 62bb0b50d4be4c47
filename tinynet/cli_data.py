"""The commands ``tinynet data list | get | verify``."""

from __future__ import annotations

from pathlib import Path

import click

FOLDER = click.Path(path_type=Path)
DATA = click.Choice(["shapes", "cifar10", "mnist"])


@click.group()
def data() -> None:
    """List, fetch and check data sets."""


@data.command(name="list")
def list_data() -> None:
    """List the data sets, and where each one is."""
    from tinynet import data as sets
    from tinynet import report

    rows = [("name", "what it is", "download", "found at")]
    for entry in sets.catalogue():
        size = f"{entry.size / 2**20:.0f} MiB" if entry.size else "none"
        paths = sets.find(entry.name)
        found = "built in" if not entry.sources else str(_folder(paths[0])) if paths else "nowhere"
        rows.append((entry.name, entry.about, size, found))
    click.echo(report.table(rows, left=4))
    click.echo(f"Default folder: {sets.default_root()} (or set TINYNET_DATA, or give --data-dir)")


@data.command(name="get")
@click.argument("name", type=DATA)
@click.option("--data-dir", type=FOLDER, help="Where to put the files.")
def get_data(name: str, data_dir: Path | None) -> None:
    """Download data set NAME; what is there already is not fetched again."""
    from tinynet import console
    from tinynet import data as sets

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
