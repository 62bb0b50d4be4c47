"""Page-fault cost of fresh arrays: ``python -m benchmarks.memory``; see docs/decisions/0018."""

from __future__ import annotations

import sys
import timeit
from collections.abc import Callable

import numpy as np

from tinynet.kernels.codegen.memory import reuse_freed_memory

SIZE = 2**23  # floats: 32 MiB


def median_ms(run: Callable[[], object]) -> float:
    """Return the median of 15 runs in milliseconds."""
    return 1e3 * sorted(timeit.repeat(run, number=1, repeat=15))[7]


def main() -> None:
    """Time the maximum of an array and 0, into fresh, kept and reused memory."""
    x, y = np.ones(SIZE, np.float32), np.ones(SIZE, np.float32)
    fresh = median_ms(lambda: np.maximum(x, 0))
    reuse_freed_memory()
    kept = median_ms(lambda: np.maximum(x, 0))
    reused = median_ms(lambda: np.maximum(x, 0, out=y))
    sys.stdout.write(
        f"fresh {fresh:.1f} ms, kept by malloc {kept:.1f} ms, reused {reused:.1f} ms\n"
    )


if __name__ == "__main__":
    main()
