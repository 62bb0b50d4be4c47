"""Commands ``tinynet data list | get | verify``."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from tinynet import data as sets
from tinynet.cli import console
from tinynet.cli.options import DATA, FOLDER, KNOWN, OWN
from tinynet.core.table import table
from tinynet.words import phrase, phrases, spoken


@click.group()
def data() -> None:
    """List, download and check data sets."""


@data.command(name="list")
def list_data() -> None:
    """List the data sets, where each one is, and what other libraries keep."""
    rows = [phrases("name", "description", "download", "found at")]
    for entry in sets.catalogue():
        size = f"{entry.size / 2**20:.0f} MiB" if entry.size else phrase("none")
        paths = sets.find(entry.name)
        found = str(_folder(paths[0])) if paths else phrase("nowhere")
        place = found if entry.sources else phrase("built in")
        rows.append((entry.name, phrase(entry.about), size, place))
    click.echo(table(rows, left=4))
    others = sets.elsewhere()
    if others:
        click.echo(phrase("Kept by other libraries, and read where it is:"))
    for each in others:
        place = "" if each.path is None else f" --data-dir {shlex.quote(str(each.path))}"
        click.echo(f"  {each.library}: tinynet train --data {shlex.quote(each.name)}{place}")
    click.echo(
        phrase(
            "Your own: --data {name}PATH, with a folder of images for each class, or a table.",
            name=OWN,
        )
    )
    said = "Default folder: {path} (or set TINYNET_DATA, or give --data-dir)"
    click.echo(phrase(said, path=sets.default_root()))


@data.command(name="get")
@click.argument("name", type=KNOWN)
@click.option("--data-dir", type=FOLDER, help="Folder for the files.")
def get_data(name: str, data_dir: Path | None) -> None:
    """Download data set NAME; files that are there already are not downloaded again."""
    paths = sets.get(name, data_dir, console.downloading())
    for path in paths:
        click.echo(str(path))
    if not paths:
        click.echo(phrase("{name}: built in, there is nothing to download.", name=name))


@data.command(name="verify")
@click.argument("name", type=DATA)
@click.option("--data-dir", type=FOLDER, help="Folder of the files.")
@click.option("--strict", is_flag=True, help="Refuse image files that cannot be read.")
def verify_data(name: str, data_dir: Path | None, strict: bool) -> None:
    """Read all of data set NAME and compare it with the original where that is known."""
    for line in sets.verify(name, data_dir, strict=strict):
        click.echo(spoken(line))


def _folder(path: Path) -> Path:
    return path if path.is_dir() else path.parent
