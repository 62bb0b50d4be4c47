"""Kernel launches of a training step on a GPU, counted while it runs."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

from tinynet.kernels import gemm
from tinynet.kernels.cuda import cublas, launch

COUNTED = "kernels", "products", "graphs", "nodes"


def launches(steps: dict[str, Any], on_gpu: bool) -> dict[str, dict[str, int]]:
    """Return the launch counts of one warm step of tinynet, eager and as a graph.

    "nodes" are all that CUDA records of the step: kernels and products of tinynet, and the
    arithmetic and the copies that CuPy launches beside them. An eager step launches the same.
    """
    graph = steps["tinynet graph"].func
    found = {}
    for name in ("tinynet eager", "tinynet graph"):
        with counting(graph, on_gpu) as counts:
            steps[name]()
        found[name] = {**counts, "nodes": graph.nodes}
    return found


@contextlib.contextmanager
def counting(graph: Any, on_gpu: bool) -> Iterator[Counter[str]]:
    """Count tinynet's kernels, matrix products and graph replays inside the block.

    A product is a call of cuBLAS; without a GPU, a call of `gemm`. A replay on a CPU repeats the
    launches one by one, so each counts; on a GPU a replay is one launch.
    """
    found: Counter[str] = Counter(dict.fromkeys(COUNTED, 0))
    patched = [(graph, "_replay", "graphs"), *_holders("launch", launch.launch, "kernels")]
    if on_gpu:
        patched.append((cublas.Blas, "gemm", "products"))
    else:
        patched += _holders("gemm", gemm, "products")
    with contextlib.ExitStack() as stack:
        for owner, name, what in patched:
            spy = _counted(getattr(owner, name), found, what)
            stack.enter_context(mock.patch.object(owner, name, spy))
        yield found


def _holders(name: str, function: object, what: str) -> list[tuple[Any, str, str]]:
    """Return every module of tinynet that has imported a function under this name."""
    modules = [m for at, m in sys.modules.items() if at.partition(".")[0] == "tinynet"]
    return [(m, name, what) for m in modules if vars(m).get(name) is function]


def _counted(function: Callable[..., Any], found: Counter[str], what: str) -> Callable[..., Any]:
    @functools.wraps(function)
    def spy(*args: Any, **kwargs: Any) -> Any:
        found[what] += 1
        return function(*args, **kwargs)

    return spy
