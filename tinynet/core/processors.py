"""Processors that this process may use."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def available() -> int:
    """Return the processors that the system lets this process use, at least 1."""
    if hasattr(os, "sched_getaffinity"):  # Linux: `taskset` and containers leave fewer
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def name() -> str:
    """Return the name of the processor, as the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    for line in lines:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
