"""Record of launches: what ran inside a block, as `cuda_on_cpu` ran it."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from tinynet.core.backend import Array, is_array
from tinynet.kernels.cuda.launch import Grid
from tinynet.kernels.profiler.counters import Counters
from tinynet.kernels.profiler.gpus import Gpu
from tinynet.kernels.profiler.lanes import Lanes, UnsupportedError
from tinynet.kernels.profiler.memory import Memory
from tinynet.kernels.profiler.nvrtc import Compiled, compiled

SAMPLE = 8  # blocks of a launch that are executed, spread evenly over the grid


class Launch(NamedTuple):
    """One launch of a kernel, and what its sampled blocks did.

    Attributes
    ----------
    kernel : its name
    grid : blocks, threads of a block, bytes of dynamic shared memory
    build : the kernel as the compiler made it
    counters : of the sampled blocks
    sampled : how many blocks these are
    sizes : bytes of each argument
    """

    kernel: str
    grid: Grid
    build: Compiled
    counters: Counters
    sampled: int
    sizes: dict[int, int]

    @property
    def blocks(self) -> int:
        """All blocks of the grid."""
        return math.prod(self.grid.blocks)

    @property
    def threads(self) -> int:
        """The threads of a block."""
        return math.prod(self.grid.threads)


class Product(NamedTuple):
    """One matrix product of cuBLAS: `times` products (M, K) @ (K, N), in `calls` calls."""

    times: int
    calls: int
    M: int
    K: int
    N: int
    nbytes: int  # of the factors and the result


class Pass(NamedTuple):
    """One operation of the array library: bytes read and written."""

    name: str
    nbytes: int


class Record:
    """The launches and products of a block, in order; an observer of `launch`.

    Launches with equal code, grid and numbers are executed once.

    Attributes
    ----------
    carried_out : whether launches run as well; if not, they are only written down
    """

    def __init__(self, gpu: Gpu) -> None:
        self.gpu = gpu
        self.carried_out = True
        self.events: list[Launch | Product | Pass] = []
        self.known: dict[Any, Launch] = {}

    def on_launch(
        self, text: str, kernel: str, grid: Grid, arguments: tuple[Any, ...], arrays: list[Array]
    ) -> bool:
        """Note a launch, and execute some of its blocks."""
        sizes = tuple((a.shape, a.dtype.str) for a in arrays)
        numbers = tuple(a.item() for a in arguments if isinstance(a, np.generic))
        key = text, kernel, grid, sizes, numbers
        if key not in self.known:
            build = compiled(text, self.gpu.architecture)[kernel]
            self.known[key] = _executed(build, kernel, grid, arguments, arrays)
        self.events.append(self.known[key])
        return self.carried_out

    def on_product(self, a: Array, b: Array, shape: tuple[int, ...]) -> bool:
        """Note a matrix product."""
        *batch, M, N = shape
        split = len(batch) > 1 and not [*a.shape[:-2]] == [*b.shape[:-2]] == batch
        calls = batch[-1] if split else 1  # as `matmul._multiply` divides it
        result = np.result_type(np.float32, a.dtype).itemsize if is_array(a) else 4
        nbytes = a.nbytes + b.nbytes + math.prod(shape) * result
        self.events.append(Product(math.prod(batch), calls, M, a.shape[-1], N, nbytes))
        return self.carried_out

    def on_copy(self, x: Array) -> None:
        """Note a copy: each byte is read and written."""
        self.events.append(Pass("copy into row-major order", 2 * x.nbytes))


def _executed(
    build: Compiled,
    kernel: str,
    grid: Grid,
    arguments: tuple[Any, ...],
    arrays: list[Array],
) -> Launch:
    """Execute a sample of the blocks of a launch."""
    number = math.prod(grid.blocks)
    chosen = np.unique(np.linspace(0, number - 1, min(number, SAMPLE)).astype(np.int64))
    memory = Memory(build.entry, packed(build, arguments), arrays, len(chosen), grid.shared)
    lanes = Lanes(build.entry, three(grid.blocks), three(grid.threads), chosen, memory)
    try:
        counters = lanes.run()
    except UnsupportedError as error:
        raise UnsupportedError(f"profile: {kernel} cannot be executed: {error}.") from None
    sizes = {i: a.nbytes for i, a in enumerate(memory.arrays)}
    return Launch(kernel, grid, build, counters, len(chosen), sizes)


def three(sizes: tuple[int, ...]) -> tuple[int, int, int]:
    """Return sizes in x, y and z; those that are not given are 1."""
    x, y, z = (*sizes, 1, 1)[:3]
    return x, y, z


def packed(build: Compiled, arguments: tuple[Any, ...]) -> Array:
    """Return the arguments as the driver hands them over: one behind the other, aligned."""
    found = bytearray()
    for argument, variable in zip(arguments, build.entry.parameters.values(), strict=True):
        found.extend(bytes(variable.offset - len(found)))
        if isinstance(argument, np.ndarray) and not argument.dtype.names:
            argument = np.uint64(argument.ctypes.data)
        found.extend(np.asarray(argument).tobytes())
    return np.frombuffer(bytes(found), np.uint8)
