"""Command ``tinynet export``."""

from __future__ import annotations

from pathlib import Path

import click

from tinynet.cli.console import count_epochs
from tinynet.cli.options import FOLDER
from tinynet.cli.output_file import UNNAMED, OutputCommand
from tinynet.core.errors import printable
from tinynet.training import log_export, run_list
from tinynet.words import spoken


@click.command(cls=OutputCommand)
@click.argument("run", type=FOLDER)
@click.option("--csv", "as_csv", is_flag=True, help="Print the epochs as CSV; the default.")
@click.option(
    "--tensorboard",
    type=FOLDER,
    metavar="[FOLDER]",
    help="Write an event file; default: to RUN/tensorboard.",
)
def export(run: Path, as_csv: bool, tensorboard: Path | None) -> None:
    """Write the learning curves of folder RUN as CSV or for TensorBoard.

    Networks are exported by `tinynet weights convert`. The event file needs no package; to look at
    it: pip install tensorboard; tensorboard --logdir FOLDER.
    """
    found = run_list.read(run)
    if as_csv or tensorboard is None:
        click.echo(log_export.csv_text(found), nl=False)
    if tensorboard is not None:
        folder = run / "tensorboard" if tensorboard == UNNAMED else tensorboard
        path = log_export.write_events(found, folder)
        epochs = spoken(count_epochs(len(found.records)))
        click.echo(f"{printable(str(path))}: {epochs}", err=True)
