"""Numba kernels: a plain loop over a range, compiled once, run by a team of threads.

    @native
    def scale(lo: int, hi: int, x: In1, factor: Real, y: Out1) -> None:
        for i in range(lo, hi):
            y[i] = factor * x[i]

    scale(len(x), x, 2.0, y)                     # chunks of range(len(x)), on all threads
    scale(len(x), x, 2.0, y, grain=10_000)       # at least 10,000 elements per chunk

Four rules:

1. A kernel declares its types in its signature, so there is exactly one version. It is compiled at
   the first call: importing its module does not import Numba. A wrong dtype is a TypeError.
2. It never uses parallel=True, which takes much longer to compile (see `team`).
3. It is defined at module level, and so are the intrinsics and helpers that it uses: they are
   looked up by name in its globals. (A closure has a new identity in every process, so that the
   compiled kernel could not be found again, see `cache`.)
4. It checks no bounds. The caller checks the shapes before the launch.

A kernel of a forward pass says which kernels of the backward pass follow (`followed_by`), so that
they are compiled meanwhile (see `ahead`).
"""

from __future__ import annotations

import contextlib
import functools
import sys
import threading
import typing
from types import FunctionType
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, cast

import numpy as np

from tinynet.core.backend import Array
from tinynet.kernels.codegen import ahead, microkernel
from tinynet.kernels.codegen import cache as cache_module
from tinynet.kernels.codegen.team import team
from tinynet.words import phrase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


C_CONTIGUOUS = 0x1  # bits of NumPy's `flags.num`
ALIGNED = 0x100
WRITABLE = 0x400


class ArrayType(NamedTuple):
    """An exact array type, for which Numba compiles a kernel."""

    dtype: str
    axes: int
    layout: str = "C"
    written: bool = False

    def for_numba(self) -> Any:
        """Return Numba's type. Arguments that are not written may be read-only arrays."""
        from numba import types

        dtype = getattr(types, self.dtype)
        array = cast("Any", types.Array)
        return array(dtype, self.axes, self.layout, readonly=not self.written)

    @property
    def flags(self) -> int:
        """Bits of `ndarray.flags.num` that an array of this type has."""
        in_rows = C_CONTIGUOUS if self.layout == "C" else 0
        return in_rows | ALIGNED | (WRITABLE if self.written else 0)

    def check(self, x: Array, kernel: str) -> None:
        """Raise a TypeError unless x has this type: machine code would not notice."""
        laid_out = x.flags.num & self.flags == self.flags
        if x.dtype != self.dtype or x.ndim != self.axes or not laid_out:
            raise TypeError(
                f"{kernel}: an argument is {'written' if self.written else 'read'} as an array of "
                f"{self.dtype} with {self.axes} axes in layout {self.layout}; got {x.dtype} "
                f"{x.shape}, strides {x.strides}, writable: {x.flags.writeable}."
            )


# Types of a kernel's arguments: an array or number for type checkers, an exact type for Numba.
Real = Annotated[float, "float32"]
NO_FLOOR = float("-inf")  # lower bound of the output: none (0.0 fuses a ReLU)
In1 = Annotated[Array, ArrayType("float32", 1)]
In2 = Annotated[Array, ArrayType("float32", 2)]
In3 = Annotated[Array, ArrayType("float32", 3)]
In4 = Annotated[Array, ArrayType("float32", 4)]
In5 = Annotated[Array, ArrayType("float32", 5)]
Out1 = Annotated[Array, ArrayType("float32", 1, written=True)]
Out2 = Annotated[Array, ArrayType("float32", 2, written=True)]
Out3 = Annotated[Array, ArrayType("float32", 3, written=True)]
Out4 = Annotated[Array, ArrayType("float32", 4, written=True)]
Out5 = Annotated[Array, ArrayType("float32", 5, written=True)]
Strided4 = Annotated[Array, ArrayType("float32", 4, "A")]
StridedOut4 = Annotated[Array, ArrayType("float32", 4, "A", written=True)]
Float64Out2 = Annotated[Array, ArrayType("float64", 2, written=True)]
Int32In1 = Annotated[Array, ArrayType("int32", 1)]
Int32In2 = Annotated[Array, ArrayType("int32", 2)]
Int64In1 = Annotated[Array, ArrayType("int64", 1)]
Int64In2 = Annotated[Array, ArrayType("int64", 2)]
UInt8In4 = Annotated[Array, ArrayType("uint8", 4)]
UInt8Out4 = Annotated[Array, ArrayType("uint8", 4, written=True)]

OPTIONS: dict[str, Any] = {
    "boundscheck": False,
    "error_model": "numpy",  # 1 / 0 is infinity, as in the reference
    "nogil": True,
    "no_cfunc_wrapper": True,
}

COMPILING = "Compiling kernels that have not run on this processor yet; later runs skip this."


def say_on_stderr(_name: str) -> None:
    """Write to stderr, once per process, why the first step takes so long."""
    global on_compile
    on_compile = None
    sys.stderr.write(f"tinynet: {phrase(COMPILING)}\n")


on_compile: Callable[[str], None] | None = (
    say_on_stderr  # called with the name of each kernel that is compiled
)
COMPILED: list[Native] = []
_building = threading.RLock()


class Native:
    """A compiled loop over range(n): call it with n and the other arguments."""

    def __init__(
        self,
        function: Callable[..., None],
        intrinsics: Mapping[str, Intrinsic] | None = None,
        variant: str = "",
    ) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.intrinsics = intrinsics or {}
        self.variant = variant
        self.followers: list[Native] = []
        self.arrays: list[tuple[int, np.dtype[Any], int, ArrayType]] = []
        self.compiled: Callable[..., None] | None = None
        self.dispatcher: Any = None  # of Numba, if this process has compiled it
        self.from_cache = False
        COMPILED.append(self)

    @property
    def name(self) -> str:
        """The name of the file in the cache."""
        return f"{self.function.__module__}.{self.function.__qualname__}{self.variant}"

    def followed_by(self, *kernels: Native) -> None:
        """Say which kernels a training step needs after this one: they are compiled ahead."""
        self.followers += kernels

    def __call__(self, n: int, *args: Any, grain: int = 1) -> None:
        """Run the loop over range(n), in chunks of at least `grain`, on the team."""
        compiled = self.compiled or self.build()
        for at, dtype, flags, kind in self.arrays:
            x = args[at]
            if x.dtype is not dtype or x.flags.num & flags != flags or x.ndim != kind.axes:
                kind.check(x, self.name)
        team().run(compiled, n, grain, args)

    def hints(self) -> list[Any]:
        """Return the annotations of the arguments."""
        hints = typing.get_type_hints(self.function, include_extras=True)
        hints.pop("return")
        return list(hints.values())

    def signature(self) -> Any:
        """Return the annotations as a Numba signature."""
        from numba import types

        def numba_type(hint: Any) -> Any:
            if hint in (int, bool, float):
                return {int: types.int64, bool: types.boolean, float: types.float64}[hint]
            kind = hint.__metadata__[0]
            return kind.for_numba() if isinstance(kind, ArrayType) else getattr(types, kind)

        return types.void(*map(numba_type, self.hints()))

    def build(self) -> Callable[..., None]:
        """Load the machine code from the cache, or compile it."""
        with _building:
            if self.compiled is None:
                _, _, *hints = self.hints()  # the first two, lo and hi, come from the team
                kinds = [getattr(hint, "__metadata__", [None])[0] for hint in hints]
                self.arrays = [
                    (i, np.dtype(kind.dtype), kind.flags, kind)
                    for i, kind in enumerate(kinds)
                    if isinstance(kind, ArrayType)
                ]
                cache = cache_module.Cache(self.name, OPTIONS)
                found = cache.load(self.function)
                self.from_cache = found is not None
                self.compiled = found or self._await_or_compile(cache)
        return self.compiled

    def _await_or_compile(self, cache: cache_module.Cache) -> Callable[..., None]:
        """Return the kernel that another process is about to compile, or compile it here."""
        if on_compile is not None:
            on_compile(self.name)
        ahead.request(cache.folder, [follower.name for follower in self.followers])
        with ahead.claim(cache.folder, self.name) or contextlib.nullcontext():
            found = cache.load(self.function)  # it may have come while we waited
            self.from_cache = found is not None
            return found or self._compile(cache)

    def _compile(self, cache: cache_module.Cache) -> Callable[..., None]:
        import numba

        function = _with_built_globals(self.function, self.intrinsics)
        self.dispatcher = numba.njit(**OPTIONS)(function)
        signature = self.signature()
        with _optimized_once():
            self.dispatcher.compile(signature)
        result = self.dispatcher.overloads[signature.args]
        cache.save(result)
        compiled: Callable[..., None] = result.entry_point
        return compiled


@contextlib.contextmanager
def _optimized_once() -> Iterator[None]:
    """Let LLVM optimize linked modules only, while no other thread compiles.

    Numba has it optimize each function before linking as well, with the same passes. That shortens
    long linking, which our kernels do not have.
    """
    from numba.core.compiler_lock import global_compiler_lock
    from numba.core.registry import cpu_target

    codegen = cpu_target.target_context.codegen()
    with global_compiler_lock:
        codegen._library_class = _library_class()
        try:
            yield
        finally:
            del codegen._library_class


@functools.cache
def _library_class() -> Any:
    from numba.core.codegen import JITCodeLibrary

    class Library(JITCodeLibrary):
        def _optimize_functions(self, module: Any) -> None:
            module.data_layout = self._codegen._data_layout  # modules must agree to be linked

    return Library


class Intrinsic:
    """An object that kernels use by its global name, built when the first of them is compiled."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make = functools.cache(make)

    def __call__(self, *args: Any) -> Any:
        """Raise a TypeError: only compiled kernels can call an intrinsic."""
        raise TypeError("only a compiled kernel can call this")

    def built(self, _others: Mapping[str, Intrinsic]) -> Any:
        """Return the object that Numba compiles in place of this one."""
        return self.make()


class Helper(Intrinsic):
    """A small function that is inlined into the kernels that call it."""

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self.function = function

    def built(self, others: Mapping[str, Intrinsic]) -> Any:
        """Return the function for a kernel that binds these other intrinsics."""
        import numba

        inlined = numba.njit(inline="always", **OPTIONS)  # compiles faster than a call
        return inlined(_with_built_globals(self.function, others))


def helper(function: Callable[..., Any]) -> Helper:
    """Decorate a function that kernels call."""
    return Helper(function)


def _with_built_globals(function: Any, bound: Mapping[str, Intrinsic]) -> Any:
    """Return the function with the intrinsics among its globals replaced by built ones."""
    names = function.__code__.co_names
    found = {name: function.__globals__.get(name) for name in names}
    used = {name: bound.get(name, value) for name, value in found.items()}
    built = {name: i.built(bound) for name, i in used.items() if isinstance(i, Intrinsic)}
    fresh = FunctionType(function.__code__, {**function.__globals__, **built}, function.__name__)
    fresh.__qualname__ = function.__qualname__
    return fresh


def native(function: Callable[..., None]) -> Native:
    """Decorate a loop f(lo, hi, *args) with annotated types; call the result with (n, *args)."""
    return Native(function)


tile = Intrinsic(lambda: microkernel.build_tile(microkernel.host_shape()))
narrow_tile = Intrinsic(lambda: microkernel.build_tile(microkernel.shape_for(1)))


class TiledKernel:
    """A loop that calls `tile`, in two versions: for full and for narrow blocks.

    Where `microkernel.NARROW` has no block for this processor, the second is never called.
    """

    def __init__(
        self,
        function: Callable[..., None],
        intrinsics: Mapping[str, Intrinsic] | None = None,
        variant: str = "",
    ) -> None:
        self.wide = Native(function, intrinsics, variant)
        narrow = {**(intrinsics or {}), "tile": narrow_tile}
        self.narrow = Native(function, narrow, f"{variant}_narrow")

    def followed_by(self, *kernels: TiledKernel | Native) -> None:
        """Say which kernels a training step needs after this one: see `Native.followed_by`."""
        for kernel in kernels:
            if isinstance(kernel, TiledKernel):
                self.wide.followed_by(kernel.wide)
                self.narrow.followed_by(kernel.narrow)
            else:
                self.wide.followed_by(kernel)
                self.narrow.followed_by(kernel)

    def __call__(self, n: int, *args: Any, columns: int, grain: int = 1) -> None:
        """Run the loop (see `Native`) for blocks of `columns` columns, see `shape_for`."""
        wide = columns == microkernel.host_shape().channels
        (self.wide if wide else self.narrow)(n, *args, grain=grain)


def tiled(function: Callable[..., None]) -> TiledKernel:
    """Decorate a loop that calls `tile`; calls of the result take `columns` as well."""
    return TiledKernel(function)


def needed() -> list[Native]:
    """Return the kernels that this processor can run."""
    both = microkernel.host_shape() in microkernel.NARROW
    return [k for k in COMPILED if both or narrow_tile not in k.intrinsics.values()]


def warm() -> None:
    """Compile every kernel now. Safe in several processes at once."""
    for kernel in needed():
        kernel.build()
