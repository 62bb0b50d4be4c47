"""Registered models that the names and shapes in a weight file fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tinynet import models, nn
from tinynet.core.backend import Array, default_device
from tinynet.weights import names

SHOWN = 3  # networks in a sentence


def networks(arrays: Mapping[str, Array]) -> str:
    """Return a sentence with the registered models that the arrays fit, or "" if there is none."""
    found: dict[int, list[str]] = {}
    for typed, wanted in _shapes():
        classes = _classes(names.fitted(arrays, wanted), wanted)
        if classes is not None:
            found.setdefault(classes, []).append(typed)
    if not found:
        return ""
    classes, fitting = next(iter(found.items()))
    if len(fitting) > SHOWN:
        fitting[SHOWN:] = [f"{len(fitting) - SHOWN} more"]
    whose = " or ".join(part for part in (", ".join(fitting[:-1]), fitting[-1]) if part)
    number = "1 class" if classes == 1 else f"{classes:,} classes"
    return f"Their names and shapes are those of {whose}, with {number}. "


def _shapes() -> Iterator[tuple[str, dict[str, tuple[int, ...]]]]:
    """Yield the command-line name of each network, and its shapes for a single class.

    Weights are not initialized, so all of the networks together take less than a second.
    """
    for name in models.names():
        for variant in models.entry(name).variants or [None]:
            with nn.init.skip_init(), default_device("cpu"):
                tensors = models.build(name, 1, variant=variant)._named_tensors()
            shapes = {key: value.shape for key, value in tensors}
            yield f"{name} --variant {variant}" if variant else name, shapes


def _classes(found: Mapping[str, Array], wanted: Mapping[str, tuple[int, ...]]) -> int | None:
    """Return the number of classes with which the shapes are those of the arrays, or None."""
    if found.keys() != wanted.keys():
        return None
    counts = set()
    for name, shape in wanted.items():
        if found[name].shape != shape:
            if shape[:1] != (1,) or found[name].shape[1:] != shape[1:]:
                return None
            counts.add(found[name].shape[0])
    return next(iter(counts), 1) if len(counts) <= 1 else None
