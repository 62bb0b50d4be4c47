"""Hooks of a profiled function: each kernel writes its launches down, then computes as always.

The launches of a GPU are written down on paper; the values come from the fastest kernels of the
CPU. So a training step is profiled in seconds, with true values in every argument.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinynet.core import hooks, random
from tinynet.core.backend import Array
from tinynet.core.bfloat16 import BFloat16, rounded
from tinynet.kernels.bfloat16 import floats
from tinynet.kernels.cuda.launch import observer
from tinynet.kernels.dispatch import use
from tinynet.kernels.profiler.record import Record


class Follower:
    """The `tinynet.core.hooks.Hooks` of a profile.

    Attributes
    ----------
    calls : how many kernels ran
    """

    def __init__(self, record: Record) -> None:
        self.record = record
        self.calls = 0

    def on_kernel(self, kernel: Any, args: Any, kwargs: Any) -> Any:
        """Write the launches of a kernel down, then run it."""
        self.calls += 1
        with hooks.suspended():
            with use("cuda_on_cpu"):
                kind = kernel.kind_for(*args)
            found = None
            if kind == "cuda_on_cpu":
                found = self._on_paper(kernel.implementations[kind], args, kwargs)
            return _stored_as(found, kernel(*map(floats, args), **kwargs))

    def _on_paper(self, implementation: Any, args: Any, kwargs: Any) -> Any:
        """Run the CUDA version of a kernel; its launches are observed and do not happen."""
        token = observer.set(self.record)
        carried_out = self.record.carried_out
        self.record.carried_out = False
        try:
            with use("cuda_on_cpu"), np.errstate(all="ignore"):  # results were never written
                return implementation(*map(_as_on_a_gpu, args), **kwargs)
        finally:
            self.record.carried_out = carried_out
            observer.reset(token)

    # ---- everything else is as without hooks

    def on_apply(self, inputs: tuple[Any, ...], arrays: list[Any]) -> list[Any]:
        """Return the arrays of an op's inputs."""
        return arrays

    def on_leaf_gradient(self, leaf: Any) -> None:
        """See a tensor whose gradient grows."""

    def on_array(self, array: Array) -> Array:
        """Return the array."""
        return array

    def on_constant(self, make: Callable[[], Array]) -> Array:
        """Return the constant."""
        return make()

    def on_scalar(self, compute: Callable[[], float], like: Array) -> float:
        """Return the number."""
        return compute()

    def on_draw(self, draw: int, first: int) -> Any:
        """Return the key of a draw."""
        seed, step, _ = random.counters()
        return (seed, step, draw, first) if first else (seed, step, draw)

    def on_forward(self, module: Any) -> None:
        """See a module before its forward pass."""

    def on_step(self, optimizer: Any) -> None:
        """See an optimizer before its step."""


def _stored_as(found: Any, result: Any) -> Any:
    """Return the result of a kernel, stored as bfloat16 where a GPU does."""
    if isinstance(result, tuple):
        return tuple(map(_stored_as, found or (None,) * len(result), result))
    is_half = isinstance(found, BFloat16)
    return BFloat16(np.ascontiguousarray(rounded(result))) if is_half else result


def _as_on_a_gpu(argument: Any) -> Any:
    """Return maps (N, C, H, W) row-major: the CPU's kernels may lay them out otherwise."""
    is_maps = isinstance(argument, np.ndarray) and argument.ndim == 4
    return np.ascontiguousarray(argument) if is_maps else argument
