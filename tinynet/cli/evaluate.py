"""Commands ``tinynet eval | predict | baseline``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from tinynet import data as data_sets
from tinynet.baselines import visual_words
from tinynet.cli import console
from tinynet.cli.errors import sentence
from tinynet.cli.options import FOLDER, IN_MEMORY
from tinynet.core.errors import DataError, printable
from tinynet.training import evaluation, recipe_data
from tinynet.training import predict as prediction
from tinynet.training.predict import TrainedModel

BEST = "Use the weights of the best epoch, not the last ones."
SHOWN = 5  # classes of an image


@click.command(name="eval")
@click.argument("run", type=FOLDER)
@click.option("--best", is_flag=True, help=BEST)
@click.option("--ten-view", is_flag=True, help="Average ten crops and mirrors, as the paper does.")
@click.option("--data-dir", type=FOLDER, help="Folder of the data set's files.")
@click.option("--device", help="cpu or cuda; default: as in training.")
def evaluate(
    run: Path, best: bool, ten_view: bool, data_dir: Path | None, device: str | None
) -> None:
    """Measure the network of folder RUN on its test images.

    RUN may also be a checkpoint file in that folder.
    """
    trained = _open(run, device, best)
    test = recipe_data.open_set(trained.recipe, data_dir or trained.data_dir, train=False)
    prediction.refuse_other_classes(trained, test)
    if ten_view:
        loss, accuracy = prediction.measure_ten_views(trained, test)
    else:
        loss, accuracy = evaluation.evaluate(trained.model, trained.loader(test))
    views = "ten crops each" if ten_view else "one crop each"
    click.echo(
        f"test accuracy {100 * accuracy:.2f} %  test loss {loss:.4f}  "
        f"({len(test):,} images of {trained.recipe.data}, {views}; "
        f"{console.interval(accuracy, len(test))})"
    )


@click.command()
@click.option("--data", type=IN_MEMORY, default="cifar10", help="The data set.")
@click.option("--data-dir", type=FOLDER, help="Folder of the data set's files.")
@click.option("--words", type=click.IntRange(2), default=200, help="Number of visual words.")
@click.option(
    "--seed", type=click.IntRange(0, 2**64 - 1), default=0, help="Random seed of the patches."
)
def baseline(data: str, data_dir: Path | None, words: int, seed: int) -> None:
    """Recognize images as before 2012, with a linear SVM.

    Its features are a bag of visual words.
    """
    train, test = (data_sets.open_dataset(data, data_dir, train=part) for part in (True, False))
    for result in visual_words.run(train, test, words, seed):
        click.echo(result)


@click.command()
@click.argument("run", type=FOLDER)
@click.argument("images", nargs=-1, required=True, type=FOLDER)
@click.option("--best", is_flag=True, help=BEST)
@click.option("--device", help="cpu or cuda; default: as in training.")
def predict(run: Path, images: tuple[Path, ...], best: bool, device: str | None) -> None:
    """Classify each of IMAGES with the network of folder RUN.

    IMAGES are files, or folders of them. Prints the five most probable classes of each. RUN may
    also be a checkpoint file in that folder.
    """
    trained = _open(run, device, best)
    failed = False
    for given in images:
        try:
            files = prediction.image_files(given)
        except (DataError, OSError) as error:
            failed = True
            click.echo(f"Error: {sentence(error)}", err=True)
            continue
        for file in files:
            failed |= not _classify(trained, file)
    if failed:
        sys.exit(1)


def _classify(trained: TrainedModel, file: Path) -> bool:
    """Print the classes of an image file, or the error about it; return whether it was read."""
    try:
        found = prediction.classify(trained, file)[:SHOWN]
    except (DataError, OSError) as error:
        click.echo(f"Error: {sentence(error)}", err=True)
        return False
    classes = ", ".join(f"{name} {100 * p:.1f} %" for name, p in found)
    click.echo(f"{printable(str(file))}: {classes}")
    return True


def _open(run: Path, device: str | None, best: bool) -> TrainedModel:
    """Return the model of a run, and print a note if an earlier checkpoint had to be used."""
    if best and run.is_file():
        raise click.UsageError(f"--best is for a run folder; {run} is a file.")
    trained = prediction.open_run(run, device, best=best)
    if trained.damage is not None:
        click.echo(str(trained.damage), err=True)
    return trained
