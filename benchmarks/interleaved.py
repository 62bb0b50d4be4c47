"""Interleaved timing: one process for each implementation, samples in turn, medians."""

from __future__ import annotations

import contextlib
import json
import statistics
import subprocess
import sys
from typing import Any, Self

OURS = "tinynet:numba"
TORCH = ("torch:default", "torch:channels_last")


class Rival:
    """A worker process (see `worker.py`) for one implementation; it times one case at a time."""

    def __init__(self, name: str, net: str, threads: int) -> None:
        command = [sys.executable, "-m", "benchmarks.worker", name, net, str(threads)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.name, self.info = name, self._answer()

    def _answer(self) -> dict[str, Any]:
        line = self.process.stdout.readline() if self.process.stdout else ""
        if not line:
            raise SystemExit("a worker process stopped before it answered; its message is above.")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def sample(self, case: str, count: int) -> dict[str, float]:
        """Return the mean seconds of `count` repetitions, and the peak memory so far."""
        assert self.process.stdin is not None  # it was opened with a pipe
        self.process.stdin.write(f"{case} {count}\n")
        self.process.stdin.flush()
        return self._answer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.process.kill()
        self.process.wait()


def run_interleaved(
    net: str, rivals: tuple[str, ...], cases: tuple[str, ...], threads: int, rounds: int
) -> dict[str, Any]:
    """Return the median, the spread and the peak memory for each case and implementation."""
    with contextlib.ExitStack() as stack:
        workers = [stack.enter_context(Rival(name, net, threads)) for name in rivals]
        samples: dict[tuple[str, str], list[float]] = {}
        peaks = {}
        for case in cases:
            counts = {w.name: max(1, int(0.4 / w.sample(case, 1)["seconds"])) for w in workers}
            for _ in range(rounds):
                for w in workers:
                    answer = w.sample(case, counts[w.name])
                    samples.setdefault((case, w.name), []).append(answer["seconds"])
                    peaks[w.name] = answer["peak_mib"]
    versions = {k: v for w in workers for k, v in w.info["versions"].items()}
    return {
        "versions": versions,
        "peak_mib": peaks,
        "ms": {key: 1e3 * statistics.median(values) for key, values in samples.items()},
        "spread": {key: (max(v) - min(v)) / statistics.median(v) for key, v in samples.items()},
    }
