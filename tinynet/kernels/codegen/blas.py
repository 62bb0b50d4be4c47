"""Single-threaded BLAS for matrix products that the thread team splits.

NumPy's matrix product has a thread pool of its own, whose threads spin while they wait. They would
compete with the team (see `team`) for processors. So the team splits a large product, and each
chunk is computed by BLAS on one thread. Outside the block BLAS has its threads back.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Iterator
from typing import Any


@functools.cache
def _libraries() -> list[Any]:
    """Return the handles of the BLAS libraries that are loaded."""
    from threadpoolctl import ThreadpoolController

    return list(ThreadpoolController().select(user_api="blas").lib_controllers)


class _Limit:
    """One thread for BLAS while any block is open; threads of Python may open blocks at once."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.open = 0
        self.before: list[int] = []

    def enter(self) -> None:
        with self.lock:
            if self.open == 0:
                self.before = [library.get_num_threads() for library in _libraries()]
                for library in _libraries():
                    library.set_num_threads(1)
            self.open += 1

    def leave(self) -> None:
        with self.lock:
            self.open -= 1
            if self.open == 0:
                for library, threads in zip(_libraries(), self.before, strict=True):
                    library.set_num_threads(threads)


_limit = _Limit()


@contextlib.contextmanager
def single_thread() -> Iterator[None]:
    """Inside the block BLAS uses the calling thread alone."""
    _limit.enter()
    try:
        yield
    finally:
        _limit.leave()
