"""Sandbox of a process that runs a learner's code: less and less is allowed, never more.

Three layers, each of which works alone: resource limits (time, memory, file size, processes),
namespaces of Linux (no network, no other process to see), and Landlock (only some folders may be
read, one folder may be written). `confine` says which of them this machine has.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import struct
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NoReturn

CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38
CREATE_RULESET = 444  # system calls of Landlock
ADD_RULE = 445
RESTRICT_SELF = 446
WRITE_FILE = 1 << 1
READ_FILE = 1 << 2
READ_DIR = 1 << 3
FILES = 0b1111111111111  # all rights on files and folders of the first version of Landlock
REFER = 1 << 13  # of its version 2
TRUNCATE = 1 << 14  # of version 3
IOCTL = 1 << 15  # of version 5
TCP = 0b11  # bind, connect: from version 4
SCOPES = 0b11  # sockets and signals to other processes: from version 6


def _c() -> Any:
    return ctypes.CDLL(None, use_errno=True)


def limit(seconds: int, memory: int) -> bool:
    """Limit this process's processor time and memory, its files, and its child processes."""
    try:
        import resource
    except ImportError:  # Windows
        return False
    limits = {
        resource.RLIMIT_CPU: seconds,
        resource.RLIMIT_AS: memory,
        resource.RLIMIT_FSIZE: 2**20,
        resource.RLIMIT_NOFILE: 64,
        resource.RLIMIT_CORE: 0,
    }
    for kind, most in limits.items():
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (most, most))
    if os.geteuid() != 0:  # the kernel does not count root's processes
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    return True


def isolate() -> bool:
    """Continue in a child process that sees no network and no other process; False if impossible.

    Two processes above it only wait. The lower one is the first of its namespace: when it dies,
    the kernel kills all others in it, whatever they did to leave their group or their session.
    """
    if sys.platform != "linux":
        return False
    c = _c()
    if c.unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWPID) != 0:
        return False
    child = os.fork()
    if child:
        _wait_for(child)
    c.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    learner = os.fork()  # it could undo the line above
    if learner:
        _wait_for(learner)
    return True


def _wait_for(child: int) -> NoReturn:
    os.closerange(3, 256)  # the pipes are the child's alone, so that its end is seen
    _, status = os.waitpid(child, 0)
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def seal(writable: Path, readable: Iterable[Path], hidden: Iterable[Path]) -> bool:
    """Let this process read some folders, except what is hidden, and write to one; else False.

    It cannot start programs either, nor reach other processes with signals.
    """
    if sys.platform != "linux":
        return False
    c = _c()
    version = c.syscall(CREATE_RULESET, None, 0, 1)
    if version < 1:
        return False
    rights = FILES | REFER * (version >= 2) | TRUNCATE * (version >= 3) | IOCTL * (version >= 5)
    words = [rights, TCP, SCOPES][: 1 + (version >= 4) + (version >= 6)]
    wanted = struct.pack(f"{len(words)}Q", *words)
    rules = c.syscall(CREATE_RULESET, wanted, len(wanted), 0)
    if rules < 0:
        return False
    secret = {path.resolve() for path in hidden}
    for root in readable:
        for path in visible(root.resolve(), secret):
            _allow(c, rules, path, READ_FILE | READ_DIR * path.is_dir())
    for name in ("null", "zero", "urandom"):
        _allow(c, rules, Path("/dev", name), READ_FILE | WRITE_FILE * (name == "null"))
    _allow(c, rules, writable, rights & ~1)  # all but to execute
    c.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    sealed = c.syscall(RESTRICT_SELF, rules, 0) == 0
    os.close(rules)
    return bool(sealed)


def visible(root: Path, hidden: set[Path]) -> Iterator[Path]:
    """Yield the largest folders and files below `root` that contain nothing hidden."""
    if root in hidden or not root.exists():
        return
    if not any(root in path.parents for path in hidden):
        yield root
        return
    for child in root.iterdir():
        yield from visible(child, hidden)


def _allow(c: Any, rules: int, path: Path, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    c.syscall(ADD_RULE, rules, 1, struct.pack("=Qi", rights, place), 0)
    os.close(place)


def mute() -> None:
    """Disable Python's sockets: all that can be done about the network without namespaces."""
    import socket

    def refused(*_: Any, **__: Any) -> NoReturn:
        raise OSError("a graded file has no network")

    for name in ("socket", "create_connection", "getaddrinfo"):
        setattr(socket, name, refused)


def confine(
    seconds: int, memory: int, writable: Path, readable: Iterable[Path], hidden: Iterable[Path]
) -> dict[str, bool]:
    """Confine this process; return which layers of protection are in force."""
    isolated = isolate()
    if not isolated:
        mute()
    sealed = seal(writable, readable, hidden)
    return {"isolated": isolated, "sealed": sealed, "limited": limit(seconds, memory)}
