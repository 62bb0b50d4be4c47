"""Memory trace of a training step: allocated bytes around every op, and arrays saved for backward.

Python reports when an op begins and ends (`sys.setprofile`) and what NumPy allocates
(`tracemalloc`); the ops themselves are not changed. Where devices share one memory, as `cpu:0` and
`cpu:1` do, an allocation counts for the device of the op that runs, or of the last one that ran.
"""

from __future__ import annotations

import contextlib
import sys
import tracemalloc
from collections.abc import Iterator
from types import CodeType, FrameType
from typing import Any, NamedTuple

import numpy as np

from tinynet.core.autograd import Function
from tinynet.core.backend import Array, Device
from tinynet.functions.transfer import Transfer
from tinynet.optim import Optimizer
from tinynet.tensors import Tensor


class OpTrace(NamedTuple):
    """One op, or the time between two: bytes since the trace began."""

    op: str
    before: int
    peak: int
    after: int
    device: Device
    device_peak: int  # of the arrays on its device alone


class SavedBytes(NamedTuple):
    """Bytes that one op of the forward pass saves for backward."""

    op: str
    shape: tuple[int, ...]  # of its output, for one image
    device: Device
    bytes: int


class _Tracer:
    """Records every op that begins and ends."""

    def __init__(self) -> None:
        self.ops: list[OpTrace] = []
        self.names = dict(_code_of(Function)) | dict(_code_of(Optimizer))
        self.start = tracemalloc.get_traced_memory()[0]
        self.before = self.start
        self.device: Device | None = None
        self.allocated: dict[Device, int] = {}

    def record(self, name: str) -> None:
        """Record the allocations since the last record, for the device of the last op."""
        after, peak = tracemalloc.get_traced_memory()
        device = self.device or Device("cpu")
        allocated = self.allocated.get(device, 0)
        self.allocated[device] = allocated + after - self.before
        self.ops.append(
            OpTrace(
                name,
                before=self.before - self.start,
                peak=peak - self.start,
                after=after - self.start,
                device=device,
                device_peak=allocated + peak - self.before,
            )
        )
        self.before = after
        tracemalloc.reset_peak()

    def on_event(self, frame: FrameType, event: str, _: Any) -> None:
        """Record an op; Python calls this whenever a function begins or ends."""
        name = self.names.get(frame.f_code)
        if name is None or event not in ("call", "return"):
            return
        if event == "return":
            self.record(name)
            return
        device = _device_of(name, frame.f_locals)
        self.device = self.device or device  # of the images, which exist before the first op
        self.record(f"before {name}")
        self.device = device


@contextlib.contextmanager
def traced() -> Iterator[list[OpTrace]]:
    """Inside the block record the memory of each op and of the time between two ops.

    Yields
    ------
    list of OpTrace
        It grows while the block runs.
    """
    was_tracing = tracemalloc.is_tracing()
    profile = sys.getprofile()
    if not was_tracing:
        tracemalloc.start()
    tracemalloc.reset_peak()
    tracer = _Tracer()
    sys.setprofile(tracer.on_event)
    try:
        yield tracer.ops
    finally:
        sys.setprofile(profile)
        tracer.record("the end")
        if not was_tracing:
            tracemalloc.stop()


def _device_of(name: str, arguments: dict[str, Any]) -> Device:
    """Return the device of an op that begins with these arguments.

    It is asked at the beginning: at the end, reading the arguments would keep arrays alive.
    """
    op = arguments["self"]
    if isinstance(op, Optimizer):
        first: Tensor = arguments["members"][0][0]
        return first.device
    return _output_device(op) if name.endswith("forward") else op.inputs[0].device


def _code_of(cls: type) -> Iterator[tuple[CodeType, str]]:
    """Yield the traced methods of a class and its subclasses, compiled, with their names."""
    for method in ("forward", "backward", "update"):
        if method in vars(cls) and hasattr(vars(cls)[method], "__code__"):
            yield vars(cls)[method].__code__, f"{cls.__name__} {method}"
    subclasses: list[type] = cls.__subclasses__()
    for inner in subclasses:
        yield from _code_of(inner)


def saved_for_backward(loss: Tensor, excluded: set[int]) -> list[SavedBytes]:
    """Return the bytes of the inputs on each device, and of every op behind a loss.

    An array counts once, for the op that computed it, on the device where it is.

    Parameters
    ----------
    loss : Tensor
        With its graph, before backward().
    excluded : set of int
        Ids of arrays that are counted elsewhere: the parameters.
    """
    nodes, shapes = _nodes(loss)
    seen = set(excluded)
    images: dict[Device, SavedBytes] = {}
    amounts = dict.fromkeys(nodes, 0)
    for node in nodes:
        saved = [(node, node.inputs[0].device, array) for array in _arrays(vars(node))]
        for maker, device, array in [(x.creator, x.device, x.data) for x in node.inputs] + saved:
            owner = owner_of(array)
            if id(owner) in seen:
                continue
            seen.add(id(owner))
            if maker is not None:
                amounts[maker] += owner.nbytes
            else:
                before = images[device].bytes if device in images else 0
                total = before + owner.nbytes
                images[device] = SavedBytes("images", array.shape[1:], device, total)
    return [
        *images.values(),
        *(SavedBytes(n.op(), shapes[n][1:], _output_device(n), amounts[n]) for n in nodes),
    ]


def _output_device(node: Function) -> Device:
    return node.to if isinstance(node, Transfer) else node.inputs[0].device


def _nodes(loss: Tensor) -> tuple[list[Function], dict[Function, tuple[int, ...]]]:
    """Return the nodes behind a value, the oldest first, and the shapes of their outputs."""
    found: dict[Function, tuple[int, ...]] = {}
    waiting: list[Any] = [loss]
    while waiting:
        x = waiting.pop()
        if x.creator is not None and x.creator not in found:
            found[x.creator] = x.data.shape
            waiting += x.creator.inputs
    return sorted(found, key=lambda node: node.serial), found


def _arrays(value: Any) -> Iterator[Array]:
    """Yield the arrays in nested tuples, lists and dicts."""
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, tuple | list | dict):
        for inside in value.values() if isinstance(value, dict) else value:
            yield from _arrays(inside)


def owner_of(array: Array) -> Array:
    """Return the array that owns the memory of a view."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array
