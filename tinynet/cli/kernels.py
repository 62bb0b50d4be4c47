"""Command ``tinynet kernels profile``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from tinynet.cli import errors
from tinynet.cli.output_file import FIGURE_FILE, OutputCommand, chosen, say_drawn
from tinynet.kernels.gemm import PRECISIONS
from tinynet.words import phrase, sentence


@click.group()
def kernels() -> None:
    """Look at the CUDA kernels, without a GPU."""


@kernels.command(cls=OutputCommand)
@click.argument("model", default="small-alexnet")
@click.option("--gpu", default="h200", show_default=True, help="h200, a100, a6000, rtx4090 or t4.")
@click.option(
    "--batch-size",
    "batch",
    type=click.IntRange(1),
    default=128,
    show_default=True,
    help="Images of the step.",
)
@click.option(
    "--precision",
    type=click.Choice([*PRECISIONS, "bf16"]),
    default="float32",
    show_default=True,
    help="Of matrix products.",
)
@click.option("--json", "as_json", is_flag=True, help="Print every row as JSON.")
@click.option(
    "--figure", type=FIGURE_FILE, help="Draw the estimated times; default: kernels-MODEL.png."
)
def profile(
    model: str, gpu: str, batch: int, precision: str, as_json: bool, figure: Path | None
) -> None:
    """Estimate a training step of MODEL on a GPU: launches, memory traffic, time."""
    from tinynet import models
    from tinynet.analysis import gpu_step

    if model not in models.names():
        said = "kernels profile: there is no model {model!r}. Known: {known}."
        raise click.ClickException(sentence(said, model=model, known=", ".join(models.names())))
    try:
        products = "bfloat16" if precision == "bf16" else precision
        found = gpu_step.profile_model(model, batch, gpu=gpu, precision=products)
    except ValueError as error:
        raise click.ClickException(errors.sentence(error)) from None
    what = phrase("a training step of {model}, batch {batch},", model=model, batch=batch)
    if figure is not None:
        figure = chosen(figure, Path(f"kernels-{model}.png"))
        from tinynet.plot.kernel_times import kernel_times

        kernel_times(found, figure, title=f"{model}, batch {batch}")
        say_drawn(figure)
    click.echo(json.dumps(found.as_dict(), indent=1) if as_json else gpu_step.page(found, what))
