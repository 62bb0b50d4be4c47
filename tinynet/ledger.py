"""What a training step needs of the memory, before it is run at full size.

No formula says how much an op keeps: the step is done twice, with few images, and watched. Every
amount is then a straight line in the size of the batch, and two points give the line:

    bytes(N) = fixed + per_image * N

The lines are drawn for each moment of the step by itself, because the hungriest moment is another
one for small batches (the update, when all gradients are there) than for large ones (the end of
the forward pass, when all activations are). Some ops work on chunks, and need no more for
themselves once a chunk is full, so the two batches are as large as a second of work allows.

Python says when an op begins and ends (`sys.setprofile`) and what NumPy allocated (`tracemalloc`);
the ops do not know it. What compiled kernels allocate for themselves is the size of a cache.
"""

from __future__ import annotations

import contextlib
import dataclasses
import resource
import sys
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import numpy as np

from tinynet import nn
from tinynet.autograd import Function
from tinynet.backend import Array, Device
from tinynet.optim import Optimizer
from tinynet.tensor import Tensor, tensor

FEW, MANY = 4, 128  # images of the larger of the two batches, at least and at most
ENOUGH = 1 << 26  # bytes of activations that a small step may keep


@dataclasses.dataclass(frozen=True)
class Line:
    """Bytes, as a function of the batch."""

    fixed: float
    per_image: float = 0.0

    def at(self, batch: int) -> int:
        """Return the bytes for a batch."""
        return round(self.fixed + self.per_image * batch)


@dataclasses.dataclass(frozen=True)
class Kept:
    """What one op of the forward pass leaves behind for backward."""

    op: str
    shape: tuple[int, ...]  # of its output, for one image
    device: Device
    bytes: Line


@dataclasses.dataclass(frozen=True)
class Moment:
    """An op's time: memory when it begins, at its highest, and when it ends."""

    op: str
    before: Line
    highest: Line
    after: Line


@dataclasses.dataclass(frozen=True)
class Ledger:
    """The memory of a training step: standing amounts by device, and what comes and goes."""

    parameters: dict[Device, int]
    buffers: dict[Device, int]
    gradients: dict[Device, int]
    optimizer: dict[Device, int]
    kept: list[Kept]
    moments: list[Moment]
    watched: tuple[int, int] = (FEW // 2, FEW)  # batches

    def activations(self, batch: int) -> dict[Device, int]:
        """Return what is kept for backward, by device."""
        found: dict[Device, int] = {}
        for kept in self.kept:
            found[kept.device] = found.get(kept.device, 0) + kept.bytes.at(batch)
        return found

    @property
    def standing(self) -> int:
        """Parameters, buffers and the optimiser's arrays: there from step to step."""
        return sum(sum(d.values()) for d in (self.parameters, self.buffers, self.optimizer))

    def scratch(self, batch: int) -> int:
        """Return what the hungriest op takes and gives back before it ends."""
        return max(
            m.highest.at(batch) - max(m.before.at(batch), m.after.at(batch)) for m in self.moments
        )

    def peak(self, batch: int) -> tuple[int, str]:
        """Return the most bytes that arrays have at one time, and the op at which they do."""
        worst = max(self.moments, key=lambda moment: moment.highest.at(batch))
        return self.standing + worst.highest.at(batch), worst.op

    def largest_batch(self, limit: int) -> int:
        """Return the largest batch whose peak is within so many bytes; 0 if none is."""
        low, high = 0, 1 << 20
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self.peak(middle)[0] <= limit else (low, middle - 1)
        return low


def of_training(
    model: nn.Module, image: tuple[int, ...], make_optimizer: Callable[[nn.Module], Optimizer]
) -> Ledger:
    """Return the ledger of a model that learns from images (C, H, W); its values are lost."""
    optimizer = make_optimizer(model)
    model.train()
    _step(model, optimizer, image, FEW // 2)  # brings the optimiser's arrays, and compiles
    first, _ = _watched(model, optimizer, image, FEW)  # and what Python sets aside only once
    batch = FEW
    while batch < MANY and 2 * batch * sum(bytes_ for *_, bytes_ in first) <= ENOUGH * FEW:
        batch *= 2
    batches = batch // 2, batch
    few, more = (_watched(model, optimizer, image, batch) for batch in batches)
    parameters = [p for group in optimizer.groups for p in group["parameters"]]
    states = zip(parameters, optimizer.state, strict=True)
    inside = (value for _, module in model.named_modules() for value in vars(module).values())
    return Ledger(
        _by_device((p.device, p.data) for p in model.parameters()),
        _by_device((b.device, b.data) for b in inside if type(b) is nn.Buffer),
        _by_device((p.device, p.grad) for p in parameters if p.grad is not None),
        _by_device((p.device, array) for p, state in states for array in state.values()),
        [
            Kept(op, shape, device, _line(batches, a, b))
            for (op, shape, device, a), (*_, b) in zip(few[0], more[0], strict=True)
        ],
        [
            Moment(name, *(_line(batches, a, b) for a, b in zip(one, other, strict=True)))
            for (name, *one), (_, *other) in zip(few[1], more[1], strict=True)
        ],
        batches,
    )


def process(book: Ledger) -> int:
    """Return what this process holds besides arrays, right after `book` was written in it.

    That is its own peak without the peak of the small steps: Python, libraries, compiled kernels.
    """
    return highest_resident() - book.peak(book.watched[1])[0]


def highest_resident() -> int:
    """Return the most memory that this process has held so far, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # there, unlike in getrusage(), the parent's memory does not count
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def _step(
    model: nn.Module,
    optimizer: Optimizer,
    image: tuple[int, ...],
    batch: int,
    look: Callable[[Tensor], None] = lambda loss: None,
) -> None:
    """Do what `steps.train_step` does, on black pictures; `look` sees the loss with its graph."""
    optimizer.zero_grad()
    x = tensor(np.zeros((batch, *image), np.float32), device=model.parameters()[0].device)
    loss = nn.answer(model, x, np.zeros(batch, np.int64)).objective
    look(loss)
    loss.backward()
    optimizer.step()


def _watched(
    model: nn.Module, optimizer: Optimizer, image: tuple[int, ...], batch: int
) -> tuple[list[Any], list[Any]]:
    """Return what a step of this batch keeps, op by op, and its moments."""
    optimizer.zero_grad()
    kept: list[Any] = []
    own = {id(_owner(p.data)) for p in model.parameters()}
    with watching() as moments:
        _step(model, optimizer, image, batch, lambda loss: kept.extend(_kept(loss, own)))
    return kept, moments


@contextlib.contextmanager
def watching() -> Iterator[list[tuple[str, int, int, int]]]:
    """Inside the block note (name, before, highest, after) of each op and of what is between."""
    moments: list[tuple[str, int, int, int]] = []
    names = dict(_code_of(Function)) | dict(_code_of(Optimizer))
    running, profile = tracemalloc.is_tracing(), sys.getprofile()
    if not running:
        tracemalloc.start()
    tracemalloc.reset_peak()
    start = before = tracemalloc.get_traced_memory()[0]

    def note(name: str) -> None:
        nonlocal before
        after, highest = tracemalloc.get_traced_memory()
        moments.append((name, before - start, highest - start, after - start))
        before = after
        tracemalloc.reset_peak()

    def on_event(frame: FrameType, event: str, _: Any) -> None:
        name = names.get(frame.f_code)  # asking the frame for `self` would keep its arrays alive
        if name is not None and event in ("call", "return"):
            note(name if event == "return" else f"before {name}")

    sys.setprofile(on_event)
    try:
        yield moments
    finally:
        sys.setprofile(profile)
        note("the end")
        if not running:
            tracemalloc.stop()


def _code_of(cls: type) -> Iterator[tuple[CodeType, str]]:
    """Yield the compiled methods of a class and its subclasses that an observer looks at."""
    for what in ("forward", "backward", "update"):
        if what in vars(cls) and hasattr(vars(cls)[what], "__code__"):
            yield vars(cls)[what].__code__, f"{cls.__name__} {what}"
    subclasses: list[type] = cls.__subclasses__()
    for inner in subclasses:
        yield from _code_of(inner)


def _kept(loss: Tensor, own: set[int]) -> list[tuple[str, tuple[int, ...], Device, int]]:
    """Return (op, shape of the output, device, bytes) for the images and every node behind a loss.

    An array counts once, for the op that made it; `own` are those that count elsewhere.
    """
    nodes, shapes = _nodes(loss)
    seen, amounts = set(own), dict.fromkeys([None, *nodes], 0)
    for node in nodes:
        saved = [(node, array) for array in _arrays(vars(node))]
        for maker, array in [(x.creator, x.data) for x in node.inputs] + saved:
            owner = _owner(array)
            if id(owner) not in seen:
                seen.add(id(owner))
                amounts[maker] += owner.nbytes
    first = nodes[0].inputs[0]
    return [("images", first.data.shape[1:], first.device, amounts[None])] + [
        (node.op(), shapes[node][1:], node.inputs[0].device, amounts[node]) for node in nodes
    ]


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


def _owner(array: Array) -> Array:
    """Return the array whose memory a view shows."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def _by_device(arrays: Iterable[tuple[Device, Array]]) -> dict[Device, int]:
    found: dict[Device, int] = {}
    for device, array in arrays:
        found[device] = found.get(device, 0) + array.nbytes
    return found


def _line(batches: tuple[int, int], few: float, more: float) -> Line:
    """Return the line through the bytes at two batches."""
    slope = (more - few) / (batches[1] - batches[0])
    return Line(few - slope * batches[0], slope)
