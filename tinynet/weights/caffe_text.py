"""Caffe's .prototxt, the text of a NetParameter: the judge of the shapes in a .caffemodel.

    layer { name: "conv1" type: "Convolution"
      convolution_param { num_output: 96 kernel_size: 11 stride: 4 } }

A message is a sequence of NAME: VALUE and NAME { ... }; comments begin with #. `layers` with types
in capitals is the form of 2014.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tinynet.core.backend import Array
from tinynet.core.errors import DataError
from tinynet.core.pickles import printable
from tinynet.data.files import open_regular
from tinynet.weights import conventions
from tinynet.weights.contents import Weights

LARGEST = 1 << 22  # bytes; GoogLeNet's has 30,000
DEPTH = 20  # messages in each other
TOKEN = re.compile(
    r"\s+|#[^\n]*|(?P<text>\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')|(?P<sign>[{}:<>\[\],;])"
    r"|(?P<word>[^\s{}:<>\[\],;#\"']+)"
)
OPEN = {"{": "}", "<": ">"}
PARAMETERS = {"convolution": "convolution_param", "innerproduct": "inner_product_param"}
KEEPING = ("relu", "lrn", "pooling", "dropout", "batchnorm", "scale", "split", "eltwise", "concat")

Text = dict[str, list[Any]]
"""The values of each field of a message, in order; a message inside is a dict again."""


def parse(text: str) -> Text:
    """Return the fields of a message in text form.

    Examples
    --------
    >>> parse('layer { name: "conv1" pad: 2 } # a comment')
    {'layer': [{'name': ['conv1'], 'pad': ['2']}]}
    """
    tokens = _tokens(text)
    return _message(tokens, "", DEPTH)


def judged(weights: Weights, path: Path) -> Weights:
    """Return the weights of a .caffemodel, after comparing them with its description.

    The number of outputs, the kernel and the groups of each layer must be those of its arrays, and
    the constants of LRN and the order of the layers those that the .caffemodel states; if it states
    none, they are taken from the description.

    Raises
    ------
    DataError
        The description is damaged, or of another network.
    """
    net = _read(path)
    entries = [e for key in ("layer", "layers") for e in net.get(key, ()) if isinstance(e, dict)]
    layers = [entry for entry in entries if not _is_of_training_data(entry)]
    known = {name.rpartition(".")[0] for name in weights.arrays}
    described = {_one(layer, "name"): layer for layer in layers}
    if not known & described.keys():
        raise DataError(f"{path}: none of its layers has the name of one with weights.")
    inputs = _inputs(layers)
    for name, layer in described.items():
        _compare(path, name, layer, weights.arrays, inputs[name])
    bare = [
        name
        for name, layer in described.items()
        if _kind(layer) in PARAMETERS and f"{name}.weight" not in weights.arrays
    ]
    if bare:
        raise DataError(
            f"{path}: its layer {printable(bare[0])} has no weights in the .caffemodel."
        )
    kinds = [_kind(layer) for layer in layers]
    norms = [lrn for layer in layers if (lrn := _lrn(layer)) is not None]
    stated = json.loads(weights.metadata.get(conventions.KEY, "{}"))
    theirs = stated.get("lrn", [])
    stated |= {"lrn_alpha": "mean", "lrn": norms}
    words = {"lrn": "LRN", "pooling": "Pooling"}
    order = " ".join(words[kind] for kind in kinds if kind in words)
    if theirs:
        stated_order = weights.metadata.get(conventions.ORDER, "")
        _require_part(path, "layers in the order", order.split(), stated_order.split())
        _require_part(path, "LRN with", _words(norms), _words(theirs))
    metadata = {
        **weights.metadata,
        conventions.KEY: json.dumps(stated),
        conventions.ORDER: order,
    }
    return dataclasses.replace(weights, metadata=metadata)


def _read(path: Path) -> Text:
    with open_regular(path) as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise DataError(f"{path}: a description of more than {LARGEST:,} bytes.")
    try:
        return parse(data.decode(errors="replace"))
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def _tokens(text: str) -> Iterator[str]:
    at = 0
    while at < len(text):
        found = TOKEN.match(text, at)
        if found is None:
            shown = printable(text[at : at + 20])
            raise DataError(f"no description of a network: it cannot be read at {shown!r}.")
        at = found.end()
        if found.lastgroup is not None:
            yield found[found.lastgroup]


def _message(tokens: Iterator[str], end: str, depth: int) -> Text:
    if depth == 0:
        raise DataError(f"its messages lie more than {DEPTH} deep in each other.")
    fields: Text = {}
    for token in tokens:
        if token == end:
            return fields
        if token in (",", ";"):
            continue
        following = next(tokens, "")
        if following == ":":
            following = next(tokens, "")
        values = _values(tokens, following, depth)
        fields.setdefault(token, []).extend(values)
    if end:
        raise DataError("no description of a network: a message has no end.")
    return fields


def _values(tokens: Iterator[str], token: str, depth: int) -> list[Any]:
    if token in OPEN:
        return [_message(tokens, OPEN[token], depth - 1)]
    if token == "[":
        listed: list[Any] = []
        for inner in tokens:
            if inner == "]":
                return listed
            if inner != ",":
                listed += _values(tokens, inner, depth - 1) if depth > 1 else []
        raise DataError("no description of a network: a list has no end.")
    if not token or token in "{}:<>[],;":
        raise DataError("no description of a network: a field has no value.")
    return [token[1:-1] if token[0] in "\"'" else token]


def _one(message: Text, field: str, default: str = "") -> str:
    found = [value for value in message.get(field, ()) if isinstance(value, str)]
    return found[-1] if found else default


def _kind(layer: Text) -> str:
    """Return the type of a layer in small letters without underscores: INNER_PRODUCT is one."""
    return _one(layer, "type").replace("_", "").lower()


def _is_of_training_data(layer: Text) -> bool:
    return "data" in _kind(layer)


def _parameters(layer: Text, name: str) -> Text:
    found = [value for value in layer.get(name, ()) if isinstance(value, dict)]
    return found[-1] if found else {}


def _number(message: Text, field: str, default: float) -> float:
    word = _one(message, field)
    try:
        return float(word) if word else default
    except ValueError:
        raise DataError(f"its {field} is {printable(word)}, no number.") from None


def _lrn(layer: Text) -> dict[str, float] | None:
    """Return the constants of an LRN across channels, None for other layers."""
    found = _parameters(layer, "lrn_param")
    if _kind(layer) != "lrn" or _one(found, "norm_region") == "WITHIN_CHANNEL":
        return None
    defaults = {"n": ("local_size", 5.0), "k": ("k", 1.0), "alpha": ("alpha", 1.0)}
    defaults["beta"] = ("beta", 0.75)
    return {key: _number(found, *how) for key, how in defaults.items()} | {"groups": 1.0}


def _words(norms: list[dict[str, float]]) -> list[str]:
    kept = ("n", "alpha", "beta", "k")
    return [" ".join(f"{key} {lrn[key]:g}" for key in kept) for lrn in norms]


def _require_part(path: Path, what: str, described: list[str], stated: list[str]) -> None:
    """Raise DataError unless a .caffemodel states all that is described, in that order.

    It may have more: the heads that GoogLeNet has in training only.
    """
    rest = iter(stated)
    if not all(word in rest for word in described):
        raise DataError(
            f"{path}: it describes {what} {', '.join(described)}, and the .caffemodel has "
            f"{', '.join(stated)}. Name the description of this .caffemodel, or none."
        )


def _inputs(layers: list[Text]) -> dict[str, float]:
    """Return the channels that each layer reads, -1 where they are not known."""
    channels: dict[str, float] = {}
    found = {}
    for layer in layers:
        read = [channels.get(str(name), -1) for name in layer.get("bottom", ())]
        total = sum(read) if _kind(layer) == "concat" else max(read, default=-1)
        known = read and min(read) >= 0 and (_kind(layer) == "concat" or len(set(read)) == 1)
        found[_one(layer, "name")] = total if known else -1
        made = found[_one(layer, "name")] if _kind(layer) in KEEPING else -1
        if _kind(layer) in PARAMETERS:
            made = _number(_parameters(layer, PARAMETERS[_kind(layer)]), "num_output", -1)
        channels |= {str(name): made for name in layer.get("top", ())}
    return found


def _compare(path: Path, name: str, layer: Text, arrays: dict[str, Array], channels: float) -> None:
    """Raise DataError unless the weight of a layer has the shape that is described.

    The layer reads so many `channels`; -1: not known.
    """
    weight = arrays.get(f"{name}.weight")
    if weight is None or _kind(layer) not in PARAMETERS:
        return
    found = _parameters(layer, PARAMETERS[_kind(layer)])
    sizes = [_number(found, "num_output", -1)]
    if weight.ndim == 4:
        side = _number(found, "kernel_size", -1)
        sizes += [_number(found, "kernel_h", side), _number(found, "kernel_w", side)]
    actual = [float(n) for n in (weight.shape[0], *weight.shape[2:])]
    if sizes != actual:
        raise DataError(
            f"{path}: {printable(name)} should have outputs and kernel "
            f"[{', '.join(f'{n:g}' for n in sizes)}], and its weight is {weight.shape}."
        )
    if weight.ndim == 4 and channels >= 0:
        group = _number(found, "group", 1)
        if weight.shape[1] * group != channels:
            raise DataError(
                f"{path}: {printable(name)} reads {channels:g} channels in {group:g} groups, and "
                f"its weight is {weight.shape}."
            )
