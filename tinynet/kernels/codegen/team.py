"""A team of threads that shares the work of one kernel call.

Numba's own threads cost more compilation, spin while they wait and fight with those of
BLAS. Plain Python threads do not: compiled kernels release Python's global lock while they run.
"""

from __future__ import annotations

import itertools
import os
import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from tinynet.kernels.codegen.memory import reuse_freed_memory

if TYPE_CHECKING:
    from collections.abc import Callable

PIECES = 4  # per thread: who finishes early takes more, so that a busy core delays the others less


class Job:
    """Pieces of the range(n), taken by whoever is free: function(lo, hi, *args) for each."""

    def __init__(self, function: Callable[..., object], n: int, pieces: int, args: Any) -> None:
        self.function = function
        self.n = n
        self.pieces = pieces
        self.args = args
        self.taken = itertools.count()
        self.ended: SimpleQueue[BaseException | None] = SimpleQueue()  # one report a piece

    def work(self) -> None:
        """Take pieces until none is left."""
        while (i := next(self.taken)) < self.pieces:
            lo = i * self.n // self.pieces
            hi = (i + 1) * self.n // self.pieces
            try:
                self.function(lo, hi, *self.args)
            except BaseException as error:  # noqa: BLE001  raised again in the caller's thread
                self.ended.put(error)
            else:
                self.ended.put(None)

    def wait(self) -> list[BaseException]:
        """Return what went wrong, when every piece has ended. Who never came is not missed."""
        reports = [self.ended.get() for _ in range(self.pieces)]
        self.args = ()  # a thread remembers its last job, which must not keep arrays alive
        return [error for error in reports if error is not None]


class Team:
    """`size` threads, the caller's included, that wait without spinning for the next Job."""

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
        """Call function(lo, hi, *args) on pieces of range(n), of at least `grain` each."""
        threads = min(self.size, n // max(grain, 1))
        if threads < 2 or not self.busy.acquire(blocking=False):
            function(0, n, *args)  # small, or the team works for another thread
            return
        try:
            job = Job(function, n, min(threads * PIECES, n // max(grain, 1)), args)
            for _ in range(threads - 1):
                self.inbox.put(job)
            job.work()
            errors = job.wait()
        finally:
            self.busy.release()
        if errors:
            raise errors[0]

    def dismiss(self) -> None:
        """Send the threads home; those at work finish their piece first."""
        for _ in range(1, self.size):
            self.inbox.put(None)


_team: Team | None = None
_size: int | None = None  # None: as many as there are processors


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def team() -> Team:
    """Return the team of this process, hired at its first use."""
    global _team
    if _team is None:
        reuse_freed_memory()
        _team = Team(get_num_threads())
    return _team


def get_num_threads() -> int:
    """Return how many threads a kernel may use; at first, one for each of our processors."""
    return _size or _processors()


def set_num_threads(n: int) -> None:
    """Let kernels use n threads from here on. Their results do not depend on it."""
    global _size
    if n < 1:
        raise ValueError(f"set_num_threads: at least one thread is needed. Got {n}.")
    if _team is not None:
        _team.dismiss()
    _size = n
    _forget()


def _forget() -> None:
    """Threads do not survive a fork: the child hires its own at its first kernel."""
    global _team
    _team = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
