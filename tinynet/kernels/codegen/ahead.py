"""Compilation ahead: a second process compiles the kernels that training needs next.

Numba compiles in one thread at a time. While the kernels of a forward pass are compiled where they
are called, those of the backward pass are known already (`native.Native.followed_by`). So a second
process compiles them and writes them to the cache, and the first loads them when their turn comes::

    first process     pool forward │ lrn forward │ ... │ lrn backward: in the cache │ ...
    second process       (start)   │ pool backward │ lrn backward │ ...

A process that compiles a kernel holds the lock of a file with the kernel's name. Another process
that needs the same kernel waits and loads it, even if the two know nothing of each other. The
second process ends with the first one, or when it has had nothing to do for some seconds. If it
cannot be started, or dies, the first one compiles everything itself.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING

from tinynet.core import file_lock
from tinynet.core.grad_mode import no_grad_depth
from tinynet.kernels.codegen import cache
from tinynet.kernels.codegen.team import get_num_threads

if TYPE_CHECKING:
    from collections.abc import Iterable

IDLE = 5.0  # seconds without work, after which the second process ends
PATIENCE = 60.0  # seconds to wait for a kernel that another process compiles
PROGRAM = "from tinynet.kernels.codegen import ahead_worker; ahead_worker.serve()"


class Busy(Exception):  # noqa: N818  not an error: there is other work
    """Another process compiles this kernel."""


is_second = False  # whether this is a second process: see `ahead_worker`
_second: subprocess.Popen[bytes] | None = None
_tried = False  # to start one


@functools.cache
def _locks(build: str) -> Path | None:
    return cache.private("locks", build)


def claim(folder: Path | None, name: str) -> IO[bytes] | None:
    """Return the locked file of a kernel, when no other process holds the lock any more.

    None if there is no cache folder, or if the wait was too long: locks are an economy only.

    Raises
    ------
    Busy
        It is held, and this is a second process.
    """
    locks = _locks(folder.name) if folder else None
    if locks is None:
        return None
    end = time.monotonic() + PATIENCE
    with contextlib.ExitStack() as opened, contextlib.suppress(OSError):
        file = opened.enter_context((locks / name).open("ab"))
        while not file_lock.acquire(file):
            if is_second:
                raise Busy(name)
            if time.monotonic() > end:
                return None
            time.sleep(0.005)
        opened.pop_all()
        return file
    return None  # a file system without locks


def request(folder: Path | None, names: Iterable[str]) -> None:
    """Ask the second process to compile these kernels; start it at the first call.

    There is none in inference, which needs no backward pass, where kernels may use one thread only,
    and without a cache to share.
    """
    global _second, _tried
    if is_second or folder is None or no_grad_depth.get() or get_num_threads() < 2:
        return
    if not _tried:
        _tried = True
        _second = _start(folder)
    if _second is not None and _second.stdin is not None:
        with contextlib.suppress(OSError):  # it has ended
            _second.stdin.write("".join(f"{name}\n" for name in names).encode())
            _second.stdin.flush()


def _start(folder: Path) -> subprocess.Popen[bytes] | None:
    """Return a second process, or None if this program is no plain Python or may start none."""
    if not Path(sys.executable or "").stem.lower().startswith("python"):
        return None
    root = str(Path(__file__).parents[3])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(folder), str(IDLE)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONSAFEPATH": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),  # of Windows
        )
    except OSError:  # no more processes are allowed
        return None
    threading.Thread(target=process.wait, daemon=True).start()  # no zombie
    return process


@atexit.register
def _stop() -> None:
    """End the second process with this one. If this one is killed, the input of the other ends."""
    if _second is not None:
        _second.kill()
        _second.communicate()  # closes its input, and waits


def _forget() -> None:
    """Drop the second process in a child after a fork: it belongs to the parent."""
    global _second
    if _second is not None and _second.stdin is not None:
        with contextlib.suppress(OSError):
            os.close(_second.stdin.fileno())
    _second = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
