"""Facts of CuPy, expression by expression: the file `cupy_facts.txt` and how each is found.

A line of the file is `expression -> outcome`; a line that begins with `capturing:` is evaluated
while its stream is being captured, and one that begins with `stricter:` is a TypeError of the
stand-in. The outcomes are those of CuPy 14.0 to 14.2 without a driver: a dtype with shape and
strides, or an exception with its first words.
"""

import json
import os
import sys
from pathlib import Path

import numpy as np

FILE = Path(__file__).with_suffix(".txt")


def read():
    """Return (mode, expression, outcome) of each line."""
    found = []
    for line in FILE.read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        text, _, outcome = line.rpartition(" -> ")
        mode, colon, expression = text.partition(": ")
        known = colon and mode in ("capturing", "stricter")
        found.append((mode, expression, outcome) if known else ("", text, outcome))
    return found


def arguments(cupy):
    """Return the names that an expression may use."""
    return {
        "np": np,
        "cupy": cupy,
        "x": cupy.zeros((2, 3)),
        "t": cupy.zeros((2, 3)).T,
        "s": cupy.full((), 1, np.int64),
        "i": cupy.zeros(2, np.int64),
        "h": np.ones((2, 3)),
    }


def outcome(cupy, mode, expression):
    """Return what an expression gives, in a few words."""
    names = arguments(cupy)
    if mode != "capturing":
        return said(expression, names)
    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        stream.begin_capture()
        found = said(expression, names)
        stream.end_capture()
    return found


def said(expression, names):
    """Evaluate an expression; describe the value or the exception."""
    try:
        value = eval(expression, names)
    except Exception as error:  # noqa: BLE001  # any one is an outcome
        return f"{type(error).__name__}: {' '.join(str(error).split())}"
    if hasattr(value, "strides"):
        module = type(value).__module__.partition(".")[0]
        return f"{module} {value.dtype} {value.shape} {value.strides}"
    return f"{type(value).__name__}"


def main():
    """Print the outcomes of the installed CuPy as JSON."""
    from support.cupy_without_driver import cupy

    facts = [outcome(cupy, mode, expression) for mode, expression, _ in read()]
    sys.stdout.write(json.dumps({"version": cupy.__version__, "facts": facts}))
    sys.stdout.flush()
    os._exit(0)  # CuPy would free its memory after the functions that answer are gone


if __name__ == "__main__":
    main()
