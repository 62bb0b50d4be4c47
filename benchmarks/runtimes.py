"""Exported networks in other programs: the largest difference to the scores here, or the refusal.

    python -m venv /tmp/runtimes
    /tmp/runtimes/bin/pip install onnx onnxruntime openvino opencv-python-headless ncnn tinygrad
    /tmp/runtimes/bin/pip install --no-deps pnnx
    python -m benchmarks.runtimes --python /tmp/runtimes/bin/python > docs/runtimes.md

Each pair of a network and a program runs in a process of its own, which may take `--timeout`
seconds. A program that is not installed is left out.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import tinynet as tn
from benchmarks.runtime_runners import RUNNERS
from tinynet import models
from tinynet.core.errors import DataError
from tinynet.models.alexnet_variants import VARIANTS

RUNNER = Path(__file__).with_name("runtime_runners.py")
BATCHES = (1, 3)
SMALL = 64  # pixels: larger images are computed one at a time
CLASSES = 10

HEAD = """# Programs that run exported networks

Each network was written as an ONNX file with drawn weights for 10 classes, and computed for batches
of 1 and 3 images by each program (images of more than 64 pixels: of 1). A number is the largest
difference to the scores here, divided by the largest score; below 1e-4 it is the rounding of
float32. Measured with `python -m benchmarks.runtimes`.
"""


def main() -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--timeout", type=float, default=180)
    parser.add_argument("--only", nargs="*", default=[], help="names of networks")
    parser.add_argument("--programs", nargs="*", choices=RUNNERS, default=list(RUNNERS))
    options = parser.parse_args()
    versions = {name: version(options.python, name) for name in options.programs}
    runtimes = [name for name, found in versions.items() if found]
    print(HEAD)  # noqa: T201
    print("| network |", " | ".join(f"{name} {versions[name]}" for name in runtimes), "|")  # noqa: T201
    print("|---|" + "---|" * len(runtimes))  # noqa: T201
    refusals: list[str] = []
    names = [(name, None) for name in models.names()] + [("alexnet", name) for name in VARIANTS]
    names.sort(key=lambda name: shape_of(*name)[1])
    for name, variant in names:
        title = f"{name}, {variant}" if variant else name
        if options.only and title not in options.only:
            continue
        with tempfile.TemporaryDirectory() as folder:
            cells = row(Path(folder), name, variant, runtimes, refusals, options)
        print(f"| {title} | " + " | ".join(cells) + " |", flush=True)  # noqa: T201
    for number, reason in enumerate(refusals, 1):
        print(f"\n({number}) {reason}")  # noqa: T201


def version(python: str, name: str) -> str:
    """Return the version of a program, "" if it is not installed."""
    said = subprocess.run([python, RUNNER, name], capture_output=True, text=True)
    return said.stdout.strip()


def row(
    folder: Path,
    name: str,
    variant: str | None,
    runtimes: list[str],
    refusals: list[str],
    options: argparse.Namespace,
) -> list[str]:
    """Return a cell for each program."""
    model = models.build(name, CLASSES, variant=variant)
    shape = shape_of(name, variant)
    try:
        tn.weights.save_onnx(model, folder / "net.onnx", shape)
    except DataError:
        return ["not exported"] * len(runtimes)
    wanted = {}
    for n in BATCHES if shape[1] <= SMALL else BATCHES[:1]:
        x = np.random.default_rng(n).standard_normal((n, *shape)).astype(np.float32)
        np.save(folder / f"images{n}.npy", x)
        with tn.no_grad():
            wanted[n] = model.eval()(tn.tensor(x)).numpy()
    return [cell(folder, runtime, wanted, refusals, options) for runtime in runtimes]


def shape_of(name: str, variant: str | None) -> tuple[int, int, int]:
    """Return (C, H, W) of the images of a network."""
    side = models.entry(name, variant).side
    return 3, side, side


def cell(
    folder: Path,
    runtime: str,
    wanted: dict[int, np.ndarray],
    refusals: list[str],
    options: argparse.Namespace,
) -> str:
    """Return the largest relative difference, or a number of a refusal."""
    files = [str(folder / f"{what}{n}.npy") for n in wanted for what in ("images", "scores")]
    command = [options.python, str(RUNNER), runtime, str(folder / "net.onnx"), *files]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=options.timeout)
    except subprocess.TimeoutExpired:
        return f"over {options.timeout:.0f} s"
    if said.returncode:
        return refused(_last(said), refusals)
    worst = 0.0
    for n, scores in wanted.items():
        found = np.load(folder / f"scores{n}.npy")
        if found.size != scores.size:
            return refused(f"scores {found.shape} instead of {scores.shape}", refusals)
        difference = abs(found.reshape(scores.shape) - scores).max() / abs(scores).max()
        worst = max(worst, float(difference))
    return f"{worst:.0e}" if worst < 1e-4 else f"**{worst:.1g}**"


def _last(said: subprocess.CompletedProcess[str]) -> str:
    """Return the last line of an error, or the signal."""
    lines = [line for line in said.stderr.splitlines() if line.strip()]
    reason = lines[-1] if lines and said.returncode > 0 else f"ended by signal {-said.returncode}"
    return reason.replace("|", "/").replace(str(Path(tempfile.gettempdir())), "")[:160]


def refused(reason: str, refusals: list[str]) -> str:
    """Return a reference to a reason below the table."""
    if reason not in refusals:
        refusals.append(reason)
    return f"refused ({refusals.index(reason) + 1})"


if __name__ == "__main__":
    main()
