"""One convolution, from Python loops to Winograd: ``python -m benchmarks.conv_ladder``.

The layer is conv3 of the small AlexNet: 3x3 filters, 128 to 192 channels, 8x8 pixels. Every version
computes the same sum, and its result is compared with the reference before it is timed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from tinynet.kernels import Geometry, conv2d_forward, set_num_threads
from tinynet.kernels.codegen.native import In4, Out4, native
from tinynet.kernels.conv import direct

N, C, O, S, K = 128, 128, 192, 8, 3
GEOMETRY = Geometry((K, K), padding=((1, 1), (1, 1)))


def python_loops(x: Any, weight: Any) -> Any:
    """Return y (N, O, S, S) by the formula of `kernels/conv.py`, in plain Python loops."""
    framed = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1))).tolist()
    w, y = weight.tolist(), np.empty((len(x), len(weight), S, S), np.float32)
    for n, o, i, j in np.ndindex(y.shape):
        total = 0.0
        for c in range(C):
            for p in range(K):
                for q in range(K):
                    total += w[o][c][p][q] * framed[n][c][i + p][j + q]
        y[n, o, i, j] = total
    return y


@native
def _plain(lo: int, hi: int, x: In4, weight: In4, y: Out4) -> None:
    for n in range(lo, hi):
        for o in range(len(weight)):
            for i in range(y.shape[2]):
                for j in range(y.shape[3]):
                    total = np.float32(0)
                    for c in range(weight.shape[1]):
                        for p in range(weight.shape[2]):
                            for q in range(weight.shape[3]):
                                total += weight[o, c, p, q] * x[n, c, i + p, j + q]
                    y[n, o, i, j] = total


def plain_numba(x: Any, weight: Any) -> Any:
    """Return the same from the same loops, compiled by Numba; threads share the images."""
    framed = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    y = np.empty((len(x), len(weight), S, S), np.float32)
    _plain(len(x), framed, weight, y)
    return y


def reference(x: Any, weight: Any) -> Any:
    """Return the result of im2col and a matrix product."""
    return conv2d_forward.reference(x, weight, None, GEOMETRY)


def microkernel(x: Any, weight: Any) -> Any:
    """Return the result of the register-blocked microkernel (direct convolution)."""
    with direct():
        return conv2d_forward.implementations["numba"](x, weight, None, GEOMETRY)


def winograd(x: Any, weight: Any) -> Any:
    """Return the result of Winograd convolution, with fewer multiplications."""
    return conv2d_forward.implementations["numba"](x, weight, None, GEOMETRY)


def _torch_rungs(threads: int) -> dict[str, Callable[[Any, Any], Any]]:
    """Return PyTorch in two memory layouts; {} if it is not installed."""
    try:
        import torch
    except ImportError:
        return {}
    torch.set_num_threads(threads)

    def rung(layout: Any) -> Callable[[Any, Any], Any]:
        held: dict[int, Any] = {}  # the layout conversion is not timed: a network does it once

        def run(x: Any, weight: Any) -> Any:
            tensors = [
                held.setdefault(id(a), torch.from_numpy(a).contiguous(memory_format=layout))
                for a in (x, weight)
            ]
            return torch.nn.functional.conv2d(*tensors, padding=1).numpy()

        return run

    return {
        "PyTorch": rung(torch.contiguous_format),
        "PyTorch, channels_last": rung(torch.channels_last),
    }


def measure(threads: int, rounds: int) -> dict[str, float]:
    """Return the median milliseconds an image of each version, samples interleaved."""
    set_num_threads(threads)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((N, C, S, S), np.float32)
    weight = rng.standard_normal((O, C, K, K), np.float32)
    rungs = {
        "loops in Python (1 thread)": python_loops,
        "NumPy reference: im2col": reference,
        "the same loops in Numba": plain_numba,
        "microkernel": microkernel,
        "Winograd on the microkernel": winograd,
        **_torch_rungs(threads),
    }
    expected = reference(x.astype(np.float64), weight.astype(np.float64))
    samples: dict[str, list[float]] = {name: [] for name in rungs}
    for turn in range(rounds + 1):
        for name, rung in rungs.items():
            images = 1 if rung is python_loops else N
            if rung is python_loops and turn > 1:
                continue  # two seconds an image: one sample
            begin = time.perf_counter()
            y = rung(x[:images], weight)
            seconds = time.perf_counter() - begin
            if turn == 0:  # compilation, and the check
                error = np.abs(y - expected[:images]).max() / np.abs(expected).max()
                assert error < 1e-4, (name, error)
            else:
                samples[name].append(1e3 * seconds / images)
    return {name: statistics.median(found) for name, found in samples.items()}


def table(found: dict[str, float], threads: int) -> str:
    """Return the table in Markdown."""
    first = found["NumPy reference: im2col"]
    rows = [f"| {name} | {ms:.2f} | {first / ms:.3g} |" for name, ms in found.items()]
    head = "| version | ms an image | times as fast as the reference |\n|---|---|---|"
    foot = f"conv3 of the small AlexNet, forward, batch {N}, {threads} threads, float32"
    return "\n".join([head, *rows, "", foot, ""])


def main() -> None:
    """Print the times as a table, or as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = measure(options.threads, options.rounds)
    if options.json:
        sys.stdout.write(json.dumps({"ms_per_image": found, "threads": options.threads}) + "\n")
    else:
        sys.stdout.write(table(found, options.threads))


if __name__ == "__main__":
    main()
