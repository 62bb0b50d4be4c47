"""The second process of `ahead`: it compiles the kernels whose names arrive on standard input.

Importing this module imports `tinynet.kernels`, and so defines every kernel.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from queue import Empty, SimpleQueue

from tinynet.kernels.codegen import ahead, cache, native


def serve() -> None:
    """Compile kernels into the folder argv[1] until there are none for argv[2] seconds."""
    ahead.is_second = True
    native.on_compile = None
    names: SimpleQueue[str] = SimpleQueue()
    threading.Thread(target=_receive, args=(names,), daemon=True).start()
    if str(cache.folder(tuple(sorted(native.OPTIONS.items())))) != sys.argv[1]:
        return  # Numba has other settings, made while the first process ran
    known = {kernel.name: kernel for kernel in native.COMPILED}
    with contextlib.suppress(Empty):
        while True:
            kernel = known.get(names.get(timeout=float(sys.argv[2])))
            if kernel is not None:
                with contextlib.suppress(ahead.Busy):
                    kernel.build()


def _receive(names: SimpleQueue[str]) -> None:
    """Pass names on; end this process at once when the first one has ended."""
    for line in sys.stdin:
        names.put(line.strip())
    os._exit(0)
