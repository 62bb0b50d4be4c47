"""Cases of tinynet for a worker process; see `worker`."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

Run = Callable[[], Any]
Cases = dict[str, Callable[[], Run]]

ADDITIONS = 1000  # of the case "tiny"


def tinynet_cases(net: str, threads: int, kind: str) -> tuple[Cases, dict[str, str]]:
    """Return the cases of tinynet, with one kind of kernels."""
    os.environ["TINYNET_KERNELS"] = kind  # read when tinynet is imported
    import tinynet as tn
    from benchmarks import epoch

    tn.set_num_threads(threads)
    cases: Cases = {
        "step": lambda: _step(net),
        "forward": lambda: _forward(net),
        "conv": lambda: _convolutions(net),
        "tiny": _tiny,
        "epoch": epoch.tinynet_epoch,
    }
    versions = {"tinynet": tn.__version__, "numpy": np.__version__, "kernels": kind}
    return cases, versions


def images(net: str) -> Any:
    """Return a batch of noise."""
    from benchmarks import workloads

    return np.random.default_rng(0).standard_normal(workloads.shape(net), np.float32)


def _step(net: str) -> Run:
    """Return a training step: forward, loss, backward, SGD with momentum and weight decay."""
    import tinynet as tn
    from benchmarks import workloads
    from tinynet import functions as F

    model = workloads.ours(net)
    optimizer = tn.optim.SGD(model.parameters(), 1e-3, 0.9, 5e-4)
    x = tn.tensor(images(net))
    labels = np.random.default_rng(0).integers(0, workloads.classes(net), len(x))

    def step() -> None:
        loss = F.cross_entropy(model(x), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def _forward(net: str) -> Run:
    """Return an inference: scores of a batch, without gradients."""
    import tinynet as tn
    from benchmarks import workloads

    model = workloads.ours(net).eval()
    x = tn.tensor(images(net))

    def forward() -> None:
        with tn.no_grad():
            model(x)

    return forward


def _convolutions(net: str) -> Run:
    """Return a run of the convolution layers alone, forward and backward."""
    import tinynet as tn
    from benchmarks import workloads

    x = tn.tensor(images(net))
    convs: list[Any] = []
    for layer in workloads.layers(workloads.ours(net)):
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


def _tiny() -> Run:
    """Return a chain of additions of four numbers, forward and backward: the cost of an op."""
    import tinynet as tn

    x = tn.Tensor(np.ones(4, np.float32), requires_grad=True)

    def tiny() -> None:
        x.grad = None
        y = x
        for _ in range(ADDITIONS):
            y = y + x
        y.backward(np.ones(4, np.float32))

    return tiny
