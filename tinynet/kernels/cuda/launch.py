"""CUDA kernel launcher: compiles .cu files and runs their kernels on a GPU (CuPy) or on the CPU.

    launch("lrn", "lrn_forward", cover(pixels), x, C, ...)

runs the kernel ``lrn_forward`` of ``lrn.cu`` with the grid that `cover` returns. Arrays of CuPy run
on a GPU. Arrays of NumPy run the same file through ``cuda_on_cpu``, with the same grid and the same
arguments. Arguments are checked against the declaration of the kernel in its file: an array must
have the dtype of the pointer and be row-major, a number is converted to the type of the parameter.
A pointer to `StoredX` or `StoredY` takes arrays of bfloat16, too: the file is compiled for them.
"""

from __future__ import annotations

import contextvars
import functools
import re
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from tinynet.core.backend import Array, array_module, is_array
from tinynet.core.bfloat16 import BFloat16, words_of

HEADERS = Path(__file__).parent  # the .cuh files
SOURCES = HEADERS.parent  # the .cu files, beside the ops
BLOCK = 256  # threads per block, by default
LIST_CAPACITY = 96  # arrays that one argument can hold; the same in tinynet.cuh
NARROW = 2**31 - 2**16  # elements up to which an int can count, including the last block
OPTIONS = ("-std=c++17",)
TYPES = {
    "int": "int32",
    "unsigned": "uint32",
    "long long": "int64",
    "unsigned long long": "uint64",
    "unsigned char": "uint8",
    "bool": "bool",
    "wide": "float64",
}
C_NAMES = {"float32": "float", "float64": "double"}
"""The C types of `real`, by dtype."""
STORED = {"StoredX": "BFLOAT16_X", "StoredY": "BFLOAT16_Y"}
"""The C types of activations in memory, and the macros that make them bfloat16."""
LISTS = {"Arrays": True, "ConstArrays": False}
"""Struct parameters that hold several arrays of `real`, and whether these are written."""

_INCLUDE = re.compile(r'^#include "(\w+\.cuh)"$', re.MULTILINE)
KERNEL = re.compile(
    r'extern "C" __global__ void (?:__launch_bounds__\(\w+\) )?(\w+)\s*\(([^)]*)\)', re.DOTALL
)


class Observer(Protocol):
    """What is told of each launch before it runs, and says whether it shall run.

    `tinynet.kernels.profiler` is one.
    """

    def on_launch(
        self, text: str, kernel: str, grid: Grid, arguments: tuple[Any, ...], arrays: list[Array]
    ) -> bool:
        """See a launch of a kernel of a source text.

        The arguments are those that `take` returns; `arrays` also has the arrays of its lists.
        """

    def on_product(self, a: Array, b: Array, shape: tuple[int, ...]) -> bool:
        """See a matrix product a @ b of this shape, for which a GPU calls cuBLAS."""

    def on_copy(self, x: Array) -> None:
        """See an array that is copied into row-major order."""


observer: contextvars.ContextVar[Observer | None] = contextvars.ContextVar(
    "tinynet.launches", default=None
)
"""The observer of the launches of this thread or task."""


def launches_as_on_a_gpu(x: Array) -> bool:
    """Return whether a kernel that launches other code on a GPU shall do so for this array."""
    return not isinstance(x, np.ndarray) or observer.get() is not None


class Grid(NamedTuple):
    """Blocks of a launch, threads per block, and bytes of dynamic shared memory per block."""

    blocks: tuple[int, ...]
    threads: tuple[int, ...] = (BLOCK,)
    shared: int = 0


def cover(size: int, threads: int = BLOCK) -> Grid:
    """Return a grid of at least `size` threads, in one dimension."""
    return Grid((-(-size // threads),), (threads,))


class Parameter(NamedTuple):
    """One parameter of a kernel, as its file declares it."""

    name: str
    kind: str  # float32, int64, ...
    is_pointer: bool = False
    is_written: bool = False
    is_list: bool = False

    def take(self, value: Any, where: str) -> Any:
        """Return an argument in the form that the kernel needs, or raise a TypeError."""
        if self.is_list:
            return self.take_list(value, where)
        if not self.is_pointer:
            return np.dtype(self.kind).type(value)
        if value is None:
            return np.uintp(0)
        stored = getattr(value, "dtype", None)
        value = words_of(value)
        if not is_array(value) or stored != self.kind or not value.flags.c_contiguous:
            facts = f"{stored}, strides {value.strides}" if is_array(value) else repr(value)
            raise TypeError(
                f"{where}: {self.name} must be a row-major array of {self.kind}. Got {facts}."
            )
        if self.is_written and isinstance(value, np.ndarray) and not value.flags.writeable:
            raise TypeError(f"{where}: {self.name} is written to, but the array is read-only.")
        return value

    def take_list(self, values: list[Any], where: str) -> Any:
        """Return the struct that holds these numbers, or the addresses of these arrays."""
        if len(values) > LIST_CAPACITY:
            raise TypeError(f"{where}: {self.name} holds up to {LIST_CAPACITY}, got {len(values)}.")
        one = self._replace(is_list=False)
        taken = [one.take(value, where) for value in values]
        kind = "uintp" if self.is_pointer else self.kind
        struct = np.zeros(1, [("at", kind, (LIST_CAPACITY,))])
        struct["at"][0, : len(taken)] = list(map(_address, taken)) if self.is_pointer else taken
        return struct


def _address(x: Array) -> int:
    """Return the address of an array."""
    return x.ctypes.data if isinstance(x, np.ndarray) else x.data.ptr


class Build(NamedTuple):
    """A unit of compilation: a file, the type of `real`, 32- or 64-bit indices, and constants."""

    file: str
    real: str
    is_wide: bool = False
    constants: tuple[tuple[str, int], ...] = ()
    bfloat16: tuple[str, ...] = ()  # which of STORED are

    def source(self) -> str:
        """Return the source of the file, preceded by its types, with its headers included."""
        index = "long long" if self.is_wide else "int"
        types = f"typedef {C_NAMES[self.real]} real;\ntypedef {index} Index;\n"
        types += "".join(f"#define {name} {value}\n" for name, value in self.constants)
        types += "".join(f"#define {STORED[name]}\n" for name in self.bfloat16)
        return types + _with_headers(f"{self.file}.cu", set())

    def signatures(self) -> dict[str, tuple[Parameter, ...]]:
        """Return the parameters of each kernel, by name."""
        kinds = {**TYPES, "real": self.real, "Index": "int64" if self.is_wide else "int32"}
        for name in STORED:
            kinds[name] = "bfloat16" if name in self.bfloat16 else self.real
        return declared(self.source(), kinds)


def declared(code: str, kinds: dict[str, str]) -> dict[str, tuple[Parameter, ...]]:
    """Return the parameters of each kernel in a text of CUDA C, by name."""
    code = re.sub(r"//[^\n]*", "", code)
    return {
        name: tuple(_parameter(text, kinds) for text in parameters.split(",") if text.strip())
        for name, parameters in KERNEL.findall(code)
    }


def _with_headers(file: str, seen: set[str]) -> str:
    """Return a file with its headers included; error messages still name file and line."""

    def header(found: re.Match[str]) -> str:
        name = found[1]
        line = text.count("\n", 0, found.start()) + 2
        if name in seen:
            return ""
        seen.add(name)
        return f'{_with_headers(name, seen)}#line {line} "{path}"'

    folder = HEADERS if file.endswith(".cuh") else SOURCES
    path = (folder / file).relative_to(SOURCES.parents[1]).as_posix()
    text = (folder / file).read_text(encoding="utf-8").replace("#pragma once\n", "\n")
    return f'#line 1 "{path}"\n{_INCLUDE.sub(header, text)}'


def _parameter(text: str, kinds: dict[str, str]) -> Parameter:
    """Parse a declaration such as `const real* x` or `int H`."""
    *words, name = text.replace("*", " * ").replace("__restrict__", "").split()
    kind = " ".join(word for word in words if word not in ("const", "*"))
    if kind in LISTS:
        return Parameter(name, kinds["real"], True, LISTS[kind], is_list=True)
    if kind == "Sizes":
        return Parameter(name, kinds["Index"], is_list=True)
    is_pointer = "*" in words
    return Parameter(name, kinds[kind], is_pointer, is_pointer and "const" not in words)


@functools.cache
def _signatures(build: Build) -> dict[str, tuple[Parameter, ...]]:
    """Return the parameters of each kernel of a build."""
    return build.signatures()


@functools.cache
def _stored(build: Build, kernel: str) -> tuple[str, ...]:
    """Return the name of each parameter's type where it is one of STORED, else an empty name."""
    kinds = {**TYPES, "real": build.real, "Index": "int32"}
    kinds.update(zip(STORED, STORED, strict=True))
    kinds_of = (p.kind for p in declared(build.source(), kinds)[kernel])
    return tuple(kind if kind in STORED else "" for kind in kinds_of)


@functools.cache
def _kernels(build: Build, xp: Any) -> dict[str, Any]:
    """Return each kernel of a build, compiled for arrays of xp."""
    if xp is np:
        from tinynet.kernels.cuda.on_cpu import Module

        module: Any = Module(build.source())
    else:
        module = xp.RawModule(code=build.source(), options=OPTIONS)
    return {name: module.get_function(name) for name in _signatures(build)}


def launch(file: str, kernel: str, grid: Grid, *arguments: Any, **constants: int) -> None:
    """Run a kernel of FILE.cu. `real` is the dtype of the first array; None is a null pointer.

    Constants, such as FILTERS=64, are macros of the build: the file is compiled for each of their
    values.
    """
    lists = [a for a in arguments if isinstance(a, list)]
    given = [a for a in (*chain(*lists), *arguments) if is_array(words_of(a))]
    if 0 in grid.blocks:
        return
    arrays = [words_of(a) for a in given]
    real = "float32" if isinstance(given[0], BFloat16) else arrays[0].dtype.name
    if real not in C_NAMES:
        raise TypeError(
            f"{file}.{kernel}: CUDA kernels are compiled for {' and '.join(C_NAMES)}; the first "
            f"array is of {real}. Convert it with astype."
        )
    is_wide = any(a.size > NARROW for a in arrays)
    build = Build(file, real, is_wide, tuple(constants.items()))
    if any(isinstance(a, BFloat16) for a in given):
        names = zip(_stored(build, kernel), arguments, strict=True)
        found = {name for name, a in names if name and isinstance(a, BFloat16)}
        build = build._replace(bfloat16=tuple(sorted(found)))
    taken = take(_signatures(build)[kernel], arguments, f"{file}.{kernel}")
    watching = observer.get()
    if watching and not watching.on_launch(build.source(), kernel, grid, taken, arrays):
        return
    function = _kernels(build, array_module(arrays[0]))[kernel]
    function(grid.blocks, grid.threads, taken, shared_mem=grid.shared)


def take(parameters: tuple[Parameter, ...], arguments: Any, where: str) -> tuple[Any, ...]:
    """Return the arguments in the form that a kernel with these parameters needs."""
    if len(arguments) != len(parameters):
        raise TypeError(f"{where} has {len(parameters)} parameters, got {len(arguments)}.")
    return tuple(p.take(a, where) for p, a in zip(parameters, arguments, strict=True))


def in_rows(x: Any) -> Any:
    """Return x itself if it is row-major and contiguous, else such a copy."""
    if isinstance(x, BFloat16):
        return BFloat16(in_rows(x.words))
    if x.flags.c_contiguous:
        return x
    watching = observer.get()
    if watching:
        watching.on_copy(x)
    return x.copy(order="C")
