"""Worker process of one implementation: ``python -m benchmarks.worker RIVAL NET THREADS``.

It prints one JSON line when it is ready, then reads "CASE COUNT" lines and answers each with the
mean seconds of a repetition. RIVAL is "tinynet:numba", "torch:default", "jax" or the like.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

Cases = dict[str, Callable[[], Any]]


def tinynet_cases(net: str, threads: int, kind: str) -> tuple[Cases, dict[str, str]]:
    """Return the cases of tinynet, with one kind of kernels."""
    os.environ["TINYNET_KERNELS"] = kind  # read when tinynet is imported
    import tinynet as tn
    from benchmarks import workloads
    from tinynet import functions as F

    tn.set_num_threads(threads)
    model = workloads.ours(net)
    optimizer = tn.optim.SGD(model.parameters(), 1e-3, 0.9, 5e-4)
    rng = np.random.default_rng(0)
    x = tn.tensor(rng.standard_normal(workloads.shape(net), np.float32))
    labels = rng.integers(0, workloads.classes(net), len(x))

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(model(x), labels).backward()
        optimizer.step()

    def forward() -> None:
        model.eval()
        with tn.no_grad():
            model(x)
        model.train()

    versions = {"tinynet": tn.__version__, "numpy": np.__version__, "kernels": kind}
    cases: Cases = {"step": step, "forward": forward}
    if net in workloads.MODELS:  # a chain of layers
        cases["conv"] = _our_convolutions(model, x)
    return cases, versions


def _our_convolutions(model: Any, x: Any) -> Callable[[], None]:
    """Return a case that runs the convolution layers alone, forward and backward."""
    import tinynet as tn
    from benchmarks import workloads

    convs: list[Any] = []
    for layer in workloads.layers(model):
        y = layer(x)
        if isinstance(layer, tn.nn.Conv2d):
            inputs = tn.Tensor(x.data, requires_grad=bool(convs))
            convs.append((layer, inputs, np.ones_like(y.data)))
        x = y.detach()

    def conv() -> None:
        for layer, inputs, gy in convs:
            inputs.grad = None
            layer.zero_grad()
            layer(inputs).backward(gy)

    return conv


def torch_cases(net: str, threads: int, layout: str) -> tuple[Cases, dict[str, str]]:
    """Return the cases of PyTorch, eager, in one memory layout."""
    import torch
    from torch.nn import functional as F

    from benchmarks import workloads

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    memory = torch.channels_last if layout == "channels_last" else torch.contiguous_format
    model = workloads.theirs(net).to(memory_format=memory)
    optimizer = torch.optim.SGD(model.parameters(), 1e-3, momentum=0.9, weight_decay=5e-4)
    x = torch.randn(workloads.shape(net)).contiguous(memory_format=memory)
    labels = torch.randint(0, workloads.classes(net), (len(x),))

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(model(x), labels).backward()
        optimizer.step()

    def forward() -> None:
        model.eval()
        with torch.no_grad():
            model(x)
        model.train()

    cases: Cases = {"step": step, "forward": forward}
    if net in workloads.MODELS:
        cases["conv"] = _their_convolutions(model, x)
    return cases, {"torch": torch.__version__}


def _their_convolutions(model: Any, x: Any) -> Callable[[], None]:
    """Return a case that runs the convolution layers alone, forward and backward."""
    import torch

    convs: list[Any] = []
    for layer in model:
        y = layer(x).detach()
        if isinstance(layer, (torch.nn.Conv2d, torch.nn.Sequential)):
            inputs = x.clone().requires_grad_(bool(convs))
            convs.append((layer, inputs, torch.ones_like(y)))
        x = y.clone()

    def conv() -> None:
        for layer, inputs, gy in convs:
            inputs.grad = None
            layer.zero_grad(set_to_none=True)
            layer(inputs).backward(gy)

    return conv


def jax_cases(net: str, threads: int, _: str) -> tuple[Cases, dict[str, str]]:
    """Return the one case of JAX, the step, with the process pinned to `threads` CPUs.

    XLA has no setting for its threads: it starts one for each CPU that the process may use.
    """
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    os.environ["JAX_PLATFORMS"] = "cpu"
    import jax

    from benchmarks import workloads
    from benchmarks.with_jax import jax_step

    step = jax_step(workloads.ours(net))
    rng = np.random.default_rng(0)
    x = jax.numpy.asarray(rng.standard_normal(workloads.shape(net), np.float32))
    labels = jax.numpy.asarray(rng.integers(0, workloads.CLASSES[net], len(x)))
    return {"step": lambda: step(x, labels)}, {"jax": jax.__version__}


def main(rival: str, net: str, threads: str) -> None:
    """Build the implementation, then time the cases named on standard input."""
    begin = time.perf_counter()
    name, _, detail = rival.partition(":")
    build = {"tinynet": tinynet_cases, "torch": torch_cases, "jax": jax_cases}[name]
    cases, versions = build(net, int(threads), detail)
    cases["step"]()
    _say(versions=versions, ready_s=time.perf_counter() - begin)
    for line in sys.stdin:
        case, count = line.split()
        run = cases[case]
        run()  # not timed: another worker has evicted the CPU caches
        begin = time.perf_counter()
        for _ in range(int(count)):
            run()
        seconds = (time.perf_counter() - begin) / int(count)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        _say(seconds=seconds, peak_mib=peak)


def _say(**facts: Any) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
