"""Hooks: the one seam through which a recorder follows a training step.

The engine, the random streams, the kernels, the modules and the optimizers ask :data:`active` at
the places below. Its default is None, and then nothing else happens. `tn.graph` installs an object
with these methods while it records; it reads what it needs (counters, settings, state) from the
objects that it is given, so that none of them knows what a recorder is.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from tinynet.core.backend import Array


class Hooks(Protocol):
    """What a recorder of steps defines."""

    def on_apply(self, inputs: tuple[Any, ...], arrays: list[Any]) -> list[Any]:
        """Return the arrays with which an op computes, given its input tensors and theirs."""

    def on_leaf_gradient(self, leaf: Any) -> None:
        """See a tensor just before backward() adds to its gradient."""

    def on_array(self, array: Array) -> Array:
        """Return the array to use for one that is computed with, or changed, outside of an op."""

    def on_constant(self, make: Callable[[], Array]) -> Array:
        """Return the constant that ``make()`` copies from the host."""

    def on_scalar(self, compute: Callable[[], float], like: Array) -> Any:
        """Return a number that may differ at the next step: ``compute()`` gives it."""

    def on_draw(self, draw: int, first: int) -> Any:
        """Return the random key of a draw whose first wanted number is `first`."""

    def on_kernel(self, kernel: Any, args: Any, kwargs: Any) -> Any:
        """Run a kernel; return its result."""

    def on_forward(self, module: Any) -> None:
        """See a module just before its forward pass."""

    def on_step(self, optimizer: Any) -> None:
        """See an optimizer just before it changes its parameters."""


active: contextvars.ContextVar[Hooks | None] = contextvars.ContextVar("tinynet.hooks", default=None)
"""The installed hooks of this thread or task; None: nothing is recorded."""


@contextlib.contextmanager
def suspended() -> Iterator[None]:
    """Install no hooks inside the block: a kernel that calls others is seen as a whole."""
    token = active.set(None)
    try:
        yield
    finally:
        active.reset(token)


def array_of(x: Any) -> Array:
    """Return the array of a tensor, or an array, for use outside of an op."""
    hooks = active.get()
    if hooks is None:
        return x.data if hasattr(x, "creator") else x
    return hooks.on_apply((x,), [x.data])[0] if hasattr(x, "creator") else hooks.on_array(x)


def constant(make: Callable[[], Array]) -> Array:
    """Return ``make()``, a constant array copied from the host."""
    hooks = active.get()
    return make() if hooks is None else hooks.on_constant(make)
