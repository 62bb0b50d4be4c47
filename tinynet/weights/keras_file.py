"""Keras's files: .h5 (a whole model, or weights until Keras 2), .weights.h5 and .keras of Keras 3.

    .h5           layer_names: the layers in order; each has weight_names: its arrays in order
    .weights.h5   layers/CLASS_N/vars/0, 1, ...; the name of the layer is an attribute of vars.
                  CLASS_N counts the layers of a class, so their order is known class by class
    .keras        a zip: config.json with the layers in order, model.weights.h5

A kernel is (KH, KW, C // groups, OC) or (in, out). It becomes NAME.weight, gamma and beta become
weight and bias, moving averages running_mean and running_var. HDF5 is read by h5py, at first by
another process, see `hdf5_trial`; links to other files, other filters than gzip and sizes that the
file cannot hold are refused before.
"""

from __future__ import annotations

import io
import json
import math
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from tinynet.core import archives, shapes
from tinynet.core.backend import Array
from tinynet.core.errors import DataError
from tinynet.core.extras import install_command
from tinynet.core.pickles import printable, short
from tinynet.weights import batch_norm_eps, conventions, hdf5_trial
from tinynet.weights.contents import Weights

SIGNATURE = b"\x89HDF\r\n\x1a\n"
INSIDE = "model.weights.h5"  # of a .keras
DEPTH = 8  # groups in groups
MOST = 20_000  # groups and arrays of a file
FILTERS = {1, 2, 3, 32000}  # gzip, shuffle, fletcher32, lzf: those that h5py itself brings
ROLES = {
    "kernel": "weight",
    "gamma": "weight",
    "beta": "bias",
    "bias": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
VARS = {  # roles of vars/0, 1, ... by the class of the layer
    "conv1d": ("weight", "bias"),
    "conv2d": ("weight", "bias"),
    "dense": ("weight", "bias"),
    "batch_normalization": ("weight", "bias", "running_mean", "running_var"),
}
FROM_CAFFE = re.compile(r"block1_conv1|conv1_conv|res2a_branch2a")
BGR = (
    "The network looks like a VGG or ResNet of keras.applications, which expect BGR; networks that "
    "were trained in Keras itself expect RGB"
)
DAMAGE = (OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError, OverflowError)


def read(path: Path, file: BinaryIO) -> Weights:
    """Return the weights of an HDF5 file of Keras."""
    return _read(path, file, file.seek(0, 2), None)


def read_archive(path: Path, archive: zipfile.ZipFile) -> Weights:
    """Return the weights of a .keras file; its config.json names the layers in order."""
    config = _json(path, archives.member(path, archive, "config.json"))
    data = archives.member(path, archive, INSIDE)
    return _read(path, data, len(data), config)


def _read(path: Path, source: BinaryIO | bytes, size: int, config: Any) -> Weights:
    try:
        import h5py  # noqa: F401
    except ImportError:
        raise DataError(
            f"{path}: Keras's files are read with the package h5py, which is not installed: "
            f"{install_command('hdf5')}."
        ) from None
    try:
        hdf5_trial.check(source if isinstance(source, bytes) else path, size)
        file = io.BytesIO(source) if isinstance(source, bytes) else source
        found, described = contents(file, size)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    order = _order(config)  # of a whole .h5, it is that of the arrays
    return _weights(path, found, order, config or (described and _json(path, described)))


def contents(file: BinaryIO, size: int) -> tuple[list[tuple[str, str, Array]], str]:
    """Return the arrays of a file (layer, role, array) and its description of the network, if any.

    Errors do not name the file.
    """
    import h5py

    try:
        with h5py.File(file, "r") as found:
            described = found.attrs.get("model_config", "")
            text = described.decode(errors="replace") if isinstance(described, bytes) else described
            arrays = list(_Reader(h5py, size).layers(found))
            return arrays, text if isinstance(text, str) else ""
    except DataError:
        raise
    except DAMAGE as error:
        raise DataError(f"a damaged HDF5 file ({short(str(error))}).") from error


def _weights(
    path: Path, layers: list[tuple[str, str, Array]], order: list[str], config: Any
) -> Weights:
    if order:
        place = {name: i for i, name in enumerate(order)}
        layers = sorted(layers, key=lambda entry: place.get(entry[0].split(".")[0], len(place)))
    arrays: dict[str, Array] = {}
    for layer, role, array in layers:
        name = f"{layer}.{role}"
        if name in arrays:
            raise DataError(f"{path}: two of its arrays are called {printable(name)}.")
        arrays[name] = array
    if not arrays:
        raise DataError(
            f"{path}: an HDF5 file, but not one of Keras: it has no layers with weights."
        )
    asks = {"channels": BGR} if any(FROM_CAFFE.match(name) for name in arrays) else {}
    stated: dict[str, Any] = {"layout": "HWIO"}
    if norms := batch_norm_eps.layers_of(arrays):
        known = _epsilons(config)
        eps = batch_norm_eps.made_equal(arrays, {n: known.get(n.rpartition(".")[2]) for n in norms})
        if eps is None:
            asks["batch_norm_eps"] = batch_norm_eps.ASKED
        else:
            stated["batch_norm_eps"] = eps
    return Weights(arrays, {conventions.KEY: json.dumps(stated)}, "keras", (), asks)


class _Reader:
    """The layers of an open HDF5 file: (layer, role, array)."""

    def __init__(self, h5py: Any, size: int) -> None:
        self.h5py = h5py
        self.left = max(archives.LARGE, archives.LARGEST_RATIO * size)  # bytes
        self.count = 0

    def layers(self, file: Any) -> Iterator[tuple[str, str, Array]]:
        """Yield the arrays of each layer, in the order that the file has."""
        root = file
        if self._is_group(file, "model_weights"):
            root = file["model_weights"]
        if names := _words(root.attrs, "layer_names"):
            for name in names:
                yield from self._old_layer(root, name)
        elif self._is_group(file, "layers"):
            yield from self._groups(file["layers"], DEPTH)
        elif self._is_group(file, "_layer_checkpoint_dependencies"):
            yield from self._groups(file["_layer_checkpoint_dependencies"], DEPTH)

    def _old_layer(self, root: Any, name: str) -> Iterator[tuple[str, str, Array]]:
        group = self._child(root, name)
        for word in _words(group.attrs, "weight_names"):
            # "conv1/kernel:0" of Keras 2, "sequential/conv1/kernel" of Keras 3, "conv1_W_1:0" of 1
            *inner, last = word.removesuffix(":0").split("/")
            holder = name if not inner or inner[-1] == name else f"{name}.{inner[-1]}"
            dataset = self._descend(group, word)
            yield holder if len(inner) > 1 or inner else name, _role(name, last), dataset

    def _descend(self, group: Any, word: str) -> Array:
        for part in word.split("/")[:DEPTH]:
            group = self._child(group, part)
        return self._array(group, word)

    def _groups(self, group: Any, depth: int, before: str = "") -> Iterator[tuple[str, str, Array]]:
        """Yield the arrays below a group of layers, those of a class in their order."""
        if depth == 0:
            raise DataError(f"its groups lie more than {DEPTH} deep.")
        for key in sorted(group.keys(), key=_counted):
            layer = self._child(group, key)
            if not isinstance(layer, self.h5py.Group):
                continue
            name = before + self._name(layer, key)
            yield from self._vars(layer, key, name)
            if self._is_group(layer, "layers"):
                yield from self._groups(layer["layers"], depth - 1, f"{name}.")

    def _name(self, layer: Any, key: str) -> str:
        """Return the name that a layer has in its network; the first files had none."""
        said = layer["vars"].attrs.get("name", key) if self._is_group(layer, "vars") else key
        return said if isinstance(said, str) and len(said) < 200 else key

    def _vars(self, layer: Any, key: str, name: str) -> Iterator[tuple[str, str, Array]]:
        if not self._is_group(layer, "vars"):
            return
        variables = layer["vars"]
        numbers = sorted(variables.keys(), key=_counted)
        kind = re.sub(r"_\d+$", "", key)
        roles = VARS.get(kind, ())
        if kind == "batch_normalization" and len(numbers) != len(roles):
            roles = ()  # without its gamma or its beta
        for number in numbers:
            at = int(number) if number.isdecimal() and len(number) < 4 else len(roles)
            role = roles[at] if at < len(roles) else number
            yield name, role, self._array(self._child(variables, number), number)

    def _child(self, group: Any, name: str) -> Any:
        """Return a group or dataset of this very file; links to others are refused."""
        self.count += 1
        if self.count > MOST:
            raise DataError(f"it has more than {MOST:,} groups and arrays.")
        link = group.get(name, getlink=True)
        if not isinstance(link, self.h5py.HardLink):
            raise DataError(f"its {printable(name)} is a link out of the group, or is missing.")
        return group[name]

    def _is_group(self, group: Any, name: str) -> bool:
        there = isinstance(group.get(name, getlink=True), self.h5py.HardLink)
        return there and isinstance(self._child(group, name), self.h5py.Group)

    def _array(self, dataset: Any, name: str) -> Array:
        shown = printable(name)
        if not isinstance(dataset, self.h5py.Dataset) or dataset.dtype.kind not in "fiub":
            raise DataError(f"its {shown} is no array of numbers.")
        created = dataset.id.get_create_plist()
        filters = {created.get_filter(i)[0] for i in range(created.get_nfilters())}
        if dataset.is_virtual or dataset.external or not filters <= FILTERS:
            raise DataError(f"its {shown} lies in another file, or is compressed oddly.")
        if dataset.shape is None or not shapes.credible(dataset.shape):
            raise DataError(f"its {shown} claims the shape {short(dataset.shape)}.")
        chunk = math.prod(dataset.chunks or ())  # is unpacked as a whole, also for one number
        self.left -= max(dataset.size, chunk) * dataset.dtype.itemsize
        if self.left < 0:
            raise DataError(
                f"its arrays claim far more bytes than the file can hold, {shown} among them. Such "
                "files are made to fill the memory; it was not read."
            )
        array = np.asarray(dataset[()])
        return array.astype(array.dtype.newbyteorder("="), copy=False)


def _words(attributes: Any, name: str) -> list[str]:
    """Return a list of names; long lists lie in NAME0, NAME1, ..., as Keras writes them."""
    pieces = [name] if name in attributes else []
    while not pieces or pieces[0] != name:
        if (piece := f"{name}{len(pieces)}") not in attributes or len(pieces) > MOST:
            break
        pieces.append(piece)
    words: list[str] = []
    for piece in pieces:
        values = np.asarray(attributes[piece]).reshape(-1)
        words += [v.decode(errors="replace") if isinstance(v, bytes) else str(v) for v in values]
    return words


def _role(layer: str, word: str) -> str:
    """Return the role of "kernel", or of Keras 1's "conv1_W"."""
    short_word = word.removeprefix(f"{layer}_")
    old = {"W": "weight", "b": "bias", "W_1": "weight", "b_1": "bias"}
    return ROLES.get(short_word, old.get(short_word, short_word))


def _counted(key: str) -> tuple[str, int]:
    """Return what sorts conv2d, conv2d_1, ..., conv2d_10, or 0, 1, ..., 10."""
    name, _, number = key.rpartition("_")
    if number.isdecimal() and len(number) < 9:
        return name, int(number)
    return key, 0


def _json(path: Path, text: str | bytes) -> Any:
    """Return a description of a network: config.json, or the model_config of an .h5."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{path}: its description of the network is not JSON ({short(str(error))})."
        ) from error


def _layers(config: Any, depth: int = DEPTH) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the settings of the layers of a description in order, with the depth of each."""
    inside = config.get("config") if isinstance(config, dict) else None
    entries = inside.get("layers") if isinstance(inside, dict) else inside  # a list in Keras 1
    for entry in entries if isinstance(entries, list) and depth else []:
        settings = entry.get("config") if isinstance(entry, dict) else None
        if isinstance(settings, dict):
            yield DEPTH - depth, settings
            yield from _layers(entry, depth - 1)


def _order(config: Any) -> list[str]:
    """Return the names of the layers in a description, in order, without those inside others."""
    names = [settings.get("name") for depth, settings in _layers(config) if depth == 0]
    return [name for name in names if isinstance(name, str)][:MOST]


def _epsilons(config: Any) -> dict[str, float | None]:
    """Return eps of the layers that have one; None where two layers of a name differ."""
    found: dict[str, float | None] = {}
    for _, settings in _layers(config):
        name = settings.get("name")
        eps = settings.get("epsilon")
        if isinstance(name, str) and batch_norm_eps.is_eps(eps):
            found[name] = eps if found.setdefault(name, eps) == eps else None
    return found
