"""Watching a step: when each op begins and ends, what memory it takes, where, and what it keeps.

Python says when an op begins and ends (`sys.setprofile`) and what NumPy allocated (`tracemalloc`);
the ops do not know it. Of devices that share one memory, as `cpu:0` and `cpu:1` do, each is told
what came and went while an op worked on it, and after that, until the next op begins.
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


class Seen(NamedTuple):
    """An op, or what was between two: bytes since watching began, on all devices and on its own."""

    op: str
    before: int
    highest: int
    after: int
    device: Device
    own: int  # the highest, of what lies on its device alone


class Kept(NamedTuple):
    """What one op of the forward pass leaves behind for backward."""

    op: str
    shape: tuple[int, ...]  # of its output, for one image
    device: Device
    bytes: int


class _Watch:
    """What is told of every op that begins and ends."""

    def __init__(self) -> None:
        self.moments: list[Seen] = []
        self.names = dict(_code_of(Function)) | dict(_code_of(Optimizer))
        self.start = self.before = tracemalloc.get_traced_memory()[0]
        self.where: Device | None = None
        self.lies: dict[Device, int] = {}  # what lies on each device

    def note(self, name: str) -> None:
        """Note what came and went since the last note, on the device where the last op was."""
        after, highest = tracemalloc.get_traced_memory()
        device = self.where or Device("cpu")
        own = self.lies.get(device, 0)
        risen = highest - self.before
        self.lies[device] = own + after - self.before
        now, up, then = (amount - self.start for amount in (self.before, highest, after))
        self.moments.append(Seen(name, now, up, then, device, own + risen))
        self.before = after
        tracemalloc.reset_peak()

    def on_event(self, frame: FrameType, event: str, _: Any) -> None:
        """Take note of an op; called by Python whenever a function begins or ends."""
        name = self.names.get(frame.f_code)
        if name is None or event not in ("call", "return"):
            return
        if event == "return":
            self.note(name)
            return
        place = _place(name, frame.f_locals)
        self.where = self.where or place  # of the images, which come before the first op
        self.note(f"before {name}")
        self.where = place


@contextlib.contextmanager
def watching() -> Iterator[list[Seen]]:
    """Inside the block note what each op does to the memory, and what is between."""
    running = tracemalloc.is_tracing()
    profile = sys.getprofile()
    if not running:
        tracemalloc.start()
    tracemalloc.reset_peak()
    watch = _Watch()
    sys.setprofile(watch.on_event)
    try:
        yield watch.moments
    finally:
        sys.setprofile(profile)
        watch.note("the end")
        if not running:
            tracemalloc.stop()


def _place(name: str, arguments: dict[str, Any]) -> Device:
    """Return the device on which an op that begins with these arguments makes its arrays.

    When it ends, asking for them would keep its arrays alive.
    """
    op = arguments["self"]
    if isinstance(op, Optimizer):
        first: Tensor = arguments["members"][0][0]
        return first.device
    return _lies_on(op) if name.endswith("forward") else op.inputs[0].device


def _code_of(cls: type) -> Iterator[tuple[CodeType, str]]:
    """Yield the compiled methods of a class and its subclasses that an observer looks at."""
    for what in ("forward", "backward", "update"):
        if what in vars(cls) and hasattr(vars(cls)[what], "__code__"):
            yield vars(cls)[what].__code__, f"{cls.__name__} {what}"
    subclasses: list[type] = cls.__subclasses__()
    for inner in subclasses:
        yield from _code_of(inner)


def kept(loss: Tensor, own: set[int]) -> list[Kept]:
    """Return what the images on each device keep, and every node behind a loss.

    An array counts once, for the op that made it, where it lies; `own` are those that count
    elsewhere.
    """
    nodes, shapes = _nodes(loss)
    seen = set(own)
    images: dict[Device, Kept] = {}
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
                images[device] = Kept("images", array.shape[1:], device, before + owner.nbytes)
    return [
        *images.values(),
        *(Kept(n.op(), shapes[n][1:], _lies_on(n), amounts[n]) for n in nodes),
    ]


def _lies_on(node: Function) -> Device:
    """Return where the output of a node lies."""
    return node.to if isinstance(node, Transfer) else node.inputs[0].device


def _nodes(loss: Tensor) -> tuple[list[Function], dict[Function, tuple[int, ...]]]:
    """Return the nodes behind a value, the oldest first, and the shapes of what they made."""
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
    """Return the array whose memory a view shows."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array
