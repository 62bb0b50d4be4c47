#!/usr/bin/env bash
# onnxruntime before 1.21 moves a Pad into the AveragePool behind it, which then divides differently.
#
# A Pad of zeros followed by an AveragePool that has no padding of its own is a mean over the padded
# image: zeros count. The optimizer of 1.19 and 1.20 makes the zeros the pooling's own padding, and where
# count_include_pad is 0, its default, they no longer count: at the border every mean is too large.
# Without optimization the same file gives the right numbers, and so do 1.21 and the reference of the
# onnx package. Nothing warns. Who exports a network that pads by itself, as many do for uneven borders,
# gets other numbers at the border from these versions.
#
# Seen on 2026-12-01 with onnxruntime 1.20.1 and 1.21.0, onnx 1.18.0, Python 3.11. Exits with 0 while
# it is so.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
pip="$folder/venv/bin/pip"

cat >"$folder/means.py" <<'PYTHON'
import sys

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

ort.set_default_logger_severity(3)
pads = helper.make_tensor("pads", TensorProto.INT64, [8], [0, 0, 1, 1, 0, 0, 1, 1])
nodes = [
    helper.make_node("Pad", ["x", "pads"], ["padded"]),
    helper.make_node("AveragePool", ["padded"], ["y"], kernel_shape=[2, 2], strides=[2, 2]),
]
x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 2, 2])
y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, 2, 2])
graph = helper.make_graph(nodes, "means", [x], [y], [pads])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
onnx.checker.check_model(model)

image = np.ones((1, 1, 2, 2), np.float32)
expected = ReferenceEvaluator(model).run(None, {"x": image})[0].ravel()
print("onnx", onnx.__version__, "reference:", expected)


def run(level):
    """Return the means that onnxruntime computes with this level of optimization."""
    options = ort.SessionOptions()
    options.graph_optimization_level = level
    session = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"x": image})[0].ravel()


levels = ort.GraphOptimizationLevel
found = {"as it comes": run(levels.ORT_ENABLE_ALL), "not optimized": run(levels.ORT_DISABLE_ALL)}
for way, means in found.items():
    print("onnxruntime", ort.__version__, way + ":", means)
right = [bool(np.allclose(means, expected)) for means in found.values()]
sys.exit(right != [sys.argv[1] == "right", True])
PYTHON

as_seen=yes
for case in "1.20.1 wrong" "1.21.0 right"; do
    read -r version result <<<"$case"
    "$pip" install --quiet "onnxruntime==$version" onnx==1.18.0 numpy==2.2.6
    "$folder/venv/bin/python" "$folder/means.py" "$result" || as_seen=no
done
[ "$as_seen" = yes ] && echo "as seen" || { echo "NOT as seen"; exit 1; }
