"""Kernels of a training step, one by one: measured on a GPU, and estimated by the profiler.

Both lists have a row for each kernel and grid, so that an estimate stands beside what was measured.
"""

from __future__ import annotations

import contextlib
import functools
import math
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import numpy as np

from tinynet.kernels.cuda import cublas
from tinynet.kernels.cuda.launch import OPTIONS, Grid, observer
from tinynet.kernels.profiler import estimate
from tinynet.kernels.profiler.gpus import GPUS
from tinynet.kernels.profiler.profiles import Profile

ROUNDS = 20  # launches of one kernel in the graph that is timed
UNKNOWN = "h200"  # the GPU of an estimate if the profiler has no figures of the one that is here

Key = tuple[str, int, int]
"""A kernel, its blocks and the threads of a block; zeros for a product of cuBLAS."""
Row = dict[str, Any]


def gpu_of(device: str) -> str:
    """Return the profiler's name of a GPU, as the driver names it.

    >>> gpu_of("NVIDIA RTX A6000"), gpu_of("NVIDIA GeForce RTX 4090"), gpu_of("NVIDIA V100")
    ('a6000', 'rtx4090', 'h200')
    """
    bare = device.lower().replace(" ", "")
    return next((name for name in GPUS if name in bare), UNKNOWN)


class Stopwatch:
    """Observer of launches: times each distinct one, and then lets it run.

    A graph repeats the launch, so that no time of the host is measured: what is, is the kernel and
    the gap behind it, as in a captured step.

    Attributes
    ----------
    seconds : the time of each launch, by kernel and grid
    """

    def __init__(self, xp: Any) -> None:
        self.xp = xp
        self.seconds: dict[Key, list[float]] = defaultdict(list)
        self._known: dict[Any, float] = {}

    def on_launch(
        self, text: str, kernel: str, grid: Grid, arguments: tuple[Any, ...], arrays: list[Any]
    ) -> bool:
        """Time a launch, unless an equal one has been timed."""
        numbers = tuple(a.item() for a in arguments if isinstance(a, np.generic))
        sizes = tuple(a.shape for a in arrays)
        function = _function(text, kernel, self.xp)

        def run() -> None:
            function(grid.blocks, grid.threads, arguments, shared_mem=grid.shared)

        key = kernel, math.prod(grid.blocks), math.prod(grid.threads)
        self._note(key, (text, kernel, grid, sizes, numbers), run)
        return True

    def on_product(self, a: Any, b: Any, shape: tuple[int, ...]) -> bool:
        """See a product of NumPy: it is not one of a GPU."""
        return True

    def on_copy(self, x: Any) -> None:
        """See a copy: it is not a kernel of ours."""

    def on_blas(self, gemm: Any, a: Any, b: Any, y: Any, precision: str) -> None:
        """Time a product of cuBLAS, and then do it."""
        count, M, N = y.array.shape
        K = a.array.shape[2]
        name = f"matrix product {M}x{K} @ {K}x{N}" + (f", {count} times" if count > 1 else "")
        facts = name, a.transposed, b.transposed, precision
        self._note((name, 0, 0), facts, lambda: gemm(cublas.blas(), a, b, y, precision))
        gemm(cublas.blas(), a, b, y, precision)

    def _note(self, key: Key, facts: Any, run: Callable[[], None]) -> None:
        if facts not in self._known:
            self._known[facts] = _seconds(run, self.xp)
        self.seconds[key].append(self._known[facts])

    def rows(self) -> list[Row]:
        """Return the rows, the longest in all first."""
        return _rows(self.seconds)


@functools.cache
def _function(text: str, kernel: str, xp: Any) -> Any:
    """Return a kernel of a source text, compiled for the arrays of xp."""
    if xp is np:
        from tinynet.kernels.cuda.on_cpu import Module

        return Module(text).get_function(kernel)
    return xp.RawModule(code=text, options=OPTIONS).get_function(kernel)


def _seconds(run: Callable[[], None], xp: Any) -> float:
    """Return the seconds of one launch and the gap behind it."""
    if xp is np:  # a dry run
        begin = time.perf_counter()
        run()
        return time.perf_counter() - begin
    xp.cuda.Device().synchronize()
    stream = xp.cuda.Stream(non_blocking=True)
    with stream:
        run()  # what a library sets up at its first call cannot be captured
        stream.begin_capture()
        for _ in range(ROUNDS):
            run()
        graph = stream.end_capture()
        graph.launch(stream)
        begin = xp.cuda.Event()
        end = xp.cuda.Event()
        begin.record(stream)
        graph.launch(stream)
        end.record(stream)
        end.synchronize()
    return float(xp.cuda.get_elapsed_time(begin, end)) / 1e3 / ROUNDS


def measured(step: Callable[[], Any], xp: Any) -> list[Row]:
    """Return the rows of one step, in which each kernel is measured by itself."""
    watch = Stopwatch(xp)
    with _watching(watch):
        step()
    return watch.rows()


@contextlib.contextmanager
def _watching(watch: Stopwatch) -> Iterator[None]:
    """Inside the block, let the stopwatch see each launch and each product of cuBLAS."""
    gemm = cublas.Blas.gemm

    def spy(_: Any, *arguments: Any) -> None:
        watch.on_blas(gemm, *arguments)

    token = observer.set(watch)
    try:
        with mock.patch.object(cublas.Blas, "gemm", spy):
            yield
    finally:
        observer.reset(token)


def estimated(profile: Profile) -> list[Row]:
    """Return the rows of a profile. A gap stands behind each launch, as behind a measured one."""
    seconds: dict[Key, list[float]] = defaultdict(list)
    for row in profile.kernels:
        each = row.estimate_us / 1e6 + estimate.GAP
        seconds[row.name, row.blocks, row.threads] += [each] * row.launches
    return _rows(seconds)


def _rows(seconds: dict[Key, list[float]]) -> list[Row]:
    rows = [
        {
            "kernel": kernel,
            "blocks": blocks,
            "threads": threads,
            "launches": len(times),
            "us": round(1e6 * statistics.fmean(times), 2),
        }
        for (kernel, blocks, threads), times in seconds.items()
    ]
    return sorted(rows, key=lambda row: -row["us"] * row["launches"])


def beside(found: list[Row], guessed: list[Row]) -> list[Row]:
    """Return the measured rows with "estimate_us", None where there is none; then the others."""

    def key(row: Row) -> Key:
        return row["kernel"], row["blocks"], row["threads"]

    guesses = {key(row): row["us"] for row in guessed}
    known = {key(row) for row in found}
    rows = [{**row, "estimate_us": guesses.get(key(row))} for row in found]
    others = [row for row in guessed if key(row) not in known]
    return rows + [{**row, "us": None, "estimate_us": row["us"]} for row in others]
