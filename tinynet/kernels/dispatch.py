"""Kernel dispatch: one reference implementation in NumPy, decorated with faster ones.

    @Kernel
    def lrn_forward(x, n, ...):          # the definition: array arithmetic, at most 15 lines
        ...

    @lrn_forward.numba                   # a faster implementation of the same function
    def lrn_forward_numba(x, n, ...):
        ...

It reads like ``@property`` and ``@x.setter``: the reference owns the name, the signature and the
docstring, and it runs wherever no faster implementation applies.
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
from tinynet.core.bfloat16 import BFloat16, numbers

P = ParamSpec("P")
R = TypeVar("R")

GENERAL = {  # dtypes for which every kernel falls back to the reference: see `Kernel.kind_for`
    "numba": "other types than float32, and all of them where Numba is not installed",
    "cuda": "other types than float32 and float64, and mixtures of them",
}
KINDS = ("reference", "numba", "cuda", "cuda_on_cpu")
CUDA_TYPES = frozenset(map(np.dtype, ("float32", "float64")))


def forced() -> str | None:
    """Return the kind that `use` or the environment chose, or None."""
    return _forced.get()


def _known(kind: str, setting: str) -> str:
    """Return the kind, or raise a ValueError that lists the known ones."""
    if kind not in KINDS:
        raise ValueError(f"{setting}: the kinds are {', '.join(KINDS)}, not {kind!r}.")
    return kind


_chosen = os.environ.get("TINYNET_KERNELS")
_forced: contextvars.ContextVar[str | None] = contextvars.ContextVar(
    "tinynet.kernels", default=_known(_chosen, "TINYNET_KERNELS") if _chosen else None
)


@functools.cache
def has_numba() -> bool:
    """Return whether Numba is installed, without importing it."""
    try:
        return importlib.util.find_spec("numba") is not None
    except (ImportError, ValueError):  # sys.modules blocks it
        return False


def _one_type(arrays: Iterable[Any]) -> bool:
    """Return whether these arrays have one float dtype that CUDA kernels are compiled for."""
    floats = {a.dtype for a in arrays if getattr(a, "dtype", np.dtype(int)).kind == "f"}
    return len(floats) == 1 and floats <= CUDA_TYPES


def _flat(values: Iterable[Any]) -> Iterator[Any]:
    """Yield the arguments, with lists among them replaced by their elements."""
    for value in values:
        yield from value if isinstance(value, list) else (value,)


def _is_float(x: Any) -> bool:
    """Return whether x is an array or a number of floats, not of bfloat16."""
    return getattr(getattr(x, "dtype", None), "kind", "") == "f"


def _has_bfloat16(values: Iterable[Any]) -> bool:
    return any(isinstance(a, BFloat16) for a in values)


def bfloat16_too(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a CUDA version that reads and writes arrays of bfloat16 as it does float32."""
    function.__dict__["takes_bfloat16"] = True
    return function


class Fallback(NamedTuple):
    """A condition on the arguments under which the reference runs instead of a fast version."""

    reason: str
    predicate: Callable[..., bool]


def fallback_if(
    reason: str, predicate: Callable[..., bool]
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorate a fast version: where predicate(*args) is true, the reference runs instead.

    Parameters
    ----------
    reason : str
        Listed by ``tinynet info --kernels``.
    predicate : function of the kernel's arguments

    @max_pool2d_forward.numba
    @fallback_if("windows of more than 256 pixels", lambda x, geometry, *_: ...)
    def max_pool2d_forward_numba(x, geometry, ceil_mode):
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        function.__dict__.setdefault("fallbacks", []).insert(0, Fallback(reason, predicate))
        return function

    return decorate


class Kernel(Generic[P, R]):
    """A hot loop with several implementations.

    The decorated function is the reference: it *is* the definition. ``implementations`` maps each
    kind to its function, so that tests can compare every one of them with the reference.

    Attributes
    ----------
    takes_bytes : whether the first array of the CUDA version is of bytes, not of floats
    takes_bfloat16 : whether the CUDA version reads and writes arrays of `BFloat16`, too
    """

    def __init__(self, reference: Callable[P, R]) -> None:
        functools.update_wrapper(self, reference)
        self.__name__: str = reference.__name__
        self.reference = reference
        self.takes_bytes = False
        self.takes_bfloat16 = False
        self.implementations: dict[str, Callable[P, R]] = {"reference": reference}
        self.fallbacks: dict[str, list[Fallback]] = {}
        ALL_KERNELS.append(self)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the implementation that `kind_for` chooses."""
        recording = hooks.active.get()
        if recording is not None:
            result: R = recording.on_kernel(self, args, kwargs)
            return result
        return self.implementations[self.kind_for(*args)](*args, **kwargs)

    def kind_for(self, x: Any, *others: Any) -> str:
        """Return the kind of implementation that these arguments select.

        The Numba versions are written for float32; float64, the precision of the gradient
        checks, selects the reference. The CUDA versions accept both, but no mixture of them. Every
        array of a list counts.
        """
        if self.takes_bfloat16 and _has_bfloat16((x, *others)):
            return self._kind_for_bfloat16((x, *others))
        first, *rest = _flat((x, *others))
        if isinstance(first, np.generic):  # a scalar: not on a GPU, and too small for a loop
            return "reference"
        on_cpu = isinstance(first, np.ndarray)
        kind = _forced.get() or ("numba" if on_cpu else "cuda")
        if kind == "numba":
            fits = on_cpu and first.dtype == np.float32 and has_numba()
        else:
            known = first.dtype == np.uint8 if self.takes_bytes else first.dtype in CUDA_TYPES
            fits = on_cpu == (kind == "cuda_on_cpu") and known and _one_type((first, *rest))
        return kind if fits and kind in self.implementations else "reference"

    def _kind_for_bfloat16(self, args: tuple[Any, ...]) -> str:
        """Return the kind for arguments with arrays of bfloat16, which only a GPU reads."""
        words = [a.words if isinstance(a, BFloat16) else a for a in args]
        on_cpu = isinstance(next(a for a in words if hasattr(a, "dtype")), np.ndarray)
        kind = _forced.get() or ("numba" if on_cpu else "cuda")
        single = all(a.dtype == np.float32 for a in args if _is_float(a))
        return kind if single and kind == ("cuda_on_cpu" if on_cpu else "cuda") else "reference"

    def runs_compiled(self, *arrays: Any) -> bool:
        """Return whether a call with these arrays runs the Numba version, and no hooks see it.

        An op that has a fused version on a CPU alone asks this before it takes it.
        """
        return hooks.active.get() is None and self.kind_for(*arrays) == "numba"

    def numba(self, function: Callable[P, R]) -> Callable[P, R]:
        """Add the Numba version."""
        return self._add(function, "numba")

    def cuda(self, function: Callable[P, R]) -> Callable[P, R]:
        """Add the CUDA version, which is also the "cuda_on_cpu" version for NumPy arrays."""
        return self._add(function, "cuda", "cuda_on_cpu")

    def _add(self, function: Callable[P, R], *kinds: str) -> Callable[P, R]:
        wanted, got = (list(inspect.signature(f).parameters) for f in (self.reference, function))
        if wanted != got:
            raise TypeError(
                f"{self.__name__}: the {kinds[0]} version must take exactly the reference's "
                "arguments."
            )
        fallbacks = function.__dict__.get("fallbacks", [])
        if function.__dict__.get("takes_bfloat16"):
            self.takes_bfloat16 = True
            of_floats = functools.partial(self._of_floats)
            functools.update_wrapper(of_floats, self.reference)  # its source is the reference's
            self.implementations["reference"] = of_floats

        @functools.wraps(function)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            if any(fallback.predicate(*args, **kwargs) for fallback in fallbacks):
                return self._of_floats(*args, **kwargs)
            return function(*args, **kwargs)

        for kind in kinds:
            self.implementations[kind] = guarded if fallbacks else function
            self.fallbacks[kind] = fallbacks
        return function

    def _of_floats(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the reference, of float32 where arrays are of bfloat16."""
        floats: Any = [numbers(a.words) if isinstance(a, BFloat16) else a for a in args]
        return self.reference(*floats, **kwargs)


ALL_KERNELS: list[Kernel[Any, Any]] = []
"""Every kernel, in the order of definition; public as `kernels.KERNELS`."""


@contextlib.contextmanager
def use(kind: str) -> Iterator[None]:
    """Inside the block every kernel runs its `kind` implementation, or else its reference.

    Parameters
    ----------
    kind : "reference", "numba", "cuda" or "cuda_on_cpu"

    Raises
    ------
    ValueError
        The kind is unknown.

    >>> import numpy as np
    >>> from tinynet import kernels
    >>> with kernels.use("reference"):
    ...     kernels.relu_forward(np.array([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """
    token = _forced.set(_known(kind, "kernels.use"))
    try:
        yield
    finally:
        _forced.reset(token)
