"""Conventions of a weight file (layout, channel order, constants of LRN), stored as JSON metadata.

    layout      "OIHW": filters (OC, C // groups, KH, KW), linear weights (out, in), as here and in
                PyTorch; "HWIO": (KH, KW, C // groups, OC) and (in, out), as in TensorFlow;
                "OIHW-IO": filters (OC, C // groups, KH, KW) and (in, out), as in Theano and Lasagne
    flatten     order in which the maps were flattened before the first linear layer, "CHW" or
                "HWC"; by default "HWC" for layout HWIO, else "CHW"
    flipped     whether filters were saved for a convolution in the sense of mathematics, as Theano
                computes it: turned by 180 degrees
    channels    order of the input channels: "RGB", as here, or "BGR", as in Caffe
    lrn_alpha   "sum": alpha multiplies the sum of squares, as in the paper and here;
                "mean": their mean, so alpha / n the sum, as in PyTorch, Caffe and ONNX
    lrn         for each response normalization in order: n, k, alpha, beta, groups
    batch_norm_eps
                what is added to the variances of batch normalization; left out if not known

Differences are converted. Groups are not stated, since the shapes show them: a grouped layer equals
a layer without groups whose filters are zero outside of their group.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from tinynet import nn
from tinynet.core.backend import Array
from tinynet.core.errors import DataError
from tinynet.weights import batch_norm_eps
from tinynet.weights.change import Change

CHOICES = {
    "layout": ("OIHW", "HWIO", "OIHW-IO"),
    "channels": ("RGB", "BGR"),
    "lrn_alpha": ("sum", "mean"),
    "flatten": ("CHW", "HWC"),
}
KEY = "conventions"
ORDER = "order"  # of normalizations and poolings in the network of a file
LAYOUTS = {
    "HWIO": "Filters were transposed from (KH, KW, in, out) to (out, in, KH, KW).",
    "OIHW-IO": "Matrices were transposed from (in, out) to (out, in).",
}
HOMOGENEOUS = nn.ReLU, nn.MaxPool2d, nn.AvgPool2d, nn.GlobalAvgPool2d, nn.Dropout, nn.Flatten
"""Positively homogeneous layers: f(c * x) = c * f(x) for c > 0."""

Arrays = dict[str, Array]


@dataclasses.dataclass(frozen=True)
class Conventions:
    """The conventions of a file; by default those of this project."""

    layout: str = "OIHW"
    channels: str = "RGB"
    lrn_alpha: str = "sum"
    lrn: tuple[dict[str, float], ...] = ()
    flatten: str = ""
    flipped: bool = False
    batch_norm_eps: float | None = None

    def json(self) -> str:
        """Return the text that a file stores under `KEY`."""
        fields = dataclasses.asdict(self)
        unusual = {"flatten": "", "flipped": False, "batch_norm_eps": None}
        return json.dumps({k: v for k, v in fields.items() if k not in unusual or v != unusual[k]})


def of_model(model: nn.Module) -> Conventions:
    """Return the conventions under which a model's weights are saved."""
    return Conventions(lrn=tuple(_settings(layer) for layer in _norms(model)))


def are_stated(metadata: Mapping[str, str], key: str) -> bool:
    """Return whether a file states one of its conventions itself.

    >>> are_stated({"conventions": '{"layout": "HWIO"}'}, "layout")
    True
    """
    fields = _fields(metadata)
    return isinstance(fields, dict) and key in fields


def _fields(metadata: Mapping[str, str]) -> Any:
    try:
        return json.loads(metadata.get(KEY, "{}"))
    except (ValueError, RecursionError):
        return {}  # the first checkpoints had a sentence here, and our conventions


def stated(metadata: Mapping[str, str], **overrides: Any) -> Conventions:
    """Return the conventions that a file states, with the caller's overrides.

    Parameters
    ----------
    metadata : dict of str to str
        Of the file.
    overrides : layout, channels, lrn_alpha, flatten, flipped, batch_norm_eps
        Where given, they count instead of what the file states.

    Raises
    ------
    DataError
        The metadata state conventions that do not exist.
    """
    fields = _fields(metadata)
    try:
        said = {k: v for k, v in overrides.items() if v is not None and v is not False}
        found = Conventions(**(fields | said))
        lrn = tuple({k: float(v) for k, v in layer.items()} for layer in found.lrn)
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise DataError(f"its metadata state conventions that are none ({error}).") from error
    whole = all(layer.keys() == KEYS and layer["n"] >= 1 for layer in lrn)
    if found.batch_norm_eps is not None and not batch_norm_eps.is_eps(found.batch_norm_eps):
        raise DataError(
            "its metadata state conventions that are none: batch_norm_eps is a number in 0..1."
        )
    for key, choices in CHOICES.items():
        fits = getattr(found, key) in choices or (key == "flatten" and not found.flatten)
        if not fits or not whole:
            raise DataError(
                f"its metadata state conventions that are none: {key} is {' or '.join(choices)}, "
                f"and lrn a list of {', '.join(sorted(KEYS))}."
            )
    return dataclasses.replace(found, lrn=lrn)


def converted(arrays: Arrays, source: Conventions, model: nn.Module) -> tuple[Arrays, list[Change]]:
    """Return arrays in the conventions of a model, and the conversions.

    Parameters
    ----------
    arrays : dict of str to array
        Under the names of the model; arrays that it does not have are passed on.
    source : Conventions
        Of the arrays.
    model : nn.Module

    Raises
    ------
    DataError
        The response normalizations differ in a way that weights cannot make up for.
    """
    wanted = {name: tuple(p.shape) for name, p in model.named_parameters()}
    arrays = reordered(arrays, wanted, source)
    changes: list[Change] = []
    if source.layout != "OIHW":
        changes.append(Change("layout", "", LAYOUTS[source.layout]))
    if source.flipped:
        changes.append(Change("layout", "", "Filters were turned by 180 degrees."))
    first = next((name for name, shape in wanted.items() if len(shape) == 4), "")
    if source.channels == "BGR" and first in arrays and arrays[first].ndim == 4:
        arrays[first] = arrays[first][:, ::-1]
        message = f"The input channels of {first} were reordered from BGR to RGB."
        changes.append(Change("channels", first, message))
    inner = {name: shape for name, shape in wanted.items() if name != first}
    changes += _regroup(arrays, inner)  # gray filters are not three groups of colors
    changes += batch_norm_eps.converted(arrays, source.batch_norm_eps, model)
    return arrays, changes + _normalize(arrays, source, model)


def reordered(
    arrays: Mapping[str, Array], wanted: Mapping[str, tuple[int, ...]], source: Conventions
) -> Arrays:
    """Return arrays with their axes in the order of this project.

    The first linear layer after convolutions reads maps that were flattened: if as (H, W, C), its
    columns are put into the order (C, H, W). A linear layer that was saved as a convolution over
    the whole map becomes a matrix.
    """
    result = dict(arrays)
    channels = 0
    for name, shape in wanted.items():
        array = result.get(name)
        if array is None or array.ndim not in (2, 4) or len(shape) not in (2, 4):
            continue
        if array.ndim == 4:
            result[name] = _filters(array, source)
            channels = result[name].shape[0]
        if len(shape) == 2:
            result[name] = _matrix(result[name], channels if array.ndim == 2 else 0, source)
            channels = 0
    return result


def _filters(array: Array, source: Conventions) -> Array:
    turned = array.transpose(3, 2, 0, 1) if source.layout == "HWIO" else array
    return turned[:, :, ::-1, ::-1] if source.flipped else turned


def _matrix(array: Array, channels: int, source: Conventions) -> Array:
    """Return a matrix (out, in), whose columns are those of maps of so many channels, if any."""
    if array.ndim == 4:
        return array.reshape(len(array), -1)
    turned = array if source.layout == "OIHW" else array.T
    order = source.flatten or ("HWC" if source.layout == "HWIO" else "CHW")
    side = math.isqrt(turned.shape[1] // max(1, channels))
    if order == "HWC" and channels and side and side * side * channels == turned.shape[1]:
        pixels = turned.reshape(-1, side, side, channels)
        return pixels.transpose(0, 3, 1, 2).reshape(turned.shape)
    return turned


def _regroup(arrays: Arrays, wanted: dict[str, tuple[int, ...]]) -> list[Change]:
    """Write grouped filters as full ones, and full ones as grouped where the zeros allow it."""
    changes = []
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
            message = f"{name} has {G} groups in the file, none here; it was filled with zeros."
            changes.append(Change("groups", name, message))
        else:
            inside = np.concatenate(_blocks(array, G))
            if np.count_nonzero(inside) == np.count_nonzero(array):
                arrays[name] = inside
                message = f"{name} has {G} groups here; the file has zeros outside of them."
                changes.append(Change("groups", name, message))
    return changes


def _blocks(array: Array, G: int) -> list[Array]:
    """Return the parts (OC // G, C // G, KH, KW) on the diagonal of filters (OC, C, KH, KW)."""
    rows = np.split(array, G)
    return [np.split(row, G, axis=1)[g] for g, row in enumerate(rows)]


def _normalize(arrays: Arrays, source: Conventions, model: nn.Module) -> list[Change]:
    """Scale weights so that the model's response normalizations compute what the file's did.

    With c = sqrt(alpha * k' / (k * alpha')), where ' is the model's,

        x / (k + alpha * s(x)) ** beta = (k' / k) ** beta / c * y / (k' + alpha' * s(y)) ** beta

    for y = c * x. So the layer before is multiplied by c, and the layer after by the rest.
    """
    ours = _norms(model)
    theirs = effective(source)
    mine = [_effective(_settings(layer), Conventions()) for layer in ours]
    if not theirs or theirs == mine:
        return []
    if len(theirs) != len(mine):
        raise DataError(
            f"the file's network has {len(theirs)} response normalizations, this model {len(mine)}."
        )
    return [
        _rescale(arrays, t, m, _around(model, layer))
        for t, m, layer in zip(theirs, mine, ours, strict=True)
        if t != m
    ]


def _rescale(
    arrays: Arrays,
    theirs: dict[str, float],
    mine: dict[str, float],
    around: tuple[str, str] | None,
) -> Change:
    """Scale the layers around one normalization (see `_normalize`), or raise DataError."""
    words = f"The file's response normalization has {_words(theirs)}, this model's {_words(mine)}"
    same = all(theirs[key] == mine[key] for key in ("n", "beta", "groups"))
    positive = min(s[key] for s in (theirs, mine) for key in ("k", "alpha")) > 0
    if around is None or not same or not positive:
        raise DataError(
            f"{words}, and weights cannot make up for that. Build the variant that has the file's."
        )
    c = math.sqrt(theirs["alpha"] * mine["k"] / (theirs["k"] * mine["alpha"]))
    gain = (mine["k"] / theirs["k"]) ** mine["beta"] / c
    before, after = around
    factors = {f"{before}.weight": c, f"{before}.bias": c, f"{after}.weight": gain}
    for name, factor in factors.items():
        if name in arrays:
            arrays[name] = arrays[name] * np.float32(factor)
    message = f"{words}: {before} was multiplied by {c:.4g}, {after} by {gain:.4g}."
    return Change("normalization", before, message)


POOLING = nn.MaxPool2d, nn.AvgPool2d, nn.GlobalAvgPool2d


def order_of(model: nn.Module) -> str:
    """Return the order of normalizations and poolings in a chain of layers, "" for other models.

    >>> order_of(nn.Sequential(nn.LocalResponseNorm(), nn.MaxPool2d(2)))
    'LRN Pooling'
    """
    leaves = _chain(model) or []
    norms = [m for _, m in leaves if isinstance(m, nn.LocalResponseNorm)]
    both = (nn.LocalResponseNorm, *POOLING)
    words = [
        "Pooling" if isinstance(m, POOLING) else "LRN" for _, m in leaves if isinstance(m, both)
    ]
    return " ".join(words) if norms else ""


KEYS = {"n", "k", "alpha", "beta", "groups"}


def _settings(layer: nn.LocalResponseNorm) -> dict[str, float]:
    return {key: float(getattr(layer, key)) for key in sorted(KEYS)}


def _effective(settings: dict[str, float], source: Conventions) -> dict[str, float]:
    """Return settings whose alpha multiplies the sum, rounded to six digits for the comparison."""
    alpha = settings["alpha"] / (settings["n"] if source.lrn_alpha == "mean" else 1)
    return {**settings, "alpha": float(f"{alpha:.6g}")}


def effective(source: Conventions) -> list[dict[str, float]]:
    """Return the constants of each normalization, with alpha as the factor of the sum."""
    return [_effective(settings, source) for settings in source.lrn]


def _norms(model: nn.Module) -> list[nn.LocalResponseNorm]:
    return [m for _, m in model.named_modules() if isinstance(m, nn.LocalResponseNorm)]


def _chain(model: nn.Module) -> list[tuple[str, nn.Module]] | None:
    """Return the layers of a model with their names, or None if it is not a chain of layers."""
    modules = [(name, m, len(list(m.named_modules())) == 1) for name, m in model.named_modules()]
    if any(name and not (leaf or isinstance(m, nn.Sequential)) for name, m, leaf in modules):
        return None
    return [(name, m) for name, m, leaf in modules if leaf]


def _around(model: nn.Module, norm: nn.Module) -> tuple[str, str] | None:
    """Return the names of the weighted layers before and after, where scaling passes through."""
    leaves = _chain(model)
    if leaves is None:
        return None
    at = next(i for i, (_, m) in enumerate(leaves) if m is norm)
    ends = []
    for path in (leaves[at - 1 :: -1] if at else [], leaves[at + 1 :]):
        name, m = next(
            ((name, m) for name, m in path if not isinstance(m, HOMOGENEOUS)), ("", norm)
        )
        if not isinstance(m, nn.Conv2d | nn.Linear):
            return None
        ends.append(name)
    return ends[0], ends[1]


def _words(settings: dict[str, float]) -> str:
    return ", ".join(f"{key} {settings[key]:g}" for key in ("n", "k", "alpha", "beta", "groups"))
