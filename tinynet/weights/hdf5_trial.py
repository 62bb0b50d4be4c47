"""A trial of an HDF5 file: a process with limits reads it before this one does.

Over some damaged files the HDF5 library runs without end, or fills the memory. It does so in C,
where nothing here could interrupt it. So a second Python process reads every array of the file
first, and the system stops it if it takes more time or memory than the file is worth. What it
refuses is refused here, in its words; what it could read is then read by this process.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

from tinynet.core import archives
from tinynet.core.errors import DataError
from tinynet.data.files import open_regular

PROGRAM = (
    "-c",
    "import sys; from tinynet.weights import hdf5_trial, keras_file as kept; "
    "sys.exit(hdf5_trial.main(kept.contents))",
)
SECONDS = 2  # of the processor, in both processes, beside those that a large file takes
PARENT = 0.3  # of them, for the process that waits
LEAST = 0.5  # for reading, where the start of Python takes long
A_SECOND = 20 << 20  # bytes that are read in a second, unpacked from gzip
WAIT = 60  # seconds by the clock: more of them are waited where other programs are busy
SPARE = 1 << 29  # bytes of memory beside the arrays
REFUSED = 3  # the exit code that goes with a sentence
NO_MEMORY = 4
TIMER = -27  # the exit code after SIGPROF
TIME_IS_UP = -24  # after SIGXCPU


def check(source: Path | bytes, size: int) -> None:
    """Raise DataError, without the name of the file, unless another process can read it.

    Parameters
    ----------
    source : a file, or the bytes of one
    size : in bytes
    """
    if not Path(sys.executable or "").stem.lower().startswith("python"):
        return  # inside another program, where there is no second Python
    said = ""
    most = f"{seconds_of(size):,} s or {memory_of(size):,} bytes"
    try:
        code, said = _run(source, size)
    except OSError:  # no more processes are allowed here
        return
    except subprocess.TimeoutExpired:
        code = TIME_IS_UP
    if code == REFUSED:
        raise DataError(said)
    if code in (TIMER, TIME_IS_UP, NO_MEMORY):
        raise DataError(f"the HDF5 library takes more than {most} to read it; it is damaged.")
    if code:
        raise DataError(f"the HDF5 library breaks down over it (exit code {code}); it is damaged.")


def _run(source: Path | bytes, size: int) -> tuple[int, str]:
    """Return the exit code of the other process, and what it said."""
    with contextlib.ExitStack() as stack:
        file = None if isinstance(source, bytes) else stack.enter_context(open_regular(source))
        done = subprocess.run(
            [sys.executable, *PROGRAM],
            env=_environment(),
            stdin=file,
            input=source if isinstance(source, bytes) else None,
            capture_output=True,
            timeout=WAIT + seconds_of(size),
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),  # of Windows
        )
    return done.returncode, done.stdout.decode("utf-8", "replace")


def seconds_of(size: int) -> int:
    """Return the seconds that the processor may take for a file."""
    return SECONDS + size // A_SECOND


def memory_of(size: int) -> int:
    """Return the bytes of memory that a file may take."""
    return SPARE + max(archives.LARGE, archives.LARGEST_RATIO * size)


def _environment() -> dict[str, str]:
    """Return the variables of this process, and the folder from which tinynet was imported."""
    paths = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONSAFEPATH": "1"}


def _limit(size: int) -> None:
    """Let the system stop this process when it takes too much."""
    try:
        import resource
    except ImportError:  # Windows: the parent's clock is the only limit
        return
    left = seconds_of(size) - PARENT - time.process_time()
    signal.setitimer(signal.ITIMER_PROF, max(LEAST, left))
    used = resource.getrusage(resource.RUSAGE_SELF)
    limits = {
        resource.RLIMIT_CPU: int(used.ru_utime + used.ru_stime) + seconds_of(size),
        resource.RLIMIT_CORE: 0,
    }
    pages = Path("/proc/self/statm")
    if pages.exists():
        now = int(pages.read_text().split()[0]) * resource.getpagesize()
        limits[resource.RLIMIT_AS] = now + memory_of(size)
    for kind, most in limits.items():
        hard = resource.getrlimit(kind)[1]
        if hard == resource.RLIM_INFINITY or most < hard:
            resource.setrlimit(kind, (most, hard))


def main(contents: Callable[[BinaryIO, int], Iterable[object]]) -> int:
    """Read the arrays of the file that is the standard input; write why it is refused.

    Parameters
    ----------
    contents : reads the file, given its size in bytes
    """
    stdin = sys.stdin.buffer
    file = stdin if stdin.seekable() else io.BytesIO(stdin.read())
    size = file.seek(0, 2)
    file.seek(0)
    _limit(size)
    try:
        for _ in contents(file, size):
            pass
    except DataError as error:
        sys.stdout.buffer.write(str(error).encode())
        return REFUSED
    except MemoryError:
        return NO_MEMORY
    return 0
