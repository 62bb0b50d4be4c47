"""A training step beside another busy process: ``python -m benchmarks.busy``.

Net S. Quiet samples and samples beside one process that never rests, in turn; medians. As many
threads as the machine has processors, so that one of them has to be shared.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator

from benchmarks.duel import OURS, TORCH, Rival

STEPS = 5  # a sample


@contextlib.contextmanager
def company() -> Iterator[None]:
    """Inside the block another process keeps one processor busy."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def compare(net: str, threads: int, rounds: int) -> dict[str, dict[str, float]]:
    """Return milliseconds a step, quiet and in company, and their ratio, for each rival."""
    found = {}
    for name in (OURS, TORCH[0]):
        quiet, busy = [], []
        with Rival(name, net, threads) as rival:
            for _ in range(rounds):
                quiet.append(1e3 * rival.sample("step", STEPS)["seconds"])
                with company():
                    busy.append(1e3 * rival.sample("step", STEPS)["seconds"])
        alone, beside = statistics.median(quiet), statistics.median(busy)
        found[name] = {"quiet_ms": alone, "busy_ms": beside, "ratio": beside / alone}
    return found


def main() -> None:
    """Print one line for each rival, or JSON."""
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
