"""Profile of a training step: time, work and bytes of every op, beside the machine's limits."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tinynet import kernels
from tinynet.analysis.recorded_ops import recorded_ops
from tinynet.core import random
from tinynet.core.autograd import Function
from tinynet.core.backend import Array
from tinynet.core.errors import DeviceError
from tinynet.core.table import table
from tinynet.functions.conv import Conv2d
from tinynet.functions.matmul import Linear
from tinynet.inspection.inputs import preserved, to_model
from tinynet.kernels.conv import uses_winograd
from tinynet.nn import Module, forward_with_loss
from tinynet.optim import Optimizer
from tinynet.tensors import Tensor
from tinynet.words import phrase, phrases

SIDE = 512  # of the matrices of the peak: a product is over before another process interrupts
STREAM = 1 << 25  # float32 numbers of the copied array: beyond every cache
REPEATS = 5  # the fastest counts: everything else is disturbance
PRODUCTS = 60  # of the peak
LISTED = 4  # layers
BUSY = 1.2  # times the peak: no product is so fast


@dataclasses.dataclass(frozen=True)
class Machine:
    """Measured limits of this machine, with the current number of threads.

    Attributes
    ----------
    peak : float
        FLOP/s of a product of 512x512 matrices.
    bandwidth : float
        Bytes/s read and written by the copy of an array of 128 MiB.
    """

    peak: float
    bandwidth: float


@dataclasses.dataclass(frozen=True)
class Pass:
    """One op in one direction.

    Attributes
    ----------
    seconds : float
        The fastest of the repetitions.
    flops : int
        Of convolutions and linear layers: two for each product of a weight and a value, as the
        direct method counts them. Winograd needs fewer. 0 for other ops.
    bytes : int
        Of the arrays that are read and written, each counted once.
    """

    seconds: float
    flops: int
    bytes: int

    @property
    def rate(self) -> float:
        """FLOP/s."""
        return self.flops / self.seconds

    @property
    def intensity(self) -> float:
        """FLOP for each byte."""
        return self.flops / self.bytes if self.bytes else math.inf


@dataclasses.dataclass(frozen=True)
class ProfiledOp:
    """One op of the step.

    Attributes
    ----------
    name : str
        Of the layer whose parameters it uses, or "".
    op : str
    shape : tuple of int
        Of its output.
    forward, backward : Pass
    winograd : bool
        Whether it is a convolution that runs Winograd's algorithm here.
    """

    name: str
    op: str
    shape: tuple[int, ...]
    forward: Pass
    backward: Pass
    winograd: bool = False

    @property
    def seconds(self) -> float:
        """Forward and backward."""
        return self.forward.seconds + self.backward.seconds

    @property
    def label(self) -> str:
        """Layer and op."""
        return f"{self.name} {self.op}".strip()


@dataclasses.dataclass(frozen=True)
class Profile:
    """Ops of a training step, in order; `str` is a table.

    Attributes
    ----------
    ops : list of ProfiledOp
    step : float
        Seconds of a whole step: forward, backward and update.
    batch : int
        Images in it.
    machine : Machine
    """

    ops: list[ProfiledOp]
    step: float
    batch: int
    machine: Machine

    @property
    def seconds(self) -> float:
        """Sum over the ops."""
        return sum(op.seconds for op in self.ops)

    def json(self) -> dict[str, Any]:
        """Return the numbers as a dict for JSON."""
        rows = [
            {
                "name": op.name,
                "op": op.op,
                "shape": list(op.shape),
                "share": op.seconds / self.seconds,
                "winograd": op.winograd,
                "forward": dataclasses.asdict(op.forward),
                "backward": dataclasses.asdict(op.backward),
            }
            for op in self.ops
        ]
        return {
            "batch": self.batch,
            "step_seconds": self.step,
            "images_per_second": self.batch / self.step,
            "threads": kernels.get_num_threads(),
            "machine": dataclasses.asdict(self.machine),
            "ops": rows,
        }

    def __str__(self) -> str:
        names = ("op", "output", "forward ms", "backward ms", "share", "GFLOP/s", "of peak", "MB")
        head = phrases(*names)
        rows = [head, *(self._row(op) for op in self.ops)]
        total = f"{1e3 * sum(op.forward.seconds for op in self.ops):.2f}"
        back = f"{1e3 * sum(op.backward.seconds for op in self.ops):.2f}"
        rows.append((phrase("sum"), "", total, back, "100 %", "", "", ""))
        return f"{table(rows, left=2)}\n{self._speed()}{self._winograd()}{self._doubt()}"

    def _speed(self) -> str:
        """Return the speed of the step and the limits of the machine, in sentences."""
        return phrase(
            "A step of {batch} images takes {ms:.1f} ms, {rate:,.0f} images/s. This machine, with "
            "{threads} threads: {peak:.0f} GFLOP/s in a matrix product, {bandwidth:.1f} GB/s in a "
            "copy.",
            batch=self.batch,
            ms=1e3 * self.step,
            rate=self.batch / self.step,
            threads=kernels.get_num_threads(),
            peak=self.machine.peak / 1e9,
            bandwidth=self.machine.bandwidth / 1e9,
        )

    def _winograd(self) -> str:
        """Return a sentence if a convolution runs Winograd's algorithm."""
        names = [op.name for op in self.ops if op.winograd]
        if not names:
            return ""
        convolutions = sum("conv2d" in op.op for op in self.ops)
        of_all = phrase("{some} of {all} convolutions", some=len(names), all=convolutions)
        said = (
            " FLOPs are those of the direct method. Winograd's algorithm does fewer, so its share "
            "can exceed 100 %; it runs in {layers}."
        )
        return phrase(said, layers=of_all if len(names) > LISTED else ", ".join(names))

    def _doubt(self) -> str:
        """Return a sentence if a product in the step was faster than the measured peak."""
        direct = [op for op in self.ops if not op.winograd]
        fastest = max(direct, key=lambda op: op.forward.rate, default=None)
        if fastest is None or fastest.forward.rate < BUSY * self.machine.peak:
            return ""
        said = (
            "{op} was faster than the measured peak: the machine was busy with something else. "
            "Measure again when it is idle."
        )
        return f"\n{phrase(said, op=fastest.label)}"

    def _row(self, op: ProfiledOp) -> tuple[str, ...]:
        flops = op.forward.flops + op.backward.flops
        rate = flops / op.seconds
        moved = (op.forward.bytes + op.backward.bytes) / 1e6
        shape = "x".join(map(str, op.shape)) or phrase("one number")
        return (
            op.label,
            shape,
            f"{1e3 * op.forward.seconds:.2f}",
            f"{1e3 * op.backward.seconds:.2f}",
            f"{100 * op.seconds / self.seconds:.1f} %",
            f"{rate / 1e9:.1f}" if flops else "",
            f"{100 * rate / self.machine.peak:.0f} %" if flops else "",
            f"{moved:.1f}",
        )


def profile(
    model: Module, optimizer: Optimizer, x: Array, labels: Array, *, repeats: int = REPEATS
) -> Profile:
    """Measure every op of a training step on a CPU, and the limits of the machine.

    The step runs once, as in training, neighboring layers fused; then each op by itself several
    times, and the fastest counts. The model is not changed.

    Parameters
    ----------
    model : Module
    optimizer : Optimizer
        For the time of the whole step.
    x : (N, C, H, W), as the model takes them
    labels : (N,) integers
    repeats : int

    Raises
    ------
    DeviceError
        The model is on a GPU: its ops are launched and not waited for.

    Examples
    --------
    >>> import numpy as np
    >>> from tinynet import nn, optim
    >>> from tinynet.analysis.profile import profile
    >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))
    >>> optimizer = optim.SGD(model.parameters(), lr=0.1)
    >>> found = profile(model, optimizer, np.ones((2, 1, 8, 8), np.float32), np.array([0, 2]))
    >>> [(op.label, op.forward.flops) for op in found.ops if op.forward.flops]
    [('0 conv2d + relu', 5184), ('3 linear', 1728)]
    """
    if model.device.kind != "cpu":
        raise DeviceError(
            f"profile: it measures ops on a CPU, and the model is on {model.device}. Use --device "
            "cpu; on a GPU, NVIDIA's nsys shows the kernels."
        )
    names = {id(p): name.rpartition(".")[0] for name, p in model.named_parameters()}
    with preserved(model, training=True):
        loss = forward_with_loss(model, to_model(model, x), labels).objective
        outputs = recorded_ops(loss)
        for y in outputs.values():
            y.retain_grad()
        loss.backward(keep_graph=True)
        ops = [_profiled(node, y, names, repeats) for node, y in outputs.items()]
    return Profile(ops, _step_seconds(model, optimizer, x, labels, repeats), len(x), measure())


def measure(repeats: int = REPEATS) -> Machine:
    """Measure the limits of this machine: a matrix product and a copy."""
    a = np.ones((SIDE, SIDE), np.float32)
    ours = _fastest(lambda: kernels.matmul(a, a), PRODUCTS)
    theirs = _fastest(lambda: a @ a, PRODUCTS)
    source = np.ones(STREAM, np.float32)
    target = np.empty_like(source)
    copied = _fastest(lambda: np.copyto(target, source), repeats)
    return Machine(2 * SIDE**3 / min(ours, theirs), 2 * source.nbytes / copied)


def _fastest(function: Callable[[], Any], repeats: int) -> float:
    function()  # compiles, and touches the memory
    found = math.inf
    for _ in range(repeats):
        started = time.perf_counter()
        function()
        found = min(found, time.perf_counter() - started)
    return max(found, 1e-9)


def _profiled(node: Function, y: Tensor, names: dict[int, str], repeats: int) -> ProfiledOp:
    inputs = [x.data for x in node.inputs]
    gy = np.zeros_like(y.data) if y.grad is None else y.grad
    state = node.saved
    with random.fork(0):
        forward = _fastest(lambda: node.forward(*inputs), repeats)
    node.saved = state
    backward = _fastest(lambda: node.backward(gy), repeats)
    gradients = node.backward(gy)
    name = next((names[id(x)] for x in node.inputs if id(x) in names), "")
    op = f"{node.op()} + relu" if getattr(node, "relu", False) else node.op()
    flops = _flops(node, y)
    sides = sum(node.needs_grad(i) for i in range(min(2, len(node.inputs))))
    written = sum(_sizes(gradients))
    moved = sum(_sizes(inputs)) + y.data.nbytes
    back = y.data.nbytes + sum(_sizes(state)) + written
    return ProfiledOp(
        name,
        op,
        y.shape,
        Pass(forward, flops, moved),
        Pass(backward, sides * flops, back),
        isinstance(node, Conv2d) and uses_winograd(inputs[0], inputs[1], node.geometry),
    )


def _flops(node: Function, y: Tensor) -> int:
    """Return two for each product of a weight and a value in the forward pass."""
    if not isinstance(node, Conv2d | Linear):
        return 0
    return 2 * y.data.size * math.prod(node.inputs[1].data.shape[1:])


def _sizes(value: Any) -> Iterator[int]:
    """Yield the bytes of the arrays in nested tuples and lists."""
    if isinstance(value, np.ndarray):
        yield value.nbytes
    elif isinstance(value, tuple | list):
        for each in value:
            yield from _sizes(each)


def _step_seconds(
    model: Module, optimizer: Optimizer, x: Array, labels: Array, repeats: int
) -> float:
    """Return the time of a whole step; weights and the optimizer's state are restored."""
    weights = model.state_dict()
    moments = optimizer.state_dict()
    schedule = optimizer.schedule
    optimizer.schedule = None  # it may need the length of a run

    def step() -> None:
        optimizer.zero_grad()
        forward_with_loss(model, to_model(model, x), labels).objective.backward()
        optimizer.step()

    try:
        with random.fork(0), preserved(model, training=True):
            return _fastest(step, repeats)
    finally:
        model.load_state_dict(weights)
        optimizer.load_state_dict(moments)
        optimizer.schedule = schedule
        optimizer.zero_grad()
