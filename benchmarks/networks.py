"""A training step of each network for small images: ``python -m benchmarks.networks``.

The step is that of a training run, on noise images. The networks are interleaved, so a noisy
minute affects all of them alike. The table has the median, the quickest and the slowest round. With
``--against torch`` each network is timed against the same network in PyTorch, in two memory layouts
(see `interleaved`).
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time

import numpy as np

import tinynet as tn
from benchmarks import workloads
from benchmarks.step import compare
from tinynet import models
from tinynet.core.table import table
from tinynet.kernels import get_num_threads
from tinynet.optim import SGD
from tinynet.training.metrics import RunningMetrics
from tinynet.training.steps import train_step

PAIRS = ["nin", "resnet-20", "resnet-56", "densenet-bc-100", "small-vgg", "small-resnet"]
LARGEST = 32  # pixels: networks for larger images take seconds a step


def prepared(name: str, batch: int) -> list[object]:
    """Return the arguments of `train_step` for a network and a batch of noise."""
    rng, model = np.random.default_rng(0), models.build(name, 10)
    images = rng.standard_normal((batch, *models.INPUT_SHAPES[name]), np.float32)
    optimizer = SGD(model.parameters(), lr=1e-4, momentum=0.9, weight_decay=5e-4)
    return [model.train(), optimizer, images, rng.integers(0, 10, batch)]


def measured(names: list[str], batch: int, rounds: int) -> dict[str, list[float]]:
    """Return the milliseconds of each network's steps, without the first one."""
    steps = {name: prepared(name, batch) for name in names}
    times: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(rounds + 1):
        for name, given in steps.items():
            begun = time.perf_counter()
            train_step(*given, metrics=RunningMetrics())
            times[name].append(1000 * (time.perf_counter() - begun))
    return {name: found[1:] for name, found in times.items()}


def against_torch(names: list[str], rounds: int) -> list[tuple[str, ...]]:
    """Return table rows: tinynet, PyTorch in two layouts, the ratio to the faster layout."""
    rows: list[tuple[str, ...]] = [
        ("network", "batch", "tinynet ms", "PyTorch", "channels_last", "ratio")
    ]
    for name in names:
        found = compare(name, "step", get_num_threads(), rounds)
        times = (f"{found[k]:.0f}" for k in ("ours_ms", "torch_ms", "torch_channels_last_ms"))
        rows.append((name, str(workloads.shape(name)[0]), *times, f"{found['ratio']:.2f}"))
        sys.stderr.write(f"{'  '.join(rows[-1])}\n")
    return rows


def main() -> None:
    """Print a table, the quickest network first."""
    parser = argparse.ArgumentParser(description="Time a training step of each small network.")
    parser.add_argument(
        "names", nargs="*", help="default: all networks for images of up to 32x32 pixels"
    )
    parser.add_argument("--batch", type=int, default=128, help="ignored with --against")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--against", choices=["torch"])
    asked = parser.parse_args()
    small = [n for n, e in models.MODELS.items() if e.side <= LARGEST and "towers" not in n]
    known = {*models.names(), *(workloads.MODELS if asked.against else ())}
    if unknown := [name for name in asked.names if name not in known]:
        sys.exit(f"networks: there is no {', '.join(unknown)}. Known: {', '.join(sorted(known))}.")
    if asked.against:
        rows = against_torch(asked.names or PAIRS, asked.rounds)
        how = f"medians of {asked.rounds}; {get_num_threads()} threads, float32, PyTorch eager"
        sys.stdout.write(f"{table(rows, left=1)}\n\n{how}\n")
        return
    times = measured(asked.names or small, asked.batch, asked.rounds)
    rows = [("network", "ms a step", "quickest", "slowest", "images/s")]
    for name, found in sorted(times.items(), key=lambda row: statistics.median(row[1])):
        middle = statistics.median(found)
        speed = f"{1000 * asked.batch / middle:,.0f}"
        rows.append((name, f"{middle:.0f}", f"{min(found):.0f}", f"{max(found):.0f}", speed))
    how = f"batch {asked.batch}, medians of {asked.rounds}; {get_num_threads()} threads, float32"
    sys.stdout.write(f"{table(rows, left=1)}\n\n{how}\n")


if __name__ == "__main__":
    tn.seed(0)
    main()
