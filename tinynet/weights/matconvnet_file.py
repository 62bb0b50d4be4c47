"""MatConvNet's networks in .mat files: imagenet-caffe-alex.mat, imagenet-vgg-f.mat and the like.

`layers` is a cell array of structs with a type, a name and weights {filters, biases} (earlier:
filters and biases), or `params` an array of structs with a name and a value (DagNN). Filters are
(KH, KW, C // groups, OC), also those of fully connected layers: fc6 is (6, 6, 256, 4096). Images
are RGB. The constants of a normalization are [n, kappa, alpha, beta]; alpha multiplies the sum.
The third array of a batch normalization holds, for each channel, the mean and the square root of
variance and eps.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from tinynet.core import archives, mat_file
from tinynet.core.backend import Array
from tinynet.core.errors import DataError
from tinynet.core.pickles import printable
from tinynet.weights import batch_norm_eps, conventions
from tinynet.weights.contents import Weights

ROLES = ("weight", "bias", "moments")
LARGEST = 1 << 30  # bytes of a file
NORMALIZATIONS = ("normalize", "lrn")
ENDINGS = {  # of the names of a DagNN's parameters
    "_filter": "weight",
    "_bias": "bias",
    "_mult": "weight",
    "_moments": "moments",
    "f": "weight",
    "b": "bias",
    "m": "weight",
    "x": "moments",
}


def read(path: Path, file: BinaryIO) -> Weights:
    """Return the weights of a network of MatConvNet, or the arrays of another .mat by name."""
    found = _variables(path, file)
    net = found.get("net")
    top = net if isinstance(net, dict) else found
    layers = top.get("layers")
    params = top.get("params")
    metadata: dict[str, str] = {}
    norms: list[dict[str, float]] = []
    kind = "mat: a network of MatConvNet"
    if isinstance(params, list):
        named = list(_of_params(params))
    elif isinstance(layers, list):
        named = [entry for layer in layers for entry in _of_layer(layer)]
        norms = [lrn for layer in layers if (lrn := _lrn(layer)) is not None]
    else:
        named = [(name, v) for name, v in top.items() if isinstance(v, np.ndarray) and v.size]
        kind = "mat"
    arrays: dict[str, Array] = {}
    for name, array in named:
        if name in arrays:
            raise DataError(f"{path}: two of its arrays are called {printable(name)}.")
        arrays[name] = array
    if not arrays:
        raise DataError(f"{path}: a .mat file without a network of MatConvNet, and without arrays.")
    if kind != "mat":
        metadata = _metadata(norms, bool(batch_norm_eps.layers_of(arrays)))
        if (mean := _mean(top)) is not None:
            metadata["mean"] = ", ".join(f"{value:.2f}" for value in mean) + " (RGB)"
    return Weights(arrays, metadata, kind)


def _variables(path: Path, file: BinaryIO) -> dict[str, Any]:
    size = file.seek(0, 2)
    file.seek(0)
    if size > LARGEST:
        raise DataError(f"{path}: a .mat file of {size:,} bytes; {LARGEST:,} are the limit.")
    most = max(archives.LARGE, archives.LARGEST_RATIO * size)
    return mat_file.read_nested(file.read(), most)


def _metadata(norms: list[dict[str, float]], batch_norms: bool) -> dict[str, str]:
    stated: dict[str, Any] = {"layout": "HWIO", "channels": "RGB", "lrn_alpha": "sum", "lrn": norms}
    if batch_norms:
        stated["batch_norm_eps"] = 0.0  # it is in the moments
    return {conventions.KEY: json.dumps(stated)}


def _of_layer(layer: Any) -> Iterator[tuple[str, Array]]:
    if not isinstance(layer, dict) or not isinstance(layer.get("name"), str):
        return
    weights = layer.get("weights")
    if not isinstance(weights, list):
        weights = [layer.get("filters"), layer.get("biases")]
    for role, array in zip(ROLES, weights, strict=False):
        if isinstance(array, np.ndarray) and array.size:
            flat = role == "bias" or layer.get("type") == "bnorm"
            yield from _arrays(layer["name"], role, array, flat)


def _arrays(layer: str, role: str, array: Array, flat: bool) -> Iterator[tuple[str, Array]]:
    """Yield an array under its name, or the two of the moments of a batch normalization."""
    if role == "moments" and array.ndim == 2 and array.shape[1] == 2:
        yield f"{layer}.running_mean", array[:, 0]
        yield f"{layer}.running_var", np.square(array[:, 1])
    else:
        yield f"{layer}.{role}", array.reshape(-1) if flat else _filters(array)


def _filters(array: Array) -> Array:
    """Return filters with four axes; MATLAB drops the last ones where they are 1."""
    return array.reshape(array.shape + (1,) * (4 - array.ndim), order="F")


def _of_params(params: list[Any]) -> Iterator[tuple[str, Array]]:
    """Yield the parameters of a DagNN: conv1f or conv1_filter is the filters of conv1.

    conv1b or conv1_bias is its biases. A batch normalization has bn1m, bn1b and bn1x, or bn1_mult,
    bn1_bias and bn1_moments.
    """
    for entry in params:
        name = entry.get("name") if isinstance(entry, dict) else None
        value = entry.get("value") if isinstance(entry, dict) else None
        if not isinstance(name, str) or not isinstance(value, np.ndarray):
            continue
        flat = value.size == max(value.shape, default=0)
        layer, ending = _stem(name)
        role = ENDINGS.get(ending, "bias" if flat else "weight")
        yield from _arrays(layer, role, value, flat)


def _stem(name: str) -> tuple[str, str]:
    """Return the layer of a parameter, and the ending of its name that tells its role."""
    ending = next((end for end in ENDINGS if name.endswith(end) and name != end), "")
    return name.removesuffix(ending), ending


def _lrn(layer: Any) -> dict[str, float] | None:
    param = layer.get("param") if isinstance(layer, dict) else None
    kind = layer.get("type") if isinstance(layer, dict) else None
    if not isinstance(kind, str) or kind not in NORMALIZATIONS:
        return None
    if not isinstance(param, np.ndarray) or param.size != 4:
        return None
    n, k, alpha, beta = (float(f"{float(value):.7g}") for value in param.reshape(-1))
    return {"n": n, "k": k, "alpha": alpha, "beta": beta, "groups": 1.0}


def _mean(top: dict[str, Any]) -> list[float] | None:
    """Return the mean color in meta.normalization.averageImage, or in normalization itself."""
    for holder in (top.get("meta"), top):
        norm = holder.get("normalization") if isinstance(holder, dict) else None
        image = norm.get("averageImage") if isinstance(norm, dict) else None
        if isinstance(image, np.ndarray) and image.size >= 3:
            colors = image.reshape(-1, 3) if image.size == 3 else image
            if colors.shape[-1] == 3:
                return [float(v) for v in colors.reshape(-1, 3).mean(axis=0)]
    return None
