"""Arrays of a file matched with those of a model by order, where the names have nothing in common.

The name of an array is that of a layer and its role: conv1.weight; TensorFlow writes
conv1/kernel:0. Layers correspond if there are
as many in the file as in the model, each with the same roles: in the order of the file; in the
order of their names, numbers compared as such; or, for files that keep layers class by class, the
convolutions in order, the matrices in order, the normalizations in order. The shapes tell which of
these is meant, see `matching`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from tinynet.core.backend import Array

Shapes = Mapping[str, tuple[int, ...]]
Layers = dict[str, dict[str, str]]
"""For each layer, the full name of the array of each role."""

ROLES = {
    "w": "weight",
    "weights": "weight",
    "kernel": "weight",
    "gamma": "weight",
    "filters": "weight",
    "b": "bias",
    "biases": "bias",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
    "mean": "running_mean",
    "var": "running_var",
}


def renamed(arrays: Mapping[str, Array], wanted: Shapes) -> Iterator[dict[str, Array]]:
    """Yield the arrays under the names of a model, in each order in which the layers correspond.

    Parameters
    ----------
    arrays : dict of str to array
        Of a file.
    wanted : dict of str to shape
        Of the model.

    Examples
    --------
    >>> import numpy as np
    >>> file = {"conv1.w": np.ones((4, 3, 3, 3)), "conv1.b": np.ones(4)}
    >>> model = {"features.0.weight": (4, 3, 3, 3), "features.0.bias": (4,)}
    >>> [list(found) for found in renamed(file, model)]
    [['features.0.weight', 'features.0.bias']]
    """
    shapes = {name: tuple(array.shape) for name, array in arrays.items()}
    theirs = _layers(shapes)
    ours = _layers(wanted)
    seen: list[dict[str, str]] = []
    for ordered in (list(theirs), sorted(theirs, key=natural)):
        in_order = {name: theirs[name] for name in ordered}
        for pairs in (_paired(in_order, ours), _by_class(in_order, ours, shapes, wanted)):
            if pairs is not None and pairs not in seen:
                seen.append(pairs)
                yield {to: arrays[name] for to, name in pairs.items()}


def _layers(named: Shapes) -> Layers:
    found: Layers = {}
    for name in named:
        layer, _, role = name.removesuffix(":0").replace("/", ".").rpartition(".")
        if role != "num_batches_tracked":
            found.setdefault(layer, {})[ROLES.get(role.lower(), role)] = name
    return found


def _paired(theirs: Layers, ours: Layers) -> dict[str, str] | None:
    """Return the name in the file for each name of the model, or None."""
    if len(theirs) != len(ours):
        return None
    pairs: dict[str, str] = {}
    for their, our in zip(theirs.values(), ours.values(), strict=True):
        if their.keys() != our.keys():
            return None
        pairs |= {name: their[role] for role, name in our.items()}
    return pairs


def _by_class(
    theirs: Layers, ours: Layers, shapes: Shapes, wanted: Shapes
) -> dict[str, str] | None:
    pairs: dict[str, str] = {}
    sorted_theirs = _classes(theirs, shapes)
    sorted_ours = _classes(ours, wanted)
    if sorted_theirs.keys() != sorted_ours.keys():
        return None
    for kind, layers in sorted_ours.items():
        found = _paired(sorted_theirs[kind], layers)
        if found is None:
            return None
        pairs |= found
    return {name: pairs[name] for name in wanted if name in pairs}


def _classes(layers: Layers, shapes: Shapes) -> dict[int, Layers]:
    """Return the layers by the number of axes of their weight."""
    found: dict[int, Layers] = {}
    for name, roles in layers.items():
        axes = max(len(shapes[full]) for full in roles.values())
        found.setdefault(axes, {})[name] = roles
    return found


def natural(name: str) -> list[tuple[int, int, str]]:
    """Return what sorts conv2 before conv10."""
    parts = re.findall(r"\d{1,9}|\D+", name)
    return [(1, int(p), "") if p.isdecimal() else (0, 0, p) for p in parts]
