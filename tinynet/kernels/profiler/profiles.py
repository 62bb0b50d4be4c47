"""Profile: what the kernels of a function do on a GPU, without a GPU.

The function runs once. Each kernel writes down what it would launch on a card, with its true
arguments; some blocks of each launch are executed from the PTX that NVIDIA's compiler makes of it,
and everything that happens there is counted.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from tinynet.core import hooks
from tinynet.kernels.cuda.launch import observer
from tinynet.kernels.gemm import PRECISIONS
from tinynet.kernels.gemm import precision as multiplied_in
from tinynet.kernels.profiler import estimate, tensor_cores
from tinynet.kernels.profiler.follow import Follower
from tinynet.kernels.profiler.gpus import Gpu, find
from tinynet.kernels.profiler.ptx import Instruction
from tinynet.kernels.profiler.record import Launch, Pass, Product, Record

DIVISIONS = ("div", "rem")
CLASSES = {
    **dict.fromkeys(("mma", "wgmma"), "tensor core"),
    **dict.fromkeys(("bra", "ret", "exit", "bar", "barrier"), "control"),
    **dict.fromkeys(("setp", "selp"), "comparison"),
    **dict.fromkeys(("mov", "cvt", "cvta"), "move, conversion"),
    "cp": "asynchronous copy",
}
"""Kinds of instructions by op."""


class KernelProfile(NamedTuple):
    """One kernel with one grid; all launches of it in the profiled function together.

    Attributes
    ----------
    name : of the kernel; "matrix product" for cuBLAS
    launches : how many
    blocks, threads : of one launch, and of one block
    registers, spills, shared : of a thread; bytes of a thread; bytes of a block
    occupancy, limit : resident warps as a share of the most possible, and what limits them
    bytes : that move between memory and the GPU, in one launch
    sectors_per_request : 32-byte sectors that one load or store of a warp touches, on average
    coalescing : sectors at best, divided by those touched; 1 is best
    bank_conflicts : passes through shared memory, divided by those at best; 1 is best
    active_lanes : share of the lanes of executing warps that take part; 1 is no divergence
    instructions : of one warp, by kind (PTX, executed)
    divisions : integer divisions and remainders that one warp executes
    intensity : floating-point operations for each byte of memory
    bound : the demand that decides the time
    estimate_us : microseconds of one launch, estimated, without the gap behind it
    """

    name: str
    launches: int
    blocks: int
    threads: int
    registers: int
    spills: int
    shared: int
    occupancy: float
    limit: str
    bytes: float
    sectors_per_request: float
    coalescing: float
    bank_conflicts: float
    active_lanes: float
    instructions: dict[str, float]
    divisions: float
    intensity: float
    bound: str
    estimate_us: float


class Profile(NamedTuple):
    """What a function launches, and an estimate of its time.

    Attributes
    ----------
    gpu : the device of the estimate
    precision : of matrix products
    nodes : launches, products and operations of the array library: what a captured graph has
    estimate_ms : milliseconds, estimated: the kernels and the gaps between them
    gaps_ms : the gaps in it
    kernels : one row for each kernel and grid, the longest in all first
    assumptions : of the estimate, as sentences
    """

    gpu: Gpu
    precision: str
    nodes: int
    estimate_ms: float
    gaps_ms: float
    kernels: list[KernelProfile]
    assumptions: tuple[str, ...] = estimate.ASSUMPTIONS

    def as_dict(self) -> dict[str, Any]:
        """Return the profile as dictionaries, lists and numbers, for JSON."""
        return {
            "gpu": self.gpu.name,
            "precision": self.precision,
            "measured": False,
            "nodes": self.nodes,
            "estimate_ms": self.estimate_ms,
            "gaps_ms": self.gaps_ms,
            "kernels": [kernel._asdict() for kernel in self.kernels],
            "assumptions": list(self.assumptions),
        }


def profile(
    function: Callable[[], Any],
    *,
    gpu: str = "h200",
    precision: str = "float32",
    carry_out: bool = True,
) -> Profile:
    """Return what the CUDA kernels that a function launches do on a GPU; no GPU is needed.

    Needs NVIDIA's compiler library: ``pip install nvidia-cuda-nvrtc``. The arrays are NumPy's. A
    sample of the blocks of each launch is executed from PTX. A `cuda_kernel` of your own also runs
    as a whole, which needs a C++ compiler, unless `carry_out` is False.

    Parameters
    ----------
    function : a function without arguments; it runs once
    gpu : "h200", "a100", "a6000", "rtx4090" or "t4"
    precision : "float32", "tf32" or "bfloat16", of matrix products
    carry_out : False: a `cuda_kernel` is only profiled, and its arrays stay as they are

    Raises
    ------
    DeviceError
        The compiler library or a C++ compiler is not installed.
    ValueError
        The GPU or the precision is unknown.
    UnsupportedError
        A kernel uses an instruction, a register or a memory that cannot be executed here.
    OutOfBoundsError
        A kernel reads or writes outside of its arguments.

    Examples
    --------
    >>> import numpy as np
    >>> from tinynet import kernels
    >>> x = np.ones((8, 1024), np.float32)
    >>> found = kernels.profile(lambda: kernels.relu_forward(x))  # doctest: +SKIP
    >>> found.kernels[0].coalescing  # doctest: +SKIP
    1.0
    """
    check_precision(precision)
    record = Record(find(gpu))
    record.carried_out = carry_out
    with following(record), multiplied_in(precision):
        function()
    return summarized(record, precision)


def check_precision(precision: str) -> None:
    """Raise a ValueError if a precision is unknown."""
    if precision not in PRECISIONS:
        raise ValueError(
            f"profile: the precision is one of {', '.join(PRECISIONS)}, not {precision!r}."
        )


@contextlib.contextmanager
def following(record: Record) -> Iterator[Follower]:
    """Inside the block, write the launches of kernels down, and those of `cuda_kernel`."""
    follower = Follower(record)
    hook = hooks.active.set(follower)
    token = observer.set(record)
    try:
        yield follower
    finally:
        observer.reset(token)
        hooks.active.reset(hook)


def summarized(record: Record, precision: str) -> Profile:
    """Return the profile of what was recorded."""
    gpu = record.gpu
    counts = Counter(_Same(event) for event in record.events)
    rows = [_row(same.event, times, gpu, precision) for same, times in counts.items()]
    rows.sort(key=lambda row: -row.estimate_us * row.launches)
    nodes = sum(row.launches for row in rows)
    gaps = nodes * estimate.GAP * 1e3
    busy = sum(row.estimate_us * row.launches for row in rows) / 1e3
    return Profile(gpu, precision, nodes, busy + gaps, gaps, rows)


class _Same:
    """An event that equals another of the same contents; launches equal themselves."""

    def __init__(self, event: Launch | Product | Pass) -> None:
        self.event = event
        self.key: Any = id(event) if isinstance(event, Launch) else event

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.key == other.key


def _row(event: Launch | Product | Pass, times: int, gpu: Gpu, precision: str) -> KernelProfile:
    if isinstance(event, Launch):
        return _of_kernel(event, times, gpu)
    if isinstance(event, Product):
        found = estimate.of_product(event, gpu, precision)
        operations = 2 * event.times * event.M * event.N * event.K
        name = f"matrix product {event.M}x{event.K} @ {event.K}x{event.N}"
        name += f", {event.times} times" if event.times > 1 else ""
        return _library(name, times * event.calls, event.nbytes, operations, found, event.calls)
    return _library(event.name, times, event.nbytes, 0, estimate.of_pass(event, gpu))


def _library(
    name: str,
    times: int,
    nbytes: float,
    operations: float,
    found: estimate.Estimate,
    calls: int = 1,
) -> KernelProfile:
    """Return the row of work that a library does: its kernels are not looked into."""
    return KernelProfile(
        name=name,
        launches=times,
        blocks=0,
        threads=0,
        registers=0,
        spills=0,
        shared=0,
        occupancy=0.0,
        limit="",
        bytes=nbytes / calls,
        sectors_per_request=0.0,
        coalescing=1.0,
        bank_conflicts=1.0,
        active_lanes=1.0,
        instructions={},
        divisions=0.0,
        intensity=operations / max(1.0, nbytes),
        bound=found.bound,
        estimate_us=found.seconds / calls * 1e6,
    )


def _of_kernel(launch: Launch, times: int, gpu: Gpu) -> KernelProfile:
    here = launch.counters
    held = estimate.resident(launch, gpu)
    found = estimate.of_launch(launch, gpu)
    mix: Counter[str] = Counter()
    operations = 0.0
    for one, count in here.executed():
        mix[instruction_class(one)] += count
        operations += 32 * count * _operations(one)
    bytes_ = estimate.memory_bytes(launch)
    whole = launch.blocks / launch.sampled
    return KernelProfile(
        name=launch.kernel,
        launches=times,
        blocks=launch.blocks,
        threads=launch.threads,
        registers=launch.build.registers,
        spills=launch.build.spills,
        shared=launch.build.shared + launch.grid.shared,
        occupancy=held.share,
        limit=held.limit,
        bytes=bytes_,
        sectors_per_request=here.sectors / max(1, here.requests),
        coalescing=here.sectors_at_best / max(1, here.sectors),
        bank_conflicts=here.passes / here.passes_at_best if here.passes_at_best else 1.0,
        active_lanes=here.active_share(),
        instructions={kind: count / here.warps for kind, count in sorted(mix.items())},
        divisions=mix["integer division"] / here.warps,
        intensity=operations * whole / max(1.0, bytes_),
        bound=found.bound,
        estimate_us=found.seconds * 1e6,
    )


def _operations(one: Instruction) -> int:
    """Return the floating-point operations of an instruction, of one lane."""
    if one.op == "mma":
        return tensor_cores.operations(one) // 32
    if not one.kind.startswith("f"):
        return 0
    return {"fma": 2, "add": 1, "sub": 1, "mul": 1, "div": 1}.get(one.op, 0)


def instruction_class(one: Instruction) -> str:
    """Return the kind of an instruction for the mix."""
    floating = one.kind.startswith("f")
    if one.op in ("ld", "st", "atom", "red"):
        return _access(one)
    if one.op in DIVISIONS and not floating:
        return "integer division"
    if one.op in ("fma", "mad") and floating:
        return f"fused multiply-add, {one.kind}"
    return CLASSES.get(
        one.op, f"other arithmetic, {one.kind}" if floating else "integer arithmetic"
    )


def _access(one: Instruction) -> str:
    """Return the kind of a load or store, with the bits that a lane moves."""
    space = next((m for m in one.modifiers if m in ("global", "shared", "local")), "parameter")
    vector = next((m for m in one.modifiers if m in ("v2", "v4")), "v1")
    width = int(one.kind[1:]) * int(vector[1:])
    return f"{space} {'load' if one.op == 'ld' else 'store'}, {width} bits"
