"""Import every module of tinynet in Pyodide; prints a JSON object.

NumPy is a stand-in whose every attribute answers to everything, and computes nothing. So imports
need no other library, no thread and no call of Linux; whether a number is right is not looked into.
"""

import importlib
import importlib.abc
import importlib.machinery
import json
import os
import pkgutil
import platform
import sys
import threading
import types


def _same(*_):
    return Anything()


BINARY = "add", "sub", "mul", "truediv", "pow", "or", "and"
REVERSED = tuple(f"r{name}" for name in BINARY)
COMPARED = "lt", "le", "gt", "ge", "ne"
OTHERS = "floordiv", "mod", "matmul", "neg", "getitem", "invert", "abs", "lshift", "rshift"


class Kind(type):
    """What NumPy has is used as a type here and as a number there."""

    def __getattr__(cls, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Anything()

    def __iter__(cls):
        return iter(())

    def __float__(cls):
        return 1.0


class Anything(metaclass=Kind):
    """An object that can be called, indexed, compared and computed with."""

    def __init__(self, *_, **__):
        pass

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Anything()

    def __call__(self, *_, **__):
        return Anything()

    def __iter__(self):
        return iter(())

    def __index__(self):
        return 1

    def __float__(self):
        return 1.0

    def __len__(self):
        return 0

    def __bool__(self):
        return False

    def __mro_entries__(self, bases):
        return (object,)


for _name in (*BINARY, *REVERSED, *COMPARED, *OTHERS):
    setattr(Anything, f"__{_name}__", _same)
    setattr(Kind, f"__{_name}__", _same)


class Module(types.ModuleType):
    """A module of the stand-in."""

    __path__ = ()
    __version__ = "0"

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Kind(name, (Anything,), {})


class StandIn(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds numpy and its modules."""

    def find_spec(self, name, _path=None, _target=None):
        if name.partition(".")[0] == "numpy":
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        return Module(spec.name)

    def exec_module(self, module):
        pass


def main():
    """Import all modules and print what happened."""
    sys.meta_path.insert(0, StandIn())
    started = []
    threading.Thread.start = lambda thread: started.append(thread.name)
    import tinynet

    failed = {}
    done = 0
    for module in pkgutil.walk_packages(tinynet.__path__, "tinynet."):
        if module.name.endswith("__main__"):
            continue
        try:
            importlib.import_module(module.name)
            done += 1
        except BaseException as error:  # noqa: BLE001
            failed[module.name] = f"{type(error).__name__}: {error}"
    heavy = (
        "numba",
        "llvmlite",
        "cupy",
        "mpi4py",
        "fcntl",
        "resource",
        "_posixsubprocess",
        "_ctypes",
    )
    facts = {
        "system": platform.system(),
        "python": platform.python_version(),
        "absent": [name for name in ABSENT if not hasattr(os, name)],
        "imported": done,
        "failed": failed,
        "loaded": [name for name in heavy if name in sys.modules],
        "threads": started,
    }
    sys.stdout.write(json.dumps(facts) + "\n")


ABSENT = ("geteuid", "sched_getaffinity")

main()
