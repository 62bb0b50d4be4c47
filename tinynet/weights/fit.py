"""Loading the weights of a file into a model, with names and conventions converted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tinynet import nn
from tinynet.core.backend import Array, to_numpy
from tinynet.core.errors import DataError
from tinynet.core.table import first_names
from tinynet.weights import batch_norm_eps as eps_of
from tinynet.weights import caffe_text, conventions, known, matching, names
from tinynet.weights.change import Change
from tinynet.weights.contents import Weights
from tinynet.weights.file import read
from tinynet.weights.matching import Match
from tinynet.words import Sentence, message, sentence

SHOWN = 6  # names of one kind in a message

Arrays = dict[str, Array]


def load(
    model: nn.Module,
    source: Path | str | Weights | None = None,
    *,
    new_head: bool = False,
    by_order: bool = False,
    layout: Literal["OIHW", "HWIO", "OIHW-IO"] | None = None,
    channels: Literal["RGB", "BGR"] | None = None,
    lrn_alpha: Literal["sum", "mean"] | None = None,
    flatten: Literal["CHW", "HWC"] | None = None,
    flipped: bool = False,
    batch_norm_eps: float | None = None,
    prototxt: Path | str | None = None,
) -> list[Change]:
    """Load the weights of a file into a model; if anything does not fit, change nothing.

    Names are matched (torchvision's, `module.` of DataParallel, `_orig_mod.` of torch.compile,
    `model.` of Lightning, any common prefix), and layouts, channel orders, groups and constants of
    LRN are converted.

    Parameters
    ----------
    model : nn.Module
    source : Path, str or Weights
        A weight file of any format that `read` knows, or what it returned.
    new_head : bool
        If the file was made for another number of classes, let the last layer keep its values.
    by_order : bool
        Match the layers by their order and shapes, whatever they are called: conv1, conv2, ...
    layout : "OIHW", "HWIO" or "OIHW-IO", optional
        Axes of filters and matrices in the file; by default found by the shapes, if the file does
        not state it. These options count instead of what the file states: see `conventions`.
    channels : "RGB" or "BGR", optional
        Order of the colors that the first layer expects.
    lrn_alpha : "sum" or "mean", optional
        Whether alpha of the LRN multiplies the sum or the mean of the squares.
    flatten : "CHW" or "HWC", optional
        Order in which the maps were flattened before the first linear layer; by default "HWC" for
        layout HWIO, else "CHW".
    flipped : bool
        The filters were saved for a true convolution, as by Theano: they are turned by 180 degrees.
    batch_norm_eps : float, optional
        What the file's network adds to the variances of batch normalization (Keras: 0.001); if the
        model adds another number, the variances are moved by the difference.
    prototxt : Path or str, optional
        Description of a .caffemodel; its shapes must be those of the weights.

    Returns
    -------
    list of Change
        The conversions, and the layers that were left out; empty if the arrays fitted as they were.

    Raises
    ------
    DataError
        The file cannot be read, or its names, shapes or values do not fit. Nothing was loaded.
    ValueError
        A convention is none of its choices.

    Examples
    --------
    >>> import tinynet as tn
    >>> from tinynet import nn
    >>> from tinynet.weights import Weights
    >>> model = nn.Sequential(nn.Conv2d(3, 8, 3))
    >>> state = nn.Sequential(nn.Conv2d(3, 8, 3)).state_dict()
    >>> for change in tn.weights.load(model, Weights(state), channels="BGR"):
    ...     print(change.kind, change.name)
    channels 0.weight
    """
    source = _required(model, source)
    overrides: dict[str, Any] = {
        "layout": layout,
        "channels": channels,
        "lrn_alpha": lrn_alpha,
        "flatten": flatten,
    }
    _require_choices(overrides)
    if batch_norm_eps is not None and not eps_of.is_eps(batch_norm_eps):
        raise ValueError(f"load: batch_norm_eps is a number in 0..1, got {batch_norm_eps!r}.")
    overrides["batch_norm_eps"] = batch_norm_eps
    weights = source if isinstance(source, Weights) else read(source)
    if prototxt is not None:
        weights = caffe_text.judged(weights, Path(prototxt))
    where = "weights" if isinstance(source, Weights) else str(source)
    mine = model.state_dict()
    arrays, changes = _converted(model, where, weights, overrides, flipped, by_order)
    heads = _heads(mine, arrays) if new_head else set()
    for head in sorted(heads):
        message = f"{head} does not fit the number of classes; it keeps its own values."
        changes.append(Change("head", head, message))
        arrays = {name: a for name, a in arrays.items() if _layer(name) != head}
        arrays |= {name: a for name, a in mine.items() if _layer(name) == head}
    _compare(where, mine, arrays, weights)
    _require_answers(where, weights, mine, overrides)
    model.load_state_dict({name: _as(where, name, arrays[name], mine[name]) for name in mine})
    return changes


def _converted(
    model: nn.Module,
    where: str,
    weights: Weights,
    overrides: Mapping[str, Any],
    flipped: bool,
    by_order: bool,
) -> tuple[Arrays, list[Change]]:
    """Return the arrays of a file under the names and in the conventions of a model."""
    mine = model.state_dict()
    shapes = {name: tuple(array.shape) for name, array in mine.items()}
    layout = overrides["layout"]
    try:
        layout = layout or _stated_layout(weights)
        match = matching.best(weights.arrays, shapes, layout, by_order)
        _require_layout(match, weights, layout)
    except DataError as error:
        raise DataError(f"{where}: {error} Nothing was loaded.") from error
    arrays = match.arrays
    try:
        said = {**overrides, "layout": match.layout, "flipped": flipped}
        stated = conventions.stated(weights.metadata, **said)
        arrays, changes = conventions.converted(arrays, stated, model)
        _require_order(weights, model)
    except DataError as error:
        # a different network is a better explanation than its constants
        _compare(where, mine, arrays, weights)
        raise DataError(f"{where}: {error} Nothing was loaded.") from error
    return arrays, changes + _notes(weights, match, shapes, by_order)


def _required(model: Any, source: Any) -> Path | str | Weights:
    """Return the source; raise TypeError where it or the model is none, or they are swapped."""
    if isinstance(model, str | Path):
        path = str(model)
        if source is None:
            raise TypeError(
                f"load: the model comes first, then the path: load(model, {path!r}). A run's "
                f"folder is opened by tinynet.training.predict.open_run({path!r})."
            )
        raise TypeError(f"load: the model comes first, then the path: load(model, {path!r}).")
    if not isinstance(model, nn.Module):
        raise TypeError(f"load: it loads into a module, got {type(model).__name__}.")
    if not isinstance(source, str | Path | Weights):
        raise TypeError(
            f"load: it takes a str, a Path or Weights, got {type(source).__name__}; arrays by name "
            "go into model.load_state_dict."
        )
    return source


def _stated_layout(weights: Weights) -> str | None:
    """Return the layout that a file states, or None."""
    if not conventions.are_stated(weights.metadata, "layout"):
        return None
    return conventions.stated(weights.metadata).layout


def _require_layout(match: Match, weights: Weights, layout: str | None) -> None:
    """Raise DataError if two layouts fit, and the format does not decide which is meant."""
    several = sum(array.ndim > 1 for array in weights.arrays.values())
    if "layout" in weights.asks and layout is None and not match.certain and several:
        choices = " or ".join(f'layout="{name}"' for name in conventions.CHOICES["layout"])
        raise DataError(
            f"{weights.asks['layout']}, and the shapes fit several layouts. Say {choices} "
            "(--layout)."
        )


def _require_order(weights: Weights, model: nn.Module) -> None:
    """Raise DataError if normalization and pooling follow each other in another order."""
    theirs = weights.metadata.get(conventions.ORDER, "")
    ours = conventions.order_of(model)
    if theirs and ours and "LRN" in theirs and theirs != ours:
        raise DataError(
            f"the file's network has its layers in the order {theirs}, this model {ours}. Build "
            "the variant that has the file's."
        )


def _require_answers(where: str, weights: Weights, mine: Arrays, said: Mapping[str, Any]) -> None:
    """Raise DataError if a convention matters, and neither file nor caller states it."""
    first = next((tuple(array.shape) for array in mine.values() if array.ndim == 4), ())
    colors = first[1:2] == (3,)
    if "channels" in weights.asks and said["channels"] is None and colors:
        raise DataError(
            f'{where}: {weights.asks["channels"]}. Say channels="BGR" or channels="RGB" '
            "(--channels). Nothing was loaded."
        )
    eps = "batch_norm_eps"
    if eps in weights.asks and said[eps] is None and eps_of.layers_of(mine):
        raise DataError(
            f"{where}: {weights.asks[eps]}. Say batch_norm_eps=0.001, or what its network has "
            "(--batch-norm-eps). Nothing was loaded."
        )


def _notes(weights: Weights, match: Match, shapes: matching.Shapes, by_order: bool) -> list[Change]:
    notes = [Change("note", "", note) for note in weights.notes]
    if by_order:
        matched = first_names(matching.pairs(match, weights.arrays, shapes), SHOWN)
        notes.append(Change("names", "", f"Arrays were matched by order: {matched}."))
    return notes


def _require_choices(overrides: Mapping[str, str | None]) -> None:
    """Raise ValueError at a convention that is none of its choices."""
    for name, value in overrides.items():
        choices = conventions.CHOICES[name]
        if value is not None and value not in choices:
            raise ValueError(f"load: {name} is {' or '.join(choices)}, got {value!r}.")


def _compare(where: str, mine: Arrays, found: Arrays, weights: Weights) -> None:
    """Raise DataError unless names and shapes agree; name the differences and a model that fits."""
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
    said = (
        "{where}: these are not the weights of this model; {problems}. {offer}Nothing was loaded."
    )
    problems = {kind: first_names(names, SHOWN) for kind, names in lists.items() if names}
    if problems:
        fitting = {"order": _offer(mine, weights), "known": known.networks(weights.arrays)}
        offer = sentence("{order}{known}", **fitting)
        raise DataError(sentence(said, where=where, problems=_listed(problems), offer=offer))


def _listed(problems: Mapping[str, str]) -> Sentence:
    """Return kinds of differences, each with its names."""
    text = "; ".join(f"{{kind{i}}}: {{names{i}}}" for i in range(len(problems)))
    kinds = {f"kind{i}": sentence(kind) for i, kind in enumerate(problems)}
    names = {f"names{i}": found for i, found in enumerate(problems.values())}
    return sentence(text, **kinds, **names)


def _offer(mine: Arrays, weights: Weights) -> str:
    """Return a sentence if the arrays fit in their order, under whatever names; else ""."""
    shapes = {name: tuple(array.shape) for name, array in mine.items()}
    match = matching.best(weights.arrays, shapes, _stated_layout(weights), by_order=True)
    if match.fitting < len(mine):
        return ""
    pair = matching.pairs(match, weights.arrays, shapes)[0]
    more = ' and channels="BGR" or "RGB" (--channels)' if "channels" in weights.asks else ""
    said = (
        "In their order, the arrays have this model's shapes ({pair}, and so on): load them with "
        "by_order=True (--by-order){more}. "
    )
    return sentence(said, pair=pair, more=more)


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
    """Return the last layer with a matrix and the normalization after it, of each classifier."""
    last: dict[str, list[str]] = {}
    for name, array in mine.items():
        branch = next((h for h in names.HEADS if name.startswith(h)), "")
        layer = _layer(name)
        if array.ndim > 1:
            last[branch] = [layer]
        else:
            last.setdefault(branch, []).append(layer)
    return {layer for layers in last.values() for layer in layers}


def _layer(name: str) -> str:
    return name.rpartition(".")[0]


def _as(where: str, name: str, array: Array, like: Array) -> Array:
    """Return an array in the model's dtype, or raise if a value is not finite there."""
    with np.errstate(over="ignore", invalid="ignore"):
        result = np.array(to_numpy(array), like.dtype)
    bad = 0 if result.dtype.kind != "f" else int(result.size - np.isfinite(result).sum())
    if bad:
        raise DataError(
            f"{where}: {name} has {bad:,} of {result.size:,} values that are not finite "
            f"in {result.dtype}. Nothing was loaded."
        )
    return result


def of_file(error: Exception, file: Path) -> DataError:
    """Return an error about weights with the name of their file in front."""
    told = message(error)
    if isinstance(told, Sentence) and told.fields.get("where") == "weights":
        return DataError(sentence(told.text, **{**told.fields, "where": file}))
    return DataError(f"{file}: {str(error).removeprefix('weights: ')}")
