"""Large arrays that are freed stay with the process, for the next ones of a training step.

By default the C library gives a freed array of megabytes back to the system, and the next one is
paid for again, page by page: `python -m benchmarks.memory` measures it. A training step frees and
takes the same sizes over and over.
"""

from __future__ import annotations

import ctypes
import functools

M_TRIM_THRESHOLD = -1  # names and numbers of glibc's malloc.h
M_MMAP_MAX = -4


@functools.cache
def reuse_freed_memory() -> bool:
    """Ask malloc to keep what is freed, once; return whether it could be asked (glibc)."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    # No block is a mapping of its own, and the end of the heap is not cut off.
    return bool(mallopt(M_MMAP_MAX, 0)) and bool(mallopt(M_TRIM_THRESHOLD, 2**31 - 1))
