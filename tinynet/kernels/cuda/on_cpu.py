"""CUDA emulation: compiles CUDA kernels for the CPU and launches them, ``cuda_on_cpu``.

The C++ compiler of the machine compiles the kernels with the header ``cuda_on_cpu/cuda_on_cpu.h``.
The result is stored in tinynet's cache, under a digest of everything it depends on. A `Module` has
the interface of cupy.RawModule, so that the launcher can use either.
"""

from __future__ import annotations

import contextlib
import contextvars
import ctypes
import functools
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tinynet.core.errors import DeviceError
from tinynet.kernels.codegen import cache

HERE = Path(__file__).with_name("cuda_on_cpu")
FLAGS = ("-std=c++17", "-O2", "-fPIC", "-fvisibility=hidden", "-U_FORTIFY_SOURCE")
SANITIZERS = {
    "": (),
    "address": ("-O1", "-g1", "-fsanitize=address", "-DADDRESS_SANITIZER"),
    "thread": ("-O1", "-g1", "-fsanitize=thread", "-DTHREAD_SANITIZER"),
}
_KERNEL = re.compile(r'extern "C" __global__ void (?:__launch_bounds__\(\w+\) )?(\w+)')
ORDERS = ("forward", "backward", "mixed")
_order: contextvars.ContextVar[str] = contextvars.ContextVar(
    "tinynet.execution_order", default="forward"
)


@contextlib.contextmanager
def execution_order(order: str) -> Iterator[None]:
    """Inside the block, threads and blocks run in the order "forward", "backward" or "mixed".

    A correct kernel gives the same result in every order; another one may have a data race.
    """
    token = _order.set(order)
    try:
        yield
    finally:
        _order.reset(token)


@functools.cache
def compiler() -> str:
    """Return the C++ compiler: $CXX, or the first one found under the usual names."""
    for name in (os.environ.get("CXX"), "c++", "g++", "clang++"):
        if name and (path := shutil.which(name)):
            return path
    raise DeviceError(
        "cuda_on_cpu: the CUDA kernels are compiled by the machine's C++ compiler, and none was "
        "found under the names c++, g++ and clang++. Install one (Debian, Ubuntu: apt install "
        "g++), or let the environment variable CXX name it."
    )


def has_compiler() -> bool:
    """Return whether a C++ compiler is installed."""
    try:
        return bool(compiler())
    except DeviceError:
        return False


@functools.cache
def _versions() -> str:
    """Return the version of the compiler and the sources that every kernel is compiled with."""
    version = subprocess.run([compiler(), "--version"], capture_output=True, text=True, check=False)
    files = [path.read_text(encoding="utf-8") for path in sorted(HERE.iterdir())]
    return "\0".join([compiler(), version.stdout, *files])


@functools.cache
def _folder() -> Path:
    """Return the folder of compiled kernels; a temporary one if the cache is not writable."""
    return cache.private("cuda_on_cpu") or Path(_temporary().name)


@functools.cache
def _temporary() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="tinynet-")


def _compile(text: str | Path, flags: tuple[str, ...], ending: str) -> Path:
    """Return the file that the compiler makes of `text`, from the cache if possible."""
    content = text if isinstance(text, str) else text.read_text(encoding="utf-8")
    key = hashlib.sha256("\0".join([_versions(), *flags, content]).encode()).hexdigest()[:24]
    made = _folder() / f"{key}{ending}"
    if _is_whole(made):
        return made
    with tempfile.TemporaryDirectory(dir=_folder()) as scratch:
        source = Path(scratch, "kernels.cpp")
        result = Path(scratch, f"made{ending}")
        source.write_text(content, encoding="utf-8")
        command = [compiler(), *flags, f"-I{HERE}", str(source), "-o", str(result)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise DeviceError(f"cuda_on_cpu: {compiler()} cannot compile a kernel:\n{done.stderr}")
        seal = hashlib.sha256(result.read_bytes()).digest()
        with result.open("ab") as file:
            file.write(seal)  # loaders and linkers ignore bytes after the end of the file
        result.replace(made)  # atomic, also if several processes compile the same
    return made


def _is_whole(path: Path) -> bool:
    """Return whether a file exists and ends with the digest of its content."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return False
    return hashlib.sha256(data[:-32]).digest() == data[-32:]


class Module:
    """The kernels of one CUDA C source, compiled for the CPU."""

    def __init__(self, text: str, sanitizer: str = "") -> None:
        flags = FLAGS + SANITIZERS[sanitizer]
        # the runtime itself is built without ThreadSanitizer, which would report its hand-overs
        own = tuple(flag for flag in flags if flag != "-fsanitize=thread")
        own += ("-DBLOCKS_IN_ORDER",) if sanitizer and "__shared__" in text else ()
        runtime = _compile(HERE / "cuda_on_cpu.cpp", (*own, "-c"), ".o")
        ends = "".join(f"LAUNCHABLE({name})\n" for name in _KERNEL.findall(text))
        flags = (*flags, "-include", "cuda_on_cpu.h", "-shared")
        library = _compile(f"{text}\n{ends}", (*flags, str(runtime)), ".so")
        self._library = ctypes.CDLL(str(library))
        self._lock = threading.Lock()

    def get_function(self, name: str) -> Function:
        """Return a kernel by its name."""
        return Function(name, getattr(self._library, f"launch_{name}"), self._lock)


class Function:
    """One kernel; called like a cupy.RawKernel."""

    def __init__(self, name: str, function: Any, lock: threading.Lock) -> None:
        self.__name__ = name
        self._function = function
        self._lock = lock
        function.restype = ctypes.c_char_p

    def __call__(
        self,
        blocks: tuple[int, ...],
        threads: tuple[int, ...],
        arguments: tuple[Any, ...],
        *,
        shared_mem: int = 0,
    ) -> None:
        """Run the kernel and wait for it to finish."""
        boxes = [  # a struct, an address, or a number
            np.array(a.ctypes.data if isinstance(a, np.ndarray) and not a.dtype.names else a)
            for a in arguments
        ]
        addresses = (ctypes.c_void_p * len(boxes))(*[box.ctypes.data for box in boxes])
        order = ORDERS.index(_order.get())
        shape = (ctypes.c_uint * 7)(*(*blocks, 1, 1)[:3], *(*threads, 1, 1)[:3], order)
        with self._lock:  # one grid at a time
            trouble = self._function(shape, ctypes.c_size_t(shared_mem), addresses)
        if trouble:
            raise RuntimeError(f"cuda_on_cpu: {trouble.decode()}")
