r"""User-defined CUDA kernels: compile and launch CUDA C on a GPU or on the CPU.

    relu = cuda_kernel(r'''
    extern "C" __global__ void relu(const float* x, float* y, int n) {
      const int i = blockIdx.x * blockDim.x + threadIdx.x;
      if (i < n) y[i] = x[i] > 0 ? x[i] : 0;
    }
    ''')
    relu(4, 256, x, y, len(x))          # CUDA C++ writes relu<<<4, 256>>>(x, y, n)

`memory_traffic` replaces each pointer of a kernel by an object that records accesses, and counts
the memory sectors that a GPU would transfer.
"""

from __future__ import annotations

import functools
import math
import re
from typing import Any, NamedTuple

import numpy as np

from tinynet.core.backend import Array, array_module, is_array
from tinynet.kernels.cuda.launch import KERNEL, OPTIONS, TYPES, Grid, declared, observer, take

FILE = "yours.cu"  # file name of the source text in error messages
KINDS = {"float": "float32", "double": "float64", **TYPES}
THREADS = 1024  # maximum of a block, on all GPUs so far
WARP = 32  # lanes
SECTOR = 32  # bytes, the unit of a memory transfer
SPY = [(name, np.int64) for name in ("here", "first", "notes", "room")]  # as in spy.h

Counts = int | tuple[int, ...]


class OwnKernel:
    """One kernel of a source text; called with blocks, threads and its arguments."""

    def __init__(self, text: str, name: str | None = None, sanitizer: str = "") -> None:
        self.sanitizer = sanitizer
        self.text = f'#line 1 "{FILE}"\n{text}'
        try:
            kernels = declared(self.text, KINDS)
        except KeyError as error:
            raise TypeError(
                f"cuda_kernel: a parameter is {error.args[0]}; a number, or what a pointer points "
                f"to, is one of {', '.join(sorted(KINDS))}."
            ) from None
        if not kernels or (name is None and len(kernels) > 1) or name not in (None, *kernels):
            raise ValueError(
                f'cuda_kernel: a kernel begins with extern "C" __global__ void NAME(. '
                f"Found {', '.join(kernels) or 'none'}; asked for {name or 'the only one'}."
            )
        self.__name__ = name or next(iter(kernels))
        self.parameters = kernels[self.__name__]

    def __call__(self, blocks: Counts, threads: Counts, *arguments: Any, shared: int = 0) -> None:
        """Run blocks x threads with `shared` bytes of dynamic shared memory per block."""
        arrays = [a for a in arguments if is_array(a)]
        modules = {array_module(a) for a in arrays}
        if len(modules) != 1:
            found = " and ".join(sorted(m.__name__ for m in modules)) or "no array"
            raise TypeError(
                f"{self.__name__}: the arrays must be all of NumPy (runs on the CPU) or all of "
                f"CuPy (runs on the GPU). Got {found}."
            )
        grid, block = (_counts(c) for c in (blocks, threads))
        if not 1 <= math.prod(block) <= THREADS or math.prod(grid) < 1:
            raise ValueError(
                f"{self.__name__}: a grid has at least 1 block, of 1 to {THREADS} threads. "
                f"Got {grid} blocks of {block} threads."
            )
        taken = take(self.parameters, arguments, self.__name__)
        watching = observer.get()
        here = Grid(grid, block, shared)
        if watching and not watching.on_launch(self.text, self.__name__, here, taken, arrays):
            return
        module = _module(self.text, modules.pop(), self.sanitizer)
        module.get_function(self.__name__)(grid, block, taken, shared_mem=shared)


def cuda_kernel(text: str, name: str | None = None) -> OwnKernel:
    """Return a kernel written in CUDA C: f(blocks, threads, *arguments), compiled at first call.

    With arrays of CuPy it runs on their GPU. With arrays of NumPy it runs on the CPU, which needs a
    C++ compiler; its speed there says nothing about a GPU. Indices are not checked: a write beyond
    an array corrupts memory.

    Parameters
    ----------
    text : CUDA C
    name : str, optional
        Which kernel of the text; needed if it has several.
    """
    return OwnKernel(text, name)


def _counts(counts: Counts) -> tuple[int, ...]:
    return (counts,) if isinstance(counts, int) else tuple(counts)


@functools.cache
def _module(text: str, xp: Any, sanitizer: str) -> Any:
    """Return the compiled module; on the CPU it can be built with a sanitizer."""
    if xp is not np:
        return xp.RawModule(code=text, options=OPTIONS)
    from tinynet.kernels.cuda.on_cpu import Module

    return Module(text, sanitizer)


class Traffic(NamedTuple):
    """Memory accesses of the warps of one launch to one array."""

    requests: int  # one instruction of one warp each, with up to 32 addresses
    sectors: int  # distinct 32-byte sectors per request, added up
    bytes_used: int  # bytes that the lanes read and write

    @property
    def bytes_moved(self) -> int:
        """Bytes transferred if no access hits a cache."""
        return self.sectors * SECTOR


def memory_traffic(
    kernel: OwnKernel, blocks: Counts, threads: Counts, *arguments: Any, shared: int = 0
) -> dict[str, Traffic]:
    """Run a kernel on the CPU and return the memory traffic of its warps, by array name.

    The arguments are arrays of NumPy and numbers, as at a launch, and are not changed. The k-th
    access of a lane to an array counts as one request with the k-th accesses of the other lanes,
    which is true as long as the lanes of a warp do not diverge.
    """
    lanes = math.prod(_counts(threads))
    warps = -(-math.prod(_counts(threads)) // WARP)
    notes: dict[str, Array] = {}
    for _ in range(2):  # the first run counts the accesses, the second records them
        rooms = {name: int(found[..., 0].max()) for name, found in notes.items()}
        notes = _notes(kernel, _counts(blocks), _counts(threads), arguments, shared, rooms)
    result = {}
    for name, found in notes.items():
        places = np.full((len(found), warps * WARP, found.shape[2] - 1), -1)
        places[:, :lanes] = found[..., 1:]
        kind = next(p.kind for p in kernel.parameters if p.name == name)
        of_warp = places.reshape(-1, WARP, places.shape[2])
        result[name] = _count(of_warp, np.dtype(kind).itemsize)
    return result


def _count(places: Array, size: int) -> Traffic:
    """Count accesses at byte offsets `places` (warps, lanes, accesses); -1: none."""
    there = places >= 0
    sectors = np.sort(np.where(there, places // SECTOR, -1), axis=1)
    fresh = np.diff(sectors, axis=1, prepend=-1) > 0
    return Traffic(int(there.any(axis=1).sum()), int(fresh.sum()), int(there.sum()) * size)


def _notes(
    kernel: OwnKernel, grid: Any, block: Any, arguments: Any, shared: int, rooms: Any
) -> dict[str, Array]:
    """Return, by pointer, (blocks, threads, 1 + room): number of accesses, then byte offsets."""
    from tinynet.kernels.cuda.on_cpu import Module

    taken: list[Any] = list(take(kernel.parameters, arguments, kernel.__name__))
    notes = {}
    kept = []
    for i, (parameter, value) in enumerate(zip(kernel.parameters, taken, strict=True)):
        if not isinstance(value, np.ndarray):
            continue
        room = rooms.get(parameter.name, 0)
        found = np.full((math.prod(grid), math.prod(block), 1 + room), -1)
        found[..., 0] = 0
        kept.append(value := value.copy())
        taken[i] = np.array((value.ctypes.data,) * 2 + (found.ctypes.data, room), SPY)[()]
        notes[parameter.name] = found
    function = Module(_spied(kernel)).get_function(kernel.__name__)
    function(grid, block, tuple(taken), shared_mem=shared)
    return notes


def _spied(kernel: OwnKernel) -> str:
    """Return the text with each pointer of this kernel replaced by a recording `Spy`."""

    def head(found: re.Match[str]) -> str:
        spies = re.sub(r"((?:const )?\w+)\s*\*\s*(?:__restrict__ )?", r"on_cpu::Spy<\1> ", found[0])
        return spies if found[1] == kernel.__name__ else found[0]

    return f'#include "spy.h"\n{KERNEL.sub(head, kernel.text)}'
