"""Parts of `python -m benchmarks`: what is measured, and against whom."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

from benchmarks import conv_ladder, epoch, start, threads
from benchmarks.interleaved import INFERENCE_RIVALS, OURS, STEP_RIVALS, TORCH, run_interleaved
from benchmarks.report import ABSENT, COLUMNS, NAMES, Report, best_of

CONV_RIVALS = STEP_RIVALS[:-1]  # JAX compiles whole steps
ROWS = {  # case: what it is called, its networks and its rivals
    "step": ("training step", ("S", "A", "L", "A-no-lrn", "R", "V"), STEP_RIVALS),
    "conv": ("convolutions alone", ("S", "A"), CONV_RIVALS),
    "forward": ("inference", ("S", "A", "R", "A@1"), INFERENCE_RIVALS),
}
MIB_NETS = ("S", "A", "L")
FEW = 3  # rounds of the first step, at most


def warm() -> None:
    """Compile all kernels: a process that compiles takes more memory than one that trains."""
    code = "from tinynet.kernels.codegen import native; native.warm()"
    subprocess.run([sys.executable, "-c", code], check=True)


def timed(report: Report, case: str) -> None:
    """Print a row for each network of a case."""
    what, nets, rivals = ROWS[case]
    wanted = [net for net in nets if report.nets is None or net in report.nets]
    report.table("net", "what", "tinynet", *COLUMNS, "ratio to the best", "the best")
    for net in wanted:
        group = (OURS, *(TORCH if report.quick else rivals))
        found = run_interleaved(net, group, (case,), report.threads, report.rounds)
        report.compared(net, case, what, found)


def steps(report: Report) -> None:
    """Measure training steps, and the part of local response normalization in PyTorch's."""
    timed(report, "step")
    whole, rest = (report.found.get((net, "step")) for net in ("A", "A-no-lrn"))
    if whole is None or rest is None:
        return
    shares = [
        f"{NAMES.get(name, 'tinynet')} {1 - rest['ms']['step', name] / ms:.0%}"
        for (_, name), ms in whole["ms"].items()
        if ("step", name) in rest["ms"]
    ]
    report.note(
        "The share of local response normalization in a step of A, from the rows A and A-no-lrn: "
        f"{', '.join(shares)}."
    )


def others(report: Report) -> None:
    """Begin the second table, unless it was begun."""
    report.table("what", "tinynet", "the best rival", "ratio", "the best")


def memory(report: Report) -> None:
    """Print the peak memory of the processes that made the steps."""
    others(report)
    for net in MIB_NETS:
        if report.nets is not None and net not in report.nets:
            continue
        found = report.found.get((net, "step")) or run_interleaved(
            net, (OURS, *TORCH), ("step",), report.threads, 1
        )
        peaks = found["peak_mib"]
        rivals = [name for name in TORCH if name in peaks]
        if not rivals:
            report.row(f"peak memory, step of {net}", f"{peaks[OURS]:.0f} MiB", *[ABSENT] * 3)
            continue
        best = min(rivals, key=lambda name: peaks[name])
        report.row(
            f"peak memory, step of {net}",
            f"{peaks[OURS]:.0f} MiB",
            f"{peaks[best]:.0f} MiB",
            f"**{peaks[OURS] / peaks[best]:.2f}**",
            NAMES[best],
        )


def first_step(report: Report) -> None:
    """Print the seconds from the start of a process to the end of its first step of S."""
    others(report)
    found = start.compare(min(FEW, report.rounds))
    theirs = found["torch"]["median"]
    for rival in start.RIVALS[:2]:
        ours = found[rival]["median"]
        cache = rival.partition(", ")[2]
        report.row(
            f"first step of S, {cache}",
            f"{ours:.2f} s",
            f"{theirs:.2f} s",
            f"**{ours / theirs:.2f}**",
            NAMES[TORCH[0]],
        )


def tiny(report: Report) -> None:
    """Print the time of a thousand chained additions of four numbers."""
    others(report)
    found = run_interleaved("S", (OURS, TORCH[0]), ("tiny",), report.threads, report.rounds)
    second_row(report, "1000 chained additions, forward and backward", "tiny", found)


def whole_epoch(report: Report) -> None:
    """Print the images a second of an epoch with its loader; one run, since it is long."""
    others(report)
    rivals = TORCH if report.quick else CONV_RIVALS
    found = run_interleaved("A", (OURS, *rivals), ("epoch",), report.threads, 1, repeat=False)
    what = f"epoch of small-alexnet, {epoch.images():,} images with crops and flips, one run"
    second_row(report, what, "epoch", found, images=epoch.images())


def second_row(report: Report, what: str, case: str, found: dict, images: int = 0) -> None:
    """Print a row of the second table; `images` makes a speed of a time."""
    report.versions.update(found["versions"])
    for name, reason in found["failed"].items():
        report.failures[f"{NAMES.get(name, name)}, {what}"] = reason

    def said(ms: float) -> str:
        return f"{1e3 * images / ms:,.0f} images/s" if images else f"{ms:.2f} ms"

    ours, best = found["ms"][case, OURS], best_of(found["ms"], case)
    if best is None:
        report.row(what, said(ours), *[ABSENT] * 3)
        return
    theirs = found["ms"][case, best]
    report.row(what, said(ours), said(theirs), f"**{ours / theirs:.2f}**", NAMES[best])


def two_threads(report: Report) -> None:
    """Print how much faster a step of A is with two threads than with one."""
    others(report)
    one, two = threads.compare("A", report.rounds).values()
    report.row("step of A, 1 thread / 2 threads", f"{one:.0f} / {two:.0f} ms", ABSENT,
               f"{one / two:.2f} times", ABSENT)  # fmt: skip


def ladder(report: Report) -> None:
    """Print the table of one convolution in several versions."""
    found = conv_ladder.measure(report.threads, 2 * report.rounds)
    report.out.write(f"\n{conv_ladder.table(found, report.threads)}")


PARTS: dict[str, Callable[[Report], None]] = {
    "step": steps,
    "conv": lambda report: timed(report, "conv"),
    "forward": lambda report: timed(report, "forward"),
    "memory": memory,
    "start": first_step,
    "tiny": tiny,
    "epoch": whole_epoch,
    "threads": two_threads,
    "ladder": ladder,
}
