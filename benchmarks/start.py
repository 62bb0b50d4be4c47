"""Time from process start to the end of the first step: ``python -m benchmarks.start``.

A training step of net S, batch 128. A new process each time, interleaved, medians: tinynet with a
warm kernel cache, tinynet with an empty cache, PyTorch. The clock starts before the process does.
``--kernels`` prints the compilation time of each kernel.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

RIVALS = ("tinynet, warm cache", "tinynet, empty cache", "torch")


def first_step(library: str) -> None:
    """Run one training step of net S, then print "done"."""
    from benchmarks import workloads

    rng = np.random.default_rng(0)
    images, labels = rng.standard_normal(workloads.shape("S"), np.float32), rng.integers(0, 10, 128)
    if library == "torch":
        import torch
        from torch.nn.functional import cross_entropy

        model, data = workloads.theirs("S"), (torch.from_numpy(images), torch.from_numpy(labels))
        optimizer = torch.optim.SGD(model.parameters(), 1e-3, momentum=0.9, weight_decay=5e-4)
        cross_entropy(model(data[0]), data[1]).backward()
    else:
        import tinynet as tn

        ours = workloads.ours("S")
        optimizer = tn.optim.SGD(ours.parameters(), 1e-3, 0.9, 5e-4)
        tn.functions.cross_entropy(ours(tn.tensor(images)), labels).backward()
    optimizer.step()
    sys.stdout.write("done\n")
    sys.stdout.flush()


def seconds(rival: str, kept: Path) -> float:
    """Return the seconds of one process to its first step; `kept` is the warm cache."""
    library = rival.partition(",")[0]
    command = [sys.executable, "-m", "benchmarks.start", "--first-step", library]
    with tempfile.TemporaryDirectory() as empty:
        cache = empty if rival.endswith("empty cache") else str(kept)
        environment = {**os.environ, "TINYNET_CACHE": cache}
        begin = time.perf_counter()
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as process:
            line = process.stdout.readline() if process.stdout else ""
            taken = time.perf_counter() - begin
    if line != "done\n":
        raise SystemExit(f"{rival} did not finish its first step: {' '.join(command)}")
    return taken


def compilations() -> list[tuple[str, float, float, float]]:
    """Return (kernel, seconds, in LLVM, in type inference) for each kernel of one step."""
    with tempfile.TemporaryDirectory() as empty:
        os.environ["TINYNET_CACHE"] = empty  # read at the first kernel
        from tinynet import kernels
        from tinynet.kernels.codegen.native import COMPILED

        kernels.set_num_threads(1)  # and so in one process: see `tinynet.kernels.codegen.ahead`
        first_step("tinynet")

        rows = []
        for kernel in COMPILED:
            if kernel.dispatcher is None:
                continue
            facts = kernel.dispatcher.get_metadata(kernel.dispatcher.signatures[0])
            passes = facts["pipeline_times"]["nopython"]
            inference = sum(t.run for name, t in passes.items() if name.endswith("type_inference"))
            name = f"{kernel.__module__.rpartition('.')[2]}.{kernel.__qualname__}{kernel.variant}"
            timers = facts["timers"]
            rows.append((name, timers["compiler_lock"], timers["llvm_lock"], inference))
    return sorted(rows, key=lambda row: -row[1])


def compare(rounds: int) -> dict[str, dict[str, float]]:
    """Return the median, minimum and maximum of each implementation, in seconds."""
    samples: dict[str, list[float]] = {rival: [] for rival in RIVALS}
    with tempfile.TemporaryDirectory() as kept:
        seconds(RIVALS[0], Path(kept))  # fills the cache
        for _ in range(rounds):
            for rival in RIVALS:
                samples[rival].append(seconds(rival, Path(kept)))
    return {
        rival: {"median": statistics.median(s), "least": min(s), "most": max(s)}
        for rival, s in samples.items()
    }


def main() -> None:
    """Print the three rows, as JSON or as text."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--kernels", action="store_true")
    parser.add_argument("--first-step", choices=["tinynet", "torch"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.first_step:
        first_step(options.first_step)
        return
    if options.kernels:
        rows = compilations()
        total = ("all", *(sum(row[i] for row in rows) for i in (1, 2, 3)))
        for name, spent, llvm, inference in (*rows, total):
            sys.stdout.write(f"{name:42}{spent:6.2f} s, LLVM {llvm:.2f}, types {inference:.2f}\n")
        return
    found = compare(options.rounds)
    if options.json:
        sys.stdout.write(
            json.dumps({"net": "S", "rounds": options.rounds, "seconds": found}) + "\n"
        )
        return
    for rival, s in found.items():
        sys.stdout.write(f"{rival:22}{s['median']:6.2f} s ({s['least']:.2f} .. {s['most']:.2f})\n")


if __name__ == "__main__":
    main()
