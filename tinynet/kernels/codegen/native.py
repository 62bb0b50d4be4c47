"""Kernels compiled by Numba: a plain loop over a part of the work, built once, run by a team.

    @native
    def scale(lo: int, hi: int, x: In1, factor: Real, y: Out1) -> None:
        for i in range(lo, hi):
            y[i] = factor * x[i]

    scale(len(x), x, 2.0, y)                     # pieces of range(len(x)), on all threads
    scale(len(x), x, 2.0, y, grain=10_000)       # at least 10,000 elements a piece

Four rules:

1. A kernel says its types in its signature, so there is exactly one version. It is built at the
   first call: importing a room does not import Numba. A wrong dtype is a TypeError.
2. It is never parallel=True, which takes much longer to compile (see `_team`).
3. It stands at module level, and so do the intrinsics and helpers that it uses: they are found by
   name among its globals. (What a closure holds would have a new identity in every process, and
   the compiled kernel could not be found again, see `_cache`.)
4. No bounds are checked inside. Whoever launches a kernel guards its shapes.
"""

from __future__ import annotations

import functools
import sys
import threading
import typing
from types import FunctionType
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, cast

from tinynet.core.backend import Array
from tinynet.kernels.codegen import cache as cache_module
from tinynet.kernels.codegen import microkernel
from tinynet.kernels.codegen.team import team

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Kind(NamedTuple):
    """An exact array type: Numba compiles a kernel for these and for no others."""

    dtype: str
    axes: int
    layout: str = "C"
    written: bool = False

    def for_numba(self) -> Any:
        """Return the type in Numba's words. What is not written may be a read-only array."""
        from numba import types

        dtype = getattr(types, self.dtype)
        array = cast("Any", types.Array)
        return array(dtype, self.axes, self.layout, readonly=not self.written)


# What a kernel's argument may be: for people an array or a number, for Numba an exact type.
Real = Annotated[float, "float32"]
NO_FLOOR = float("-inf")  # the smallest a sum may be, where all may stay as they are
In1 = Annotated[Array, Kind("float32", 1)]
In2 = Annotated[Array, Kind("float32", 2)]
In3 = Annotated[Array, Kind("float32", 3)]
In4 = Annotated[Array, Kind("float32", 4)]
In5 = Annotated[Array, Kind("float32", 5)]
Out1 = Annotated[Array, Kind("float32", 1, written=True)]
Out2 = Annotated[Array, Kind("float32", 2, written=True)]
Out3 = Annotated[Array, Kind("float32", 3, written=True)]
Out4 = Annotated[Array, Kind("float32", 4, written=True)]
Out5 = Annotated[Array, Kind("float32", 5, written=True)]
Strided4 = Annotated[Array, Kind("float32", 4, "A")]
StridedOut4 = Annotated[Array, Kind("float32", 4, "A", written=True)]
Float64Out2 = Annotated[Array, Kind("float64", 2, written=True)]
Int32In1 = Annotated[Array, Kind("int32", 1)]
Int32In2 = Annotated[Array, Kind("int32", 2)]
Int64In1 = Annotated[Array, Kind("int64", 1)]
Int64In2 = Annotated[Array, Kind("int64", 2)]
UInt8In4 = Annotated[Array, Kind("uint8", 4)]
UInt8Out4 = Annotated[Array, Kind("uint8", 4, written=True)]

OPTIONS: dict[str, Any] = {
    "boundscheck": False,
    "error_model": "numpy",  # 1 / 0 is infinity, as in the reference
    "nogil": True,
    "no_cfunc_wrapper": True,
}

COMPILING = "Compiling kernels that have not run on this processor yet; later runs skip this."


def say_on_stderr(_name: str) -> None:
    """Say once in a process why the first step takes so long."""
    global on_compile
    on_compile = None
    sys.stderr.write(f"tinynet: {COMPILING}\n")


on_compile: Callable[[str], None] | None = say_on_stderr  # told the name of what is compiled
COMPILED: list[Native] = []
_building = threading.RLock()


class Native:
    """A compiled loop over range(n): call it with n and the other arguments."""

    def __init__(
        self,
        function: Callable[..., None],
        parts: Mapping[str, Intrinsic] | None = None,
        variant: str = "",
    ) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.parts = parts or {}
        self.variant = variant
        self.compiled: Callable[..., None] | None = None
        self.from_cache = False
        COMPILED.append(self)

    def __call__(self, n: int, *args: Any, grain: int = 1) -> None:
        """Run the loop over range(n), in pieces of at least `grain`, on the team."""
        team().run(self.compiled or self.build(), n, grain, args)

    def signature(self) -> Any:
        """Return the annotations in Numba's words."""
        from numba import types

        def word(hint: Any) -> Any:
            if hint in (int, bool, float):
                return {int: types.int64, bool: types.boolean, float: types.float64}[hint]
            kind = hint.__metadata__[0]
            return kind.for_numba() if isinstance(kind, Kind) else getattr(types, kind)

        hints = typing.get_type_hints(self.function, include_extras=True)
        hints.pop("return")
        return types.void(*map(word, hints.values()))

    def build(self) -> Callable[..., None]:
        """Load the machine code, or compile it."""
        import numba

        with _building:
            if self.compiled is None:
                dispatcher = numba.njit(**OPTIONS)(_with_built_globals(self.function, self.parts))
                name = f"{self.function.__module__}.{self.function.__qualname__}{self.variant}"
                dispatcher._cache = cache = _ToldCache(name, OPTIONS)
                dispatcher.compile(self.signature())
                dispatcher.disable_compile()
                self.from_cache = cache.hit
                self.compiled = dispatcher
        return self.compiled


class _ToldCache(cache_module.Cache):
    """A cache that says when it has nothing, and a compilation begins."""

    def load_overload(self, signature: Any, target: Any) -> Any:
        result = super().load_overload(signature, target)
        if result is None and on_compile is not None:
            on_compile(self.name)
        return result


class Intrinsic:
    """Something that kernels use by its global name, made when the first of them is built."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make = functools.cache(make)

    def __call__(self, *args: Any) -> Any:
        """Exist for the reader and the type checker: only kernels call a Intrinsic."""
        raise TypeError("only a compiled kernel can call this")

    def built(self, _others: Mapping[str, Intrinsic]) -> Any:
        """Return what Numba sees in this object's place."""
        return self.make()


class Helper(Intrinsic):
    """A small function that kernels call; it becomes part of them."""

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self.function = function

    def built(self, others: Mapping[str, Intrinsic]) -> Any:
        """Return the function for a kernel that binds these other Intrinsics."""
        import numba

        inlined = numba.njit(inline="always", **OPTIONS)  # quicker to compile than a call
        return inlined(_with_built_globals(self.function, others))


def helper(function: Callable[..., Any]) -> Helper:
    """Decorate a function that kernels call."""
    return Helper(function)


def _with_built_globals(function: Any, bound: Mapping[str, Intrinsic]) -> Any:
    """Return the same code, in whose globals our own Intrinsics have been built."""
    names = function.__code__.co_names
    found = {name: function.__globals__.get(name) for name in names}
    parts = {name: bound.get(name, value) for name, value in found.items()}
    built = {name: p.built(bound) for name, p in parts.items() if isinstance(p, Intrinsic)}
    fresh = FunctionType(function.__code__, {**function.__globals__, **built}, function.__name__)
    fresh.__qualname__ = function.__qualname__
    return fresh


def native(function: Callable[..., None]) -> Native:
    """Decorate a loop f(lo, hi, *args) with annotated types; call the result with (n, *args)."""
    return Native(function)


tile = Intrinsic(lambda: microkernel.build_tile(microkernel.host_shape()))
narrow_tile = Intrinsic(lambda: microkernel.build_tile(microkernel.shape_for(1)))


class TiledKernel:
    """A loop over blocks of `tile`, in two versions: for whole blocks and for narrow ones.

    Where `_microkernel.NARROW` has none for this processor, the second is never called.
    """

    def __init__(
        self,
        function: Callable[..., None],
        parts: Mapping[str, Intrinsic] | None = None,
        variant: str = "",
    ) -> None:
        self.wide = Native(function, parts, variant)
        narrow = {**(parts or {}), "tile": narrow_tile}
        self.narrow = Native(function, narrow, f"{variant}_narrow")

    def __call__(self, n: int, *args: Any, columns: int, grain: int = 1) -> None:
        """Run the loop, see `Native`, for blocks with so many columns: those of `shape_for`."""
        wide = columns == microkernel.host_shape().channels
        (self.wide if wide else self.narrow)(n, *args, grain=grain)


def tiled(function: Callable[..., None]) -> TiledKernel:
    """Decorate a loop that calls `tile`; call the result with the columns of a block, too."""
    return TiledKernel(function)


def needed() -> list[Native]:
    """Return the kernels that this processor may run."""
    both = microkernel.host_shape() in microkernel.NARROW
    return [k for k in COMPILED if both or narrow_tile not in k.parts.values()]


def warm() -> None:
    """Build every kernel now. Safe in several processes at once."""
    for kernel in needed():
        kernel.build()
