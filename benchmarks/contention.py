"""CPU contention: a training step beside a busy process, ``python -m benchmarks.contention``.

Net S. Samples without and with one other process in an endless loop, interleaved; medians. Use as
many threads as the machine has cores, so that one core has to be shared.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator

from benchmarks.interleaved import OURS, TORCH, Rival

STEPS = 5  # per sample


@contextlib.contextmanager
def contention() -> Iterator[None]:
    """Keep one core busy with another process inside the block."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def compare(net: str, threads: int, rounds: int) -> dict[str, dict[str, float]]:
    """Return ms a step without and with contention, and their ratio, for each implementation."""
    found = {}
    for name in (OURS, TORCH[0]):
        quiet, busy = [], []
        with Rival(name, net, threads) as rival:
            for _ in range(rounds):
                quiet.append(1e3 * rival.sample("step", STEPS)["seconds"])
                with contention():
                    busy.append(1e3 * rival.sample("step", STEPS)["seconds"])
        alone, beside = statistics.median(quiet), statistics.median(busy)
        found[name] = {"quiet_ms": alone, "busy_ms": beside, "ratio": beside / alone}
    return found


def main() -> None:
    """Print one line for each implementation, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--net", choices="SAL", default="S")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = compare(options.net, options.threads, options.rounds)
    if options.json:
        facts = {"net": options.net, "threads": options.threads, "rounds": options.rounds}
        sys.stdout.write(json.dumps({**facts, "rivals": found}) + "\n")
        return
    for name, row in found.items():
        sys.stdout.write(
            f"net {options.net}, {name}: quiet {row['quiet_ms']:.0f} ms, beside a busy process "
            f"{row['busy_ms']:.0f} ms: ratio {row['ratio']:.2f} ({options.threads} threads)\n"
        )


if __name__ == "__main__":
    main()
