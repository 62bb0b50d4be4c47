"""Memory allocator settings: freed memory of large arrays stays with the process.

By default the C library returns a freed array of megabytes to the operating system, and the next
array costs a page fault per page: `python -m benchmarks.memory` measures it. A training step frees
and allocates the same sizes again and again.
"""

from __future__ import annotations

import ctypes
import functools

M_TRIM_THRESHOLD = -1  # names and numbers of glibc's malloc.h
M_MMAP_MAX = -4


@functools.cache
def reuse_freed_memory() -> bool:
    """Tell malloc once to keep freed memory; return whether it supports that (glibc)."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    # No block is a memory mapping of its own, and the heap is not trimmed at its end.
    return bool(mallopt(M_MMAP_MAX, 0)) and bool(mallopt(M_TRIM_THRESHOLD, 2**31 - 1))
