"""Commands ``tinynet eval | baseline``."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import click

from tinynet import data as data_sets
from tinynet.baselines import visual_words
from tinynet.cli import console
from tinynet.cli.json_lines import finite
from tinynet.cli.language import Command, lang_option
from tinynet.cli.options import DATA, FOLDER, IN_MEMORY, QUIET
from tinynet.cli.trained import of_a_network, open_network
from tinynet.training import evaluation, recipe_data, recipes
from tinynet.training import predict as prediction
from tinynet.words import phrase, sentence, spoken


@click.command(name="eval", cls=Command)
@of_a_network
@click.option("--ten-view", is_flag=True, help="Average ten crops and mirrors, as the paper does.")
@click.option("--data", type=DATA, help="Data set of a weight file, or in place of the run's.")
@click.option("--data-dir", type=FOLDER, help="Folder of the data set's files.")
@click.option("--strict", is_flag=True, help="Refuse image files that cannot be read.")
@QUIET
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@lang_option
def evaluate(
    run: Path,
    ten_view: bool,
    data: str | None,
    data_dir: Path | None,
    strict: bool,
    as_json: bool,
    **network: Any,
) -> None:
    """Measure the network of folder RUN on its test images.

    RUN may also be a weight file: a checkpoint of a run, or with --model and --data any other.
    """
    trained = open_network(run, **network)
    if data is not None:
        recipe = recipes.suited(dataclasses.replace(trained.recipe, data=data))
        trained = dataclasses.replace(trained, recipe=recipe, data_dir=data_dir)
    elif network["model"] is not None:
        raise click.UsageError(sentence("eval: with --model, --data names the test images."))
    place = data_dir or trained.data_dir
    test = recipe_data.open_set(trained.recipe, place, train=False, strict=strict)
    prediction.refuse_other_classes(trained, test)
    if ten_view:
        loss, accuracy = prediction.measure_ten_views(trained, test)
    else:
        loss, accuracy = evaluation.evaluate(trained.model, trained.loader(test))
    if as_json:
        names = ("test_accuracy", "test_loss", "images", "data", "views")
        values = (accuracy, loss, len(test), trained.recipe.data, 10 if ten_view else 1)
        click.echo(json.dumps(finite(dict(zip(names, values, strict=True)))))
        return
    views = phrase("ten crops each") if ten_view else phrase("one crop each")
    click.echo(
        phrase(
            "test accuracy {percent:.2f} %  test loss {loss:.4f}  "
            "({count:,} images of {data}, {views}; {interval})",
            percent=100 * accuracy,
            loss=loss,
            count=len(test),
            data=trained.recipe.data,
            views=views,
            interval=spoken(console.interval(accuracy, len(test))),
        )
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
        click.echo(spoken(str(result)))
