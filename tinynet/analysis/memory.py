"""What a training step needs of the memory, before it is run at full size.

No formula says how much an op keeps: the step is done twice, with few images, and watched. Every
amount is then a straight line in the size of the batch, and two points give the line:

    bytes(N) = fixed + per_image * N

The lines are drawn for each moment of the step by itself, because the hungriest moment is another
one for small batches (the update, when all gradients are there) than for large ones (the end of
the forward pass, when all activations are). Some ops work on chunks, and need no more for
themselves once a chunk is full, so the two batches are as large as a second of work allows.

Each device has moments of its own, since the ops on one of them do not fill another. `watch` sees
what NumPy allocates; what compiled kernels allocate for themselves is the size of a cache.
"""

from __future__ import annotations

import dataclasses
import resource
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from tinynet import nn
from tinynet.analysis import memory_trace
from tinynet.core.backend import Array, Device
from tinynet.optim import Optimizer
from tinynet.tensors import Tensor, tensor

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
    """An op's time: memory when it begins, at its highest, and when it ends; its device alone."""

    op: str
    before: Line
    highest: Line
    after: Line
    device: Device
    own: Line  # at its highest, of what lies on the device


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
    def devices(self) -> list[Device]:
        """Where something stands."""
        return list(self.parameters)

    @property
    def standing(self) -> int:
        """Parameters, buffers and the optimiser's arrays: there from step to step."""
        return sum(self.standing_on(device) for device in self.devices)

    def standing_on(self, device: Device) -> int:
        """Return that of one device."""
        return sum(d.get(device, 0) for d in (self.parameters, self.buffers, self.optimizer))

    def scratch(self, batch: int, device: Device | None = None) -> int:
        """Return what the hungriest op, of all or of a device, takes and gives back at its end."""
        return max(
            m.highest.at(batch) - max(m.before.at(batch), m.after.at(batch))
            for m in self.moments
            if device in (None, m.device)
        )

    def peak(self, batch: int, device: Device | None = None) -> tuple[int, str]:
        """Return the most bytes that arrays have at one time, and the op at which they do.

        On all devices together, or on one of them.
        """
        if device is None:
            worst = max(self.moments, key=lambda moment: moment.highest.at(batch))
            return self.standing + worst.highest.at(batch), worst.op
        there = [moment for moment in self.moments if moment.device == device]
        worst = max(there, key=lambda moment: moment.own.at(batch))
        return self.standing_on(device) + worst.own.at(batch), worst.op

    def largest_batch(self, limit: int, device: Device | None = None) -> int:
        """Return the largest batch whose peak is within so many bytes; 0 if none is."""
        low, high = 0, 1 << 20
        while low < high:
            middle = (low + high + 1) // 2
            fits = self.peak(middle, device)[0] <= limit
            low, high = (middle, high) if fits else (low, middle - 1)
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
    while batch < MANY and 2 * batch * sum(kept.bytes for kept in first) <= ENOUGH * FEW:
        batch *= 2
    batches = batch // 2, batch
    few, more = (_watched(model, optimizer, image, batch) for batch in batches)
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    states = zip(parameters, optimizer.state, strict=True)
    inside = (value for _, module in model.named_modules() for value in vars(module).values())
    return Ledger(
        _by_device((p.device, p.data) for p in model.parameters()),
        _by_device((b.device, b.data) for b in inside if type(b) is nn.Buffer),
        _by_device((p.device, p.grad) for p in parameters if p.grad is not None),
        _by_device((p.device, array) for p, state in states for array in state.values()),
        [
            Kept(a.op, a.shape, a.device, _line(batches, a.bytes, b.bytes))
            for a, b in zip(few[0], more[0], strict=True)
        ],
        [
            Moment(
                a.op,
                _line(batches, a.before, b.before),
                _line(batches, a.highest, b.highest),
                _line(batches, a.after, b.after),
                a.device,
                _line(batches, a.own, b.own),
            )
            for a, b in zip(few[1], more[1], strict=True)
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
    loss = nn.forward_with_loss(model, x, np.zeros(batch, np.int64)).objective
    look(loss)
    loss.backward()
    optimizer.step()


def _watched(
    model: nn.Module, optimizer: Optimizer, image: tuple[int, ...], batch: int
) -> tuple[list[memory_trace.Kept], list[memory_trace.Seen]]:
    """Return what a step of this batch keeps, op by op, and its moments."""
    optimizer.zero_grad()
    kept: list[memory_trace.Kept] = []
    own = {id(memory_trace.owner_of(p.data)) for p in model.parameters()}
    with memory_trace.watching() as moments:
        _step(
            model, optimizer, image, batch, lambda loss: kept.extend(memory_trace.kept(loss, own))
        )
    return kept, moments


def _by_device(arrays: Iterable[tuple[Device, Array]]) -> dict[Device, int]:
    found: dict[Device, int] = {}
    for device, array in arrays:
        found[device] = found.get(device, 0) + array.nbytes
    return found


def _line(batches: tuple[int, int], few: float, more: float) -> Line:
    """Return the line through the bytes at two batches."""
    slope = (more - few) / (batches[1] - batches[0])
    return Line(few - slope * batches[0], slope)
