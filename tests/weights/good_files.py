"""A small valid file of each format: the bytes that are changed in it, the packing, the reader."""

import contextlib
import io
import json
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinynet import nn, weights
from tinynet.weights import safetensors_file, torch_writer
from weights import crafted
from weights import crafted_formats as made

WEIGHT = np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2)
BIAS = np.ones(2, np.float32)
NAMED = {"w": WEIGHT, "b": BIAS}


def same(inside):
    return inside


class Good(NamedTuple):
    """A valid file. What a zip or zlib holds is changed before it is packed: checksums are right.

    Attributes
    ----------
    inside : the bytes that are changed
    pack : makes the file of them
    read : reads a path
    """

    inside: bytes
    pack: Callable[[bytes], bytes] = same
    read: Callable[[Path], Any] = weights.read


def onnx_of(dims=(2, 3, 2, 2), kind=1, more=b""):
    tensor = b"".join(made.field(1, n) for n in dims) + made.field(2, kind)
    tensor += made.field(8, "w") + made.field(9, WEIGHT.tobytes()) + more
    return made.field(1, 8) + made.field(7, made.field(5, tensor))


def keras_of(h5, config=b"{}"):
    return crafted.archive([("config.json", config), ("model.weights.h5", h5)])


def mat_of(matrix):
    """A compressed element is not padded."""
    data = zlib.compress(matrix)
    return made.mat() + made.mat_element(15, data)[: 8 + len(data)]


def npy():
    out = io.BytesIO()
    np.save(out, WEIGHT)
    return out.getvalue()


def network():
    """A network as tinynet writes it."""
    layers = [nn.Conv2d(3, 2, 3), nn.ReLU(), nn.LocalResponseNorm(), nn.MaxPool2d(2, stride=1)]
    net = nn.Sequential(*layers, nn.Flatten(), nn.Linear(2, 2), nn.Softmax())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "net.onnx")
        weights.save_onnx(net.eval(), path, (3, 4, 4))
        return path.read_bytes()


def good_files():
    """A file of each format that has no other test of damage, by suffix."""
    layers = [("conv1", "Convolution", [WEIGHT, BIAS]), ("n", "LRN", [], (5, 0.1, 0.75, 1.0))]
    net = [{"type": "conv", "name": "conv1", "weights": [WEIGHT, BIAS]}]
    files = {
        "caffemodel": Good(made.caffemodel(layers)),
        "v1.caffemodel": Good(made.caffemodel(layers, first=True, packed=False)),
        "npy": Good(made.npy_of({"conv1": [WEIGHT, BIAS]})),
        "mat": Good(made.mat(False, layers=net)),
        "z.mat": Good(made.mat_matrix(net, "layers"), mat_of),
        "tar": Good(made.tar_of(NAMED)),
        "onnx": Good(onnx_of()),
    }
    with contextlib.suppress(ImportError):
        h5 = made.weights_h5_of({"conv2d": ("conv1", [WEIGHT, BIAS])})
        files["h5"] = Good(made.h5_of({"conv1": {"kernel": WEIGHT, "bias": BIAS}}))
        files["weights.h5"] = Good(h5)
        files["keras"] = Good(h5, keras_of)
    return files


def more_files():
    """Files of the other formats, and other parts of some."""
    tensors = {"w": crafted.tensor("0", 24, WEIGHT.shape), "b": crafted.tensor("1", 2, (2,))}
    files = {
        "pth": Good(crafted.weights(**tensors), lambda p: crafted.pth(p, [WEIGHT, BIAS])),
        "zip.pth": Good(torch_writer.write(Path("net.pt"), NAMED)),
        "old.pth": Good(crafted.legacy()),
        "safetensors": Good(safetensors_file.write(Path("net"), NAMED, {"a": "b"})),
        "npz": Good(npy(), lambda member: crafted.archive([("w.npy", member)])),
        "zip.npz": Good(crafted.archive([("w.npy", npy())])),
    }
    with contextlib.suppress(ImportError):
        files["network.onnx"] = Good(network(), read=weights.from_onnx)
        h5 = made.weights_h5_of({"conv2d": ("conv1", [WEIGHT, BIAS])})
        config = json.dumps({"config": {"layers": [{"config": {"name": "conv1"}}]}})
        files["config.keras"] = Good(config.encode(), lambda text: keras_of(h5, text))
    return files
