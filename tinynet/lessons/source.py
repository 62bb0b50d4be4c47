"""Source display: ``show`` prints the library's own source, read when it is called."""

from __future__ import annotations

import inspect
import textwrap
from pathlib import Path
from typing import Any

import tinynet
from tinynet.kernels.dispatch import Kernel
from tinynet.lessons import speak


def show(thing: Any, kind: str = "reference") -> None:
    """Show the source of a function, a class, a layer or a kernel of the library.

    Parameters
    ----------
    thing : function, method, class, Function, Kernel or any object of a class of the library
        Or the name of a CUDA source file: "max_pool.cu".
    kind : text
        Which implementation of a kernel: "reference", "numba" or "cuda".
    """
    if isinstance(thing, str):
        kernels = Path(tinynet.__file__).parent / "kernels"
        path = (kernels / "cuda" if thing.endswith(".cuh") else kernels) / Path(thing).name
        speak.code(
            path.relative_to(kernels.parents[1]).as_posix(), path.read_text(encoding="utf-8"), "cpp"
        )
        return
    if isinstance(thing, Kernel):
        if kind not in thing.implementations:
            raise ValueError(
                f"show: {thing.__name__} has no {kind} version, only "
                f"{', '.join(thing.implementations)}."
            )
        thing = thing.implementations[kind]
    thing = inspect.unwrap(thing)
    if not (inspect.isroutine(thing) or inspect.isclass(thing) or inspect.ismodule(thing)):
        thing = type(thing)
    lines, first = inspect.getsourcelines(thing)
    speak.code(f"{_place(thing)}, line {max(first, 1)}", textwrap.dedent("".join(lines)))


def _place(thing: Any) -> str:
    """Return the source file of an object, relative to the repository."""
    path = Path(inspect.getsourcefile(thing) or "?")
    root = Path(tinynet.__file__).parent.parent
    return str(path.relative_to(root)) if path.is_relative_to(root) else path.name
