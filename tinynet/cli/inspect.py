"""Commands ``tinynet summary | info | warm | recipes``."""

from __future__ import annotations

import time
from pathlib import Path

import click

from tinynet import models
from tinynet.analysis import communication, compare, environment, memory_report
from tinynet.analysis import summary as summary_module
from tinynet.cli import errors
from tinynet.cli.options import given
from tinynet.cli.output_file import FIGURE_FILE, OutputCommand, chosen, say_drawn
from tinynet.core.table import table
from tinynet.kernels.codegen import native
from tinynet.kernels.dispatch import has_numba
from tinynet.models.cross_layers import CROSS_LAYERS
from tinynet.training import run_dir
from tinynet.training.presets import RECIPES
from tinynet.words import phrase, phrases, sentence


@click.command(cls=OutputCommand)
@click.argument("model", required=False)
@click.option("--classes", type=click.IntRange(1), help="Number of classes.")
@click.option("--variant", help="Of alexnet: paper, code2012, caffe, torchvision, ...")
@click.option(
    "--cross-at",
    type=click.Choice(CROSS_LAYERS),
    help="Convolution before which two towers see all maps.",
)
@click.option("--diff", nargs=2, metavar="A B", help="Two models, or variants of alexnet.")
@click.option("--memory", is_flag=True, help="Estimate the memory of a training step.")
@click.option("--traffic", is_flag=True, help="Count the bytes between two towers.")
@click.option(
    "--figure",
    type=FIGURE_FILE,
    help="Draw the towers and their traffic; default: MODEL.png.",
)
@click.option(
    "--batch-size", "batch", type=click.IntRange(1), default=128, help="Images in that step."
)
@click.pass_context
def summary(
    context: click.Context,
    /,
    model: str | None,
    classes: int | None,
    variant: str | None,
    cross_at: str | None,
    diff: tuple[str, str] | None,
    memory: bool,
    traffic: bool,
    figure: Path | None,
    batch: int,
) -> None:
    """List the layers of MODEL: shapes, parameters, bytes."""
    if (model is None) == (diff is None):
        raise click.UsageError(sentence("summary: name one MODEL, or two after --diff."))
    _refuse_idle(context, bool(diff), memory or traffic or figure is not None)
    try:
        if diff is not None:
            click.echo(compare.contrast(*diff))
        elif model is not None:
            _refuse_unknown(model)
            pages = [summary_module.page(model, classes, variant, cross_at)]
            if memory:
                pages.append(memory_report.page(model, batch, classes, variant, cross_at))
            if traffic or figure is not None:
                file = figure and chosen(figure, Path(f"{model}.png"))
                pages.append(communication.page(model, batch, classes, variant, file, cross_at))
                if file is not None:
                    say_drawn(file)
            click.echo("\n\n".join(pages))
    except ValueError as error:
        raise click.ClickException(errors.sentence(error)) from None


def _refuse_unknown(model: str) -> None:
    """Raise ValueError unless there is such a network; a run folder names its own."""
    if model in models.names():
        return
    if run_dir.holds_run(Path(model)):
        recipe, _ = run_dir.read_config(Path(model))
        said = "summary: {run} is a run of {model}. Type: tinynet summary {model}"
        raise ValueError(sentence(said, run=model, model=recipe.model))
    said = "summary: there is no model {model!r}. Known: {known}."
    raise ValueError(sentence(said, model=model, known=", ".join(models.names())))


def _refuse_idle(context: click.Context, diff: bool, counted: bool) -> None:
    """Raise if an option of `summary` would change nothing."""
    idle = given(context) - {"diff"}
    if diff and idle:
        said = (
            "summary: --diff compares two networks as they are, and has no use for {options}. "
            "Ask for one MODEL at a time."
        )
        raise click.UsageError(sentence(said, options=_options(idle)))
    if "batch" in idle and not counted:
        said = "summary: --batch-size belongs to --memory or --traffic. Add one of them."
        raise click.UsageError(sentence(said))


def _options(names: set[str]) -> str:
    shown = {"batch": "batch-size"}
    return ", ".join(f"--{shown.get(name, name).replace('_', '-')}" for name in sorted(names))


@click.command()
@click.option("--kernels", is_flag=True, help="List every kernel and its implementations too.")
def info(kernels: bool) -> None:
    """Show versions, devices, threads and caches."""
    click.echo(environment.info())
    if kernels:
        click.echo("\n" + environment.kernel_table())


@click.command()
def warm() -> None:
    """Compile all kernels now, so that later commands start faster."""
    if not has_numba():
        said = "warm: Numba is not installed, so there is nothing to compile."
        raise click.ClickException(sentence(said))
    started = time.monotonic()
    native.warm()
    cached = sum(kernel.from_cache for kernel in native.needed())
    click.echo(
        phrase(
            "{count} kernels are ready, {cached} of them were; {seconds:.1f} s",
            count=len(native.needed()),
            cached=cached,
            seconds=time.monotonic() - started,
        )
    )


@click.command()
def recipes() -> None:
    """List the recipes of train by name."""
    rows = [(r.name, r.data, str(r.epochs), phrase(r.about)) for r in RECIPES.values()]
    click.echo(table([(*phrases("recipe", "data", "epochs"), ""), *rows], left=4))
