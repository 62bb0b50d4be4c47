"""Communication volume between two devices: bytes by layer, and three ways to share a step."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinynet import models, nn
from tinynet.core.grad_mode import no_grad
from tinynet.core.table import table
from tinynet.functions.transfer import Crossing
from tinynet.kernels import use
from tinynet.models.two_towers import LAYERS, TwoTowers
from tinynet.plot import towers
from tinynet.tensors import zeros
from tinynet.words import phrase, phrases, sentence

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FLOAT = 4  # bytes
HOST = "picture"  # the name of the input; in 2012 each GPU got it from the host


def page(
    name: str,
    batch: int,
    classes: int | None = None,
    variant: str | None = None,
    figure: Path | str | None = None,
    cross_at: str | None = None,
) -> str:
    """Return the communication volume of a two-tower network as text.

    Parameters
    ----------
    name : str
        A registered model with two towers.
    batch : int
        Images in a step.
    classes, variant, cross_at : optional
        As in `tn.models.build`.
    figure : Path or str, optional
        A .png, .svg or .pdf file for the drawing of the towers.

    Raises
    ------
    ValueError
        The model does not have two towers.
    """
    with nn.init.skip_init():
        model = models.build(name, classes, variant=variant, cross_at=cross_at)
    if not isinstance(model, TwoTowers):
        known = ", ".join(n for n, entry in models.MODELS.items() if entry.cross_layers)
        on_two = models.entry(name).on_two_devices
        said = (
            "communication: {name} has no towers. Choose a network with two towers: {known}."
            if on_two
            else "communication: {name} runs on one device. Choose a network with two towers: "
            "{known}."
        )
        raise ValueError(sentence(said, name=name, known=known))
    crossed = model.traffic()
    if figure is not None:
        title = phrase(
            "{name}: bytes between the devices for one image, float32; gradients return likewise",
            name=name,
        )
        draw(model, figure, title=title)
    return f"{by_layer(name, model, crossed)}\n\n{schemes(model, crossed, batch)}"


def draw(model: TwoTowers, path: Path | str | None = None, *, title: str = "") -> Figure:
    """Draw the towers of a network, and the bytes that cross for one image: `plot.towers`."""
    found = sums(model.traffic(), backward=False)
    there = {way: n for way, n in found.items() if way[0] != HOST}
    return towers.towers(maps(model), there, path, kernels=windows(model), title=title)


def sums(crossed: list[Crossing], *, backward: bool) -> dict[tuple[str, bool], int]:
    """Return the bytes of one image by (layer, whether they go to the second device)."""
    found: dict[tuple[str, bool], int] = {}
    first = crossed[0].source  # the images start on the first device
    for c in crossed:
        if c.backward is backward:
            key = c.layer, c.source == first
            found[key] = found.get(key, 0) + c.bytes_per_image
    return found


def by_layer(name: str, model: TwoTowers, crossed: list[Crossing]) -> str:
    """Return a table of bytes by layer and direction, for one image."""
    a, b = model.devices
    columns = [
        (sums(crossed, backward=backward), there)
        for backward in (False, True)
        for there in (True, False)
    ]
    layers = list(dict.fromkeys(c.layer for c in crossed))
    rows = [[found.get((layer, there), 0) for found, there in columns] for layer in layers]
    there = {"source": a, "target": b}
    back = phrase("{source} to {target}", source=b, target=a)
    forward = phrase("forward: {source} to {target}", **there)
    backward = phrase("backward: {source} to {target}", **there)
    header = [phrase("into"), forward, back, backward, back]
    total = [phrase("all"), *(f"{sum(column):,}" for column in zip(*rows, strict=True))]
    cells = [
        [phrase(layer), *map("{:,}".format, row)] for layer, row in zip(layers, rows, strict=True)
    ]
    return (
        f"{phrase(COUNTED, name=name)}\n{phrase(FROM_THE_FIRST)}\n"
        f"{table([header, *cells, total], left=1)}"
    )


COUNTED = (
    "{name}: bytes between the devices for one image, float32, counted in a forward and a "
    "backward pass."
)
FROM_THE_FIRST = (
    "The second tower gets its images from the first device; in 2012 they came from the host."
)


def schemes(model: TwoTowers, crossed: list[Crossing], batch: int) -> str:
    """Return a table of the bytes of a step: two towers, data parallelism, and one weird trick."""
    rows = [
        (
            phrase(scheme),
            *map(megabytes, (forward, backward, weights, forward + backward + weights)),
        )
        for scheme, forward, backward, weights in amounts(model, crossed, batch)
    ]
    header = phrases("a step on two devices", "forward", "backward", "weights", "all")
    said = (
        "MB between the devices with {batch:,} images a step, both directions together, without "
        "the images:"
    )
    return f"{phrase(said, batch=batch)}\n{table([header, *rows], left=1)}"


def amounts(
    model: TwoTowers, crossed: list[Crossing], batch: int
) -> list[tuple[str, float, float, float]]:
    """Return the bytes of a step for three schemes.

    Data parallelism averages every gradient: each device sends one half of them to be summed and
    receives the other, so each sends as many bytes as the weights have. One weird trick (Krizhevsky
    2014) averages those of the convolutions alone; the inputs of fc6 are sent for half of the
    images, those of fc7 and fc8 for half of the units.

    Returns
    -------
    list of (scheme, bytes of activations, of their gradients, of the gradients of weights)
    """
    names = {n: math.prod(p.shape) for n, p in model.named_parameters()}
    convolutions = sum(size for name, size in names.items() if ".conv" in name)
    maps_in = model.sizes.maps
    hidden = model.sizes.hidden
    trick = FLOAT * batch * (2 * maps_in + 2 * hidden + hidden)  # into fc6, fc7, fc8
    tower = [
        batch * sum(n for (layer, _), n in sums(crossed, backward=way).items() if layer != HOST)
        for way in (False, True)
    ]
    return [
        ("two towers: activations cross", tower[0], tower[1], 0),
        ("data parallel: gradients cross", 0, 0, 2 * FLOAT * sum(names.values())),
        ("one weird trick: both", trick, trick, 2 * FLOAT * convolutions),
    ]


def maps(model: TwoTowers) -> dict[str, tuple[int, ...]]:
    """Return the output shape of each layer of one tower, before pooling."""
    names = {id(getattr(model.towers[0], layer)[0]): layer for layer in LAYERS}
    found: dict[str, tuple[int, ...]] = {}

    def note(module: nn.Module, x: Any, y: Any) -> None:
        if id(module) in names:
            found[names[id(module)]] = y.shape[1:]

    side = model.sizes.image
    with no_grad(), use("reference"), nn.observe(note):
        y = model(zeros(0, 3, side, side, device=model.devices[0]))
    return {HOST: (3, side, side), **found, "fc8": y.shape[1:]}


def windows(model: TwoTowers) -> dict[str, str]:
    """Return the window of each convolution, and the pooling before a layer, as short text.

    The pooling after a layer is written at the arrow into the next one.
    """
    found: dict[str, str] = {}
    pool = ""
    for layer in LAYERS:
        parts = [pool] if pool else []
        pool = ""
        for module in getattr(model.towers[0], layer):
            if isinstance(module, nn.Conv2d):
                KH, KW = module.kernel_size
                stride = module.stride[0]
                parts.append(f"conv {KH}x{KW}" + (f"\nstride {stride}" if stride > 1 else ""))
            elif isinstance(module, nn.MaxPool2d):
                pool = "max pool"
        found[layer] = "\n".join(parts)
    return found


def megabytes(amount: float) -> str:
    """Return bytes as MB (10**6 bytes), with one decimal."""
    return f"{amount / 1e6:,.1f}"
