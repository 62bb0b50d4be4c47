"""Tables of the README, training steps and convolution ladder: ``python -m benchmarks``."""

from __future__ import annotations

import argparse
import importlib.util
import sys

from benchmarks import conv_ladder
from benchmarks.interleaved import OURS, run_interleaved
from benchmarks.step import compare

ROWS = [
    ("S", "step"),
    ("A", "step"),
    ("L", "step"),
    ("S", "conv"),
    ("A", "conv"),
    ("S", "forward"),
    ("A", "forward"),
]
WHAT = {"step": "training step", "conv": "convolutions alone", "forward": "inference"}


def main() -> None:
    """Measure the rows one after the other and print each as soon as it is complete."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    out = sys.stdout
    out.write("| net | what | tinynet | PyTorch | channels_last | ratio to the better |\n")
    out.write("|---|---|---|---|---|---|\n")
    for net, case in ROWS:
        found = compare(net, case, options.threads, options.rounds)
        out.write(
            "| {net} | {what} | {ours_ms:.0f} ms | {torch_ms:.0f} ms | "
            "{torch_channels_last_ms:.0f} ms | **{ratio:.2f}** |\n".format(what=WHAT[case], **found)
        )
        out.flush()
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    out.write(f"\n{options.threads} threads, float32, medians of {options.rounds}; {versions}\n\n")
    out.write(
        conv_ladder.table(conv_ladder.measure(options.threads, 2 * options.rounds), options.threads)
    )
    if importlib.util.find_spec("jax"):
        _rows_of_jax(options.threads, options.rounds)


def _rows_of_jax(threads: int, rounds: int) -> None:
    """Print a separate table: JAX compiles the whole step, PyTorch above is eager."""
    sys.stdout.write("\n| net | what | tinynet | JAX | ratio |\n|---|---|---|---|---|\n")
    for net in "SA":
        found = run_interleaved(net, (OURS, "jax"), ("step",), threads, rounds)
        ours, theirs = (found["ms"]["step", name] for name in (OURS, "jax"))
        sys.stdout.write(
            f"| {net} | {WHAT['step']} | {ours:.0f} ms | {theirs:.0f} ms "
            f"| **{ours / theirs:.2f}** |\n"
        )
        sys.stdout.flush()
    sys.stdout.write(f"\njax {found['versions']['jax']}, jitted, on {threads} CPUs\n")


if __name__ == "__main__":
    main()
