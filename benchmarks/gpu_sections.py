"""Sections of `benchmarks.gpu`, each run in a process of its own; the last line is JSON."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import tinynet as tn
from benchmarks import gpu_kernels, workloads
from benchmarks.gpu_launches import launches
from tinynet import data, functions, kernels
from tinynet.analysis import gpu_step
from tinynet.core import backend
from tinynet.kernels.profiler import estimate as roofline
from tinynet.kernels.profiler.gpus import find
from tinynet.kernels.profiler.profiles import profile
from tinynet.kernels.profiler.record import Pass, Record
from tinynet.training import device_loader, input_pipeline, loop, presets

Step = Callable[[], Any]
SMALL = 1, 4, 6, 6  # instead, in a dry run
CONV1 = 128, 96, 55, 55  # output of the first layer of AlexNet for a batch: 149 MB
TEST_SECONDS = 105  # less than the time limit of the section
NETS = {"small": "A", "alexnet": "L"}
"""The network of each section that times a step."""
DRY_NET = "demo"  # instead, in a dry run: the smallest


class Place:
    """Device and settings: the first GPU, or in a dry run the CPU with the CUDA kernels."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.dry = settings["dry"]
        self.precision = settings["precision"]
        self.data_dir = settings["data_dir"]
        self.gpu = settings["gpu"]
        self.device = backend.device("cpu" if self.dry else "cuda")
        self.windows, self.steps = (1, 1) if self.dry else (7, 20)

    @property
    def xp(self) -> Any:
        """NumPy or CuPy."""
        if self.dry:
            return np
        import cupy

        return cupy

    def wait(self) -> None:
        """Wait for the GPU, for the work of all libraries."""
        if not self.dry:
            self.xp.cuda.Device(0).synchronize()

    def ms(self, rivals: dict[str, Step]) -> dict[str, float]:
        """Return the median step time of each implementation; their windows are interleaved."""
        found: dict[str, list[float]] = {name: [] for name in rivals}
        for name, step in rivals.items():
            for _ in range(1 if self.dry else 5):  # compilation, capture, choice of algorithms
                step()
            sys.stderr.write(f"{name} is warm\n")
        for _ in range(self.windows):
            for name, step in rivals.items():
                self.wait()
                begin = time.perf_counter()
                for _ in range(self.steps):
                    step()
                self.wait()
                found[name].append((time.perf_counter() - begin) / self.steps)
        return {name: round(1e3 * statistics.median(times), 4) for name, times in found.items()}


def tests(place: Place) -> dict[str, Any]:
    """Run the tests marked `gpu`; in a dry run, those of one kernel on the stand-in."""
    chosen = ["tests/kernels/test_cuda_arrays.py", "-k", "lrn"] if place.dry else ["-m", "gpu"]
    command = [sys.executable, "-m", "pytest", "-q", *chosen]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=TEST_SECONDS
        )
    except subprocess.TimeoutExpired:  # ending the section would not end pytest
        return {"failed": f"the tests took longer than {TEST_SECONDS} s"}
    counts = {word: int(n) for n, word in re.findall(r"(\d+) (passed|failed|error)", done.stdout)}
    failed = re.findall(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)
    if not counts:
        return {"failed": done.stdout[-300:] + done.stderr[-300:]}
    return {**counts, **({"failed": f"{failed}"} if failed else {})}


def our_steps(place: Place, net: str, batch: int) -> dict[str, Step]:
    """Return tinynet's training step, eager and as a graph."""
    model = workloads.ours(net).to(place.device)
    optimizer = tn.optim.SGD(model.parameters(), 1e-3, 0.9, 5e-4)
    rng = np.random.default_rng(0)
    x = tn.tensor(rng.standard_normal((batch, *workloads.shape(net)[1:]), np.float32), place.device)
    labels = backend.transfer(rng.integers(0, workloads.classes(net), batch), place.device)

    def step(x: tn.Tensor, labels: Any) -> tn.Tensor:
        optimizer.zero_grad()
        loss = functions.cross_entropy(model(x), labels)
        loss.backward()
        optimizer.step()
        return loss

    ours = {"tinynet eager": step, "tinynet graph": tn.graph(step)}
    return {name: functools.partial(run, x, labels) for name, run in ours.items()}


def torch_steps(place: Place, net: str, batch: int) -> dict[str, Step]:
    """Return PyTorch's step: eager, CUDA graph, compiled; {} if it is not installed."""
    try:
        import torch
    except ImportError:
        return {}
    torch.backends.cuda.matmul.allow_tf32 = place.precision != "float32"
    torch.backends.cudnn.allow_tf32 = place.precision != "float32"
    torch.backends.cudnn.benchmark = True
    where = "cpu" if place.dry else "cuda"
    x = torch.randn((batch, *workloads.shape(net)[1:]), device=where)
    labels = torch.randint(0, workloads.classes(net), (batch,), device=where)

    def make(forward: Callable[[Any], Any]) -> Step:
        model = workloads.theirs(net).to(where)
        run = forward(model)
        optimizer = torch.optim.SGD(
            model.parameters(), 1e-3, momentum=0.9, weight_decay=5e-4, fused=not place.dry
        )

        def step() -> None:
            optimizer.zero_grad(set_to_none=True)
            with torch.autocast(where, torch.bfloat16, enabled=place.precision == "bfloat16"):
                loss = torch.nn.functional.cross_entropy(run(x), labels)
            loss.backward()
            optimizer.step()

        return step

    steps = {"torch eager": make(lambda model: model)}
    if place.dry:
        return steps
    steps["torch graph"] = _torch_graph(torch, make(lambda model: model))
    if net == "L":
        steps["torch compile"] = make(
            lambda model: torch.compile(model, mode="max-autotune-no-cudagraphs")
        )
    return steps


def _torch_graph(torch: Any, step: Step) -> Step:
    """Return PyTorch's step captured in a CUDA graph, as its documentation recommends."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    replay: Step = graph.replay
    return replay


def steps_of(place: Place, section: str, batch: int) -> dict[str, Any]:
    """Return the interleaved times of all implementations of one network."""
    net = DRY_NET if place.dry else NETS[section]
    batch = 1 if place.dry else batch
    rivals = our_steps(place, net, batch) | torch_steps(place, net, batch)
    slow = rivals.pop("torch compile", None)
    found: dict[str, Any] = {"shape": [batch, *workloads.shape(net)[1:]], "ms": place.ms(rivals)}
    found["launches"] = launches(rivals, on_gpu=not place.dry)
    place.wait()
    begin = time.perf_counter()
    rivals["tinynet graph"]()
    found["host_us_a_replay"] = round(1e6 * (time.perf_counter() - begin), 1)
    place.wait()
    found["kernels"] = gpu_kernels.measured(rivals["tinynet eager"], place.xp)
    if slow is not None:  # may exceed the time limit: print the results so far
        sys.stdout.write(json.dumps(found) + "\n")
        sys.stdout.flush()
        found["ms"] = place.ms({**rivals, "torch compile": slow})
    return found


def small(place: Place) -> dict[str, Any]:
    """Time the small AlexNet, batch 128."""
    return steps_of(place, "small", 128)


def alexnet(place: Place) -> dict[str, Any]:
    """Time the AlexNet of 2012, batch 128."""
    return steps_of(place, "alexnet", 128)


def bandwidth_cases(place: Place, shape: tuple[int, ...]) -> dict[str, tuple[Step, int]]:
    """Return the memory-bound kernels, and the minimum bytes that each must move."""
    xp = place.xp
    x = xp.asarray(np.random.default_rng(0).standard_normal(shape, np.float32))
    window = kernels.Geometry((3, 3), (2, 2))
    lrn = 5, 2.0, 1e-4, 0.75
    y, scale = kernels.lrn_forward(x, *lrn, 1)
    pooled, argmax = kernels.max_pool2d_forward(x, window, False)
    velocity = xp.zeros_like(x)
    gradient = xp.ones_like(x)
    pool_bytes = x.nbytes + pooled.nbytes + argmax.nbytes
    into = xp.empty_like(x)
    return {
        "copy": (lambda: xp.copyto(into, x), 2 * x.nbytes),
        "LRN forward": (lambda: kernels.lrn_forward(x, *lrn, 1), 3 * x.nbytes),
        "LRN backward": (
            lambda: kernels.lrn_backward(gradient, x, y, scale, 5, 1e-4, 0.75, 1),
            5 * x.nbytes,
        ),
        "pooling forward": (lambda: kernels.max_pool2d_forward(x, window, False), pool_bytes),
        "pooling backward": (
            lambda: kernels.max_pool2d_backward(pooled, argmax, x.shape, window),
            pool_bytes,
        ),
        "dropout": (lambda: kernels.dropout(x, 0.5, (0, 0, 0)), 2 * x.nbytes),
        "update": (
            lambda: kernels.momentum_update(
                [x], [gradient], [velocity], 1e-9, 0.9, 0.0, False, "paper"
            ),
            5 * x.nbytes,
        ),
    }


def kernel_shares(place: Place) -> dict[str, Any]:
    """Return GB/s of each kernel, and its fraction of the copy bandwidth."""
    rates = {}
    shape = SMALL if place.dry else CONV1
    for name, (step, moved) in bandwidth_cases(place, shape).items():
        rates[name] = moved / (1e-3 * place.ms({name: step})[name]) / 1e9
    copy = rates["copy"]
    return {
        "gigabytes_a_second": {name: round(rate, 1) for name, rate in rates.items()},
        "share": {name: round(r / copy, 3) for name, r in rates.items() if name != "copy"},
    }


def estimate(place: Place, of: str) -> dict[str, Any]:
    """Estimate what a section measures; it needs no GPU, but NVIDIA's compiler library.

    The arrays are NumPy's, and a sample of the blocks of each launch is executed from PTX.
    """
    settings = {"dry": True, "precision": place.precision, "data_dir": None, "gpu": place.gpu}
    paper = Place(settings)
    gpu = find(place.gpu)
    try:
        if of == "kernels":
            rates = estimated_rates(paper, SMALL if place.dry else CONV1)
            return {"gpu": gpu.name, "gigabytes_a_second": rates}
        net = DRY_NET if place.dry else NETS[of]
        steps = our_steps(paper, net, 1 if place.dry else 128)
        guess = gpu_step.profile_step(steps["tinynet eager"], Record(gpu), place.precision)
    except tn.DeviceError as error:
        return {"missing": str(error)}
    rows = gpu_kernels.estimated(guess)
    return {"gpu": gpu.name, "ms": round(guess.estimate_ms, 4), "kernels": rows}


def estimated_rates(paper: Place, shape: tuple[int, ...]) -> dict[str, float]:
    """Return the estimated GB/s of each kernel that memory limits."""
    seconds = {}
    cases = bandwidth_cases(paper, shape)
    for name, (step, _) in cases.items():
        rows = profile(step, gpu=paper.gpu, precision=paper.precision).kernels
        seconds[name] = sum(row.estimate_us * row.launches for row in rows) / 1e6
    copied = cases["copy"][1]  # by the array library, which is not looked into
    seconds["copy"] = roofline.of_pass(Pass("copy", copied), find(paper.gpu)).seconds
    return {name: round(cases[name][1] / s / 1e9, 1) for name, s in seconds.items()}


def training(place: Place, limit: float = 90.0) -> dict[str, Any]:
    """Train the small AlexNet for at most `limit` seconds; note the time to 89 % accuracy."""
    begin = time.perf_counter()
    recipe = dataclasses.replace(presets.find("small-alexnet"), epochs=40, lr=0.02)
    try:
        sets = [data.open_dataset("cifar10", place.data_dir, train=t) for t in (True, False)]
        name = "cifar10"
    except (tn.DataError, OSError):
        sets = [data.open_dataset("shapes", None, train=t) for t in (True, False)]
        name = "shapes"
    if place.dry:
        sets = [
            dataclasses.replace(s, images=s.images[:8], labels=s.labels[:8])
            if dataclasses.is_dataclass(s)
            else _first(s, 8)
            for s in sets
        ]
        recipe = dataclasses.replace(recipe, epochs=1, batch_size=8, model="demo", pad=0)
    feeds = [
        device_loader.on_device(loader, place.device)
        for loader in input_pipeline.loaders(recipe, *sets)
    ]
    model = recipe.build_model(10).to(place.device)
    optimizer = recipe.build_optimizer(model)
    tn.seed(recipe.seed)
    epochs = []
    reached = None
    for event in loop.fit(model, optimizer, *feeds, epochs=recipe.epochs):
        if isinstance(event, loop.Epoch):
            seconds = round(time.perf_counter() - begin, 2)
            epochs.append(
                {"epoch": event.epoch, "seconds": seconds, "accuracy": event.test_accuracy}
            )
            if reached is None and event.test_accuracy >= 0.89:
                reached = seconds
            if seconds > limit:
                break
    best = max(e["accuracy"] for e in epochs)
    return {
        "data": name,
        "recipe": recipe.name,
        "epochs": epochs,
        "best": best,
        "seconds_to_89": reached if name == "cifar10" else None,
    }


def _first(dataset: Any, count: int) -> Any:
    """Return the first images of a data set."""
    few = type(dataset).__new__(type(dataset))
    few.images = dataset.images[:count]
    few.labels = dataset.labels[:count]
    return few


SECTIONS: dict[str, Callable[[Place], dict[str, Any]]] = {
    "tests": tests,
    "estimate-small": functools.partial(estimate, of="small"),
    "estimate-alexnet": functools.partial(estimate, of="alexnet"),
    "estimate-kernels": functools.partial(estimate, of="kernels"),
    "small": small,
    "alexnet": alexnet,
    "kernels": kernel_shares,
    "training": training,
}


def main(name: str, settings: str) -> None:
    """Run a section and print its results."""
    place = Place(json.loads(settings))
    with contextlib.ExitStack() as stack:
        stack.enter_context(tn.precision(place.precision))
        if place.dry and not name.startswith(
            "estimate-"
        ):  # whose values the fastest kernels compute
            stack.enter_context(kernels.use("cuda_on_cpu"))
        found = SECTIONS[name](place)
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
