"""Options and opening of a trained network: a run folder, its best epoch, or a weight file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from tinynet.cli.options import FOLDER
from tinynet.core.errors import DataError
from tinynet.training import predict as prediction
from tinynet.training.open_weights import open_weights
from tinynet.training.predict import TrainedModel
from tinynet.weights import file as weights_file
from tinynet.words import sentence, spoken

OPTIONS = (
    click.argument("run", type=FOLDER),
    click.option("--best", is_flag=True, help="Use the weights of the best epoch, not the last."),
    click.option("--model", help="Network of a weight file that tinynet train did not write."),
    click.option("--variant", help="Of --model alexnet."),
    click.option("--device", help="cpu or cuda; default: as in training."),
)


def of_a_network(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the argument RUN and the options that choose weights and device."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def open_network(
    run: Path, best: bool, model: str | None, variant: str | None, device: str | None
) -> TrainedModel:
    """Return the network; print a note if an earlier checkpoint had to be used."""
    if best and run.is_file():
        said = "--best is for a run folder; {run} is a file."
        raise click.UsageError(sentence(said, run=run))
    if model is not None:
        if not run.is_file():
            said = "--model is for a weight file; {run} is none."
            raise click.UsageError(sentence(said, run=run))
        return open_weights(run, model, variant, device)
    try:
        trained = prediction.open_run(run, device, best=best)
    except DataError as error:
        if not run.is_file() or "checkpoint" not in str(error):
            raise
        weights_file.read(run)  # raises where it holds no weights at all, or damaged ones
        raise DataError(
            sentence(
                "{error} The weights of another program need the name of their network: "
                "--model NAME.",
                error=error,
            )
        ) from None
    if trained.damage is not None:
        click.echo(spoken(trained.damage), err=True)
    return trained
