#!/usr/bin/env bash
# NumPy's two fast readers of text, fromstring and fromfile with `sep`, change integers without a word,
# and differ from each other.
#
# Since NumPy 2, a number that does not fit an integer type is refused wherever Python numbers or
# strings become an array: array, full, fromiter, astype of strings, loadtxt, genfromtxt, an assignment.
# `np.fromstring(text, dtype, sep=",")` and `np.fromfile(path, dtype, sep=",")` take it modulo 2**8 for
# uint8: 300 becomes 44. -1 becomes 255 from a file, and is an error from a string. What does not fit 64
# bits becomes the largest int64. There is no warning, so a table of pixels with a column too many, or
# with signed bytes, reads as an image.
#
# Seen on 2026-12-01 with numpy 2.4.6, Python 3.11. Exits with 0 while it is so.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet numpy==2.4.6

cd "$folder"
"$folder/venv/bin/python" -W error - <<'PYTHON'
import io
import pathlib
import sys

import numpy as np

pathlib.Path("numbers.txt").write_text("300,-1,255")
OTHERS = {
    "array": lambda: np.array([300], np.uint8),
    "full": lambda: np.full(1, 300, np.uint8),
    "fromiter": lambda: np.fromiter([300], np.uint8),
    "astype": lambda: np.array(["300"]).astype(np.uint8),
    "loadtxt": lambda: np.loadtxt(io.StringIO("300"), dtype=np.uint8),
    "genfromtxt": lambda: np.genfromtxt(io.StringIO("300 1"), dtype=np.uint8),
}


def refused(read):
    try:
        read()
    except (OverflowError, ValueError):
        return True
    return False


from_text = np.fromstring("300,255", np.uint8, sep=",")
negative = refused(lambda: np.fromstring("-1", np.uint8, sep=","))
from_file = np.fromfile("numbers.txt", np.uint8, sep=",")
large = np.fromstring("18446744073709551617", np.int64, sep=",")
kept = [name for name, read in OTHERS.items() if not refused(read)]
print("numpy", np.__version__)
print("300,255 by fromstring:", from_text, "300,-1,255 by fromfile:", from_file)
print("-1 by fromstring:", "refused" if negative else "read", "2**64 + 1 as int64:", large)
print("refuse 300 as uint8:", *(name for name in OTHERS if name not in kept))
wrapped = from_text.tolist() == [44, 255] and from_file.tolist() == [44, 255, 255]
as_seen = wrapped and negative and large.tolist() == [2**63 - 1] and not kept
print("as seen" if as_seen else "changed")
sys.exit(not as_seen)
PYTHON
