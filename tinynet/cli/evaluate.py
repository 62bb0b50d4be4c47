"""The commands ``tinynet eval | predict | baseline``."""

from __future__ import annotations

from pathlib import Path

import click

from tinynet import data as data_sets
from tinynet.baselines import visual_words
from tinynet.cli.options import FOLDER, IN_MEMORY
from tinynet.training import evaluation, recipe_data, run_dir
from tinynet.training import predict as prediction


@click.command(name="eval")
@click.argument("run", type=FOLDER)
@click.option("--ten-view", is_flag=True, help="Average ten crops and mirrors, as the paper does.")
@click.option("--data-dir", type=FOLDER, help="Folder of the data set's files.")
@click.option("--device", help="cpu or cuda; default: as in training.")
def evaluate(run: Path, ten_view: bool, data_dir: Path | None, device: str | None) -> None:
    """Measure the network of folder RUN on its test images."""
    net, note = prediction.open_net(run, device)
    say_aside(note)
    where = data_dir or run_dir.data_folder(run)
    test = recipe_data.open_set(net.recipe, where, train=False)
    prediction.refuse_other_classes(net, test)
    if ten_view:
        loss, accuracy = prediction.measure_ten_views(net, test)
    else:
        loss, accuracy = evaluation.evaluate(net.model, net.feed(test))
    views = "ten crops each" if ten_view else "one crop each"
    click.echo(
        f"test accuracy {100 * accuracy:.2f} %  test loss {loss:.4f}  "
        f"({len(test):,} images of {net.recipe.data}, {views})"
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
    for sentence in visual_words.run(train, test, words, seed):
        click.echo(sentence)


@click.command()
@click.argument("run", type=FOLDER)
@click.argument("images", nargs=-1, required=True, type=FOLDER)
@click.option("--device", help="cpu or cuda; default: as in training.")
def predict(run: Path, images: tuple[Path, ...], device: str | None) -> None:
    """Classify each of IMAGES with the network of folder RUN.

    Prints the five most probable classes.
    """
    net, note = prediction.open_net(run, device)
    say_aside(note)
    for image in images:
        best = prediction.guesses(net, image)[:5]
        click.echo(f"{image}: " + ", ".join(f"{name} {100 * p:.1f} %" for name, p in best))


def say_aside(note: str) -> None:
    """Print a note on the error stream."""
    if note:
        click.echo(note, err=True)
