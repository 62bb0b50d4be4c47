"""What crosses between the two devices of a network, layer by layer, and what other ways would."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from tinynet import models, nn
from tinynet.analysis.summary import table
from tinynet.core.grad_mode import no_grad
from tinynet.functions.transfer import Crossing
from tinynet.kernels import use
from tinynet.models.two_towers import LAYERS, TwoTowers
from tinynet.plot import towers
from tinynet.tensors import zeros

FLOAT = 4  # bytes
HOST = "picture"  # in 2012 each GPU had the pictures from the host


def page(
    name: str,
    batch: int,
    classes: int | None = None,
    variant: str | None = None,
    figure: Path | None = None,
) -> str:
    """Return the tables of a network of two towers; draw it into `figure`, if that is named."""
    with nn.init.skip_init():
        model = models.build(name, classes, variant=variant)
    if not isinstance(model, TwoTowers):
        known = ", ".join(n for n in models.names() if n.endswith(models.TOWERS))
        lives = "has no towers" if name.endswith(models.ON_DEVICES) else "lives on one device"
        raise ValueError(f"traffic: {name} {lives}. Try {known}: their tables have all three ways.")
    crossed = model.traffic()
    if figure is not None:
        title = f"{name}: what crosses for one picture, float32; its gradients return the same way"
        there = {way: n for way, n in sums(crossed, backward=False).items() if way[0] != HOST}
        towers.towers(maps(model), there, figure, title=title)
    return f"{by_layer(name, model, crossed)}\n\n{schemes(model, crossed, batch)}"


def sums(crossed: list[Crossing], *, backward: bool) -> dict[tuple[str, bool], int]:
    """Return the bytes of one picture by (layer, whether they go to the second device)."""
    found: dict[tuple[str, bool], int] = {}
    first = crossed[0].source  # the picture starts on the first device
    for c in crossed:
        if c.backward is backward:
            key = c.layer, c.source == first
            found[key] = found.get(key, 0) + c.bytes_per_image
    return found


def by_layer(name: str, model: TwoTowers, crossed: list[Crossing]) -> str:
    """Return a table of bytes by layer and direction, for one picture."""
    a, b = model.devices
    columns = [
        (sums(crossed, backward=backward), there)
        for backward in (False, True)
        for there in (True, False)
    ]
    layers = list(dict.fromkeys(c.layer for c in crossed))
    rows = [[found.get((layer, there), 0) for found, there in columns] for layer in layers]
    header = ["into", f"forward: {a} to {b}", f"{b} to {a}", f"backward: {a} to {b}", f"{b} to {a}"]
    total = ["all", *(f"{sum(column):,}" for column in zip(*rows, strict=True))]
    cells = [[layer, *map("{:,}".format, row)] for layer, row in zip(layers, rows, strict=True)]
    return (
        f"{name}: bytes that cross for one picture, float32, counted on a way forward and back.\n"
        f"The second tower has its picture over the first; in 2012 it came from the host.\n"
        f"{table([header, *cells, total], left=1)}"
    )


def schemes(model: TwoTowers, crossed: list[Crossing], batch: int) -> str:
    """Return what a step would move with towers, with shared batches, and with one weird trick."""
    rows = [
        (what, megabytes(forward), megabytes(backward), megabytes(weights), megabytes(all_of_it))
        for what, forward, backward, weights in amounts(model, crossed, batch)
        for all_of_it in [forward + backward + weights]
    ]
    header = ("a step on two devices", "forward", "backward", "weights", "all")
    return (
        f"MB that cross with {batch:,} pictures a step, both directions together, without pictures:"
        f"\n{table([header, *rows], left=1)}"
    )


def amounts(
    model: TwoTowers, crossed: list[Crossing], batch: int
) -> list[tuple[str, float, float, float]]:
    """Return (scheme, bytes of activations, of their gradients, of weights and theirs) for a step.

    Data parallelism averages every gradient: each device sends half of them to be added up and
    gets as many back, so that each sends as many bytes as there are weights. One weird trick does
    so with the convolutions alone; what goes into fc6 is sent for half of the pictures, what goes
    into fc7 and fc8 for half of the units.
    """
    names = {n: math.prod(p.shape) for n, p in model.named_parameters()}
    convolutions = sum(size for name, size in names.items() if ".conv" in name)
    maps_in, hidden = model.plan.maps, model.plan.hidden
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
    """Return the shape of what each layer of one tower makes, before it is pooled."""
    names = {id(getattr(model.towers[0], layer)[0]): layer for layer in LAYERS}
    found: dict[str, tuple[int, ...]] = {}

    def note(module: nn.Module, x: Any, y: Any) -> None:
        if id(module) in names:
            found[names[id(module)]] = y.shape[1:]

    side = model.plan.image
    with no_grad(), use("reference"), nn.observe(note):
        y = model(zeros(0, 3, side, side, device=model.devices[0]))
    return {"picture": (3, side, side), **found, "fc8": y.shape[1:]}


def megabytes(amount: float) -> str:
    """Return bytes in MB, a million of them."""
    return f"{amount / 1e6:,.1f}"
