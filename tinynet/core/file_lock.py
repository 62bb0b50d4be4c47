"""File locks between processes: `flock` on Linux and macOS, a locked byte on Windows."""

from __future__ import annotations

import importlib
from typing import IO, Any

FAR = 2**30  # Windows locks bytes against reading too, so the locked one lies behind the contents


def _module(name: str) -> Any:
    """Return a module that only some systems have, or None."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


_flock = _module("fcntl")
_windows = _module("msvcrt")


def acquire(file: IO[Any], *, shared: bool = False) -> bool:
    """Lock an open file without waiting; return whether no other process holds its lock.

    The lock ends when the file is closed. On a system without file locks every file counts as free.
    """
    try:
        if _flock is not None:
            _flock.flock(file, (_flock.LOCK_SH if shared else _flock.LOCK_EX) | _flock.LOCK_NB)
        elif _windows is not None:
            file.seek(FAR)
            _windows.locking(file.fileno(), _windows.LK_NBLCK, 1)
    except (BlockingIOError, PermissionError):
        return False
    return True
