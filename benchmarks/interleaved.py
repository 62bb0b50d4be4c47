"""Interleaved timing: one process for each implementation, samples in turn, medians."""

from __future__ import annotations

import contextlib
import json
import select
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import Any, Self

OURS = "tinynet:numba"
TORCH = ("torch:default", "torch:channels_last")
COMPILED = ("compiled:default", "compiled:channels_last")
STEP_RIVALS = (*TORCH, *COMPILED, "jax")
INFERENCE_RIVALS = (*STEP_RIVALS, "onnxruntime", "openvino")

WORKER = [sys.executable, "-m", "benchmarks.worker"]
LIMIT = 240.0  # seconds for one answer; the first contains the compilation
SAMPLE = 0.4  # seconds, the least length of a sample


class RivalFailedError(SystemExit):
    """A worker process stopped or did not answer in time; the message says why."""


class Rival:
    """A worker process (see `worker.py`) for one implementation; it times one case at a time."""

    def __init__(self, name: str, net: str, threads: int) -> None:
        self.name = name
        self.complaints = tempfile.TemporaryFile("w+")  # noqa: SIM115 (until __exit__)
        self.process = subprocess.Popen(
            [*WORKER, name, net, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.complaints,
            text=True,
        )
        self._info: dict[str, Any] = {}

    @property
    def info(self) -> dict[str, Any]:
        """What the worker said when it was ready."""
        self._info = self._info or self.answer()
        return self._info

    def ask(self, case: str, count: int) -> None:
        """Let the worker begin with `count` repetitions; `answer` waits for the end."""
        assert self.info
        assert self.process.stdin is not None  # it was opened with a pipe
        with contextlib.suppress(BrokenPipeError):  # the missing answer says why
            self.process.stdin.write(f"{case} {count}\n")
            self.process.stdin.flush()

    def sample(self, case: str, count: int) -> dict[str, float]:
        """Return the mean seconds of `count` repetitions, and the peak memory so far."""
        self.ask(case, count)
        return self.answer()

    def answer(self) -> dict[str, Any]:
        """Return the next answer of the worker; `ask` was called before."""
        assert self.process.stdout is not None  # it was opened with a pipe
        if not select.select([self.process.stdout], [], [], LIMIT)[0]:
            raise RivalFailedError(f"no answer within {LIMIT:.0f} s")
        line = self.process.stdout.readline()
        if not line:
            raise RivalFailedError(self._complaint())
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _complaint(self) -> str:
        """Return the last line that the worker wrote on its standard error."""
        code = self.process.wait()
        self.complaints.seek(0)
        lines = [line.strip() for line in self.complaints if line.strip()]
        ended = f"it ended by signal {-code}" if code < 0 else f"it ended with code {code}"
        return lines[-1] if lines and code > 0 else ended

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.process.kill()
        self.process.communicate()
        self.complaints.close()


def run_interleaved(
    net: str,
    rivals: tuple[str, ...],
    cases: tuple[str, ...],
    threads: int,
    rounds: int,
    repeat: bool = True,
) -> dict[str, Any]:
    """Return the median, the spread and the peak memory for each case and implementation.

    A sample is as many repetitions as take `SAMPLE` seconds, or one where `repeat` is False.

    An implementation that fails is left out of them, and its reason is in "failed"; the first of
    `rivals` must not fail.
    """
    samples: dict[tuple[str, str], list[float]] = {}
    peaks: dict[str, float] = {}
    with contextlib.ExitStack() as stack:
        team = Team([stack.enter_context(Rival(name, net, threads)) for name in rivals])
        for case in cases:
            counts = team.prepare(case, repeat)
            for _ in range(rounds):
                answers = team.each(lambda w: w.sample(case, counts[w.name]))  # noqa: B023
                for name, answer in answers.items():
                    samples.setdefault((case, name), []).append(answer["seconds"])
                    peaks[name] = answer["peak_mib"]
        infos = team.each(lambda w: w.info["versions"])
    if rivals[0] in team.failed:
        raise SystemExit(f"{rivals[0]} failed: {team.failed[rivals[0]]}")
    kept = {key: values for key, values in samples.items() if key[1] not in team.failed}
    return {
        "versions": {k: v for versions in infos.values() for k, v in versions.items()},
        "peak_mib": {name: peak for name, peak in peaks.items() if name not in team.failed},
        "ms": {key: 1e3 * statistics.median(values) for key, values in kept.items()},
        "spread": {key: (max(v) - min(v)) / statistics.median(v) for key, v in kept.items()},
        "failed": team.failed,
    }


class Team:
    """Workers that take turns; `failed` has the reasons of those that failed and are left out."""

    def __init__(self, workers: list[Rival]) -> None:
        self.workers = workers
        self.failed: dict[str, str] = {}

    def each(self, act: Callable[[Rival], Any]) -> dict[str, Any]:
        """Return what `act` returns for each worker that has not failed, by name."""
        found = {}
        for worker in self.workers:
            if worker.name in self.failed:
                continue
            try:
                found[worker.name] = act(worker)
            except RivalFailedError as error:
                self.failed[worker.name] = str(error)
        return found

    def prepare(self, case: str, repeat: bool = True) -> dict[str, int]:
        """Let all workers build and compile at once; return how often each repeats in a sample."""
        self.each(lambda w: w.ask(case, 0))
        self.each(lambda w: w.answer())
        if not repeat:
            return dict.fromkeys((w.name for w in self.workers), 1)
        once = self.each(lambda w: w.sample(case, 1)["seconds"])
        return {name: max(1, int(SAMPLE / seconds)) for name, seconds in once.items()}
