"""NVRTC: NVIDIA's compiler as a library, which needs neither a GPU nor a driver.

It compiles a text of CUDA C for one architecture to PTX and to machine code, and its assembler
reports registers and spills.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.metadata
import re
import struct
from typing import Any, NamedTuple

from tinynet.core.errors import DeviceError
from tinynet.core.extras import install_command
from tinynet.kernels.cuda.launch import OPTIONS
from tinynet.kernels.profiler.ptx import Entry, entries

CUPYS_OPTIONS = ("-ftz=true", "--device-as-default-execution-space")  # what CuPy 14 adds
SASS_BYTES = 16  # of one instruction, since compute capability 7.0

_FACTS = re.compile(
    r"Compiling entry function '(\w+)'.*?(\d+) bytes stack frame, (\d+) bytes spill stores, "
    r"(\d+) bytes spill loads.*?Used (\d+) registers(.*?)\n",
    re.DOTALL,
)


class Compiled(NamedTuple):
    """One kernel as the compiler made it.

    Attributes
    ----------
    entry : its PTX
    registers : of one thread
    spills : bytes of registers that were moved to memory, stores and loads
    shared : bytes of static shared memory of a block
    instructions : of the machine code, static
    """

    entry: Entry
    registers: int
    spills: int
    shared: int
    instructions: int


@functools.cache
def library() -> Any:
    """Return the library of the wheel nvidia-cuda-nvrtc."""
    try:
        files = importlib.metadata.files("nvidia-cuda-nvrtc") or []
        (found,) = [f for f in files if re.match(r"(lib)?nvrtc(64_\d+_\d+)?\.(so|dll)", f.name)]
    except (importlib.metadata.PackageNotFoundError, ValueError):
        raise DeviceError(
            "profile: kernels are compiled by NVIDIA's compiler library, which is not installed. "
            f"{install_command('profile')} brings it; it needs no GPU and no driver."
        ) from None
    return ctypes.CDLL(str(found.locate()))


class Output(NamedTuple):
    """What NVRTC answers: its log, the PTX and the machine code, which are empty after an error."""

    log: str
    ptx: str
    cubin: bytes


def build(text: str, architecture: str, *more: str) -> Output:
    """Compile a text of CUDA C as CuPy would; `more` options follow."""
    nvrtc = library()
    program = ctypes.c_void_p()
    wanted = (*OPTIONS, *CUPYS_OPTIONS, f"-arch={architecture}", *more)
    options = [option.encode() for option in wanted]
    nvrtc.nvrtcCreateProgram(ctypes.byref(program), text.encode(), b"kernels.cu", 0, None, None)
    failed = nvrtc.nvrtcCompileProgram(
        program, len(options), (ctypes.c_char_p * len(options))(*options)
    )
    try:
        log = _part(nvrtc, program, "ProgramLog").decode(errors="replace").rstrip("\0\n")
        if failed:
            return Output(log, "", b"")
        ptx = _part(nvrtc, program, "PTX").decode().rstrip("\0")
        return Output(log, ptx, _part(nvrtc, program, "CUBIN"))
    finally:
        nvrtc.nvrtcDestroyProgram(ctypes.byref(program))


@functools.cache
def compiled(text: str, architecture: str) -> dict[str, Compiled]:
    """Return the kernels of a text of CUDA C, compiled for an architecture such as "sm_90"."""
    made = build(text, architecture, "--ptxas-options=-v")
    if not made.ptx:
        raise DeviceError(f"profile: NVRTC cannot compile a kernel:\n{made.log}")
    sizes = _code_sizes(made.cubin)
    facts = {name: rest for name, *rest in _FACTS.findall(made.log)}
    found = {}
    for name, entry in entries(made.ptx).items():
        _, stores, loads, registers, others = facts[name]
        shared = re.search(r"(\d+) bytes smem", others)
        found[name] = Compiled(
            entry,
            int(registers),
            int(stores) + int(loads),
            int(shared[1]) if shared else 0,
            sizes[name] // SASS_BYTES,
        )
    return found


def _part(nvrtc: Any, program: Any, name: str) -> bytes:
    """Return the log, the PTX or the machine code of a compiled program."""
    size = ctypes.c_size_t()
    getattr(nvrtc, f"nvrtcGet{name}Size")(program, ctypes.byref(size))
    buffer = ctypes.create_string_buffer(size.value)
    getattr(nvrtc, f"nvrtcGet{name}")(program, buffer)
    return buffer.raw


def _code_sizes(cubin: bytes) -> dict[str, int]:
    """Return the bytes of machine code of each kernel: the sections .text.NAME of an ELF file."""
    (table,) = struct.unpack_from("<Q", cubin, 40)
    entry_size, count, names_at = struct.unpack_from("<HHH", cubin, 58)
    sections = [struct.unpack_from("<IIQQQQ", cubin, table + i * entry_size) for i in range(count)]
    names = sections[names_at][4]
    found = {}
    for name_at, *_, size in sections:
        name = cubin[names + name_at : cubin.index(b"\0", names + name_at)].decode()
        if name.startswith(".text."):
            found[name.removeprefix(".text.")] = size
    return found
