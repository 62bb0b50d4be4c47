"""Processes for the runs of a claim, each with its share of the threads.

They end with the process that started them, however it ends.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import multiprocessing
import multiprocessing.connection
import multiprocessing.context
import os
import signal
import threading
from collections.abc import Iterator

from tinynet.core import processors
from tinynet.kernels import get_num_threads, set_num_threads

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


@contextlib.contextmanager
def pool(jobs: int) -> Iterator[concurrent.futures.Executor]:
    """Yield an executor with so many processes; an error in the block ends what they run.

    Examples
    --------
    >>> from tinynet.claims import workers
    >>> with workers.pool(1) as pool:           # doctest: +SKIP
    ...     pool.submit(abs, -3).result()
    3
    """
    share = max(1, processors.available() // jobs)
    others = set(multiprocessing.active_children())
    with _variables(share):
        found = concurrent.futures.ProcessPoolExecutor(
            jobs,
            mp_context=_Context(),
            initializer=_begin,
            initargs=(share,),
        )
        try:
            yield found
        except BaseException:
            for process in set(multiprocessing.active_children()) - others:
                process.terminate()
            raise
        finally:  # a canceled future beside an ended process prints a traceback in Python 3.11
            found.shutdown()


@contextlib.contextmanager
def threads(jobs: int) -> Iterator[None]:
    """Compute in this process with the threads that one of so many processes has."""
    before = get_num_threads()
    set_num_threads(max(1, processors.available() // jobs))
    try:
        yield
    finally:
        set_num_threads(before)


@contextlib.contextmanager
def _variables(count: int) -> Iterator[None]:
    """Set the number of threads for libraries, which read it once, when a process starts."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, str(count)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


class _Process(multiprocessing.context.SpawnProcess):
    """A new process that has SIGINT blocked, because Ctrl-C is for the process that starts it."""

    def start(self) -> None:
        if not hasattr(signal, "pthread_sigmask"):  # Windows
            return super().start()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        try:
            super().start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Context(multiprocessing.context.SpawnContext):
    Process = _Process


def _begin(count: int) -> None:
    """Prepare a process: without SIGINT, with its threads, and it ends with its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    set_num_threads(count)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)
