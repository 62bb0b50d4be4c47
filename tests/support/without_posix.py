"""Hide what only Linux and macOS have, as `import support.without_posix` before tinynet.

The standard library and the packages that tinynet uses ask `sys.platform` which of it they may
use, so they are loaded before: only tinynet's own code meets a system without it.
"""

import asyncio  # noqa: F401
import concurrent.futures.process  # noqa: F401
import contextlib
import importlib
import multiprocessing.context
import os
import select
import signal
import socket
import subprocess  # noqa: F401
import sys
import tempfile  # noqa: F401
import time

GUESTS = (
    "numpy",
    "numba",
    "matplotlib.pyplot",
    "click",
    "rich.progress",
    "rich.table",
    "requests",
    "safetensors.numpy",
    "PIL.Image",
    "threadpoolctl",
)
MODULES = ("fcntl", "grp", "posix", "pwd", "resource", "syslog", "termios", "tty", "pty")
OF_OS = [
    "O_CLOEXEC",
    "O_DIRECTORY",
    "O_NOFOLLOW",
    "O_NONBLOCK",
    "chown",
    "fchmod",
    "fchown",
    "fork",
    "getegid",
    "geteuid",
    "getgid",
    "getloadavg",
    "getpgid",
    "getpgrp",
    "getppid",
    "getuid",
    "killpg",
    "lchown",
    "mkfifo",
    "nice",
    "openpty",
    "pidfd_open",
    "process_cpu_count",
    "register_at_fork",
    "sched_getaffinity",
    "sched_setaffinity",
    "setsid",
    "statvfs",
    "sync",
    "sysconf",
    "uname",
    "wait3",
    "wait4",
]
OF_SIGNAL = [
    "ITIMER_REAL",
    "SIGALRM",
    "SIGCHLD",
    "SIGHUP",
    "SIGKILL",
    "SIGPIPE",
    "SIGQUIT",
    "SIGSTOP",
    "SIGTSTP",
    "SIGUSR1",
    "SIGUSR2",
    "alarm",
    "pause",
    "pthread_kill",
    "pthread_sigmask",
    "setitimer",
    "siginterrupt",
    "sigwait",
]


def _refuse_fork(method=None):
    if method in (None, "spawn"):
        return multiprocessing.context._concrete_contexts["spawn"]
    raise ValueError(f"cannot find context for {method!r}")


def hide():
    """Take all of it away."""
    for name in GUESTS:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    for name in MODULES:
        sys.modules[name] = None
    for module, names in ((os, OF_OS), (signal, OF_SIGNAL), (select, ["epoll", "poll"])):
        for name in names:
            if hasattr(module, name):
                delattr(module, name)
    if hasattr(time, "tzset"):
        del time.tzset
    if hasattr(socket, "AF_UNIX"):
        del socket.AF_UNIX
    multiprocessing.context.DefaultContext.get_context = lambda self, method=None: _refuse_fork(
        method
    )
    multiprocessing.get_context = _refuse_fork


hide()
