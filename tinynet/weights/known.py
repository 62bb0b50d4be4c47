"""Registered models that the contents of a weight file fit, and the commands that load it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from tinynet import models, nn
from tinynet.core.backend import Array, default_device
from tinynet.weights import conventions, matching, names
from tinynet.weights.contents import Weights
from tinynet.weights.conventions import Conventions
from tinynet.words import Sentence, sentence

SHOWN = 3  # networks in a sentence
MOST = 5_000  # arrays; densenet-121 has 606
USUAL = {"channels": "BGR", "batch_norm_eps": 0.001}
"""What is shown where neither file nor user states it: the first filters of Caffe, eps of Keras."""

Shapes = dict[str, tuple[int, ...]]


class Network(NamedTuple):
    """A registered network: what is typed for it, its shapes for one class, and its conventions."""

    typed: str
    shapes: Shapes
    conventions: Conventions
    order: str


class Fit(NamedTuple):
    """A registered network that the arrays of a file fit.

    Parameters
    ----------
    typed : its name on the command line, with its variant
    classes : number of classes
    by_order : whether the names differ, and the order of the layers fits
    """

    typed: str
    classes: int
    by_order: bool


def networks(arrays: Mapping[str, Array]) -> str:
    """Return a sentence with the registered models that the arrays fit, or "" if there is none."""
    found = [fit for fit in fits(Weights(dict(arrays))) if not fit.by_order]
    if not found:
        return ""
    said = "Their names and shapes are those of {networks}. "
    return sentence(said, networks=described(found))


def described(found: list[Fit]) -> Sentence:
    """Return the names of networks with the same number of classes, and that number."""
    classes = found[0].classes
    fitting = [fit.typed for fit in found if fit.classes == classes]
    if len(fitting) > SHOWN:
        fitting[SHOWN:] = [sentence("{count} more", count=len(fitting) - SHOWN)]
    *others, last = fitting
    whose = last
    if others:
        whose = sentence("{networks} or {last}", networks=", ".join(others), last=last)
    number = sentence("1 class") if classes == 1 else sentence("{count:,} classes", count=classes)
    return sentence("{networks}, with {number}", networks=whose, number=number)


def fits(weights: Weights) -> list[Fit]:
    """Return the registered networks that a file fits: by name, or else by the order of the layers.

    Where the file states the constants of its response normalizations, or the order of its layers,
    networks that agree with them are preferred. Else those of Caffe come first for a file of a kind
    that was converted from Caffe.
    """
    if len(weights.arrays) > MOST:
        return []
    found: list[tuple[int, Fit]] = []
    by_order: list[tuple[int, Fit]] = []
    for network in _networks(tuple(models.entry(name) for name in models.names())):
        classes = _classes(names.fitted(weights.arrays, network.shapes), network.shapes)
        if classes is not None:
            found.append((_differences(weights, network), Fit(network.typed, classes, False)))
        elif not found and (classes := _classes_by_order(weights, network)) is not None:
            by_order.append((_differences(weights, network), Fit(network.typed, classes, True)))
    chosen = found or by_order
    least = min((differences for differences, _ in chosen), default=0)
    preferred = [fit for differences, fit in chosen if differences == least]
    if "channels" in weights.asks:
        preferred.sort(key=lambda fit: not fit.typed.endswith("--variant caffe"))
    return preferred


def commands(path: Path, weights: Weights, fit: Fit, said: Mapping[str, Any]) -> list[str]:
    """Return the lines that load a file: a command, and the same in Python.

    Parameters
    ----------
    path : Path
    weights : Weights
    fit : Fit
    said : mapping
        Conventions that the user states, as `load` takes them.
    """
    name, _, variant = fit.typed.partition(" --variant ")
    usual = {key: value for key, value in USUAL.items() if key in weights.asks}
    given = {key: value for key, value in said.items() if value is not None and value is not False}
    told = ({"by_order": True} if fit.by_order else {}) | usual | given
    options = [_option(key, value) for key, value in told.items()]
    arguments = [f"{key}={_quoted(value)}" for key, value in told.items()]
    out = path.with_suffix(".safetensors").name
    if out == path.name:
        out = f"{path.stem}-{variant or name}.safetensors"
    typed = " ".join([shlex.quote(str(path)), shlex.quote(out), f"--model {fit.typed}", *options])
    build = f'"{name}", {fit.classes}' + (f', variant="{variant}"' if variant else "")
    call = ", ".join([f"tn.models.build({build})", repr(str(path)), *arguments])
    return [f"tinynet weights convert {typed}", f"tn.weights.load({call})"]


def _option(key: str, value: Any) -> str:
    option = f"--{key.replace('_', '-')}"
    return option if value is True else f"{option} {shlex.quote(str(value))}"


def _quoted(value: Any) -> str:
    if isinstance(value, Path):
        return repr(str(value))
    return f'"{value}"' if isinstance(value, str) else repr(value)


@lru_cache(maxsize=1)
def _networks(registered: tuple[models.Entry, ...]) -> list[Network]:
    """Return each of the networks that are registered, with its shapes for a single class.

    Weights are not initialized, so all of the networks together take less than a second.
    """
    found = []
    for name in models.names():
        for variant in models.entry(name).variants or [None]:
            with nn.init.skip_init(), default_device("cpu"):
                model = models.build(name, 1, variant=variant)
            shapes = {key: tuple(value.shape) for key, value in model._named_tensors()}
            typed = f"{name} --variant {variant}" if variant else name
            known = Network(typed, shapes, conventions.of_model(model), conventions.order_of(model))
            found.append(known)
    return found


def _differences(weights: Weights, network: Network) -> int:
    """Return how many facts that a file states of its network are other ones here."""
    stated = conventions.stated(weights.metadata)
    order = weights.metadata.get(conventions.ORDER, network.order)
    norms = conventions.effective(stated)
    same = not norms or norms == conventions.effective(network.conventions)
    return (not same) + (order != network.order)


def _classes_by_order(weights: Weights, network: Network) -> int | None:
    """Return the number of classes with which the arrays fit in their order, or None."""
    if len(weights.arrays) < len(network.shapes):
        return None
    match = matching.best(weights.arrays, network.shapes, by_order=True)
    return _classes_of(
        matching.shapes_in(match.arrays, network.shapes, match.layout), network.shapes
    )


def _classes(found: Mapping[str, Array], wanted: Shapes) -> int | None:
    """Return the number of classes with which the shapes are those of the arrays, or None."""
    if found.keys() != wanted.keys():
        return None
    match = matching.best(found, wanted)
    return _classes_of(matching.shapes_in(match.arrays, wanted, match.layout), wanted)


def _classes_of(found: Shapes, wanted: Shapes) -> int | None:
    if found.keys() != wanted.keys():
        return None
    counts = set()
    for name, shape in wanted.items():
        if found[name] != shape:
            if shape[:1] != (1,) or found[name][1:] != shape[1:]:
                return None
            counts.add(found[name][0])
    return next(iter(counts), 1) if len(counts) <= 1 else None
