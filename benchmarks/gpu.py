"""GPU benchmarks in one command: ``python -m benchmarks.gpu``.

Tests of every kernel against its reference on the GPU, training steps against PyTorch with their
launch counts, each kernel of a step beside the profiler's estimate, kernels against the copy
bandwidth, and a training run; tables on the screen, JSON in benchmarks/results/. It needs under 8
minutes: each section is a process with a time limit, and if one fails, it is reported and the
others go on. ``--dry-run`` runs all of it on the CPU with tiny inputs and more patience: the times
mean nothing, but the script is tested.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import platform
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.gpu_kernels import beside, gpu_of
from benchmarks.gpu_launches import COUNTED
from tinynet.core import backend
from tinynet.core.errors import DeviceError
from tinynet.core.table import table

ROOT = Path(__file__).parent.parent
SECTIONS = {  # seconds
    "tests": 110,
    "estimate-small": 110,
    "estimate-alexnet": 110,
    "estimate-kernels": 110,
    "small": 70,
    "alexnet": 125,
    "kernels": 50,
    "training": 115,
}
PATIENCE = 5  # times as long a dry run may take: it compiles, on a machine that may be busy
ESTIMATES = {
    "small": "estimate-small",
    "alexnet": "estimate-alexnet",
    "kernels": "estimate-kernels",
}
"""The section that estimates what another one measures."""
TOGETHER = "tests", *ESTIMATES.values()  # none of them is timed, and an estimate needs no GPU
SHOWN = 20  # kernels of a step in its table; the file has all
GOALS = [  # section, what, numerator / denominator of the time ratio, must, aim
    ("small", "small AlexNet, step", "graph", "torch eager", 0.50, 0.30),
    ("small", "small AlexNet, step", "graph", "torch graph", 1.10, 0.80),
    ("alexnet", "AlexNet 2012, step", "graph", "torch eager", 0.70, 0.50),
    ("alexnet", "AlexNet 2012, step", "graph", "torch compile", 1.00, 0.75),
]
GRAPH = "tinynet graph"  # what an estimate of a step is about
SHARE = 0.60, 0.85  # must and aim, of the copy bandwidth
SECONDS = 30, 10  # must and aim, to 89 % on CIFAR-10


def main() -> int:
    """Run the sections in turn; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--out", type=Path, help="JSON file; default: a new one in benchmarks/results/"
    )
    parser.add_argument("--precision", choices=["float32", "tf32", "bfloat16"], default="tf32")
    parser.add_argument("--data-dir", help="folder of CIFAR-10, for the training run")
    parser.add_argument("--only", choices=SECTIONS, action="append", help="run only these sections")
    parser.add_argument(
        "--dry-run", action="store_true", help="run on the CPU with tiny inputs; times mean nothing"
    )
    options = parser.parse_args()
    if not options.dry_run:
        try:
            backend.device("cuda")
        except DeviceError as error:
            sys.stdout.write(f"Nothing was measured: {error} --dry-run tries the script.\n")
            return 1
    found = facts(options)
    for name, result in results(options.only or SECTIONS, options):
        found["sections"][name] = result
        sys.stdout.write(f"{name}: {said(result)}\n")
        sys.stdout.flush()
    found["goals"] = list(judged({} if options.dry_run else found["sections"]))
    sys.stdout.write("\n" + shown(found) + "\n")
    path = options.out or ROOT / "benchmarks" / "results" / f"gpu-{found['date'][:10]}.json"
    if options.out or not options.dry_run:  # the times of a dry run are not kept
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found, indent=2) + "\n")
        sys.stdout.write(f"\nwritten: {path}\n")
    return int(any("failed" in s for s in found["sections"].values()))


def results(
    names: Iterable[str], options: argparse.Namespace
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each section with its results; those of `TOGETHER` run side by side, first."""
    names = list(names)
    together = [name for name in TOGETHER if name in names]
    with ThreadPoolExecutor(len(TOGETHER)) as pool:
        side_by_side = pool.map(lambda name: section(name, options), together)
        yield from zip(together, side_by_side, strict=True)
    for name in names:
        if name not in together:
            yield name, section(name, options)


def facts(options: argparse.Namespace) -> dict[str, Any]:
    """Return the metadata of a measurement: date, device, versions, commit."""
    git = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
    versions = {"python": platform.python_version()}
    for name in ("tinynet", "numpy", "cupy-cuda12x", "cupy-cuda13x", "torch"):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "date": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "device": "the CPU: a dry run" if options.dry_run else _device(),
        "precision": options.precision,
        "commit": commit or "unknown",
        "versions": versions,
        "sections": {},
    }


def _device() -> str:
    import cupy

    properties = cupy.cuda.runtime.getDeviceProperties(0)
    driver = cupy.cuda.runtime.driverGetVersion()
    return f"{properties['name'].decode()}, driver for CUDA {driver // 1000}.{driver // 10 % 100}"


def section(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Return the results of a section, or {"failed": reason}."""
    settings = {
        "precision": options.precision,
        "dry": options.dry_run,
        "data_dir": options.data_dir,
        "gpu": gpu_of("" if options.dry_run else _device()),
    }
    command = [sys.executable, "-m", "benchmarks.gpu_sections", name, json.dumps(settings)]
    limit = SECTIONS[name] * (PATIENCE if options.dry_run else 1)
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=limit
        )
    except subprocess.TimeoutExpired as error:
        lines = (error.stdout or b"").decode().strip().splitlines()  # bytes even with text=True
        so_far: dict[str, Any] = json.loads(lines[-1]) if lines else {}
        return {**so_far, "failed": f"it took longer than {limit} s"}
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        said = (done.stderr or done.stdout).strip().splitlines()[-5:]
        return {"failed": " / ".join(said) or f"exit code {done.returncode}"}
    result: dict[str, Any] = json.loads(lines[-1])
    return result


def said(result: dict[str, Any]) -> str:
    """Return the outcome of a section in a few words."""
    passed = f"{result['passed']} tests passed" if "passed" in result else "done"
    return str(result.get("failed", result.get("missing", passed)))


def judged(sections: dict[str, Any]) -> list[dict[str, Any]]:
    """Return each goal with the measured value, None if there is none."""
    rows = []
    for name, what, mine, rival, must, aim in GOALS:
        times = sections.get(name, {}).get("ms", {})
        both = times.get(f"tinynet {mine}"), times.get(rival)
        ratio = round(both[0] / both[1], 3) if all(both) else None
        rows.append({"what": f"{what}, to {rival}", "found": ratio, "must": must, "aim": aim})
    for kernel, share in sections.get("kernels", {}).get("share", {}).items():
        must, aim = SHARE
        rows.append(
            {"what": f"{kernel}, bandwidth to a copy's", "found": share, "must": must, "aim": aim}
        )
    must, aim = SECONDS
    seconds = sections.get("training", {}).get("seconds_to_89")
    rows.append({"what": "CIFAR-10 to 89 %, seconds", "found": seconds, "must": must, "aim": aim})
    return rows


def shown(found: dict[str, Any]) -> str:
    """Return the printed tables."""
    head = [("goal", "found", "must", "aim")]
    goals = [
        (
            g["what"],
            "not measured" if g["found"] is None else f"{g['found']:g}",
            f"{g['must']:g}",
            f"{g['aim']:g}",
        )
        for g in found["goals"]
    ]
    times = [("section", "implementation", "ms a step", "estimated")] + [
        (name, rival, f"{ms:.3f}", _number(_guess(found, name, "ms"), rival == GRAPH))
        for name, result in found["sections"].items()
        if name in ESTIMATES
        for rival, ms in result.get("ms", {}).items()
    ]
    head_line = f"{found['device']}; {found['precision']}; commit {found['commit']}"
    tables = [table(head + goals, left=1), table(times, left=2), *_details(found)]
    tables += _kernels(found)
    names = {_guess(found, name, "gpu") for name in ESTIMATES} - {None}
    if names:
        tables.append(f"Estimates are those of the profiler for {names.pop()}, made without it.")
    return "\n\n".join([head_line, *tables])


def _guess(found: dict[str, Any], name: str, what: str) -> Any:
    """Return a part of the estimate for a section, None if there is none."""
    return found["sections"].get(ESTIMATES[name], {}).get(what)


def _number(value: float | None, shown: bool = True) -> str:
    """Return a number in a table."""
    return f"{value:.3f}" if shown and value is not None else "-"


def _kernels(found: dict[str, Any]) -> list[str]:
    """Return a table for each step: its kernels, measured one by one, beside their estimates."""
    head = (
        "section",
        "kernel",
        "blocks",
        "launches",
        "us each",
        "estimated",
        "measured / estimated",
    )
    tables = []
    for name in ("small", "alexnet"):
        measured = found["sections"].get(name, {}).get("kernels", [])
        rows = beside(measured, _guess(found, name, "kernels") or [])
        lines = [
            (
                name,
                row["kernel"],
                str(row["blocks"]),
                str(row["launches"]),
                _number(row["us"]),
                _number(row["estimate_us"]),
                _number(
                    row["us"] / row["estimate_us"] if row["us"] and row["estimate_us"] else None
                ),
            )
            for row in rows[:SHOWN]
        ]
        tables += [table([head, *lines], left=2)] if lines else []
    return tables


def _details(found: dict[str, Any]) -> list[str]:
    """Return the tables of launches and of bandwidths, without empty ones."""
    sections = found["sections"]
    launches = [
        (name, step, *(str(counts[what]) for what in COUNTED))
        for name, result in sections.items()
        for step, counts in result.get("launches", {}).items()
    ]
    guesses = _guess(found, "kernels", "gigabytes_a_second") or {}
    rates = [
        (kernel, f"{rate:.1f}", f"{guesses[kernel]:.1f}" if kernel in guesses else "-")
        for kernel, rate in sections.get("kernels", {}).get("gigabytes_a_second", {}).items()
    ]
    head = ("section", "launches of a step", *COUNTED)
    return [
        *([table([head, *launches], left=2)] if launches else []),
        *([table([("kernel", "GB/s", "estimated"), *rates], left=1)] if rates else []),
    ]


if __name__ == "__main__":
    sys.exit(main())
