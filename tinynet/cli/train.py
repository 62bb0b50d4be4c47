"""Command ``tinynet train``: its options, and the recipe with these settings."""

from __future__ import annotations

import dataclasses
import math
import os
import shlex
import sys
from pathlib import Path
from typing import Any

import click

from tinynet.cli import run
from tinynet.cli.language import lang_option
from tinynet.cli.options import DATA, FOLDER, KNOWN, Finite, RenamedOptions, folder_name, given
from tinynet.cli.output import Output
from tinynet.core import backend
from tinynet.data.files import unpacking
from tinynet.kernels.gemm import PRECISIONS
from tinynet.models.cross_layers import CROSS_LAYERS
from tinynet.training import presets, recipes, run_dir
from tinynet.training.recipes import OPTIMIZERS, SCHEDULES, Recipe
from tinynet.words import sentence, spoken

FREE = {"resume", "max_minutes", "data_dir", "epochs", "strict", "report", "quiet", "as_json"}
"""Options beside --resume; the others would change the run."""


@click.command(cls=RenamedOptions)
@click.argument("recipe", default="demo")
@click.option("--model", help="Another network than the recipe's, for instance resnet-18.")
@click.option("--variant", help="Variant of alexnet: torchvision, caffe, ...")
@click.option("--data", type=DATA, help="Another data set than the recipe's.")
@click.option("--data-dir", type=FOLDER, help="Folder of the data set's files.")
@click.option("--strict", is_flag=True, help="Refuse image files that cannot be read.")
@click.option("--size", type=click.IntRange(8, 1024), help="Side of the images, in pixels.")
@click.option("--epochs", type=click.IntRange(1), help="Number of passes over the images.")
@click.option("--batch-size", type=click.IntRange(1), help="Images per step.")
@click.option("--lr", type=Finite(0, min_open=True), help="Initial learning rate.")
@click.option(
    "--schedule", type=click.Choice(["constant", *SCHEDULES]), help="Learning-rate schedule."
)
@click.option(
    "--optimizer",
    type=click.Choice(OPTIMIZERS),
    help="Optimizer; for adam and adamw use --lr 0.001.",
)
@click.option("--validation", type=Finite(0, 0.9), help="Fraction of images held out.")
@click.option("--seed", type=click.IntRange(0, 2**64 - 1), help="Random seed.")
@click.option("--init-from", type=FOLDER, help="Weight file to start from.")
@click.option("--freeze", help="Layers that are not trained: features, or conv1,layer1.")
@click.option("--device", help="cpu or cuda.")
@click.option(
    "--precision",
    type=click.Choice([*PRECISIONS, "bf16"]),
    help="Products on a GPU: tf32 and bfloat16 use its tensor cores; bfloat16 keeps activations "
    "in it too.",
)
@click.option("--devices", help="Two devices for two towers: cuda:0,cuda:1 or cpu:0,cpu:1.")
@click.option(
    "--cross-at",
    type=click.Choice(CROSS_LAYERS),
    help="Convolution before which two towers see all maps.",
)
@click.option("--out", type=FOLDER, help="Folder of the run; default: runs/RECIPE-SEED.")
@click.option("--resume", type=FOLDER, help="Resume the run in this folder.")
@click.option("--max-minutes", type=Finite(0), help="Save and stop after this time.")
@click.option("--report/--no-report", default=True, help="Write report.html at the end.")
@click.option("--quiet", is_flag=True, help="Print errors and notes about the images alone.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@lang_option
@click.pass_context
def train(context: click.Context, /, resume: Path | None, **options: Any) -> None:
    """Train a network; the default, demo, needs no download.

    RECIPE names its settings: `tinynet recipes` lists them. A folder of images in its place, or a
    table of paths and labels, is trained on by demo.
    """
    limit = math.inf if options["max_minutes"] is None else options["max_minutes"]
    output = _output(options)
    if resume is not None:
        _refuse_changes(context)
        data_dir = options["data_dir"]
        epochs = options["epochs"]
        sys.exit(
            run.resume(
                resume,
                data_dir,
                limit=limit,
                epochs=epochs,
                output=output,
                strict=options["strict"],
            )
        )
    if options["devices"] is None and options["cross_at"] is not None:
        said = "train: --cross-at is for two towers, on --devices cpu:0,cpu:1."
        raise click.UsageError(sentence(said))
    if options["devices"] is not None and options["device"] is not None:
        said = "train: --device names one device, --devices those of two towers."
        raise click.UsageError(sentence(said))
    recipe = recipe_of(options)
    named = options["device"] if options["devices"] is None else options["devices"]
    devices = backend.devices("cpu" if named is None else named)
    _refuse_precision(recipe, devices)
    if options["devices"] is not None:
        recipe = recipes.on_two_devices(recipe, devices, options["cross_at"])
    out = options["out"]
    data_dir = options["data_dir"]
    strict = options["strict"]
    sys.exit(run.start(recipe, out, data_dir, devices, limit=limit, output=output, strict=strict))


def _output(options: dict[str, Any]) -> Output:
    """Return the choices of what is printed."""
    if options["quiet"] and options["as_json"]:
        raise click.UsageError(sentence("train: --quiet and --json exclude each other."))
    kind = "quiet" if options["quiet"] else "json" if options["as_json"] else "text"
    return Output(kind, options["report"])


def recipe_of(options: dict[str, Any]) -> Recipe:
    """Return the recipe that the options choose; a folder in its place is the demo's data set."""
    _take_folder(options)
    try:
        return _recipe(options)
    except ValueError as error:
        if options["recipe"] in presets.RECIPES:
            raise click.ClickException(spoken(error)) from None
        said = "{error} Nor is there a folder of images, or a table, of that name."
        if options["recipe"] in KNOWN.choices:
            said = "{error} It is a data set: --data {name}."
        raise click.ClickException(
            spoken(sentence(said, error=error, name=options["recipe"]))
        ) from None


def _refuse_path(given: str, folder: Path) -> None:
    """Refuse a path in the place of the recipe that is neither a folder nor a table."""
    if given in presets.RECIPES or not (folder.suffix or set(given) & {"/", os.sep}):
        return
    if archive := unpacking(folder):
        raise click.UsageError(archive)
    said = (
        "train: {folder} is not there. Name a folder of images, a table (.csv, .tsv) or a recipe; "
        "tinynet recipes lists them."
    )
    if folder.exists():
        said = (
            "train: {folder} is a file of another kind. Name a folder of images, a table (.csv, "
            ".tsv) or a recipe; tinynet recipes lists them."
        )
    raise click.UsageError(sentence(said, folder=folder))


def _take_folder(options: dict[str, Any]) -> None:
    """Make a folder in the place of the recipe the data set of the demo."""
    folder = Path(options["recipe"]).expanduser()
    table = folder.is_file() and folder.suffix.lower() in (".csv", ".tsv")
    if options["recipe"] in presets.RECIPES or not (folder.is_dir() or table):
        _refuse_path(options["recipe"], folder)
        return
    if run_dir.holds_run(folder):
        raise click.UsageError(
            sentence(
                "train: {folder} holds a run. To resume it: --resume {quoted}",
                folder=folder,
                quoted=shlex.quote(str(folder)),
            )
        )
    if options["data"] is not None:
        raise click.UsageError(
            sentence(
                "train: {folder} and --data {data} are two data sets. Choose one.",
                folder=folder,
                data=options["data"],
            )
        )
    options["data"] = folder_name(folder)
    options["recipe"] = "demo"


def _recipe(options: dict[str, Any]) -> Recipe:
    """Return the recipe, with the given options in place of its own settings."""
    recipe = presets.find(options["recipe"])
    settings = {field.name for field in dataclasses.fields(recipe)} - {"init_from"}
    changes = {name: value for name, value in options.items() if name in settings}
    if options["precision"] == "bf16":
        changes["precision"] = "bfloat16"
    if options["model"] is not None:
        changes["variant"] = options["variant"]
        recipe = dataclasses.replace(recipe, variant=None)  # which was another network's
    if options["schedule"] == "plateau" and not options["validation"]:
        changes["validation"] = recipe.validation or recipes.HELD_OUT
    if options["init_from"] is not None:
        changes["init_from"] = str(options["init_from"].resolve())
    recipe = dataclasses.replace(recipe, **{k: v for k, v in changes.items() if v is not None})
    if recipe.schedule == "constant":
        recipe = dataclasses.replace(recipe, schedule=())
    if recipe.name == presets.TUNING and not recipe.init_from:
        raise click.UsageError(
            sentence(
                "{recipe} needs pretrained weights: --init-from FILE. "
                "To start from random weights: tinynet train alexnet --variant torchvision.",
                recipe=recipe.name,
            )
        )
    return recipes.suited(recipe)


def _refuse_precision(recipe: Recipe, devices: tuple[backend.Device, ...]) -> None:
    """Raise if the products of a CPU are asked for in another precision than float32."""
    on_cpu = [device for device in devices if device.kind == "cpu"]
    if recipe.precision != "float32" and on_cpu:
        raise click.UsageError(
            sentence(
                "train: --precision {precision} is for products on a GPU; {device} computes in "
                "float32. Add --device cuda, or leave --precision out.",
                precision=recipe.precision,
                device=on_cpu[0],
            )
        )


def _refuse_changes(context: click.Context) -> None:
    """Raise if an option beside --resume would change the run; --epochs is looked at later."""
    changed = given(context) - FREE
    if changed:
        raise click.ClickException(
            sentence(
                "train: --resume continues a run unchanged; {options} cannot be changed. To start "
                "a new run from its weights: --init-from RUN/last.safetensors.",
                options=", ".join(sorted(changed)),
            )
        )
