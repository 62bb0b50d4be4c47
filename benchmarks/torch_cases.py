"""Cases of PyTorch for a worker process, eager and compiled; see `worker`.

Compiled is `torch.compile` with the default settings: of the network together with its loss in a
training step, of the network alone in inference (whose weights are then frozen), of each layer
where convolutions are measured alone. The optimizer of a compiled step is PyTorch's fused SGD, that
of an eager one its default.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch.nn import functional as F

from benchmarks import epoch, workloads
from benchmarks.our_cases import ADDITIONS, Cases, Run


def torch_cases(
    net: str, threads: int, layout: str, compiled: bool = False
) -> tuple[Cases, dict[str, str]]:
    """Return the cases of PyTorch in one memory layout, "default" or "channels_last"."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    memory = torch.channels_last if layout == "channels_last" else torch.contiguous_format
    compile_ = partial(torch.compile, dynamic=False) if compiled else _as_it_is
    cases: Cases = {
        "step": lambda: _step(net, memory, compile_, fused=compiled),
        "forward": lambda: _forward(net, memory, compile_),
        "conv": lambda: _convolutions(net, memory, compile_),
        "tiny": _tiny,
        "epoch": lambda: epoch.torch_epoch(memory, compile_, fused=compiled),
    }
    return cases, {"torch": torch.__version__}


compiled_cases = partial(torch_cases, compiled=True)


def _as_it_is(function: Callable[..., Any]) -> Callable[..., Any]:
    return function


def _images(net: str, memory: Any) -> Any:
    return torch.randn(workloads.shape(net)).contiguous(memory_format=memory)


def _step(net: str, memory: Any, compile_: Any, fused: bool) -> Run:
    """Return a training step: forward, loss, backward, SGD with momentum and weight decay."""
    model = workloads.theirs(net).to(memory_format=memory)
    optimizer = torch.optim.SGD(
        model.parameters(), 1e-3, momentum=0.9, weight_decay=5e-4, fused=fused
    )
    x = _images(net, memory)
    labels = torch.randint(0, workloads.classes(net), (len(x),))
    loss = compile_(lambda x: F.cross_entropy(model(x), labels))

    def step() -> None:
        found = loss(x)
        optimizer.zero_grad(set_to_none=True)
        found.backward()
        optimizer.step()

    return step


def _forward(net: str, memory: Any, compile_: Any) -> Run:
    """Return an inference: scores of a batch, without gradients."""
    import torch._inductor.config as settings

    settings.freezing = True  # read by `torch.compile` alone
    model = compile_(workloads.theirs(net).to(memory_format=memory).eval())
    x = _images(net, memory)

    def forward() -> None:
        with torch.no_grad():
            model(x)

    return forward


def _convolutions(net: str, memory: Any, compile_: Any) -> Run:
    """Return a run of the convolution layers alone, forward and backward."""
    x = _images(net, memory)
    convs: list[Any] = []
    for layer in workloads.theirs(net).to(memory_format=memory):
        y = layer(x).detach()
        if isinstance(layer, (torch.nn.Conv2d, torch.nn.Sequential)):
            inputs = x.clone().requires_grad_(bool(convs))
            convs.append((layer, compile_(layer), inputs, torch.ones_like(y)))
        x = y.clone()

    def conv() -> None:
        for layer, run, inputs, gy in convs:
            inputs.grad = None
            layer.zero_grad(set_to_none=True)
            run(inputs).backward(gy)

    return conv


def _tiny() -> Run:
    """Return a chain of additions of four numbers, forward and backward: the cost of an op."""
    x = torch.ones(4, requires_grad=True)

    def tiny() -> None:
        x.grad = None
        y = x
        for _ in range(ADDITIONS):
            y = y + x
        y.backward(torch.ones(4))

    return tiny
