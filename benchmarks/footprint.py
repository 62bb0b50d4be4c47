"""Estimated and measured memory of a training step: ``python -m benchmarks.footprint``.

Each number in the table comes from a process of its own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys

import numpy as np

from benchmarks import workloads
from tinynet import nn, optim
from tinynet.analysis import memory, memory_trace
from tinynet.kernels.codegen import native
from tinynet.training.metrics import RunningMetrics
from tinynet.training.steps import train_step

STEPS = 3
MIB = 2**20


def momentum_sgd(model: nn.Module) -> optim.Optimizer:
    """Return the optimizer of the paper."""
    return optim.SGD(model.parameters(), lr=1e-3, momentum=0.9, weight_decay=5e-4)


def estimated(net: str, batch: int) -> dict[str, int]:
    """Return the estimated peak memory in bytes, of the arrays and of the process."""
    with nn.init.skip_init():
        model = workloads.ours(net)
    book = memory.estimate(model, workloads.shape(net)[1:], momentum_sgd)
    arrays = book.peak(batch)[0]
    return {"arrays": arrays, "process": arrays + memory.process_overhead(book)}


def measured(net: str, batch: int) -> dict[str, int]:
    """Train some steps and return the peak memory in bytes, of the arrays and of the process."""
    model = workloads.ours(net)
    optimizer = momentum_sgd(model)
    rng = np.random.default_rng(0)

    def step() -> None:
        images = rng.standard_normal((batch, *workloads.shape(net)[1:]), np.float32)
        labels = rng.integers(0, workloads.CLASSES[net], batch)
        train_step(model, optimizer, images, labels, metrics=RunningMetrics())

    for _ in range(STEPS):
        step()
    process = memory.peak_resident()  # before tracing, which needs memory itself
    optimizer.zero_grad()
    persistent = 2 * sum(p.data.nbytes for p in model.parameters())
    with memory_trace.traced() as ops:
        step()
    return {"arrays": persistent + max(op.peak for op in ops), "process": process}


def compare(net: str, batch: int) -> dict[str, dict[str, int]]:
    """Return the estimate and the measurement, each from a process of its own."""
    found = {}
    for what in (estimated, measured):
        command = [sys.executable, "-m", "benchmarks.footprint", what.__name__, net, str(batch)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found[what.__name__] = json.loads(done.stdout)
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="?", choices=["table", "estimated", "measured"])
    parser.add_argument("net", nargs="?", choices=list("SAL"))
    parser.add_argument("batch", nargs="?", type=int)
    options = parser.parse_args()
    out = sys.stdout
    if options.net:
        what = {"estimated": estimated, "measured": measured}[options.what]
        out.write(json.dumps(what(options.net, options.batch)))
        return
    native.warm()  # a process that compiles takes more memory than one that trains
    out.write("| net | batch | arrays, MiB | estimated | process, MiB | estimated |\n")
    out.write("|---|---|---|---|---|---|\n")
    for net, batch in workloads.BATCH.items():
        both = compare(net, batch)
        cells = [
            f"{both[what][which] / MIB:.0f}"
            for which in ("arrays", "process")
            for what in ("measured", "estimated")
        ]
        out.write(f"| {net} | {batch} | {' | '.join(cells)} |\n")


if __name__ == "__main__":
    main()
