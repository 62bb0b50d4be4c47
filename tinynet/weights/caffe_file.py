"""Caffe's .caffemodel: a NetParameter of protocol buffers, with a blob for each weight and bias.

    NetParameter       name 1, layers 2 (V1LayerParameter, until 2014), layer 100 (LayerParameter)
    V1LayerParameter   name 4, type 5 (a number), blobs 6, convolution 10, inner product 17, LRN 18
    LayerParameter     name 1, type 2 (a word), blobs 7, convolution 106, inner product 117, LRN 118
    BlobProto          shape 7, or num 1, channels 2, height 3, width 4; data 5, double_data 8

The numbers are those of caffe.proto. Filters are (OC, C // groups, KH, KW) as here, matrices
(out, in); fc6 reads maps flattened as (C, H, W). A layer's blobs are called NAME.weight and
NAME.bias; those of BatchNorm and of the Scale after it become one batch normalization.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinynet.core import shapes
from tinynet.core.backend import Array
from tinynet.core.errors import DataError
from tinynet.core.pickles import printable, short
from tinynet.weights import batch_norm_eps, conventions
from tinynet.weights.contents import Weights
from tinynet.weights.protobuf import Message

NAME = 1  # fields of NetParameter
LAYERS = 2
LAYER = 100
OLDEST = 1  # of V1LayerParameter: a V0LayerParameter
FIELDS = {*range(1, 10), LAYER}  # of NetParameter and BlobProto
V1_TYPES = {
    4: "Convolution",
    5: "Data",
    6: "Dropout",
    14: "InnerProduct",
    15: "LRN",
    17: "Pooling",
    18: "ReLU",
    20: "Softmax",
    21: "SoftmaxWithLoss",
    39: "Deconvolution",
}
CHANNELS = 4  # of images, at most
EPS = 1e-5  # of a BatchNorm that states none
LISTED = ("LRN", "Pooling")  # layers without weights whose order tells networks apart
ASKS = {
    "channels": "A .caffemodel does not state the order of the color channels: networks trained on "
    "images that Caffe decoded (ImageNet) expect BGR, those trained on CIFAR-10 RGB"
}


class Numbers(NamedTuple):
    """Field numbers of one generation of layers."""

    name: int
    type: int
    blobs: int
    convolution: int
    inner_product: int
    lrn: int
    transform: int
    batch_norm: int


FIRST = Numbers(
    name=4, type=5, blobs=6, convolution=10, inner_product=17, lrn=18, transform=36, batch_norm=0
)
SECOND = Numbers(
    name=1,
    type=2,
    blobs=7,
    convolution=106,
    inner_product=117,
    lrn=118,
    transform=100,
    batch_norm=139,
)


class Layer(NamedTuple):
    """A layer of a network of Caffe: its name, type, blobs, and constants of normalizations."""

    name: str
    type: str
    blobs: list[Array]
    lrn: dict[str, float] | None
    mean: list[float]
    eps: float


def is_network(message: Message) -> bool:
    """Return whether the fields of a message are those of a NetParameter with layers."""
    return bool(message.parts(LAYERS) or message.parts(LAYER)) and not message.number(NAME)


def is_mean_image(message: Message) -> bool:
    """Return whether a message is a single BlobProto, such as imagenet_mean.binaryproto."""
    return set(message.fields) <= {1, 2, 3, 4, 5, 7, 8} and bool(message.parts(5))


def read(path: Path, message: Message) -> Weights:
    """Return the weights of a .caffemodel, with the constants of its LRN layers as conventions."""
    layers = [_layer(m, FIRST) for m in message.messages(LAYERS)]
    layers += [_layer(m, SECOND) for m in message.messages(LAYER)]
    arrays: dict[str, Array] = {}
    before = None
    for layer in layers:
        named = _named(layer, before)
        if arrays.keys() & named.keys():
            raise DataError(f"{path}: two of its layers are called {printable(layer.name)}.")
        arrays |= named
        before = layer
    if not arrays and any(m.parts(OLDEST) for m in message.messages(LAYERS)):
        raise DataError(
            f"{path}: a .caffemodel of 2013, whose layers lie one deeper; Caffe's "
            "upgrade_net_proto_binary writes one that is read."
        )
    if not arrays:
        raise DataError(f"{path}: a network of Caffe without weights; see its .caffemodel.")
    stated: dict[str, Any] = {
        "layout": "OIHW",
        "lrn_alpha": "mean",
        "lrn": [layer.lrn for layer in layers if layer.lrn is not None],
    }
    eps = batch_norm_eps.made_equal(arrays, {layer.name: layer.eps for layer in layers})
    if eps is not None:
        stated["batch_norm_eps"] = eps
    metadata = {
        conventions.KEY: json.dumps(stated),
        "network": printable(message.text(NAME)),
        conventions.ORDER: " ".join(layer.type for layer in layers if layer.type in LISTED),
    }
    mean = next((layer.mean for layer in layers if layer.mean), [])
    if mean:
        metadata["mean_value"] = ", ".join(f"{value:g}" for value in mean)
    generation = "layers of 2014" if message.parts(LAYERS) else "layers since 2014"
    return Weights(arrays, metadata, f"caffemodel ({generation})", (), dict(ASKS))


def read_mean_image(message: Message) -> Weights:
    """Return the mean image of a .binaryproto, (C, H, W)."""
    mean = blob(message)
    note = (
        "A mean image of Caffe, to be subtracted from images (C, H, W) in 0..255; its channels "
        "are in the order of the images that Caffe read, BGR for ImageNet."
    )
    return Weights({"mean": mean[0] if mean.ndim == 4 else mean}, {}, "binaryproto", (note,))


def _layer(message: Message, fields: Numbers) -> Layer:
    kind = message.text(fields.type) or V1_TYPES.get(message.number(fields.type), "")
    lrn = None
    if kind == "LRN":
        parameters = message.messages(fields.lrn)
        lrn = _lrn(parameters[-1] if parameters else Message(b"", message.count))
    transform = message.messages(fields.transform)
    mean = transform[-1].array(5, "<f4")[:CHANNELS].tolist() if transform else []
    blobs = [blob(m) for m in message.messages(fields.blobs)]
    if kind == "InnerProduct":
        blobs = [b.reshape(b.shape[-2:]) if _is_row_of_axes(b) else b for b in blobs]
    norm = message.messages(fields.batch_norm)
    eps = _rounded(norm[-1].number_of_32_bits(3, EPS)) if norm else EPS
    return Layer(message.text(fields.name), kind, blobs, lrn, mean, eps)


def _is_row_of_axes(array: Array) -> bool:
    """Return whether a blob is (1, 1, out, in), as matrices were written until 2014."""
    return array.ndim == 4 and array.shape[:2] == (1, 1) and array.shape[2] > 1


def _lrn(message: Message) -> dict[str, float] | None:
    """Return the constants of an LRN across channels; Caffe divides alpha by the window."""
    if message.number(4) == 1:  # WITHIN_CHANNEL, another operation
        return None
    return {
        "n": float(message.number(1, 5)),
        "k": _rounded(message.number_of_32_bits(5, 1.0)),
        "alpha": _rounded(message.number_of_32_bits(2, 1.0)),
        "beta": _rounded(message.number_of_32_bits(3, 0.75)),
        "groups": 1.0,
    }


def _rounded(value: float) -> float:
    """Return a float32 as the decimal number that was meant: 1e-4, not 0.0000999999974738."""
    return float(f"{value:.7g}")


def blob(message: Message) -> Array:
    """Return the numbers of a BlobProto in its shape.

    Raises
    ------
    DataError
        The shape and the count of numbers differ.
    """
    wide = message.parts(8) or 8 in message.fields
    data = message.array(8, "<f8") if wide else message.array(5, "<f4")
    named = message.messages(7)
    shape = tuple(named[-1].integers(1) if named else (message.number(n) for n in (1, 2, 3, 4)))
    if not shapes.credible(shape) or math.prod(shape) != data.size:
        raise DataError(f"a blob should hold {short(shape)}, and has {data.size:,} numbers.")
    return data.reshape(shape)


def _named(layer: Layer, before: Layer | None) -> dict[str, Array]:
    """Return the blobs of a layer by name: weight and bias, or those of a normalization."""
    blobs = layer.blobs
    if layer.type == "BatchNorm" and len(blobs) == 3 and blobs[2].size == 1:
        factor = float(blobs[2].reshape(-1)[0])
        scale = np.float32(1 / factor if factor else 0)  # sums, and by what they are divided
        named = {"running_mean": blobs[0] * scale, "running_var": blobs[1] * scale}
        return {f"{layer.name}.{role}": a.reshape(-1) for role, a in named.items()}
    name = layer.name
    if layer.type == "Scale" and before is not None and before.type == "BatchNorm":
        name = before.name
    found: dict[str, Array] = {}
    for role, array in zip(_roles(blobs), blobs, strict=True):
        found[f"{name}.{role}"] = array.reshape(-1) if role == "bias" else array
    return found


def _roles(blobs: list[Any]) -> list[str]:
    words = ["weight", "bias"]
    return words[: len(blobs)] + [str(i) for i in range(len(words), len(blobs))]
