"""Machine code of a kernel: taken from Numba's compiler, kept as bytes, and loaded without it.

Numba compiles a kernel to an object file, whose entry takes Python's arguments. llvmlite, a small
part of Numba, loads such a file; what it calls is in three of Numba's extension modules. None of
that imports Numba itself (docs/decisions/0053 says what this saves). Numba's own modules are used
once it is imported, so that there is only one of each.
"""

from __future__ import annotations

import builtins
import ctypes
import functools
import importlib.util
import json
import sys
from collections.abc import Callable, Mapping
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

EXTENSIONS = ("numba._helperlib", "numba._dynfunc", "numba.core.runtime._nrt_python")


class MachineCode(NamedTuple):
    """An object file and what is needed to call it.

    Attributes
    ----------
    entry : str
        Name of the function that takes Python's arguments.
    environments : tuple of str
        Names of the pointers through which Numba's functions find their constants. Kernels have no
        constants, but the entry tests that the pointer is set.
    symbols : tuple of str
        Functions and objects that it uses, without those of LLVM.
    code : bytes
    """

    entry: str
    environments: tuple[str, ...]
    symbols: tuple[str, ...]
    code: bytes

    def to_bytes(self) -> bytes:
        """Return the names as one line of JSON, and the object file behind it."""
        names = json.dumps([self.entry, self.environments, self.symbols])
        return names.encode() + b"\n" + self.code


def from_bytes(content: bytes) -> MachineCode:
    """Return what `to_bytes` wrote; ValueError or TypeError if it is something else."""
    names, _, code = content.partition(b"\n")
    entry, environments, symbols = json.loads(names)
    return MachineCode(entry, tuple(environments), tuple(symbols), code)


def of(result: Any) -> MachineCode | None:
    """Return the machine code of a result of Numba's compiler; None if it cannot be kept."""
    library = result.library
    environments = [result.environment, *result._find_referenced_environments()]
    if library.has_dynamic_globals or any(each.consts for each in environments):
        return None
    names = {result.fndesc.env_name, *(each.env_name for each in environments)}
    functions = library._final_module.functions
    symbols = (f.name for f in functions if f.is_declaration and not f.name.startswith("llvm."))
    _, _, (code, _) = library.serialize_using_object_code()
    return MachineCode(
        result.fndesc.llvm_cpython_wrapper_name,
        tuple(sorted(names - {None})),
        tuple(sorted(symbols)),
        code,
    )


def load(found: MachineCode, name: str, module: str) -> Callable[..., None]:
    """Return the kernel as a function `name` of a module.

    Raises
    ------
    ImportError, AttributeError
        This version of Numba has no such extension modules, or they have changed.
    RuntimeError
        Something that the machine code uses is not in this process, or it is no object file.
    """
    from llvmlite import binding

    extensions = _runtime()
    engine = _engine()  # from here on LLVM also finds what this process has
    missing = [symbol for symbol in found.symbols if binding.address_of_symbol(symbol) is None]
    if missing:
        raise RuntimeError(f"there is no {', '.join(missing)} in this process")
    engine.add_object_file(binding.ObjectFileRef.from_data(found.code))
    engine.finalize_object()
    environment = extensions["numba._dynfunc"].Environment({})
    for pointer in found.environments:
        address = engine.get_global_value_address(pointer)
        if address:
            ctypes.c_void_p.from_address(address).value = id(environment)
    entry = engine.get_function_address(found.entry)
    kept = (engine, environment)  # as long as the function is there
    make = extensions["numba._dynfunc"].make_function
    function: Callable[..., None] = make(
        sys.modules[module], name, f"compiled {name}", entry, environment, kept
    )
    return function


@functools.cache
def _engine() -> Any:
    """Return LLVM's loader of object files; it compiles nothing."""
    from llvmlite import binding

    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    target = binding.Target.from_triple(binding.get_process_triple())
    return binding.create_mcjit_compiler(binding.parse_assembly(""), target.create_target_machine())


@functools.cache
def _runtime() -> Mapping[str, ModuleType]:
    """Return Numba's extension modules by name, and tell LLVM where their functions are."""
    from llvmlite import binding

    found = {name: sys.modules.get(name) or _extension(name) for name in EXTENSIONS}
    helpers = {
        f"numba_{name}": address
        for module in ("numba._helperlib", "numba._dynfunc")
        for name, address in found[module].c_helpers.items()
    }
    memory = {
        name if name.startswith("_") else f"NRT_{name}": address
        for name, address in found["numba.core.runtime._nrt_python"].c_helpers.items()
    }
    errors = {
        f"PyExc_{kind.__name__}": id(kind)
        for kind in vars(builtins).values()
        if isinstance(kind, type) and issubclass(kind, BaseException)
    }
    symbols = {**helpers, **memory, **errors, "_Py_NoneStruct": id(None)}
    for symbol, address in symbols.items():
        binding.add_symbol(symbol, address)
    return found


def _extension(name: str) -> ModuleType:
    """Return an extension module of Numba, imported without the package that it is in."""
    spec = importlib.util.find_spec("numba")
    if spec is None or spec.origin is None:
        raise ImportError("Numba is not installed")
    _, *folders, last = name.split(".")
    folder = Path(spec.origin).parent.joinpath(*folders)
    for suffix in EXTENSION_SUFFIXES:
        path = folder / f"{last}{suffix}"
        if path.exists():
            loader = ExtensionFileLoader(name, str(path))
            spec = ModuleSpec(name, loader, origin=str(path))
            module = importlib.util.module_from_spec(spec)
            loader.exec_module(module)
            return sys.modules.setdefault(name, module)
    raise ImportError(f"Numba has no extension module {name}")
