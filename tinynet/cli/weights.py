"""Commands ``tinynet weights show | convert``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np

from tinynet import models, nn
from tinynet import weights as weight_files
from tinynet.cli import export
from tinynet.cli.options import FOLDER
from tinynet.core.backend import Array
from tinynet.core.errors import DataError
from tinynet.core.pickles import printable
from tinynet.core.table import table
from tinynet.weights import caffe_text, conventions, fit, known, matching
from tinynet.weights.contents import Weights
from tinynet.words import phrase, phrases, sentence, spoken

FILE = FOLDER  # or one
CLIPPED = 100  # characters of one line of metadata
PIECE = 1 << 20  # numbers converted to float64 at a time
MOST = 100_000  # classes of a file


@click.group()
def weights() -> None:
    """Show and convert weight files.

    Reads PyTorch's .pth of any age, .safetensors, .npz, .npy, .caffemodel, Keras's .h5 and .keras,
    .onnx, MatConvNet's .mat, and checkpoints. Loading never executes code from a file.
    """


def _conventions(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that state what a file does not."""
    options = [
        click.option("--by-order", is_flag=True, help="Match layers by order, not by name."),
        click.option("--layout", type=click.Choice(conventions.CHOICES["layout"])),
        click.option("--channels", type=click.Choice(conventions.CHOICES["channels"])),
        click.option("--lrn-alpha", type=click.Choice(conventions.CHOICES["lrn_alpha"])),
        click.option(
            "--flatten",
            type=click.Choice(conventions.CHOICES["flatten"]),
            help="Order of the maps before the first linear layer.",
        ),
        click.option("--flipped", is_flag=True, help="Filters of a true convolution (Theano)."),
        click.option(
            "--batch-norm-eps",
            type=click.FloatRange(0, 1),
            help="What is added to variances (Keras: 0.001).",
        ),
        click.option("--prototxt", type=FILE, help="The description of a .caffemodel."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@weights.command()
@click.argument("file", type=FILE)
@click.option("--model", help="Check whether the file fits this model, and list the conversions.")
@click.option("--variant", help="Of alexnet.")
@_conventions
def show(file: Path, model: str | None, variant: str | None, **said: Any) -> None:
    """List the arrays and the metadata of FILE, the networks that it fits, and how to load it.

    FILE may be a run folder: its last checkpoint is shown.
    """
    file = export.last_of(file)
    found = weight_files.read(file)
    click.echo(listing(file, found))
    if model is None:
        if said["prototxt"] is not None:
            found = caffe_text.judged(found, said["prototxt"])
            told = "{file}: its shapes are those of the weights."
            click.echo(phrase(told, file=said["prototxt"]))
        click.echo("\n".join(_advice(file, found, said)))
        return
    net = _model_for(model, variant, found, said["by_order"])
    for note in _load(file, net, found, said):
        click.echo(note)
    click.echo(phrase("It fits {model}.", model=model))


def _load(file: Path, net: nn.Module, found: Weights, said: dict[str, Any]) -> list[str]:
    """Load what was read from a file, and return the conversions; errors name the file."""
    try:
        return [str(change) for change in weight_files.load(net, found, **said)]
    except DataError as error:
        raise fit.of_file(error, file) from error


def _advice(file: Path, found: Weights, said: Mapping[str, Any]) -> list[str]:
    """Return lines on the networks that a file fits, what to state, and the commands."""
    fits = known.fits(found)
    text = phrase("Its own network: {call}", call=f"tn.weights.from_onnx({str(file)!r})")
    own = [text] if found.kind == "onnx" else []
    if not fits:
        none = "It fits no network here by names or by order; --model NAME says what differs."
        return [phrase(none), *own]
    by_name = "By name and shape, its arrays are those of {networks}."
    in_order = "In their order, its arrays are those of {networks}."
    how = in_order if fits[0].by_order else by_name
    lines = [phrase(how, networks=spoken(known.described(fits)))]
    lines += [f"{reason}." for name, reason in found.asks.items() if said[name] is None]
    return [*lines, phrase("To load it:"), *known.commands(file, found, fits[0], said), *own]


@weights.command()
@click.argument("file", type=FILE)
@click.argument("out", type=FILE)
@click.option("--model", help="Give it the names and the conventions of this model.")
@click.option("--variant", help="Of alexnet.")
@_conventions
@click.option("--best", is_flag=True, help="Of a run: the weights of its best epoch.")
@click.option("--softmax", is_flag=True, help="An .onnx that returns probabilities.")
@click.option(
    "--without-preprocessing", is_flag=True, help="An .onnx that takes normalized images."
)
def convert(
    file: Path,
    out: Path,
    model: str | None,
    variant: str | None,
    best: bool,
    softmax: bool,
    without_preprocessing: bool,
    **said: Any,
) -> None:
    """Write the weights in FILE to OUT: a .safetensors, an .npz, PyTorch's .pt or an .onnx.

    FILE may be a run folder. An .onnx holds the network too: that of the run, with the
    preprocessing of its images, or that of --model. --layout, --channels, --lrn-alpha, --flatten,
    --flipped and --batch-norm-eps state conventions that FILE does not.
    """
    file = export.best_of(file) if best else file
    if out.suffix == ".onnx" and export.is_run(file, model, variant):
        include = not without_preprocessing
        said_of_it = export.export_run(file, out, softmax=softmax, include=include)
        click.echo("\n".join(said_of_it))
        click.echo(phrase("{out}: {size:,} bytes.", out=out, size=out.stat().st_size))
        return
    file = export.last_of(file)
    found = weight_files.read(file)
    if out.suffix == ".onnx" and model is None:
        model, variant = export.model_of(found.metadata)
    if model is not None:
        net = _model_for(model, variant, found, said["by_order"])
        notes = _load(file, net, found, said)
        metadata = {"model": variant or model, conventions.KEY: conventions.of_model(net).json()}
        result = Weights(net.state_dict(), metadata)
        if out.suffix == ".onnx":
            side = models.entry(model, variant).side
            weight_files.save_onnx(net, out, (3, side, side), softmax=softmax, metadata=metadata)
            notes.append(phrase(export.UNKNOWN))
    else:
        result = _restated(file, out, found, said)
        notes = []
    if out.suffix != ".onnx":
        weight_files.save(result, out)
    for note in notes:
        click.echo(note)
    told = "{out}: {count} arrays, {size:,} bytes."
    click.echo(phrase(told, out=out, count=len(result.arrays), size=out.stat().st_size))


def _restated(file: Path, out: Path, found: Weights, said: dict[str, Any]) -> Weights:
    """Return the arrays of a file as they are, with the conventions that it or the user states."""
    if out.suffix == ".onnx":
        text = (
            "{out}: an .onnx holds the network too, and {file} does not say which it is; name it "
            "with --model."
        )
        raise DataError(sentence(text, out=out, file=file))
    needs_model = [name for name in ("by_order", "prototxt") if said.pop(name)]
    if needs_model:
        option = needs_model[0].replace("_", "-")
        raise DataError(sentence("{file}: --{option} needs --model.", file=file, option=option))
    for name in _questions(found):
        if said[name] is not None:
            continue
        raise DataError(
            f"{file}: {found.asks[name]}. Say --{name.replace('_', '-')}, or name the network "
            "with --model."
        )
    try:
        stated = conventions.stated(found.metadata, **said)
    except DataError as error:
        raise DataError(f"{file}: {error}") from error
    return Weights(found.arrays, {**found.metadata, conventions.KEY: stated.json()})


def _questions(found: Weights) -> list[str]:
    """Return the options that a file leaves open, and that matter for its arrays."""
    shapes = [array.shape for array in found.arrays.values()]
    matters = {
        "layout": any(len(shape) > 1 for shape in shapes),
        "channels": any(len(shape) == 4 and 3 in shape[1:3] for shape in shapes),
        "batch_norm_eps": True,
    }
    return [name for name in found.asks if matters[name]]


def listing(file: Path, found: Weights) -> str:
    """Return a table of the arrays, and the metadata in lines."""
    rows = [phrases("array", "dtype", "shape", "mean", "deviation")]
    for name, array in found.arrays.items():
        spread = [f"{value:.4g}" for value in moments(array)] if array.size else ("", "")
        shape = "x".join(map(str, array.shape)) or phrase("one number")
        rows.append((name, str(array.dtype), shape, *spread))
    numbers = sum(array.size for array in found.arrays.values())
    size = sum(array.nbytes for array in found.arrays.values())
    said = [
        f"{printable(key)}: {printable(value[:CLIPPED])}{' ...' * (len(value) > CLIPPED)}"
        for key, value in sorted(found.metadata.items())
    ]
    return "\n".join(
        [
            phrase(
                "{file}: {kind}, {count} arrays, {numbers:,} numbers, {size:.1f} MiB",
                file=file,
                kind=phrase(found.kind),
                count=len(found.arrays),
                numbers=numbers,
                size=size / 2**20,
            ),
            table(rows, left=3),
            *said,
            *found.notes,
        ]
    )


def moments(array: Array) -> tuple[float, float]:
    """Return mean and standard deviation in float64, a piece of the array at a time."""
    with np.errstate(all="ignore"):
        mean = np.mean(array, dtype=np.float64)
        pieces = np.array_split(array.reshape(-1), -(-array.size // PIECE))
        squares = sum(np.square(piece - mean).sum() for piece in pieces)
        return float(mean), float(np.sqrt(squares / array.size))


def _model_for(name: str, variant: str | None, found: Weights, by_order: bool = False) -> nn.Module:
    """Return a model with as many classes as the last layer in the file has."""
    try:
        with nn.init.skip_init():
            state = models.build(name, variant=variant).state_dict()
            wanted = {key: tuple(array.shape) for key, array in state.items()}
            match = matching.best(found.arrays, wanted, by_order=by_order)
            last = match.arrays.get(list(wanted)[-1])
            if last is None:  # a loading by name is refused, with the offer of one by order
                match = matching.best(found.arrays, wanted, by_order=True)
                last = match.arrays.get(list(wanted)[-1])
            classes = 10 if last is None else max(1, last.size)
            if classes > MOST:
                raise DataError(
                    f"{name}: a network has at most {MOST:,} classes here; the last layer in the "
                    f"file has {classes:,} numbers."
                )
            return models.build(name, classes, variant=variant)
    except ValueError as error:
        raise DataError(str(error)) from None
