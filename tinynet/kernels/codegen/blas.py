"""Single-threaded BLAS for matrix products that the thread team splits.

NumPy's matrix product has a thread pool of its own, whose threads spin while they wait. They would
compete with the team (see `team`) for processors. So the team splits a large product, and each
chunk is computed by BLAS on one thread. Outside the block BLAS has its threads back.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import Any


@functools.cache
def _libraries() -> list[Any]:
    """Return the handles of the BLAS libraries that are loaded."""
    from threadpoolctl import ThreadpoolController

    return list(ThreadpoolController().select(user_api="blas").lib_controllers)


@contextlib.contextmanager
def single_thread() -> Iterator[None]:
    """Inside the block BLAS uses the calling thread alone."""
    before = [library.get_num_threads() for library in _libraries()]
    for library in _libraries():
        library.set_num_threads(1)
    try:
        yield
    finally:
        for library, threads in zip(_libraries(), before, strict=True):
            library.set_num_threads(threads)
