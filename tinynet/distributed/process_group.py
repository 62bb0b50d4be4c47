"""Process groups: a single process, ranks that `mpiexec` started (MPI), ranks with GPUs (NCCL).

Two operations are enough for training: `all_reduce` sums arrays, `all_gather` exchanges small
facts. A third, `abort`, is for errors: a rank that fails ends the others too, because they would
wait for it without end.
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
from tinynet.core.extras import install_command
from tinynet.kernels import get_num_threads, set_num_threads

GRACE = 0.5  # seconds in which rank 0 may report an error that all ranks have
FORWARDING = 0.3  # seconds in which mpiexec may pass a sentence on, before it ends all ranks
SIZE_VARIABLES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE")
"""Environment variable with the number of processes that mpiexec started: MPICH's, Open MPI's."""


class ProcessGroup:
    """A group of one process; subclasses have more.

    Attributes
    ----------
    rank, size : number of this process, and of all processes
    local_rank, local_size : the same, among the processes of this machine
    process_ids : the operating system's number of each rank
    batch, images : number of images of the current batch, and of this rank's part of it; set by
        `data_parallel.DistributedLoader`
    """

    rank = 0
    size = 1
    local_rank = 0
    local_size = 1
    process_ids: tuple[int, ...] = ()
    batch = 0
    images = 0

    def all_reduce(self, x: Array) -> None:
        """Replace x by the sum of all ranks' x."""

    def all_gather(self, fact: Any) -> list[Any]:
        """Return the fact of each rank, in the order of the ranks."""
        return [fact]

    def abort(self, reason: str) -> None:
        """Print the reason, and end all ranks with exit code 1."""
        sys.stderr.write(f"{reason}\n")
        sys.exit(1)

    @contextlib.contextmanager
    def monitored(self, config: Path, command: str) -> Iterator[None]:
        """Inside the block, report a rank that is killed, and the command that resumes its run.

        Parameters
        ----------
        config : file without which there is nothing to resume
        command : resumes the run
        """
        yield

    def any(self, reason: str) -> str:
        """Return the first reason that is not empty, or "" if all ranks give an empty one."""
        given = np.array([float(bool(reason))])
        self.all_reduce(given)
        return next(filter(None, self.all_gather(reason))) if given[0] else ""

    def place(self, where: Device) -> Device:
        """Return the device of this rank: on one machine each rank has a GPU of its own."""
        if where.kind == "cuda":
            return Device("cuda", where.number + self.local_rank, where.lane)
        return where

    def __str__(self) -> str:
        return f"rank {self.rank} of {self.size}" if self.size > 1 else ""


SINGLE = ProcessGroup()
"""The group of a process that was started without mpiexec."""

default_group = SINGLE
"""The group of this process."""


class MpiGroup(ProcessGroup):
    """Ranks that `mpiexec` started. Arrays of a GPU pass through the host.

    Parameters
    ----------
    mpi : mpi4py.MPI
    """

    def __init__(self, mpi: Any) -> None:
        self.mpi = mpi
        self.comm = mpi.COMM_WORLD
        self.rank = self.comm.rank
        self.size = self.comm.size
        self.local_comm = self.comm.Split_type(mpi.COMM_TYPE_SHARED)
        self.local_rank = self.local_comm.rank
        self.local_size = self.local_comm.size
        self.process_ids = tuple(self.all_gather(os.getpid()))

    def all_reduce(self, x: Array) -> None:
        """Replace x by the sum of all ranks' x; every rank gets the same bits."""
        if array_module(x) is np:
            self.comm.Allreduce(self.mpi.IN_PLACE, x, op=self.mpi.SUM)
            return
        with current(home(x)):
            host = x.get()
            self.comm.Allreduce(self.mpi.IN_PLACE, host, op=self.mpi.SUM)
            x.set(host)

    def all_gather(self, fact: Any) -> list[Any]:
        """Return the fact of each rank, in the order of the ranks."""
        return list(self.comm.allgather(fact))

    @contextlib.contextmanager
    def monitored(self, config: Path, command: str) -> Iterator[None]:
        """Run a `rank_monitor` for the ranks of this machine until one of them leaves the block.

        A rank that is killed does not leave it; a rank that fails does, and reports the error
        itself.
        """
        named = [
            f"{rank}:{process}"
            for rank, process in self.local_comm.allgather((self.rank, os.getpid()))
        ]
        started = self._start_monitor(config, command, named) if self.local_rank == 0 else None
        monitor = self.local_comm.bcast(started and started.pid)
        try:
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(monitor, signal.SIGTERM)
            if started is not None:
                started.wait()

    def _start_monitor(
        self, config: Path, command: str, named: list[str]
    ) -> subprocess.Popen[bytes]:
        script = Path(__file__).with_name("rank_monitor.py")
        return subprocess.Popen(
            [sys.executable, "-IS", script, config, command, *named],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )

    def abort(self, reason: str) -> None:
        """Print the reason, and end all ranks; rank 0 reports an error that all ranks have."""
        time.sleep(GRACE if self.rank else 0)
        sys.stderr.write(f"{self}: {reason}\n")
        sys.stderr.flush()
        time.sleep(FORWARDING)
        self.comm.Abort(1)


class NcclGroup(MpiGroup):
    """Ranks with a GPU each. Arrays go from GPU to GPU; everything else goes through MPI.

    Parameters
    ----------
    mpi : mpi4py.MPI
    nccl : cupy.cuda.nccl
    where : the GPU of this rank
    """

    def __init__(self, mpi: Any, nccl: Any, where: Device) -> None:
        super().__init__(mpi)
        self.nccl = nccl
        identifier = self.all_gather(nccl.get_unique_id() if self.rank == 0 else None)[0]
        with current(where):
            self.communicator = nccl.NcclCommunicator(self.size, identifier, self.rank)

    def all_reduce(self, x: Array) -> None:
        """Replace x by the sum of all ranks' x, asynchronously on the current stream."""
        if array_module(x) is np:
            super().all_reduce(x)
            return
        import cupy

        kinds = {"float32": self.nccl.NCCL_FLOAT32, "float64": self.nccl.NCCL_FLOAT64}
        kind = kinds[x.dtype.name]
        with current(home(x)):
            stream = cupy.cuda.get_current_stream().ptr
            address = x.data.ptr
            self.communicator.allReduce(address, address, x.size, kind, self.nccl.NCCL_SUM, stream)


def init_process_group(where: Device) -> ProcessGroup:
    """Return the group in which `mpiexec` started this process; without it, `SINGLE`.

    The CPU threads of a machine are divided among its ranks. An uncaught exception ends all ranks,
    because the others would wait for this one without end.

    Parameters
    ----------
    where : device of rank 0; the other ranks of its machine take the GPUs after it

    Raises
    ------
    DeviceError : if mpi4py or NCCL is missing, or mpi4py belongs to another MPI than mpiexec
    """
    global default_group
    started = max(int(os.environ.get(name, "1")) for name in SIZE_VARIABLES)
    if started == 1:
        return SINGLE
    mpi = _mpi(started)
    default_group = MpiGroup(mpi)
    _abort_on_uncaught_exception()
    if where.kind == "cuda":
        default_group = _nccl_group(mpi, default_group.place(where))
    set_num_threads(max(1, get_num_threads() // default_group.local_size))
    return default_group


def _mpi(started: int) -> Any:
    """Return mpi4py.MPI, or raise DeviceError with the way to get it."""
    try:
        from mpi4py import MPI
    except ImportError as error:
        raise DeviceError(
            f"mpiexec has started {started} processes; they communicate through mpi4py, which "
            f"cannot be imported ({error}). {install_command('mpi')} brings it."
        ) from None
    if MPI.COMM_WORLD.size != started:
        raise DeviceError(
            f"mpiexec has started {started} processes, but mpi4py sees {MPI.COMM_WORLD.size}: the "
            f"two belong to different MPI libraries. Use the mpiexec that {install_command('mpi')} "
            "brings."
        )
    return MPI


def _nccl_group(mpi: Any, where: Device) -> NcclGroup:
    from cupy.cuda import nccl

    if not nccl.available:
        raise DeviceError(
            "several ranks with a GPU each communicate through NCCL, which this CuPy does not "
            "find. pip install nvidia-nccl-cu13 (or -cu12) brings it."
        )
    return NcclGroup(mpi, nccl, where)


def _abort_on_uncaught_exception() -> None:
    """Let an uncaught exception end all ranks, after its traceback was shown."""
    show = sys.excepthook

    def show_and_abort(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        show(kind, error, trace)
        default_group.abort(f"{kind.__name__}, as shown above")

    sys.excepthook = show_and_abort
