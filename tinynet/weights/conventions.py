"""What an array of weights does not say by itself, stated in a file's metadata as JSON.

    layout      "OIHW": filters (OC, C // groups, KH, KW), linear weights (out, in), as here and in
                PyTorch; "HWIO": (KH, KW, C // groups, OC) and (in, out), as in TensorFlow
    channels    the order of colours that the first layer sees: "RGB", as here, or "BGR", as Caffe
    lrn_alpha   "sum": alpha stands before the sum of squares, as in the paper and here;
                "mean": before their mean, alpha / n before the sum, as in PyTorch, Caffe and ONNX
    lrn         for each normalization layer in order: n, k, alpha, beta, groups

What differs is converted. Groups need no statement, the shapes show them: a layer without groups
is one whose filters are zero outside of their group.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping

import numpy as np

from tinynet import nn
from tinynet.core.backend import Array
from tinynet.core.errors import DataError

CHOICES = {"layout": ("OIHW", "HWIO"), "channels": ("RGB", "BGR"), "lrn_alpha": ("sum", "mean")}
KEY = "conventions"
EVEN = nn.ReLU, nn.MaxPool2d, nn.AvgPool2d, nn.GlobalAvgPool2d, nn.Dropout, nn.Flatten
"""Layers of which c times the input, c > 0, is c times the output."""

Arrays = dict[str, Array]


@dataclasses.dataclass(frozen=True)
class Conventions:
    """The conventions of a file; by default those of this project."""

    layout: str = "OIHW"
    channels: str = "RGB"
    lrn_alpha: str = "sum"
    lrn: tuple[dict[str, float], ...] = ()

    def json(self) -> str:
        """Return what stands in the metadata of a file."""
        return json.dumps(dataclasses.asdict(self))


def of_model(model: nn.Module) -> Conventions:
    """Return the conventions under which a model's weights are saved."""
    return Conventions(lrn=tuple(_settings(layer) for layer in _norms(model)))


def stated(metadata: Mapping[str, str], **instead: str | None) -> Conventions:
    """Return what a file says of its conventions, or what its reader says instead."""
    try:
        said = json.loads(metadata.get(KEY, "{}"))
    except (ValueError, RecursionError):
        said = {}  # the first checkpoints had a sentence here, and our conventions
    try:
        found = Conventions(**(said | {k: v for k, v in instead.items() if v}))
        lrn = tuple({k: float(v) for k, v in layer.items()} for layer in found.lrn)
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise DataError(f"its metadata state conventions that are none ({error}).") from error
    whole = all(layer.keys() == KEYS and layer["n"] >= 1 for layer in lrn)
    for key, choices in CHOICES.items():
        if getattr(found, key) not in choices or not whole:
            raise DataError(
                f"its metadata state conventions that are none: {key} is {' or '.join(choices)}, "
                f"and lrn a list of {', '.join(sorted(KEYS))}."
            )
    return dataclasses.replace(found, lrn=lrn)


def converted(arrays: Arrays, said: Conventions, model: nn.Module) -> tuple[Arrays, list[str]]:
    """Return arrays in the conventions of the model, and a sentence for each thing that was done.

    Names must be the model's; arrays that it does not have are passed on.
    """
    wanted = {name: tuple(p.shape) for name, p in model.named_parameters()}
    arrays, notes = dict(arrays), []
    if said.layout == "HWIO":
        arrays = _from_channels_last(arrays, wanted)
        notes.append("Filters were (KH, KW, in, out) and are (out, in, KH, KW) now.")
    first = next((name for name, shape in wanted.items() if len(shape) == 4), "")
    if said.channels == "BGR" and first in arrays and arrays[first].ndim == 4:
        arrays[first] = arrays[first][:, ::-1]
        notes.append(f"{first} saw blue, green, red and sees red, green, blue now.")
    notes += _regroup(arrays, wanted)
    return arrays, notes + _normalize(arrays, said, model)


def _from_channels_last(arrays: Arrays, wanted: dict[str, tuple[int, ...]]) -> Arrays:
    """Return (KH, KW, I, O) as (O, I, KH, KW) and (in, out) as (out, in).

    The first linear layer after convolutions reads maps that were flattened as (H, W, C): its
    columns are put into the order (C, H, W).
    """
    result, channels = dict(arrays), 0
    for name, shape in wanted.items():
        array = arrays.get(name)
        if array is None or array.ndim != len(shape):
            continue
        if array.ndim == 4:
            result[name], channels = array.transpose(3, 2, 0, 1), array.shape[3]
        elif array.ndim == 2:
            turned, side = array.T, math.isqrt(array.shape[0] // max(1, channels))
            if channels and side and side * side * channels == len(array):
                pixels = turned.reshape(-1, side, side, channels)
                turned = pixels.transpose(0, 3, 1, 2).reshape(turned.shape)
            result[name], channels = turned, 0
    return result


def _regroup(arrays: Arrays, wanted: dict[str, tuple[int, ...]]) -> list[str]:
    """Write filters in groups as filters without, and the other way round where zeros allow it."""
    notes = []
    for name, shape in wanted.items():
        array = arrays.get(name)
        if array is None or array.ndim != 4 or array.shape == shape or array.shape[0] != shape[0]:
            continue
        narrow, wide = sorted((array.shape[1], shape[1]))
        G = wide // max(1, narrow)
        if narrow * G != wide or len(array) % G or array.shape[2:] != shape[2:]:
            continue
        if shape[1] == wide:
            arrays[name] = np.zeros(shape, array.dtype)
            for block, part in zip(_blocks(arrays[name], G), np.split(array, G), strict=True):
                block[...] = part
            notes.append(f"{name} has {G} groups in the file, none here: zeros fill it up.")
        else:
            inside = np.concatenate(_blocks(array, G))
            if np.count_nonzero(inside) == np.count_nonzero(array):
                arrays[name] = inside
                notes.append(f"{name} has {G} groups here; the file has zeros outside of them.")
    return notes


def _blocks(array: Array, G: int) -> list[Array]:
    """Return the parts (OC // G, C // G, KH, KW) on the diagonal of filters (OC, C, KH, KW)."""
    rows = np.split(array, G)
    return [np.split(row, G, axis=1)[g] for g, row in enumerate(rows)]


def _normalize(arrays: Arrays, said: Conventions, model: nn.Module) -> list[str]:
    """Make the model's normalization layers compute what the file's did, by scaling weights.

    With c = sqrt(alpha * k' / (k * alpha')), where ' is the model's,

        x / (k + alpha * s(x)) ** beta = (k' / k) ** beta / c * y / (k' + alpha' * s(y)) ** beta

    for y = c * x. So the layer before gives c times as much, and the layer behind makes up for it.
    """
    ours = _norms(model)
    if not said.lrn or [_effective(s, said) for s in said.lrn] == [
        _effective(_settings(layer), Conventions()) for layer in ours
    ]:
        return []
    if len(said.lrn) != len(ours):
        raise DataError(
            f"the file's network has {len(said.lrn)} response normalizations, this model "
            f"{len(ours)}."
        )
    notes = []
    for theirs, layer in zip(said.lrn, ours, strict=True):
        t, m = _effective(theirs, said), _effective(_settings(layer), Conventions())
        if t != m:
            notes.append(_rescale(arrays, t, m, _around(model, layer)))
    return notes


def _rescale(
    arrays: Arrays,
    theirs: dict[str, float],
    mine: dict[str, float],
    around: tuple[str, str] | None,
) -> str:
    """Scale the layers around one normalization (see `_normalize`), or say why that cannot be."""
    words = f"The file's response normalization has {_words(theirs)}, this model's {_words(mine)}"
    same = all(theirs[key] == mine[key] for key in ("n", "beta", "groups"))
    positive = min(s[key] for s in (theirs, mine) for key in ("k", "alpha")) > 0
    if around is None or not same or not positive:
        raise DataError(
            f"{words}, and weights cannot make up for that. Build the variant that has the file's."
        )
    c = math.sqrt(theirs["alpha"] * mine["k"] / (theirs["k"] * mine["alpha"]))
    gain = (mine["k"] / theirs["k"]) ** mine["beta"] / c
    before, behind = around
    for name, factor in (
        (f"{before}.weight", c), (f"{before}.bias", c), (f"{behind}.weight", gain),
    ):  # fmt: skip
        if name in arrays:
            arrays[name] = arrays[name] * np.float32(factor)
    return f"{words}: {before} is {c:.4g} times as large now, {behind} {gain:.4g} times."


KEYS = {"n", "k", "alpha", "beta", "groups"}


def _settings(layer: nn.LocalResponseNorm) -> dict[str, float]:
    return {key: float(getattr(layer, key)) for key in sorted(KEYS)}


def _effective(settings: dict[str, float], said: Conventions) -> dict[str, float]:
    """Return settings whose alpha stands before the sum; rounded, since others computed it too."""
    alpha = settings["alpha"] / (settings["n"] if said.lrn_alpha == "mean" else 1)
    return {**settings, "alpha": float(f"{alpha:.6g}")}


def _norms(model: nn.Module) -> list[nn.LocalResponseNorm]:
    return [m for _, m in model.named_modules() if isinstance(m, nn.LocalResponseNorm)]


def _around(model: nn.Module, norm: nn.Module) -> tuple[str, str] | None:
    """Return the names of the weighted layers before and behind, where scaling passes through."""
    modules = [(name, m, len(list(m.named_modules())) == 1) for name, m in model.named_modules()]
    if any(name and not (leaf or isinstance(m, nn.Sequential)) for name, m, leaf in modules):
        return None  # not a chain
    leaves = [(name, m) for name, m, leaf in modules if leaf]
    at = next(i for i, (_, m) in enumerate(leaves) if m is norm)
    ends = []
    for path in (leaves[at - 1 :: -1] if at else [], leaves[at + 1 :]):
        name, m = next(((name, m) for name, m in path if not isinstance(m, EVEN)), ("", norm))
        if not isinstance(m, nn.Conv2d | nn.Linear):
            return None
        ends.append(name)
    return ends[0], ends[1]


def _words(settings: dict[str, float]) -> str:
    return ", ".join(f"{key} {settings[key]:g}" for key in ("n", "k", "alpha", "beta", "groups"))
