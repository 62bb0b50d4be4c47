"""ONNX files that are damaged, or made to hurt: refused in a sentence, quickly, in little RAM."""

import os
import time

import numpy as np
import pytest

from tinynet import weights
from tinynet.core.errors import DataError
from weights.onnx_oracle import stirred

onnx = pytest.importorskip("onnx", reason="the package onnx is not installed")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

ONE = np.ones((2, 3, 1, 1), np.float32)


def model(nodes, arrays=(), shape=("n", 3, 4, 4), output="y", **settings):
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "hostile",
        [info("x", settings.get("type", TensorProto.FLOAT), shape)],
        [info(output, TensorProto.FLOAT, None)],
        [a if isinstance(a, TensorProto) else numpy_helper.from_array(a[1], a[0]) for a in arrays],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])


def node(op, inputs, outputs, **attributes):
    return helper.make_node(op, inputs.split(), outputs.split(), "here", **attributes)


def claimed(shape, raw=b"\0" * 8, **fields):
    return TensorProto(name="w", data_type=1, dims=shape, raw_data=raw, **fields)


def elsewhere(location, dims=(2, 3, 1, 1), **facts):
    tensor = TensorProto(name="w", data_type=1, dims=dims, data_location=1)
    for key, value in {"location": location, **facts}.items():
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    return tensor


def doubled():
    """Whole numbers that double with each node."""
    nodes = [node("Shape", "x", "s0")]
    nodes += [node("Concat", f"s{i} s{i}", f"s{i + 1}", axis=0) for i in range(60)]
    return [*nodes, node("Reshape", "x s60", "y")]


CONV = node("Conv", "x w", "y")
FILES = {
    "unknown op": (model([node("Erf", "x", "y")]), r"node here \(Erf\): tinynet does not know"),
    "unknown domain": (
        model([helper.make_node("Conv", ["x"], ["y"], "here", domain="com.microsoft")]),
        "op Conv of com.microsoft",
    ),
    "circle": (model([node("Relu", "z", "y"), node("Relu", "y", "z")]), "form a circle"),
    "missing input": (model([node("Conv", "x w", "y")]), "reads w, which no node before"),
    "no second input": (model([node("Conv", "x", "y")]), "input 1 is missing"),
    "computed twice": (model([node("Relu", "x", "y"), node("Tanh", "x", "y")]), "computed twice"),
    "output of nothing": (model([node("Relu", "x", "z")]), "output y is computed by no node"),
    "constant output": (
        model([node("Relu", "x", "z")], [("y", ONE)]),
        "does not depend on the images",
    ),
    "control flow": (
        model([node("If", "x", "y", then_branch=model([CONV]).graph)]),
        "then_branch is none of",
    ),
    "huge array": (model([CONV], [claimed((1 << 40, 1 << 20))]), "which no array has"),
    "negative array": (model([CONV], [claimed((-1, 2))]), "which no array has"),
    "short array": (model([CONV], [claimed((2, 3, 1, 1))]), "which are not 24"),
    "array of text": (
        model([CONV], [TensorProto(name="w", data_type=8, dims=(1,))]),
        "of the type 8",
    ),
    "huge image": (model([CONV], [("w", ONE)], ("n", 3, 1 << 40, 1 << 40)), "no array has"),
    "open image": (model([CONV], [("w", ONE)], ("n", 3, "h", "w")), "must have lengths"),
    "image of integers": (model([CONV], [("w", ONE)], type=7), "is not float32"),
    "other channels": (
        model([CONV], [("w", np.ones((2, 5, 1, 1), "f"))]),
        r"its filters are \(2, 5, 1, 1\) for 3 channels",
    ),
    "stride 0": (model([node("Conv", "x w", "y", strides=[0, 1])], [("w", ONE)]), "stride"),
    "three strides": (model([node("Conv", "x w", "y", strides=[1] * 3)], [("w", ONE)]), "unpack"),
    "negative pads": (model([node("Conv", "x w", "y", pads=[-1] * 4)], [("w", ONE)]), "padding"),
    "text for a number": (model([node("Conv", "x w", "y", group="1")], [("w", ONE)]), "group must"),
    "number that is none": (
        model([node("Gemm", "x w", "y", alpha=float("nan"))], [("w", ONE)], ("n", 3)),
        "attribute alpha must be finite; it is nan",
    ),
    "even window": (model([node("LRN", "x", "y", size=4)]), "n must be odd"),
    "window too large": (model([node("MaxPool", "x", "y", kernel_shape=[9, 9])]), "does not fit"),
    "whole batch": (
        model([node("Reshape", "x s", "y")], [("s", np.array([-1]))]),
        "takes images together",
    ),
    "reshape to more": (
        model([node("Reshape", "x s", "y")], [("s", np.array([0, 1 << 50]))]),
        "cannot take the shape",
    ),
    "axis too far": (model([node("Concat", "x x", "y", axis=1 << 40)]), "there is no axis"),
    "doubling": (model(doubled()), "whole numbers"),
    "mask of dropout": (
        model([node("Dropout", "x", "z m"), node("Add", "z m", "y")]),
        "reads m, an output that is not computed",
    ),
    "up the tree": (model([CONV], [elsewhere("../w.bin")]), "not in the folder"),
    "from the root": (model([CONV], [elsewhere("/etc/passwd")]), "not in the folder"),
    "a missing file": (model([CONV], [elsewhere("gone.bin")]), "no file of this name"),
    "beyond the end": (model([CONV], [elsewhere("w.bin", offset="1000000")]), "claims the bytes"),
    "no offset": (model([CONV], [elsewhere("w.bin", offset="many")]), "are no numbers"),
    "the same part many times": (
        model([CONV], [elsewhere("w.bin", dims=(1 << 16, 1 << 8))] * 17),
        "bytes; 1,073,741,824 are the limit",
    ),
    "a link": (model([CONV], [elsewhere("link.bin")]), "is a link"),
}


@pytest.mark.parametrize("name", FILES)
def test_it_is_refused_in_a_sentence(tmp_path, name):
    proto, words = FILES[name]
    (tmp_path / "w.bin").write_bytes(b"\0" * 100)
    os.symlink("/etc/passwd", tmp_path / "link.bin")
    path = tmp_path / "a.onnx"
    path.write_bytes(proto.SerializeToString())
    started = time.monotonic()
    with pytest.raises(DataError, match=words) as refused:
        weights.from_onnx(path)
    assert str(refused.value).startswith(f"{path}: ")
    assert "\n" not in str(refused.value)
    assert time.monotonic() - started < 20  # 2 s on a machine that does nothing else


def test_data_beside_the_file_is_read(tmp_path):
    (tmp_path / "w.bin").write_bytes(b"\0" * 16 + ONE.tobytes())
    proto = model([CONV], [elsewhere("w.bin", offset="16", length="24")])
    (tmp_path / "a.onnx").write_bytes(proto.SerializeToString())
    assert (weights.from_onnx(tmp_path / "a.onnx").parameters()[0].data == ONE).all()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "has no nodes"),
        (b"\x80\x04K\x01.", "not an ONNX file"),
        (b"PK\x03\x04" + b"\0" * 100, "not an ONNX file"),
        (b"\xff" * 1000, "not an ONNX file"),
        (b"\x3a\x84\x80\x80\x01" + b"\x0a\x00" * (1 << 20) + b"\0\0", "not an ONNX file"),
        (b"\x3a\x80\x80\x80\x01" + b"\x0a\x00" * (1 << 20), "more than 200,000 fields"),
    ],
)
def test_bytes_that_are_no_network(tmp_path, data, words):
    (tmp_path / "a.onnx").write_bytes(data)
    with pytest.raises(DataError, match=words):
        weights.from_onnx(tmp_path / "a.onnx")


def test_weights_that_are_not_finite_are_read_without_a_warning(tmp_path):
    signaling = np.array([[0x7F800000, 0x7F800001, 0x3F800000]], np.uint32)
    weight = signaling.view(np.float32)  # infinity, a NaN that signals, 1
    proto = model([node("Gemm", "x w", "y", transB=1, alpha=2.0)], [("w", weight)], ("n", 3))
    (tmp_path / "a.onnx").write_bytes(proto.SerializeToString())
    read = weights.from_onnx(tmp_path / "a.onnx").parameters()[0].data
    assert np.isfinite(read).tolist() == [[False, False, True]]


def test_a_file_too_large_to_be_one_is_not_read(tmp_path):
    with open(tmp_path / "a.onnx", "wb") as file:
        file.truncate((1 << 30) + 1)
    with pytest.raises(DataError, match="1,073,741,825 bytes"):
        weights.from_onnx(tmp_path / "a.onnx")


def test_every_damage_of_a_file_is_refused_or_harmless(tmp_path, rng):
    """Bytes changed and ends cut at random: a DataError, or a network."""
    from tinynet import nn

    net = stirred(nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 2)))
    path = tmp_path / "a.onnx"
    weights.save_onnx(net, path, (3, 4, 4))
    whole = path.read_bytes()
    refused = []
    for trial in range(150):
        damaged = bytearray(whole)
        for place in rng.integers(0, len(whole), 1 + trial % 4):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged[: rng.integers(len(whole))] if trial % 5 == 0 else damaged)
        try:
            weights.from_onnx(path)
        except DataError as error:
            refused.append(str(error))
    assert len(refused) > 40
    assert not any("\n" in sentence for sentence in refused)
