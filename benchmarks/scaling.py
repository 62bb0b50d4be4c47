"""Scaling of training to several devices: ``python -m benchmarks.scaling``; see docs/scaling.md.

It measures the step of one device (here a process with one thread) and an all-reduce over two,
and predicts the step time of 1 to 64 such devices for three kinds of parallelism. As a check it
measures the one kind that runs here, data parallelism with two ranks.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import functools
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

import tinynet as tn
from benchmarks import workloads
from tinynet import models
from tinynet.analysis import communication
from tinynet.core import backend
from tinynet.core.table import table
from tinynet.distributed.data_parallel import rank_slice
from tinynet.distributed.process_group import ProcessGroup, init_process_group
from tinynet.models.two_towers import TwoTowers
from tinynet.training.metrics import RunningMetrics
from tinynet.training.steps import train_step

FLOAT = 4  # bytes
DEVICES = (1, 2, 4, 8, 16, 32, 64)
ACTIVATIONS, GRADIENTS, TRICK = "model parallel", "data parallel", "one weird trick"
SMALL, LARGE = 1_000, 4_000_000  # floats; all-reduces of these sizes give latency and bandwidth
FLAGS = ("fixed", "per_image", "bandwidth", "latency")


@dataclasses.dataclass(frozen=True)
class Net:
    """Sizes of a network that determine its communication."""

    convolutions: int  # weights
    weights: int
    shown: dict[str, int]  # layer with inputs from all devices: its input size for an image


@dataclasses.dataclass(frozen=True)
class Machine:
    """Cost model of a device: seconds per step (fixed) and per image, and its link."""

    fixed: float
    per_image: float
    bandwidth: float  # bytes a second that a device sends while it receives as many
    latency: float  # seconds a message


@functools.cache
def net(name: str) -> Net:
    """Return the sizes of a network, taken from its two-tower model."""
    with tn.nn.init.skip_init():
        model = models.build(models.two_tower_form(name) or name)
    assert isinstance(model, TwoTowers)
    sizes = {n: math.prod(p.shape) for n, p in model.named_parameters()}
    convolutions = sum(size for n, size in sizes.items() if ".conv" in n)
    shown: dict[str, int] = {}
    for (layer, _), count in communication.sums(model.traffic(), backward=False).items():
        if layer != communication.HOST:
            shown[layer] = shown.get(layer, 0) + count // FLOAT
    shown["fc8"] *= 2  # it is on the first device, which has one half of its input
    return Net(convolutions, sum(sizes.values()), shown)


def sent(net: Net, scheme: str, devices: int, batch: int) -> tuple[float, int]:
    """Return the average number of bytes that each device sends in a step, and of messages.

    A ring all-reduce over K devices: each sends 2 (K - 1) / K of the buffer. For an all-gather of
    maps each sends its K-th part to K - 1 others; the gradients take the same way back.
    """
    K = devices
    if K == 1:
        return 0.0, 0
    around = {GRADIENTS: net.weights, TRICK: net.convolutions, ACTIVATIONS: 0}[scheme]
    seen = {} if scheme == GRADIENTS else dict(net.shown)
    if scheme == TRICK:  # data-parallel convolutions: only fully connected layers are split
        seen.pop("conv3")
    whole = seen.pop("fc8", 0) / K  # one device gathers its input from the others
    numbers = 2 * around + 2 * batch * (sum(seen.values()) + whole)
    messages = 2 * (K - 1) * (bool(around) + len(seen) + bool(whole))
    return FLOAT * numbers * (K - 1) / K, messages


def seconds(net: Net, machine: Machine, scheme: str, devices: int, batch: int) -> float:
    """Return the time of a step: computation, then communication, without overlap.

    Splitting the images of a batch and splitting the maps both divide the computation. Weights that
    only one device has are updated only there.
    """
    alone = {GRADIENTS: 1.0, ACTIVATIONS: 1 / devices}
    alone[TRICK] = (net.convolutions + (net.weights - net.convolutions) / devices) / net.weights
    volume, messages = sent(net, scheme, devices, batch)
    wires = volume / machine.bandwidth + messages * machine.latency
    return machine.fixed * alone[scheme] + machine.per_image * batch / devices + wires


def foretold(net: Net, machine: Machine, batch: int, growing: bool) -> str:
    """Return the table of predictions; `growing`: the batch is per device (weak scaling)."""
    rows = []
    for K in DEVICES:
        n = batch * K if growing else batch
        cells = []
        for scheme in (ACTIVATIONS, GRADIENTS, TRICK):
            step = seconds(net, machine, scheme, K, n)
            rate = n / step / (batch / seconds(net, machine, scheme, 1, batch))
            cells.append(f"{1e3 * step:,.1f} ms, x {rate:.1f}")
        rows.append((str(K), str(n), *cells))
    return table([("devices", "batch", ACTIVATIONS, GRADIENTS, TRICK), *rows], left=0)


# ---- measurements


def step_seconds(name: str, images: int, ranks: ProcessGroup, rounds: int) -> float:
    """Return the median seconds of a training step on a batch that the ranks share."""
    tn.seed(0)
    model = tn.models.build(workloads.MODELS[name], workloads.CLASSES[name])
    optimizer = tn.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9, weight_decay=5e-4)
    own = rank_slice(images, ranks.rank, ranks.size)
    n = own.stop - own.start
    ranks.batch = images
    ranks.images = n
    x = np.random.default_rng(ranks.rank).standard_normal((n, *workloads.shape(name)[1:]), "f")
    labels, times = np.zeros(n, np.int64), []
    for _ in range(rounds + 2):  # the first ones compile and allocate
        ranks.all_gather(None)
        start = time.perf_counter()
        train_step(model, optimizer, x, labels, metrics=RunningMetrics(), ranks=ranks)
        times.append(time.perf_counter() - start)
    return statistics.median(times[2:])


def wire(ranks: ProcessGroup, rounds: int = 15) -> tuple[float, float]:
    """Return bandwidth (bytes a second) and latency (seconds a message) of an all-reduce."""
    took = []
    for size in (SMALL, LARGE):
        x, times = np.zeros(size, np.float32), []
        for _ in range(rounds):
            ranks.all_gather(None)
            start = time.perf_counter()
            ranks.all_reduce(x)
            times.append(time.perf_counter() - start)
        took.append(statistics.median(times))
    per_float = max(1e-12, took[1] - took[0]) / (LARGE - SMALL)
    K = ranks.size
    bandwidth = 2 * (K - 1) / K * FLOAT / per_float
    return bandwidth, max(0.0, took[0] - SMALL * per_float) / (2 * (K - 1))


def worker(options: argparse.Namespace) -> None:
    """Measure as one of several ranks; rank 0 writes JSON."""
    ranks = init_process_group(backend.CPU)
    tn.kernels.set_num_threads(1)
    found = {"step": step_seconds(options.net, options.batch, ranks, options.rounds)}
    if ranks.size > 1:
        found["bandwidth"], found["latency"] = wire(ranks)
    ranks.all_gather(None)  # from here on the ranks share only the machine
    own = options.batch // ranks.size
    whole, half = (
        step_seconds(options.net, n, ProcessGroup(), options.rounds) for n in (own, own // 2)
    )
    found["per_image"] = max(1e-9, whole - half) / (own - own // 2)
    found["fixed"] = max(0.0, whole - found["per_image"] * own)
    if not ranks.rank:
        sys.stdout.write(json.dumps(found) + "\n")


def measured(options: argparse.Namespace, ranks: int) -> dict[str, float]:
    """Return the measurements of `ranks` ranks on this machine."""
    beside = str(Path(sys.executable).parent)
    mpiexec = shutil.which("mpiexec", path=os.pathsep.join([beside, os.environ.get("PATH", "")]))
    if ranks > 1 and mpiexec is None:
        sys.exit("benchmarks.scaling needs mpiexec: pip install mpi4py mpich")
    settings = ["--net", options.net, "--batch", str(options.batch), "--rounds"]
    command = [sys.executable, "-m", "benchmarks.scaling", "--worker", *settings]
    command += [str(options.rounds)]
    start = [mpiexec, "-n", str(ranks)] if ranks > 1 else []
    done = subprocess.run([*start, *command], check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Measure, predict, and compare the prediction with two ranks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--net", choices="AL", default="A", help="the small AlexNet, or AlexNet")
    parser.add_argument("--batch", type=int, default=128, help="images, of all devices together")
    parser.add_argument(
        "--growing", action="store_true", help="--batch images on each device (weak scaling)"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    for name in FLAGS:
        help_ = f"predict with this {name.replace('_', ' ')}, in seconds or bytes a second"
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, help=help_)
    options = parser.parse_args()
    if options.worker:
        worker(options)
        return
    given = {name: getattr(options, name) for name in FLAGS}
    says = sys.stdout.write
    ways = net({"A": "small-alexnet", "L": "alexnet"}[options.net])
    if all(value is not None for value in given.values()):
        says(foretold(ways, Machine(**given), options.batch, options.growing) + "\n")
        return
    one, two = measured(options, 1), measured(options, 2)
    found = {**two, **one}  # the times of one rank on an idle machine, the link of two
    machine = Machine(**{n: found[n] if given[n] is None else given[n] for n in FLAGS})
    beside = Machine(**{n: two[n] for n in FLAGS})
    says(
        f"a device: {1e3 * machine.fixed:.1f} ms a step and {1e3 * machine.per_image:.2f} ms an "
        f"image; a link: {machine.bandwidth / 1e9:.2f} GB/s, {1e6 * machine.latency:.0f} us\n"
    )
    says(foretold(ways, machine, options.batch, options.growing) + "\n")
    free, busy = (seconds(ways, m, GRADIENTS, 2, options.batch) for m in (machine, beside))
    says(
        f"checked here, net {options.net}, batch {options.batch}, data parallel: 1 rank "
        f"{1e3 * one['step']:.0f} ms, 2 ranks {1e3 * two['step']:.0f} ms. Predicted for 2: "
        f"{1e3 * free:.0f} ms if the cores did not slow each other down; from the time of a step "
        f"while the other core runs one too ({1e3 * beside.fixed:.1f} ms and "
        f"{1e3 * beside.per_image:.2f} ms an image), {1e3 * busy:.0f} ms "
        f"(measured / predicted: {two['step'] / busy:.2f}).\n"
    )


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        main()
