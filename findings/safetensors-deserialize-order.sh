#!/usr/bin/env bash
# safetensors.deserialize returns the tensors of the same bytes in another order at each call.
#
# A .safetensors file has an order: that of the data in it, which its header lists by offsets. The
# function that reads one from bytes in memory, `safetensors.deserialize`, returns a list of pairs, so
# one expects that order, or that of the header. It is neither: the list comes out of a hash map with a
# random seed, so two calls in one process may disagree. Code that pairs the tensors with layers by their
# position, as is done where the names of two libraries differ, swaps layers of the same shape now and
# then. `safetensors.numpy.load`, which puts the pairs into a dict, passes the order on. Here both are
# called 50 times, and `safetensors.safe_open` for comparison.
#
# Seen on 2026-11-30 with safetensors 0.8.0, numpy 2.4.6, Python 3.11: 50 orders in 50 calls of each, and
# one order of safe_open. Exits with 0 while it is so.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet safetensors==0.8.0 numpy==2.4.6

"$folder/venv/bin/python" - "$folder/file.safetensors" <<'PYTHON'
import sys
from pathlib import Path

import numpy as np
import safetensors
from safetensors.numpy import load, save

file = Path(sys.argv[1])
content = save({f"conv{i}.weight": np.full(2, i, np.float32) for i in range(16)})
file.write_bytes(content)


def by_safe_open():
    """Return the names as the reader of files gives them."""
    with safetensors.safe_open(file, framework="numpy") as opened:
        return tuple(opened.keys())


ways = {
    "deserialize(bytes)": lambda: tuple(name for name, _ in safetensors.deserialize(content)),
    "numpy.load(bytes)": lambda: tuple(load(content)),
    "safe_open(file)": by_safe_open,
}
print("safetensors", safetensors.__version__, "numpy", np.__version__)
orders = {way: len({read() for _ in range(50)}) for way, read in ways.items()}
for way, count in orders.items():
    print(f"{way:20} {count} different orders in 50 calls")
as_seen = orders["safe_open(file)"] == 1 and min(list(orders.values())[:2]) > 1
print("as seen" if as_seen else "NOT as seen")
sys.exit(not as_seen)
PYTHON
