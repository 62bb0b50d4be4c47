"""The command line: ``tinynet train | eval | predict | summary | info | data | lessons ...``.

Mistakes of a user or of a file end in one sentence and exit code 1. A traceback means that tinynet
itself is wrong.
"""

from __future__ import annotations

import sys
import time
import warnings
from pathlib import Path

import click

import tinynet
from tinynet.cli import weights
from tinynet.cli.data import FOLDER, IN_MEMORY, data
from tinynet.cli.lessons import lessons
from tinynet.cli.train import given, train
from tinynet.core.errors import DataError, DeviceError, GraphError, ShapeError
from tinynet.distributed import process_group

USER_ERRORS = (DataError, DeviceError, GraphError, ShapeError, FloatingPointError, OSError)


def main() -> None:
    """Run the command line and leave with its exit code."""
    warnings.formatwarning = lambda message, *_, **__: f"Note: {message}\n"  # no line of ours
    try:
        sys.exit(cli.main(prog_name="tinynet", standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Stopped.", err=True)
        sys.exit(130)
    except USER_ERRORS as error:
        process_group.default_group.abort(f"Error: {sentence(error)}")


def sentence(error: Exception) -> str:
    """Return an error as one sentence; of an OSError, without its number."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(tinynet.__version__)
def cli() -> None:
    """AlexNet from scratch: train it, look inside, read every line."""


cli.add_command(weights.commands)
cli.add_command(data)
cli.add_command(lessons)
cli.add_command(train)


@cli.command(name="eval")
@click.argument("run", type=FOLDER)
@click.option("--ten-view", is_flag=True, help="Average ten crops and mirrors, as the paper does.")
@click.option("--data-dir", type=FOLDER, help="Where the files of the data set are.")
@click.option("--device", help="cpu or cuda; by default where it was trained.")
def evaluate(run: Path, ten_view: bool, data_dir: Path | None, device: str | None) -> None:
    """Measure the net in folder RUN on its test pictures."""
    from tinynet.cli import training
    from tinynet.training import predict, run_dir
    from tinynet.training.loop import evaluate as measure

    net, note = predict.open_net(run, device)
    _say_aside(note)
    where = data_dir or run_dir.data_folder(run)
    test = training.open_set(net.recipe, where, train=False)
    predict.refuse_other_classes(net, test)
    if ten_view:
        loss, accuracy = predict.measure_ten_views(net, test)
    else:
        loss, accuracy = measure(net.model, net.feed(test))
    views = "ten views each" if ten_view else "one view each"
    click.echo(
        f"test accuracy {100 * accuracy:.2f} %  test loss {loss:.4f}  "
        f"({len(test):,} pictures of {net.recipe.data}, {views})"
    )


@cli.command()
@click.option("--data", type=IN_MEMORY, default="cifar10", help="The pictures.")
@click.option("--data-dir", type=FOLDER, help="Where the files of the data set are.")
@click.option("--words", type=click.IntRange(2), default=200, help="How many visual words.")
@click.option("--seed", type=click.IntRange(0, 2**64 - 1), default=0, help="Decides the patches.")
def baseline(data: str, data_dir: Path | None, words: int, seed: int) -> None:
    """Recognise pictures as before 2012: a bag of visual words and a linear SVM."""
    from tinynet import data as sets
    from tinynet.baselines import visual_words

    train, test = (sets.open_dataset(data, data_dir, train=part) for part in (True, False))
    for sentence in visual_words.run(train, test, words, seed):
        click.echo(sentence)


@cli.command(name="predict")
@click.argument("run", type=FOLDER)
@click.argument("images", nargs=-1, required=True, type=FOLDER)
@click.option("--device", help="cpu or cuda; by default where it was trained.")
def name_pictures(run: Path, images: tuple[Path, ...], device: str | None) -> None:
    """Say what the net in folder RUN sees in each of IMAGES: five classes, most probable first."""
    from tinynet.training import predict

    net, note = predict.open_net(run, device)
    _say_aside(note)
    for image in images:
        best = predict.guesses(net, image)[:5]
        click.echo(f"{image}: " + ", ".join(f"{name} {100 * p:.1f} %" for name, p in best))


@cli.command()
@click.argument("model", required=False)
@click.option("--classes", type=click.IntRange(1), help="How many classes it tells apart.")
@click.option("--variant", help="Of alexnet: paper, code2012, caffe, torchvision, ...")
@click.option("--diff", nargs=2, metavar="A B", help="Two models, or variants of alexnet.")
@click.option("--memory", is_flag=True, help="Foretell the memory of a training step.")
@click.option("--traffic", is_flag=True, help="Count what crosses between two towers.")
@click.option("--figure", type=FOLDER, help="Draw the towers, and what crosses, into this file.")
@click.option("--batch", type=click.IntRange(1), default=128, help="Images in that step.")
@click.pass_context
def summary(
    context: click.Context,
    /,
    model: str | None,
    classes: int | None,
    variant: str | None,
    diff: tuple[str, str] | None,
    memory: bool,
    traffic: bool,
    figure: Path | None,
    batch: int,
) -> None:
    """List the layers of MODEL: output shape, parameters, multiply-adds, bytes."""
    from tinynet import models
    from tinynet.analysis import communication as crossings
    from tinynet.analysis import compare, memory_report
    from tinynet.analysis import summary as summary_module

    if (model is None) == (diff is None):
        raise click.UsageError("summary: name one MODEL, or two after --diff.")
    _refuse_idle(context, bool(diff), memory or traffic or figure is not None)
    try:
        if diff is not None:
            click.echo(compare.contrast(*diff))
        elif model is not None:
            if model not in models.names():
                raise ValueError(
                    f"summary: there is no model {model!r}. Known: {', '.join(models.names())}."
                )
            pages = [summary_module.summary(model, classes, variant)]
            if memory:
                pages.append(memory_report.page(model, batch, classes, variant))
            if traffic or figure is not None:
                pages.append(crossings.page(model, batch, classes, variant, figure))
            click.echo("\n\n".join(pages))
    except ValueError as error:
        raise click.ClickException(str(error)) from None


def _refuse_idle(context: click.Context, diff: bool, counted: bool) -> None:
    """Raise if an option of `summary` was given that would change nothing."""
    idle = given(context) - {"diff"}
    if diff and idle:
        raise click.UsageError(
            "summary: --diff compares two networks as they are, and has no use for "
            f"--{', --'.join(sorted(idle))}. Ask for one MODEL at a time."
        )
    if "batch" in idle and not counted:
        raise click.UsageError(
            "summary: --batch is the size of the step of --memory or --traffic. Add one of them."
        )


@cli.command()
@click.option("--kernels", is_flag=True, help="List every kernel with its implementations too.")
def info(kernels: bool) -> None:
    """Show versions, devices, threads and caches."""
    from tinynet.analysis import summary as summary_module

    click.echo(summary_module.info())
    if kernels:
        click.echo("\n" + summary_module.kernel_table())


@cli.command()
def warm() -> None:
    """Compile all kernels now, so that no later command has to."""
    from tinynet.kernels.codegen import native
    from tinynet.kernels.dispatch import has_numba

    if not has_numba():
        raise click.ClickException("warm: Numba is not installed, so there is nothing to compile.")
    started = time.monotonic()
    native.warm()
    cached = sum(kernel.from_cache for kernel in native.needed())
    click.echo(
        f"{len(native.needed())} kernels are ready, {cached} of them were; "
        f"{time.monotonic() - started:.1f} s"
    )


@cli.command()
def recipes() -> None:
    """List what `train` knows by name."""
    from tinynet.analysis.summary import table
    from tinynet.training.presets import RECIPES

    rows = [(r.name, r.data, str(r.epochs), r.about) for r in RECIPES.values()]
    click.echo(table([("recipe", "data", "epochs", ""), *rows], left=4))


def _say_aside(note: str) -> None:
    if note:
        click.echo(note, err=True)
