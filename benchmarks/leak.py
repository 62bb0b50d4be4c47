"""Memory leak check of training: ``python -m benchmarks.leak``.

The resident memory of the process after some warm-up steps, when all arrays have been allocated
once, and after 500 more.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
from pathlib import Path

from benchmarks.worker import tinynet_cases

WARMUP = 20  # steps, after which all arrays have been allocated and freed twice
MIB = 2**20


def resident() -> float:
    """Return the memory of this process that is in RAM now, in MiB (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / MIB


def measure(net: str, threads: int, steps: int) -> dict[str, float]:
    """Return MiB after the warm-up steps, and after `steps` more."""
    step = tinynet_cases(net, threads, "numba")[0]["step"]
    for _ in range(WARMUP):
        step()
    before = resident()
    for _ in range(steps):
        step()
    return {"before_mib": before, "after_mib": resident()}


def main() -> None:
    """Print the growth, as text or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--net", choices="SAL", default="S")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = measure(options.net, options.threads, options.steps)
    found["growth_mib"] = found["after_mib"] - found["before_mib"]
    if options.json:
        sys.stdout.write(json.dumps({"net": options.net, "steps": options.steps, **found}) + "\n")
        return
    sys.stdout.write(
        f"net {options.net}: {found['before_mib']:.0f} MiB after {WARMUP} steps, "
        f"{found['after_mib']:.0f} MiB after {options.steps} more: "
        f"{found['growth_mib']:+.1f} MiB\n"
    )


if __name__ == "__main__":
    main()
