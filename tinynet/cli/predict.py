"""Command ``tinynet predict``."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np

from tinynet import plot
from tinynet.cli import errors
from tinynet.cli.json_lines import finite
from tinynet.cli.options import FOLDER, QUIET
from tinynet.cli.output_file import FIGURE_FILE, OutputCommand, chosen, say_drawn
from tinynet.cli.trained import of_a_network, open_network
from tinynet.core.backend import Array
from tinynet.core.errors import DataError, printable
from tinynet.training import predict as prediction
from tinynet.training.predict import TrainedModel
from tinynet.words import phrase, sentence, spoken

SHOWN = 5  # classes of an image
KEPT = 2000  # images in memory for --show, at most


@dataclasses.dataclass(frozen=True)
class Answer:
    """The answer for one file: probabilities, or the error about it."""

    file: Path
    shares: Array | None = None
    seen: Array | None = None
    error: str = ""


@click.command(cls=OutputCommand)
@of_a_network
@click.argument("images", nargs=-1, required=True, type=FOLDER)
@QUIET
@click.option("--csv", "as_csv", is_flag=True, help="Print a table: file, classes, error.")
@click.option("--json", "as_json", is_flag=True, help="Print a list of objects.")
@click.option(
    "--show",
    type=FIGURE_FILE,
    help="Draw the images and their classes; default: predictions.png in RUN.",
)
def predict(
    run: Path,
    images: tuple[Path, ...],
    as_csv: bool,
    as_json: bool,
    show: Path | None,
    **network: Any,
) -> None:
    """Classify each of IMAGES with the network of folder RUN.

    IMAGES are files, or folders of them. Prints the five most probable classes of each; a file that
    cannot be read is named with the reason, the others are answered, and the exit code is 1. RUN
    may also be a weight file: a checkpoint of a run, or with --model any other.
    """
    if as_csv and as_json:
        raise click.UsageError(sentence("predict: --csv and --json are two formats. Choose one."))
    _refuse_output(images)
    if show is not None:
        show = chosen(show, (run if run.is_dir() else run.parent) / "predictions.png")
    trained = open_network(run, **network)
    answers: list[Answer] = []
    for answer in _answers(trained, images):
        _report(trained, answer, quiet=as_csv or as_json)
        kept = show is not None and len(answers) < KEPT
        answers.append(answer if kept else dataclasses.replace(answer, seen=None))
    if as_csv:
        click.echo(_table(trained, answers), nl=False)
    if as_json:
        listed = finite([_object(trained, answer) for answer in answers])
        click.echo(json.dumps(listed, indent=2))
    if show is not None:
        _draw(trained, answers, show)
    if any(answer.error for answer in answers):
        sys.exit(1)


def _refuse_output(images: tuple[Path, ...]) -> None:
    """Refuse the name of a table that is to be written: --csv and --json print."""
    for path in images:
        if path.suffix.lower() in (".csv", ".json") and not path.exists():
            said = "predict: {path} is not there. --csv and --json print; to write a file: > {path}"
            raise click.UsageError(sentence(said, path=path))


def _report(trained: TrainedModel, answer: Answer, *, quiet: bool) -> None:
    """Print the error about a file, or its classes unless they are printed in the end."""
    if answer.error:
        click.echo(phrase("Error: {message}", message=spoken(answer.error)), err=True)
    elif not quiet:
        click.echo(_line(trained, answer))


def _answers(trained: TrainedModel, images: tuple[Path, ...]) -> Iterator[Answer]:
    """Yield the answer for each file, and for each path that cannot be opened."""
    for given in images:
        try:
            files = prediction.image_files(given)
        except (DataError, OSError) as error:
            yield Answer(given, error=errors.sentence(error))
            continue
        for file in files:
            try:
                image = prediction.read_image(trained.recipe, file)[None]
                yield Answer(file, trained.probabilities(image)[0], trained.seen(image)[0])
            except (DataError, OSError) as error:
                yield Answer(file, error=errors.sentence(error))


def _best(trained: TrainedModel, answer: Answer) -> list[tuple[str, float]]:
    return [] if answer.shares is None else prediction.ranked(trained, answer.shares)[:SHOWN]


def _line(trained: TrainedModel, answer: Answer) -> str:
    classes = ", ".join(f"{name} {100 * p:.1f} %" for name, p in _best(trained, answer))
    return f"{printable(str(answer.file))}: {classes}"


def _object(trained: TrainedModel, answer: Answer) -> dict[str, Any]:
    if answer.error:
        return {"file": str(answer.file), "error": answer.error}
    best = [{"class": name, "probability": p} for name, p in _best(trained, answer)]
    return {"file": str(answer.file), "predictions": best}


def _table(trained: TrainedModel, answers: list[Answer]) -> str:
    """Return a table with a header, in CSV."""
    count = min(SHOWN, len(trained.classes))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    pairs = [f"{kind}_{i}" for i in range(1, count + 1) for kind in ("class", "probability")]
    writer.writerow(["file", *pairs, "error"])
    for answer in answers:
        cells = [cell for name, p in _best(trained, answer) for cell in (name, f"{p:.6f}")]
        cells += [""] * (2 * count - len(cells))
        writer.writerow([answer.file, *cells, answer.error])
    return text.getvalue()


def _draw(trained: TrainedModel, answers: list[Answer], show: Path) -> None:
    """Draw one image with five bars, several as a contact sheet."""
    drawn = [each for each in answers if each.seen is not None and each.shares is not None]
    if not drawn:
        return
    plot.predictions(
        np.stack([each.seen for each in drawn if each.seen is not None]),
        np.stack([each.shares for each in drawn if each.shares is not None]),
        trained.classes,
        show,
        names=[each.file.name for each in drawn],
    )
    say_drawn(show)
