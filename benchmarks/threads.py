"""Speed-up from a second thread: ``python -m benchmarks.threads``.

Net A, whole training steps; one process with one thread and one with two, interleaved; medians.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import sys

from benchmarks.interleaved import OURS, Rival

COUNTS = (1, 2)


def compare(net: str, rounds: int) -> dict[int, float]:
    """Return the median milliseconds a step with each number of threads."""
    with contextlib.ExitStack() as stack:
        rivals = {n: stack.enter_context(Rival(OURS, net, n)) for n in COUNTS}
        samples = [
            {n: rival.sample("step", 2)["seconds"] for n, rival in rivals.items()}
            for _ in range(rounds)
        ]
    return {n: 1e3 * statistics.median(s[n] for s in samples) for n in COUNTS}


def main() -> None:
    """Print the times and the speed-up, as text or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--net", choices="SAL", default="A")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    one, two = compare(options.net, options.rounds).values()
    if options.json:
        facts = {"net": options.net, "rounds": options.rounds, "one_ms": one, "two_ms": two}
        sys.stdout.write(json.dumps({**facts, "ratio": one / two}) + "\n")
        return
    sys.stdout.write(
        f"net {options.net}: 1 thread {one:.0f} ms, 2 threads {two:.0f} ms: {one / two:.2f} times\n"
    )


if __name__ == "__main__":
    main()
