"""Commands ``tinynet lr-find | profile``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np

from tinynet import plot
from tinynet.analysis import profile as profiling
from tinynet.cli.options import DATA, FOLDER, Finite
from tinynet.cli.output_file import FIGURE_FILE, OutputCommand, chosen, say_drawn
from tinynet.cli.train import recipe_of
from tinynet.core import backend
from tinynet.training import lr_find as finding
from tinynet.training.finetune import begin
from tinynet.training.recipes import OPTIMIZERS, Recipe, Training
from tinynet.words import phrase, sentence, spoken

OPTIONS = (
    click.argument("recipe", default="demo"),
    click.option("--model", help="Another network than the recipe's."),
    click.option("--variant", help="Variant of alexnet: torchvision, caffe, ..."),
    click.option("--data", type=DATA, help="Another data set than the recipe's."),
    click.option("--data-dir", type=FOLDER, help="Folder of the data set's files."),
    click.option("--size", type=click.IntRange(8, 1024), help="Side of the images, in pixels."),
    click.option("--batch-size", type=click.IntRange(1), help="Images per step."),
    click.option("--optimizer", type=click.Choice(OPTIMIZERS), help="Optimizer."),
    click.option("--seed", type=click.IntRange(0, 2**64 - 1), help="Random seed."),
    click.option("--init-from", type=FOLDER, help="Weight file to start from."),
    click.option("--freeze", help="Layers that are not trained: features, or conv1,layer1."),
    click.option("--figure", type=FIGURE_FILE, help="Draw; default: COMMAND-RECIPE.png."),
    click.option("--json", "as_json", is_flag=True, help="Print one JSON object."),
)
UNUSED = ("epochs", "lr", "precision", "schedule", "validation")  # options of train alone


def of_a_recipe(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that choose a recipe."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def _built(options: dict[str, Any], device: str) -> tuple[Recipe, Training]:
    """Return the recipe and its parts; nothing is written."""
    data_dir = options.pop("data_dir")
    recipe = recipe_of({**options, **dict.fromkeys(UNUSED)})
    parts = recipe.build(data_dir, backend.devices(device))
    for note in begin(parts.model, recipe):
        click.echo(spoken(note), err=True)
    return recipe, parts


@click.command(name="lr-find", cls=OutputCommand)
@of_a_recipe
@click.option("--device", default="cpu", help="cpu or cuda.")
@click.option("--low", type=Finite(0, min_open=True), default=1e-5, help="First rate.")
@click.option("--high", type=Finite(0, min_open=True), default=10.0, help="Last rate.")
@click.option("--steps", type=click.IntRange(10), default=100, help="Steps between them.")
def lr_find(
    figure: Path | None,
    as_json: bool,
    device: str,
    low: float,
    high: float,
    steps: int,
    **options: Any,
) -> None:
    """Find a learning rate for RECIPE by a range test.

    The rate rises exponentially from step to step, until the loss explodes. A tenth of the rate
    with the smallest loss is suggested. No run is written.
    """
    if low >= high:
        said = "lr-find: --low {low:g} must be below --high {high:g}."
        raise click.UsageError(sentence(said, low=low, high=high))
    figure = _file(figure, "lr-find", options)
    recipe, parts = _built(options, device)
    model, optimizer, train = parts[:3]
    found = finding.lr_find(model, optimizer, train, low=low, high=high, steps=steps)
    if as_json:
        click.echo(json.dumps(_numbers(found)))
    else:
        click.echo(f"{recipe.name}: {spoken(found.in_words())}")
        if found.suggestion is not None:
            rate = finding.rounded(found.suggestion)
            said = "Try: --lr {rate:g}  (the recipe has {lr:g})"
            click.echo(phrase(said, rate=rate, lr=recipe.lr))
    if figure is not None:
        plot.learning_rates(found, figure, title=recipe.name)
        say_drawn(figure)


def _file(figure: Path | None, command: str, options: dict[str, Any]) -> Path | None:
    """Return the file of the figure, if one is wanted."""
    return figure and chosen(figure, Path(f"{command}-{options['recipe']}.png"))


def _numbers(found: finding.RateTest) -> dict[str, Any]:
    return {
        "suggestion": found.suggestion,
        "lowest": found.lowest,
        "exploded": found.exploded,
        "rates": found.rates.tolist(),
        "losses": found.losses.tolist(),
        "smoothed": found.smoothed.tolist(),
    }


@click.command(cls=OutputCommand)
@of_a_recipe
@click.option("--repeats", type=click.IntRange(1, 1000), default=5, help="Repetitions of each op.")
def profile(figure: Path | None, as_json: bool, repeats: int, **options: Any) -> None:
    """Measure each op of a training step of RECIPE on this CPU.

    Time forward and backward, GFLOP/s, share of the speed of a matrix product measured now, bytes
    moved. With --figure, a roofline.
    """
    figure = _file(figure, "profile", options)
    recipe, parts = _built(options, "cpu")
    images, labels = next(iter(parts.train.batches(0)))
    found = profiling.profile(
        parts.model, parts.optimizer, np.asarray(images), labels, repeats=repeats
    )
    click.echo(json.dumps(found.json()) if as_json else str(found))
    if figure is not None:
        plot.roofline(found, figure, title=recipe.name)
        say_drawn(figure)
