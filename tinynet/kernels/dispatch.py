"""The only dispatch in the project: a hot loop is its readable reference, decorated.

    @Kernel
    def lrn_forward(x, n, ...):          # the definition: array arithmetic, at most 15 lines
        ...

    @lrn_forward.numba                   # the same in a hurry
    def lrn_forward_numba(x, n, ...):
        ...

It reads like ``@property`` and ``@x.setter``: the reference owns the name, the signature and the
docstring, and it runs wherever nothing faster exists.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import importlib.util
import inspect
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, NamedTuple, ParamSpec, TypeVar

import numpy as np

from tinynet.core import hooks

P = ParamSpec("P")
R = TypeVar("R")

GENERAL = {  # what every kernel of a kind leaves to the reference: see `Kernel.kind_for`
    "numba": "other types than float32, and all of them where Numba is not installed",
    "cuda": "other types than float32, float64 and uint8, and mixtures of floats",
}
KINDS = ("reference", "numba", "cuda", "cuda_on_cpu")
CUDA_TYPES = frozenset(map(np.dtype, ("float32", "float64", "uint8")))


def _known(kind: str, who: str) -> str:
    """Return the kind, or say which ones there are."""
    if kind not in KINDS:
        raise ValueError(f"{who}: the kinds are {', '.join(KINDS)}, not {kind!r}.")
    return kind


_chosen = os.environ.get("TINYNET_KERNELS")
_forced: contextvars.ContextVar[str | None] = contextvars.ContextVar(
    "tinynet.kernels", default=_known(_chosen, "TINYNET_KERNELS") if _chosen else None
)


@functools.cache
def has_numba() -> bool:
    """Return whether Numba is installed, without paying for its import."""
    try:
        return importlib.util.find_spec("numba") is not None
    except (ImportError, ValueError):  # somebody has blocked it
        return False


def _one_type(x: Any, others: Iterable[Any]) -> bool:
    """Return whether a CUDA kernel can be compiled for these arrays: it has one type of floats."""
    floats = {a.dtype for a in (x, *others) if getattr(a, "dtype", np.dtype(int)).kind == "f"}
    return x.dtype in CUDA_TYPES and len(floats) <= 1 and floats <= CUDA_TYPES


def _flat(values: Iterable[Any]) -> Iterator[Any]:
    """Yield arguments, and what the lists among them hold."""
    for value in values:
        yield from value if isinstance(value, list) else (value,)


class FallBack(NamedTuple):
    """Arguments that a fast version leaves to the reference."""

    why: str
    holds: Callable[..., bool]


def unless(why: str, holds: Callable[..., bool]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorate a fast version: where holds(*args), the reference runs instead, and this is why.

    @max_pool2d_forward.numba
    @unless("windows of more than 256 pixels", lambda x, kernel, *_: ...)
    def max_pool2d_forward_numba(x, kernel, ...):
    """

    def note(function: Callable[P, R]) -> Callable[P, R]:
        function.__dict__.setdefault("fall_backs", []).insert(0, FallBack(why, holds))
        return function

    return note


class Kernel(Generic[P, R]):
    """A hot loop: one meaning, several implementations.

    The decorated function is the reference: it *is* the definition. ``implementations`` maps each
    kind to its function, so that a test can hold every one of them against the reference.
    """

    def __init__(self, reference: Callable[P, R]) -> None:
        functools.update_wrapper(self, reference)
        self.__name__: str = reference.__name__
        self.reference = reference
        self.implementations: dict[str, Callable[P, R]] = {"reference": reference}
        self.fall_backs: dict[str, list[FallBack]] = {}
        KERNELS.append(self)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the implementation that fits the arrays."""
        recording = hooks.active.get()
        if recording is not None:
            result: R = recording.on_kernel(self, args, kwargs)
            return result
        return self.implementations[self.kind_for(*args)](*args, **kwargs)

    def kind_for(self, x: Any, *others: Any) -> str:
        """Return which implementation an array like `x` takes, here and now, with these others.

        The Numba versions are written for float32; float64, the precision of the gradient
        checks, takes the reference. The CUDA versions know both, but no mixture. In a list of
        arrays all count.
        """
        first, *rest = _flat((x, *others))
        if isinstance(first, np.generic):  # a sum, say: one number is on no GPU, and worth no loop
            return "reference"
        on_cpu = isinstance(first, np.ndarray)
        kind = _forced.get() or ("numba" if on_cpu else "cuda")
        if kind == "numba":
            fits = on_cpu and first.dtype == np.float32 and has_numba()
        else:
            fits = on_cpu == (kind == "cuda_on_cpu") and _one_type(first, rest)
        return kind if fits and kind in self.implementations else "reference"

    def numba(self, function: Callable[P, R]) -> Callable[P, R]:
        """Add the Numba version."""
        return self._add(function, "numba")

    def cuda(self, function: Callable[P, R]) -> Callable[P, R]:
        """Add the CUDA version. Given NumPy arrays, the same function is "cuda_on_cpu"."""
        return self._add(function, "cuda", "cuda_on_cpu")

    def _add(self, function: Callable[P, R], *kinds: str) -> Callable[P, R]:
        wanted, got = (list(inspect.signature(f).parameters) for f in (self.reference, function))
        if wanted != got:
            raise TypeError(
                f"{self.__name__}: the {kinds[0]} version must take exactly the reference's "
                "arguments."
            )
        fall_backs = function.__dict__.get("fall_backs", [])

        @functools.wraps(function)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            if any(other.holds(*args, **kwargs) for other in fall_backs):
                return self.reference(*args, **kwargs)
            return function(*args, **kwargs)

        for kind in kinds:
            self.implementations[kind] = guarded if fall_backs else function
            self.fall_backs[kind] = fall_backs
        return function


KERNELS: list[Kernel[Any, Any]] = []
"""Every kernel, in the order in which the rooms define them."""


@contextlib.contextmanager
def use(kind: str) -> Iterator[None]:
    """Inside the block every kernel runs its `kind` implementation, if it has one."""
    token = _forced.set(_known(kind, "kernels.use"))
    try:
        yield
    finally:
        _forced.reset(token)
