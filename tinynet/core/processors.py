"""Processors that this process may use."""

from __future__ import annotations

import os


def available() -> int:
    """Return the processors that the system lets this process use, at least 1."""
    if hasattr(os, "sched_getaffinity"):  # Linux: `taskset` and containers leave fewer
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
