"""The command ``tinynet train``: what may be said on its line, and the recipe that comes of it."""

from __future__ import annotations

import dataclasses
import math
import sys
from pathlib import Path
from typing import Any

import click

from tinynet.cli.data import DATA, FOLDER
from tinynet.models.cross_layers import CROSS_LAYERS
from tinynet.training.recipes import SCHEDULES, UPDATES


class Finite(click.FloatRange):
    """A number in a range, and neither infinite nor "nan", which compares with nothing."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return the number, or refuse it."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


@click.command()
@click.argument("recipe", default="demo")
@click.option("--model", help="Another network than the recipe's, like resnet-18.")
@click.option("--variant", help="Of alexnet: torchvision, caffe, ...")
@click.option("--data", type=DATA, help="Another data set than the recipe's.")
@click.option("--data-dir", type=FOLDER, help="Where the files of the data set are.")
@click.option("--size", type=click.IntRange(8, 1024), help="Bring each picture to this side.")
@click.option("--epochs", type=click.IntRange(1), help="How often every picture is seen.")
@click.option("--batch", type=click.IntRange(1), help="Pictures a step.")
@click.option("--lr", type=Finite(0, min_open=True), help="The learning rate at first.")
@click.option("--schedule", type=click.Choice(SCHEDULES), help="How the learning rate falls.")
@click.option("--update", type=click.Choice(UPDATES), help="The rule of a step; adam: --lr 0.001.")
@click.option("--validation", type=Finite(0, 0.9), help="Share of the pictures to validate with.")
@click.option("--seed", type=click.IntRange(0, 2**64 - 1), help="Decides all that is random.")
@click.option("--init-from", type=FOLDER, help="Begin with the weights in this file.")
@click.option("--freeze", help="Layers that do not learn, like features, or conv1,layer1.")
@click.option("--device", help="cpu or cuda.")
@click.option("--devices", help="Of two towers, like cuda:0,cuda:1 or cpu:0,cpu:1.")
@click.option("--exchange", type=click.Choice(CROSS_LAYERS), help="Where two towers see all maps.")
@click.option("--out", type=FOLDER, help="Folder of the run; by default runs/RECIPE-SEED.")
@click.option("--resume", type=FOLDER, help="Go on with the run in this folder.")
@click.option("--max-minutes", type=Finite(0), help="Save and stop after so long.")
@click.pass_context
def train(context: click.Context, /, resume: Path | None, **options: Any) -> None:
    """Train RECIPE (`tinynet recipes` lists them). The default, demo, needs no download."""
    from tinynet.cli import training

    limit = math.inf if options["max_minutes"] is None else options["max_minutes"]
    if resume is not None:
        _refuse_changes(context)
        sys.exit(training.resume(resume, options["data_dir"], limit=limit))
    if options["devices"] is None and options["exchange"] is not None:
        raise click.UsageError("train: --exchange is for two towers, on --devices cpu:0,cpu:1.")
    if options["devices"] is not None and options["device"] is not None:
        raise click.UsageError("train: --device names one device, --devices those of two towers.")
    try:
        recipe = _recipe(options)
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    if options["devices"] is not None:
        recipe = training.on_towers(recipe, options["devices"], options["exchange"])
    out, where = options["out"], options["devices"] or options["device"] or "cpu"
    sys.exit(training.start(recipe, out, options["data_dir"], where, limit=limit))


def _recipe(options: dict[str, Any]) -> Any:
    """Return the recipe with the options that were given in place of its own settings."""
    from tinynet.training import presets, recipes

    recipe = presets.find(options["recipe"])
    settings = {field.name for field in dataclasses.fields(recipe)} - {"init_from"}
    changes = {name: value for name, value in options.items() if name in settings}
    if options["model"] is not None:
        changes["variant"] = options["variant"]
        recipe = dataclasses.replace(recipe, variant=None)  # which was another network's
    if options["schedule"] == "plateau" and not options["validation"]:
        changes["validation"] = recipe.validation or recipes.HELD_OUT
    if options["init_from"] is not None:
        changes["init_from"] = str(options["init_from"].resolve())
    recipe = dataclasses.replace(recipe, **{k: v for k, v in changes.items() if v is not None})
    if recipe.name == presets.TUNING and not recipe.init_from:
        raise click.UsageError(
            f"{recipe.name}: it goes on from weights of before; name their file with --init-from. "
            "`tinynet train alexnet --variant torchvision` begins with drawn ones."
        )
    return recipes.suited(recipe)


def given(context: click.Context) -> set[str]:
    """Return the names of the options and arguments that stood on the command line."""
    typed = click.core.ParameterSource.COMMANDLINE
    return {name for name in context.params if context.get_parameter_source(name) == typed}


def _refuse_changes(context: click.Context) -> None:
    """Raise if an option beside --resume would make another run of it."""
    changed = given(context) - {"resume", "max_minutes", "data_dir"}
    if changed:
        raise click.ClickException(
            "train: --resume goes on with a run as it was begun; "
            f"{', '.join(sorted(changed))} cannot be changed."
        )
