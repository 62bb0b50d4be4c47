"""Weights as numpy.save writes a dict: one .npy that holds a pickle of layers and their arrays.

bvlc_alexnet.npy and its kind are {"conv1": [weight, bias], ...}; other programs write
{"conv1": {"weights": ..., "biases": ...}, ...}. The pickle is read without executing it, see
`core.pickled_arrays`. Such files come from TensorFlow, so filters are (KH, KW, C // groups, OC),
which `load` finds by the shapes; the order of the channels is not stated.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from tinynet.core import pickles
from tinynet.core.backend import Array
from tinynet.core.errors import DataError
from tinynet.core.numpy_file import read_header
from tinynet.core.pickled_arrays import DTYPE, ArrayMachine, PickledArray, PickledDtype
from tinynet.core.pickles import Name, printable, short
from tinynet.weights import batch_norm_eps
from tinynet.weights.contents import Weights

LARGEST = 1 << 30  # bytes of a file
LAYERS = 100_000
WRAPPED = 4  # arrays of one object around each other; a cycle has no end
ASKS = {
    "layout": "The file does not state the axes of its arrays",
    "channels": "The file does not state the order of the color channels: networks that were "
    "converted from Caffe, such as bvlc_alexnet.npy and VGG's, expect BGR, others RGB",
}
ROLES = {0: "weight", 1: "bias", 2: "running_mean", 3: "running_var"}
WORDS = {"weights": "weight", "biases": "bias"}


def read(path: Path, file: BinaryIO) -> Weights:
    """Return the arrays of an .npy by layer and role."""
    size = file.seek(0, 2)
    if size > LARGEST:
        raise DataError(f"{path}: an .npy of more than {LARGEST:,} bytes is not read.")
    file.seek(0)
    shape, _, dtype = read_header(path, "the file", file)
    if dtype.kind != "O":
        raise DataError(
            f"{path}: one array {short(shape)} of {printable(str(dtype))}, without a name; weights "
            "have names. Write numpy.savez(NEW, **{NAME: array})."
        )
    if math.prod(shape) != 1:
        raise DataError(f"{path}: {math.prod(shape):,} objects; one dict of layers was expected.")
    try:
        found = pickles.execute(
            _ObjectMachine(pickles.no_tensors, pickles.no_tensors), _Bounded(file, size)
        )[0]
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    return of_pickle(path, found, "npy: a dict of layers")


def of_pickle(path: Path, found: Any, kind: str) -> Weights:
    """Return the arrays of a dict of layers, or of arrays by name."""
    top = _plain(found)
    if isinstance(top, list) and len(top) == 1:
        top = _plain(top[0])
    arrays: dict[str, Array] = {}
    if isinstance(top, dict) and len(top) <= LAYERS:
        for name, array in _named(top):
            if name in arrays:
                raise DataError(f"{path}: two of its arrays are called {printable(name)}.")
            arrays[name] = array
    if not arrays:
        raise DataError(
            f"{path}: it holds a {type(top).__name__}, not a dict of layers and arrays."
        )
    asks = ASKS | batch_norm_eps.asked_of(arrays, stated=False)
    if batch_norm_eps.layers_of(arrays):
        asks["batch_norm_eps"] = batch_norm_eps.ASKED
    return Weights(arrays, {}, kind, (), asks)


class _Bounded:
    """A file that gives no more than it has, so that a length in it claims no memory."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.file = file
        self.size = size
        self.readline = file.readline
        self.tell = file.tell

    def read(self, count: int) -> bytes:
        """Return so many bytes, or raise ValueError if the file is shorter."""
        if count > self.size - self.tell():
            raise ValueError(f"{count:,} bytes are claimed, and the file has {self.size:,}")
        return self.file.read(count)


class _ObjectMachine(ArrayMachine):
    """The machine of `core.pickled_arrays`, which knows arrays of objects too: as lists."""

    def _do_reduce(self, _: Any) -> None:
        name, arguments = self.stack[-2:]
        word = arguments[0] if isinstance(arguments, tuple) and arguments else None
        if isinstance(name, Name) and name == DTYPE and word in ("O", "O4", "O8"):
            self.stack[-2:] = [PickledDtype(np.dtype(object))]
        else:
            super()._do_reduce(None)

    def _do_build(self, _: Any) -> None:
        state = self.stack[-1]
        target = self.stack[-2]
        dtype = state[2] if isinstance(state, tuple) and len(state) == 5 else None
        if (
            isinstance(target, PickledArray)
            and isinstance(dtype, PickledDtype)
            and dtype.dtype.kind == "O"
            and isinstance(state[4], list)
        ):
            target.array = state[4]
            self.stack.pop()
        else:
            super()._do_build(None)


def _named(top: dict[str, Any]) -> Iterator[tuple[str, Array]]:
    """Yield arrays by layer and role; parts that are no arrays are refused."""
    for layer, part in top.items():
        inner = _plain(part)
        if isinstance(inner, np.ndarray):
            yield layer, inner
            continue
        if isinstance(inner, list | tuple) and len(inner) <= len(ROLES):
            inner = {ROLES[i]: value for i, value in enumerate(inner)}
        if not isinstance(inner, dict):
            raise DataError(f"layer {printable(layer)} holds a {type(inner).__name__}, no arrays.")
        for role, value in inner.items():
            array = _plain(value)
            if not isinstance(array, np.ndarray):
                raise DataError(f"{printable(f'{layer}.{role}')} is no array.")
            yield f"{layer}.{WORDS.get(role, role)}", array


def _plain(thing: Any) -> Any:
    """Return an array out of its wrapper; the content of an array of one object."""
    for _ in range(WRAPPED):
        if not isinstance(thing, PickledArray):
            break
        thing = thing.array
        if isinstance(thing, list) and len(thing) == 1:
            thing = thing[0]
    return thing
