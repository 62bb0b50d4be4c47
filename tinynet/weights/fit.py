"""Putting the weights of a file into a model, translated where the two say the same otherwise."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tinynet import nn
from tinynet.core.backend import Array, to_numpy
from tinynet.core.errors import DataError
from tinynet.weights import conventions, known, names
from tinynet.weights.file import Weights, read

SHOWN = 6  # names of one kind in a message

Arrays = dict[str, Array]


def load(
    model: nn.Module,
    source: Path | str | Weights,
    *,
    new_head: bool = False,
    **said: str | None,
) -> list[str]:
    """Give a model the weights of a file, or raise DataError and change nothing.

    Parameters
    ----------
    new_head : bool
        Where the file was made for another number of classes, let the last layer keep the values
        it has.
    said : layout="HWIO", channels="BGR", lrn_alpha="mean"
        Conventions of the file, where it does not state them itself: see `conventions`.

    Returns
    -------
    A sentence for each thing that was translated or left out.
    """
    weights = source if isinstance(source, Weights) else read(source)
    where = "weights" if isinstance(source, Weights) else str(source)
    mine = model.state_dict()
    try:
        arrays = names.fitted(weights.arrays, mine)
    except DataError as error:
        raise DataError(f"{where}: {error} Nothing was loaded.") from error
    try:
        stated = conventions.stated(weights.metadata, **said)
        arrays, notes = conventions.converted(arrays, stated, model)
    except DataError as error:
        # another network is more to the point than its constants
        _compare(where, mine, arrays, weights)
        raise DataError(f"{where}: {error} Nothing was loaded.") from error
    heads = _heads(mine, arrays) if new_head else set()
    for head in sorted(heads):
        notes.append(f"{head} does not fit the classes here and is drawn afresh.")
        arrays = {name: a for name, a in arrays.items() if _layer(name) != head}
        arrays |= {name: a for name, a in mine.items() if _layer(name) == head}
    _compare(where, mine, arrays, weights)
    model.load_state_dict({name: _as(where, name, arrays[name], mine[name]) for name in mine})
    return notes


def _compare(where: str, mine: Arrays, found: Arrays, weights: Weights) -> None:
    """Raise DataError unless names and shapes agree: all that does not, and whose weights fit."""
    wrong = [
        f"{name} {found[name].shape} instead of {mine[name].shape}"
        for name in mine
        if name in found and found[name].shape != mine[name].shape
    ]
    lists = {
        "missing": [name for name in mine if name not in found],
        "not expected": [name for name in found if name not in mine],
        "of another shape": wrong,
    }
    problems = [
        f"{kind}: {', '.join(names[:SHOWN])}"
        + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
        for kind, names in lists.items()
        if names
    ]
    if problems:
        raise DataError(
            f"{where}: these are not the weights of this model; {'; '.join(problems)}. "
            f"{known.networks(weights.arrays)}Nothing was loaded."
        )


def _heads(mine: Arrays, found: Arrays) -> set[str]:
    """Return the last layers that are missing, or differ in the number of classes alone."""
    last = _last_layers(mine)
    classes = mine[list(mine)[-1]].shape[:1]
    return {
        _layer(name)
        for name, array in mine.items()
        if _layer(name) in last
        and array.shape[:1] == classes
        and (
            name not in found
            or (found[name].shape != array.shape and found[name].shape[1:] == array.shape[1:])
        )
    }


def _last_layers(mine: Arrays) -> set[str]:
    """Return the last layer with a matrix, and the normalization behind it; so of each helper."""
    last: dict[str, list[str]] = {}
    for name, array in mine.items():
        branch, layer = next((h for h in names.HEADS if name.startswith(h)), ""), _layer(name)
        if array.ndim > 1:
            last[branch] = [layer]
        else:
            last.setdefault(branch, []).append(layer)
    return {layer for layers in last.values() for layer in layers}


def _layer(name: str) -> str:
    return name.rpartition(".")[0]


def _as(where: str, name: str, array: Array, like: Array) -> Array:
    """Return an array in the model's dtype; what is not finite there is refused."""
    with np.errstate(over="ignore", invalid="ignore"):
        result = np.array(to_numpy(array), like.dtype)
    bad = 0 if result.dtype.kind != "f" else int(result.size - np.isfinite(result).sum())
    if bad:
        raise DataError(
            f"{where}: {name} has {bad:,} of {result.size:,} values that are no finite "
            f"{result.dtype}. Nothing was loaded."
        )
    return result
