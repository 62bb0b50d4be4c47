#!/usr/bin/env bash
# OpenVINO rounds the bias of ONNX's LRN (AlexNet's k) down to a whole number.
#
# ONNX defines LRN as x / (bias + alpha / size * sum of squares) ** beta, with a float attribute bias.
# The network below has one LRN node with bias 1.5. onnxruntime computes it as defined. OpenVINO loads
# the file without a word and returns the numbers of bias 1.0. With bias 1 and 2 both agree, so
# AlexNet's k = 2 and the frameworks' k = 1 hide it.
#
# Seen on 2026-11-29 with openvino 2026.4.1, onnxruntime 1.32.0, onnx 1.23.2, numpy 2.4.6, Python 3.11,
# on a CPU (x86-64). Exits with 0 while it is so, with 1 when it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet openvino==2026.4.1 onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6

"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import sys

import numpy as np
import onnx
import onnxruntime
import openvino
from onnx import TensorProto, helper

folder = sys.argv[1]
x = np.random.default_rng(0).standard_normal((1, 4, 8, 7)).astype(np.float32)


def lrn(bias):
    """Return the path of a file with one LRN node."""
    node = helper.make_node("LRN", ["x"], ["y"], size=3, alpha=2.1, beta=0.75, bias=bias)
    shape = list(x.shape)
    graph = helper.make_graph(
        [node],
        "lrn",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    path = f"{folder}/lrn-{bias}.onnx"
    onnx.save(model, path)
    return path


def defined(bias):
    """Return the values by the definition."""
    squares = np.pad(x.astype(np.float64) ** 2, [(0, 0), (1, 1), (0, 0), (0, 0)])
    total = squares[:, :-2] + squares[:, 1:-1] + squares[:, 2:]
    return x / (bias + 2.1 / 3 * total) ** 0.75


def in_onnxruntime(bias):
    return onnxruntime.InferenceSession(lrn(bias)).run(None, {"x": x})[0]


def in_openvino(bias):
    core = openvino.Core()
    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    return core.compile_model(core.read_model(lrn(bias)), "CPU", exact)([x])[0]


def far(a, b):
    return float(np.abs(a - b).max())


rows = {
    "bias 1.0: OpenVINO from the definition": far(in_openvino(1.0), defined(1.0)),
    "bias 2.0: OpenVINO from the definition": far(in_openvino(2.0), defined(2.0)),
    "bias 1.5: onnxruntime from the definition": far(in_onnxruntime(1.5), defined(1.5)),
    "bias 1.5: OpenVINO from the definition": far(in_openvino(1.5), defined(1.5)),
    "bias 1.5: OpenVINO from the definition with bias 1.0": far(in_openvino(1.5), defined(1.0)),
}
for name, value in rows.items():
    print(f"{name}: {value:.1e}")
*_, wrong, truncated = rows.values()
as_seen = max(list(rows.values())[:3]) < 1e-5 and wrong > 1e-2 and truncated < 1e-5
print("as seen" if as_seen else "changed")
sys.exit(not as_seen)
PYTHON
