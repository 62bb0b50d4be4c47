"""Worker process of one implementation: ``python -m benchmarks.worker RIVAL NET THREADS``.

It prints one JSON line when it is ready, then reads "CASE COUNT" lines and answers each with the
mean seconds of a repetition. The first line of a case builds, compiles and runs it once, untimed;
that is all if COUNT is 0.
RIVAL is "tinynet:numba", "torch:default", "compiled:channels_last", "jax" or the like.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import sys
import time
from typing import Any, TextIO

from benchmarks.our_cases import Run

BUILDERS = {
    "tinynet": ("benchmarks.our_cases", "tinynet_cases"),
    "torch": ("benchmarks.torch_cases", "torch_cases"),
    "compiled": ("benchmarks.torch_cases", "compiled_cases"),
    "jax": ("benchmarks.inference_cases", "jax_cases"),
    "onnxruntime": ("benchmarks.inference_cases", "onnxruntime_cases"),
    "openvino": ("benchmarks.inference_cases", "openvino_cases"),
}
ONCE = {"epoch"}  # too long for a repetition that is not timed


def main(rival: str, net: str, threads: str) -> None:
    """Build the implementation, then time the cases named on standard input."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    begin = time.perf_counter()
    name, _, detail = rival.partition(":")
    module, function = BUILDERS[name]
    cases, versions = getattr(importlib.import_module(module), function)(net, int(threads), detail)
    _say(answers, versions=versions, ready_s=time.perf_counter() - begin)
    built: dict[str, Run] = {}
    for line in sys.stdin:
        case, count = line.split()
        if case not in built:
            built[case] = cases[case]()
            if case not in ONCE:
                built[case]()
        seconds = timed(built[case], int(count), warm=case not in ONCE)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        _say(answers, seconds=seconds, peak_mib=peak)


def timed(run: Run, count: int, warm: bool) -> float:
    """Return the mean seconds of `count` repetitions, 0 if there are none."""
    if not count:
        return 0.0
    if warm:
        run()  # not timed: another worker has evicted the CPU caches
    begin = time.perf_counter()
    for _ in range(count):
        run()
    return (time.perf_counter() - begin) / count


def _say(answers: TextIO, **facts: Any) -> None:
    answers.write(json.dumps(facts) + "\n")
    answers.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
