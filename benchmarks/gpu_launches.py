"""What a training step launches on a GPU, counted while it runs."""

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

COUNTED = "kernels", "products", "graphs"


def launches(steps: dict[str, Any], on_gpu: bool) -> dict[str, dict[str, int]]:
    """Return what one warm step of ours launches, as it is and as a graph."""
    found = {}
    for name in ("tinynet eager", "tinynet graph"):
        with counting(steps["tinynet graph"].func, on_gpu) as counts:
            steps[name]()
        found[name] = dict(counts)
    return found


@contextlib.contextmanager
def counting(graph: Any, on_gpu: bool) -> Iterator[Counter[str]]:
    """Inside the block count kernels of ours, matrix products, and replays of the graph.

    A product is a call of cuBLAS; without a GPU, a call of `gemm`. What CuPy launches for array
    arithmetic, the sum of two gradients say, passes none of these doors and is not counted. A
    replay on a CPU repeats the launches one by one, so they count; on a GPU they are one.
    """
    found: Counter[str] = Counter(dict.fromkeys(COUNTED, 0))
    doors = [(graph, "_replay", "graphs"), *_holders("launch", launch.launch, "kernels")]
    if on_gpu:
        doors.append((cublas.Blas, "gemm", "products"))
    else:
        doors += _holders("gemm", gemm, "products")
    with contextlib.ExitStack() as stack:
        for owner, name, what in doors:
            spy = _counted(getattr(owner, name), found, what)
            stack.enter_context(mock.patch.object(owner, name, spy))
        yield found


def _holders(name: str, function: object, what: str) -> list[tuple[Any, str, str]]:
    """Return every module of tinynet that calls a function by this name."""
    modules = [m for at, m in sys.modules.items() if at.partition(".")[0] == "tinynet"]
    return [(m, name, what) for m in modules if vars(m).get(name) is function]


def _counted(function: Callable[..., Any], found: Counter[str], what: str) -> Callable[..., Any]:
    @functools.wraps(function)
    def spy(*args: Any, **kwargs: Any) -> Any:
        found[what] += 1
        return function(*args, **kwargs)

    return spy
