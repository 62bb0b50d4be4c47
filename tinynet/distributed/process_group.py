"""Who trains together, and how they speak: a process alone, MPI, NCCL.

Two verbs are enough for training: `all_reduce` adds arrays up, `all_gather` tells each other small
facts. A third one, `fail`, is for the end that nobody wants: a rank that fails ends the others
too, which would wait for it for ever.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from tinynet.core.backend import Array, Device, array_module, current, home
from tinynet.core.errors import DeviceError
from tinynet.kernels import get_num_threads, set_num_threads

GRACE = 0.5  # seconds
SIZES = "PMI_SIZE", "OMPI_COMM_WORLD_SIZE"
"""In which variable an mpiexec says how many processes it has started: MPICH's, Open MPI's."""


class Ranks:
    """One process that has nobody to speak to; subclasses have.

    Attributes
    ----------
    rank, size : which one this is, and how many there are
    near, here : the same, among those on this machine
    processes : by which number the system knows each rank
    batch, images : how many images the batch at hand has, and how many of them are this rank's;
        `distributed.Shard` says it
    """

    rank, size = 0, 1
    near, here = 0, 1
    batch = images = 0
    processes: tuple[int, ...] = ()

    def all_reduce(self, x: Array) -> None:
        """Replace x by the sum of all ranks' x."""

    def all_gather(self, fact: Any) -> list[Any]:
        """Return what each rank gave, in the order of the ranks."""
        return [fact]

    def fail(self, why: str) -> None:
        """Say why, and end all ranks."""
        sys.stderr.write(f"{why}\n")
        sys.exit(1)

    @contextlib.contextmanager
    def watched(self, config: Path, command: str) -> Iterator[None]:
        """Inside the block, a rank that is killed is named, with the command that goes on."""
        yield

    def any(self, why: str) -> str:
        """Return why one of the ranks, at least, wants something; empty: none does."""
        wants = np.array([float(bool(why))])
        self.all_reduce(wants)
        return next(filter(None, self.all_gather(why))) if wants[0] else ""

    def place(self, where: Device) -> Device:
        """Return the device of this rank: on one machine each has a GPU of its own."""
        return Device("cuda", where.number + self.near) if where.kind == "cuda" else where

    def __str__(self) -> str:
        return f"rank {self.rank} of {self.size}" if self.size > 1 else ""


ALONE = Ranks()
joined = ALONE
"""The ranks to which this process belongs."""


class Mpi(Ranks):
    """Ranks that `mpiexec` has started. Arrays of a GPU pass through the host."""

    def __init__(self, mpi: Any) -> None:
        self.mpi, self.comm = mpi, mpi.COMM_WORLD
        self.rank, self.size = self.comm.rank, self.comm.size
        self.nearby = self.comm.Split_type(mpi.COMM_TYPE_SHARED)
        self.near, self.here = self.nearby.rank, self.nearby.size
        self.processes = tuple(self.all_gather(os.getpid()))

    def all_reduce(self, x: Array) -> None:
        """Replace x by the sum of all ranks' x, which is the same bits for each of them."""
        if array_module(x) is np:
            self.comm.Allreduce(self.mpi.IN_PLACE, x, op=self.mpi.SUM)
            return
        with current(home(x)):
            host = x.get()
            self.comm.Allreduce(self.mpi.IN_PLACE, host, op=self.mpi.SUM)
            x.set(host)

    def all_gather(self, fact: Any) -> list[Any]:
        """Return what each rank gave, in the order of the ranks."""
        return list(self.comm.allgather(fact))

    @contextlib.contextmanager
    def watched(self, config: Path, command: str) -> Iterator[None]:
        """Let a `watcher` look after the ranks of this machine until one of them leaves the block.

        A rank that is killed does not leave it; one that fails does, and says why by itself.
        """
        named = [
            f"{rank}:{process}" for rank, process in self.nearby.allgather((self.rank, os.getpid()))
        ]
        started = None
        if self.near == 0:
            script = Path(__file__).with_name("rank_monitor.py")
            started = subprocess.Popen(
                [sys.executable, "-IS", script, config, command, *named],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        watcher = self.nearby.bcast(started and started.pid)
        try:
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(watcher, signal.SIGTERM)
            if started is not None:
                started.wait()

    def fail(self, why: str) -> None:
        """Say why, and end all ranks. What goes wrong for all of them is said by rank 0."""
        time.sleep(GRACE if self.rank else 0)
        sys.stderr.write(f"{self}: {why}\n")
        sys.stderr.flush()
        self.comm.Abort(1)


class Nccl(Mpi):
    """Ranks with a GPU each, whose arrays go from GPU to GPU; everything else goes through MPI."""

    def __init__(self, mpi: Any, nccl: Any, where: Device) -> None:
        super().__init__(mpi)
        self.nccl = nccl
        name = self.all_gather(nccl.get_unique_id() if self.rank == 0 else None)[0]
        with current(where):
            self.links = nccl.NcclCommunicator(self.size, name, self.rank)

    def all_reduce(self, x: Array) -> None:
        """Replace x by the sum of all ranks' x, on the current stream; nobody waits for it."""
        if array_module(x) is np:
            super().all_reduce(x)
            return
        import cupy

        kind = {"float32": self.nccl.NCCL_FLOAT32, "float64": self.nccl.NCCL_FLOAT64}[x.dtype.name]
        with current(home(x)):
            stream = cupy.cuda.get_current_stream().ptr
            self.links.allReduce(x.data.ptr, x.data.ptr, x.size, kind, self.nccl.NCCL_SUM, stream)


def join(where: Device) -> Ranks:
    """Return the ranks among which `mpiexec` has started this process; without it, `ALONE`.

    The processors of a machine are divided among its ranks. An error that nobody expects ends
    all ranks, since the others would wait for this one for ever.
    """
    global joined
    started = max(int(os.environ.get(name, "1")) for name in SIZES)
    if started == 1:
        return ALONE
    mpi = _mpi(started)
    joined = Mpi(mpi)
    _hook()
    if where.kind == "cuda":
        joined = _nccl(mpi, joined.place(where))
    set_num_threads(max(1, get_num_threads() // joined.here))
    return joined


def _mpi(started: int) -> Any:
    """Return mpi4py's MPI, or say what is missing."""
    try:
        from mpi4py import MPI
    except ImportError as error:
        raise DeviceError(
            f"mpiexec has started {started} processes; they talk through mpi4py, which cannot be "
            f"imported ({error}). pip install 'tinynet[mpi]' brings it."
        ) from None
    if MPI.COMM_WORLD.size != started:
        raise DeviceError(
            f"mpiexec has started {started} processes, but mpi4py sees {MPI.COMM_WORLD.size}: the "
            "two belong to different MPI libraries. Use the mpiexec that pip install "
            "'tinynet[mpi]' brings."
        )
    return MPI


def _nccl(mpi: Any, where: Device) -> Nccl:
    from cupy.cuda import nccl

    if not nccl.available:
        raise DeviceError(
            "several ranks with a GPU each talk through NCCL, which this CuPy does not find. "
            "pip install nvidia-nccl-cu13 (or -cu12) brings it."
        )
    return Nccl(mpi, nccl, where)


def _hook() -> None:
    """Let an error that nobody catches end all ranks, after it was shown."""
    show = sys.excepthook

    def show_and_end(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        show(kind, error, trace)
        joined.fail(f"{kind.__name__}, as shown above")

    sys.excepthook = show_and_end
