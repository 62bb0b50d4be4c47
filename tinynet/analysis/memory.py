"""Memory estimate of a training step, from two small steps that are traced.

No formula says how much an op saves for backward. The step runs twice with few images while its
memory is traced (`memory_trace`), and each amount is taken as a linear function of the batch size:

    bytes(N) = fixed + per_image * N

Each op has a line of its own, because the peak occurs at a different op for small batches (the
update, when all gradients exist) than for large ones (the end of the forward pass, when all
activations are saved). Some ops work on chunks and need no more workspace once a chunk is full, so
the two batches are as large as about a second of work allows.

Each device has lines of its own. The trace sees what NumPy allocates; compiled kernels themselves
allocate about as much as a cache holds.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from tinynet import nn
from tinynet.analysis import memory_trace
from tinynet.core.backend import Array, Device
from tinynet.optim import Optimizer
from tinynet.tensors import Tensor, tensor

FEWEST = 4  # images of the larger of the two batches, at least
MOST = 128  # and at most
ENOUGH = 1 << 27  # bytes of activations that a traced step may save


@dataclasses.dataclass(frozen=True)
class LinearModel:
    """Bytes as a linear function of the batch size.

    Parameters
    ----------
    fixed : float
        Bytes for a batch of none.
    per_image : float
        Bytes that each image adds.

    Examples
    --------
    >>> LinearModel(fixed=100, per_image=4).at(10)
    140
    """

    fixed: float
    per_image: float = 0.0

    def at(self, batch: int) -> int:
        """Return the bytes for a batch of so many images."""
        return round(self.fixed + self.per_image * batch)


@dataclasses.dataclass(frozen=True)
class SavedActivation:
    """Memory that one op of the forward pass saves for backward."""

    op: str
    shape: tuple[int, ...]  # of its output, for one image
    device: Device
    bytes: LinearModel


@dataclasses.dataclass(frozen=True)
class OpMemory:
    """Memory while one op runs, in bytes since the start of the step."""

    op: str
    before: LinearModel
    peak: LinearModel
    after: LinearModel
    device: Device
    device_peak: LinearModel  # of the arrays on its device alone


@dataclasses.dataclass(frozen=True)
class MemoryEstimate:
    """Memory of a training step: what is allocated all the time by device, and the ops' amounts."""

    parameters: dict[Device, int]
    buffers: dict[Device, int]
    gradients: dict[Device, int]
    optimizer: dict[Device, int]
    saved: list[SavedActivation]
    ops: list[OpMemory]
    traced_batches: tuple[int, int] = (FEWEST // 2, FEWEST)

    def activations(self, batch: int) -> dict[Device, int]:
        """Return the bytes saved for backward, by device."""
        found: dict[Device, int] = {}
        for saved in self.saved:
            found[saved.device] = found.get(saved.device, 0) + saved.bytes.at(batch)
        return found

    @property
    def devices(self) -> list[Device]:
        """Devices that hold parameters."""
        return list(self.parameters)

    @property
    def persistent(self) -> int:
        """Bytes of parameters, buffers and optimizer state, which outlive a step."""
        return sum(self.persistent_on(device) for device in self.devices)

    def persistent_on(self, device: Device) -> int:
        """Return the persistent bytes of one device."""
        return sum(d.get(device, 0) for d in (self.parameters, self.buffers, self.optimizer))

    def workspace(self, batch: int, device: Device | None = None) -> int:
        """Return the most bytes that one op, on any device or on this one, needs while it runs."""
        return max(
            op.peak.at(batch) - max(op.before.at(batch), op.after.at(batch))
            for op in self.ops
            if device in (None, op.device)
        )

    def peak(self, batch: int, device: Device | None = None) -> tuple[int, str]:
        """Return the most bytes that arrays take at one time, and the op at which they do.

        Parameters
        ----------
        batch : int
            Images in a step.
        device : Device, optional
            Count the arrays on this device; by default those on all devices together.
        """
        if device is None:
            worst = max(self.ops, key=lambda op: op.peak.at(batch))
            return self.persistent + worst.peak.at(batch), worst.op
        there = [op for op in self.ops if op.device == device]
        worst = max(there, key=lambda op: op.device_peak.at(batch))
        return self.persistent_on(device) + worst.device_peak.at(batch), worst.op

    def largest_batch(self, limit: int, device: Device | None = None) -> int:
        """Return the largest batch whose peak is at most `limit` bytes; 0 if there is none."""
        low = 0
        high = 1 << 20
        while low < high:
            middle = (low + high + 1) // 2
            if self.peak(middle, device)[0] <= limit:
                low = middle
            else:
                high = middle - 1
        return low


def estimate(
    model: nn.Module,
    input_shape: tuple[int, ...],
    make_optimizer: Callable[[nn.Module], Optimizer],
) -> MemoryEstimate:
    """Return the memory of a training step as a function of its batch size.

    The model is trained on zeros for some steps, so its weights are lost.

    Parameters
    ----------
    model : nn.Module
    input_shape : tuple of int
        Shape of one input without the batch axis: (C, H, W) for images, in pixels.
    make_optimizer : (model) -> Optimizer
        Its state is part of the estimate.

    Examples
    --------
    >>> from tinynet import nn, optim
    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(12, 10))
    >>> found = estimate(model, (3, 2, 2), lambda m: optim.SGD(m.parameters(), 0.1, momentum=0.9))
    >>> found.parameters, found.optimizer
    ({'cpu': 520}, {'cpu': 520})
    """
    optimizer = make_optimizer(model)
    model.train()
    _step(model, optimizer, input_shape, FEWEST // 2)  # allocates optimizer state, and compiles
    first, _ = _traced(model, optimizer, input_shape, FEWEST)  # and what Python allocates only once
    batch = FEWEST
    while batch < MOST and 2 * batch * sum(saved.bytes for saved in first) <= ENOUGH * FEWEST:
        batch *= 2
    batches = (batch // 2, batch)
    few_saved, few_ops = _traced(model, optimizer, input_shape, batches[0])
    more_saved, more_ops = _traced(model, optimizer, input_shape, batches[1])
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    states = zip(parameters, optimizer.state, strict=True)
    inside = (value for _, module in model.named_modules() for value in vars(module).values())
    return MemoryEstimate(
        parameters=_by_device((p.device, p.data) for p in model.parameters()),
        buffers=_by_device((b.device, b.data) for b in inside if type(b) is nn.Buffer),
        gradients=_by_device((p.device, p.grad) for p in parameters if p.grad is not None),
        optimizer=_by_device((p.device, array) for p, state in states for array in state.values()),
        saved=[
            SavedActivation(a.op, a.shape, a.device, _line(batches, a.bytes, b.bytes))
            for a, b in zip(few_saved, more_saved, strict=True)
        ],
        ops=[
            OpMemory(
                a.op,
                before=_line(batches, a.before, b.before),
                peak=_line(batches, a.peak, b.peak),
                after=_line(batches, a.after, b.after),
                device=a.device,
                device_peak=_line(batches, a.device_peak, b.device_peak),
            )
            for a, b in zip(few_ops, more_ops, strict=True)
        ],
        traced_batches=batches,
    )


def process_overhead(estimated: MemoryEstimate) -> int:
    """Return the bytes of this process that are not arrays: Python, libraries, compiled kernels.

    Call it right after `estimate`, in the same process: it is the process's peak so far without the
    peak of the traced steps.
    """
    return max(0, peak_resident() - estimated.peak(estimated.traced_batches[1])[0])


def peak_resident() -> int:
    """Return the peak resident memory of this process so far, in bytes; 0 if nothing tells it."""
    status = Path("/proc/self/status")
    if status.exists():  # unlike getrusage(), it does not count the memory of the parent
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) << 10
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak << 10


def _step(
    model: nn.Module,
    optimizer: Optimizer,
    input_shape: tuple[int, ...],
    batch: int,
    look: Callable[[Tensor], None] = lambda loss: None,
) -> None:
    """Train on a batch of zeros; `look` gets the loss while its graph is there."""
    optimizer.zero_grad()
    x = tensor(np.zeros((batch, *input_shape), np.float32), device=model.parameters()[0].device)
    loss = nn.forward_with_loss(model, x, np.zeros(batch, np.int64)).objective
    look(loss)
    loss.backward()
    optimizer.step()


def _traced(
    model: nn.Module, optimizer: Optimizer, input_shape: tuple[int, ...], batch: int
) -> tuple[list[memory_trace.SavedBytes], list[memory_trace.OpTrace]]:
    """Return what a step of this batch saves for backward, op by op, and the trace of its ops."""
    optimizer.zero_grad()
    saved: list[memory_trace.SavedBytes] = []
    parameters = {id(memory_trace.owner_of(p.data)) for p in model.parameters()}

    def look(loss: Tensor) -> None:
        saved.extend(memory_trace.saved_for_backward(loss, parameters))

    with memory_trace.traced() as ops:
        _step(model, optimizer, input_shape, batch, look)
    return saved, ops


def _by_device(arrays: Iterable[tuple[Device, Array]]) -> dict[Device, int]:
    found: dict[Device, int] = {}
    for device, array in arrays:
        found[device] = found.get(device, 0) + array.nbytes
    return found


def _line(batches: tuple[int, int], few: float, more: float) -> LinearModel:
    """Return the line through the bytes at two batches."""
    slope = (more - few) / (batches[1] - batches[0])
    return LinearModel(few - slope * batches[0], slope)
