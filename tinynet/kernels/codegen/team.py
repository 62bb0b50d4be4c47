"""Thread team: a pool of Python threads that share the work of one kernel call.

Numba's own threads need more compilation, spin while they wait and compete with the threads of
BLAS. Python threads do not: compiled kernels release the global interpreter lock while they run.
"""

from __future__ import annotations

import functools
import itertools
import os
import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from tinynet.core import processors
from tinynet.kernels.codegen.memory import reuse_freed_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ROUNDS = 5  # of chunks, one for each thread: a thread that finishes early takes more of them


@functools.cache
def bounds_of(threads: int) -> tuple[int, ...]:
    """Return where the chunks begin, and where the last one ends, as shares of the last number.

    The chunks of a round, together, are half of what is left. The large ones at the beginning cost
    few calls; the small ones at the end keep short the time in which one thread waits for another,
    which another process or a slower core may have delayed.

    >>> bounds_of(2)
    (0, 8, 16, 20, 24, 26, 28, 29, 30, 31, 32)
    """
    sizes = [2 ** max(0, ROUNDS - 2 - r) for r in range(ROUNDS) for _ in range(threads)]
    return 0, *itertools.accumulate(sizes)


class Job:
    """Chunks of range(n), taken by idle threads, which call function(lo, hi, *args) for each."""

    def __init__(
        self, function: Callable[..., object], n: int, bounds: Sequence[int], args: Any
    ) -> None:
        self.function = function
        self.n = n
        self.bounds = bounds
        self.chunks = len(bounds) - 1
        self.args = args
        self.taken = itertools.count()
        self.ended: SimpleQueue[BaseException | None] = SimpleQueue()  # one report per chunk

    def work(self) -> None:
        """Take chunks until none is left."""
        while (i := next(self.taken)) < self.chunks:
            lo = self.bounds[i] * self.n // self.bounds[-1]
            hi = self.bounds[i + 1] * self.n // self.bounds[-1]
            try:
                self.function(lo, hi, *self.args)
            except BaseException as error:  # noqa: BLE001  raised again in the caller's thread
                self.ended.put(error)
            else:
                self.ended.put(None)

    def wait(self) -> list[BaseException]:
        """Wait for all chunks and return their exceptions; idle threads are not waited for."""
        reports = [self.ended.get() for _ in range(self.chunks)]
        self.args = ()  # a thread keeps its last job, which must not keep arrays alive
        return [error for error in reports if error is not None]


class Team:
    """`size` threads, including the caller's, that wait without spinning for the next Job."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.busy = threading.Lock()
        self.inbox: SimpleQueue[Job | None] = SimpleQueue()
        for i in range(1, size):
            threading.Thread(target=self._serve, name=f"tinynet-{i}", daemon=True).start()

    def _serve(self) -> None:
        while (job := self.inbox.get()) is not None:
            job.work()

    def run(
        self, function: Callable[..., object], n: int, grain: int, args: tuple[Any, ...]
    ) -> None:
        """Call function(lo, hi, *args) on chunks of range(n) of at least `grain` units each."""
        most = n // max(grain, 1)
        threads = min(self.size, most)
        if threads < 2 or not self.busy.acquire(blocking=False):
            function(0, n, *args)  # small, or the team is busy with the call of another thread
            return
        try:
            bounds: Sequence[int] = bounds_of(threads)
            if most < bounds[-1]:  # the smallest would have fewer units: chunks of equal size
                bounds = range(min(len(bounds) - 1, most) + 1)
            job = Job(function, n, bounds, args)
            for _ in range(threads - 1):
                self.inbox.put(job)
            job.work()
            errors = job.wait()
        finally:
            self.busy.release()
        if errors:
            raise errors[0]

    def dismiss(self) -> None:
        """End the threads, after the chunks that they are working on."""
        for _ in range(1, self.size):
            self.inbox.put(None)


MOST = 1024  # of threads: more than any processor has, and few enough that all can be started

_team: Team | None = None
_changing = threading.Lock()  # one thread at a time starts a team, or dismisses it
_size: int | None = None  # None: one per processor


def team() -> Team:
    """Return the team of this process, started at its first use."""
    global _team
    found = _team
    if found is not None:
        return found
    with _changing:
        if _team is None:
            reuse_freed_memory()
            _team = Team(get_num_threads())
        return _team


def get_num_threads() -> int:
    """Return how many threads a kernel may use; the default is one per available processor."""
    return _size or processors.available()


def set_num_threads(n: int) -> None:
    """Set how many threads a kernel may use. Results do not depend on it, bit for bit.

    Raises
    ------
    ValueError
        n is not an integer from 1 to 1024.

    >>> from tinynet import kernels
    >>> before = kernels.get_num_threads()
    >>> kernels.set_num_threads(1)
    >>> kernels.get_num_threads()
    1
    >>> kernels.set_num_threads(before)
    """
    global _size, _team
    whole = hasattr(n, "__index__") and not isinstance(n, bool)
    if not whole or not 1 <= n <= MOST:
        raise ValueError(
            f"set_num_threads: at least one thread is needed, and at most {MOST}: an integer. "
            f"Got {n!r}."
        )
    with _changing:
        _size = int(n)
        if _team is not None and _team.size != _size:
            _team.dismiss()
            _team = None


def _forget() -> None:
    """Drop the team: threads do not survive a fork, so the child starts its own when needed."""
    global _changing, _team
    _team = None
    _changing = threading.Lock()  # another thread may have held the old one


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
