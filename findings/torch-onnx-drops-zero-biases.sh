#!/usr/bin/env bash
# torch.onnx.export leaves out biases that happen to be zero.
#
# Exported by the way that is the default since PyTorch 2.9 (dynamo=True), a layer whose bias holds
# zeros only, as after `torch.nn.init.zeros_`, becomes a node without a bias. Values decide which
# parameters the file has: the same class, exported before and after one training step, gives files with
# other inputs of nodes and other initializers. A program that reads the file in order to go on training
# has no bias to train, and one that matches names with `state_dict` misses some. `optimize=False` keeps
# them, and so does the older exporter (dynamo=False).
#
# Seen on 2026-11-30 with torch 2.13.0, onnx 1.23.2, onnxscript 0.7.2, Python 3.11. Exits
# with 0 while it is so.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 onnx==1.23.2 onnxscript==0.7.2 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - "$folder/file.onnx" <<'PYTHON'
import sys

import onnx
import onnxscript
import torch

file = sys.argv[1]


class Net(torch.nn.Module):
    """A convolution and a linear layer, with biases of one value."""

    def __init__(self, bias):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, 3)
        self.fc = torch.nn.Linear(4, 2)
        torch.nn.init.constant_(self.conv.bias, bias)
        torch.nn.init.constant_(self.fc.bias, bias)

    def forward(self, x):
        return self.fc(self.conv(x).mean((2, 3)))


def biases(value, **options):
    """Return the names of the biases in the exported file."""
    images = torch.zeros(1, 3, 8, 8)
    torch.onnx.export(Net(value).eval(), (images,), file, verbose=False, **options)
    return [each.name for each in onnx.load(file).graph.initializer if each.name.endswith("bias")]


print("torch", torch.__version__, "onnx", onnx.__version__, "onnxscript", onnxscript.__version__)
both = ["conv.bias", "fc.bias"]
found = {
    "zeros": biases(0.0),
    "zeros, optimize=False": biases(0.0, optimize=False),
    "zeros, dynamo=False": biases(0.0, dynamo=False),
    "0.01": biases(0.01),
}
for way, names in found.items():
    print(f"biases of {way}: {names}")
as_seen = list(found.values()) == [[], both, both, both]
print("as seen" if as_seen else "NOT as seen")
sys.exit(not as_seen)
PYTHON
