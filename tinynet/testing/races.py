"""Data race check for CUDA kernels, by ThreadSanitizer on the CPU.

A kernel with a race may be right a thousand times. ThreadSanitizer does not wait for a wrong
result: it tracks which accesses a barrier orders, and reports two that are not ordered if one of
them writes. It must be loaded before Python starts, so the kernel runs in another process.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from tinynet.core.errors import DeviceError
from tinynet.kernels.cuda.custom import OwnKernel

LIBRARY = "libtsan.so"
RUN = "from tinynet.testing.races import run; run()"
_ACCESS = re.compile(r"(read|write) of size \d+ .*\n +#0 \w+ [^\n]*?(\w+\.cu):(\d+)", re.IGNORECASE)


def check_races(
    kernel: OwnKernel,
    blocks: int | tuple[int, ...],
    threads: int | tuple[int, ...],
    *arguments: Any,
    shared: int = 0,
) -> None:
    """Raise if two threads of this launch access one address without order, and one of them writes.

    Without an error, this launch with these numbers has no race. In a kernel with ``__shared__``
    only the threads of one block are compared with each other.

    Parameters
    ----------
    kernel : OwnKernel
        Returned by `tinynet.kernels.cuda_kernel`.
    blocks, threads : int or tuple of int
        Size of the grid and of a block.
    arguments : NumPy arrays and numbers
        As at a launch; they stay unchanged.
    shared : int
        Bytes of dynamic shared memory.

    Raises
    ------
    AssertionError
        There is a race; the message shows both lines.
    DeviceError
        There is no compiler with ThreadSanitizer.
    RuntimeError
        The kernel did not finish.
    """
    with tempfile.TemporaryDirectory(prefix="tinynet-") as folder:
        Path(folder, "yours.cu").write_text(kernel.text, encoding="utf-8")
        np.savez(Path(folder, "launch.npz"), blocks=blocks, threads=threads, shared=shared)
        given = {str(i): a for i, a in enumerate(arguments) if a is not None}
        np.savez(Path(folder, "arguments.npz"), count=len(arguments), **given)
        done = _watch([sys.executable, "-c", RUN, folder, kernel.__name__])
    if done.returncode == 0:
        return
    found = _ACCESS.findall(done.stderr)
    if "data race" not in done.stderr or not found:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise RuntimeError(f"check_races: {kernel.__name__} did not finish: {last}")
    lines = kernel.text.splitlines()[1:]
    one, other = (
        f"{kind.lower()} at {file}:{number}: {lines[int(number) - 1].strip()}"
        for kind, file, number in (*found, *found)[:2]
    )
    raise AssertionError(
        f"check_races: {kernel.__name__} has a data race. One thread's\n  {one}\nand another "
        f"thread's\n  {other}\naccess one address, and no barrier is between them."
    )


def _watch(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command under ThreadSanitizer."""
    settings = {
        "LD_PRELOAD": _library(),
        "TSAN_OPTIONS": "halt_on_error=1",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    env = {**os.environ, **settings}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    fixed = shutil.which("setarch")
    if (
        "unexpected memory mapping" in done.stderr and fixed
    ):  # an operating system that randomizes addresses
        command = [fixed, os.uname().machine, "-R", *command]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode and "FATAL: ThreadSanitizer" in done.stderr:
        raise DeviceError("check_races: ThreadSanitizer does not run on this machine.")
    return done


def _library() -> str:
    from tinynet.kernels.cuda.on_cpu import compiler

    command = [compiler(), f"-print-file-name={LIBRARY}"]
    path = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    if not os.path.isabs(path):  # the compiler prints back the name of a missing library
        raise DeviceError(
            f"check_races: ThreadSanitizer is needed, and {command[0]} has no {LIBRARY}. "
            "g++ on Linux has it (Debian, Ubuntu: apt install g++)."
        )
    return path


def run() -> None:
    """Launch the kernel in the folder that the command line names; runs in the other process."""
    folder = Path(sys.argv[1])
    name = sys.argv[2]
    text = (folder / "yours.cu").read_text(encoding="utf-8")
    launch = np.load(folder / "launch.npz")
    stored = np.load(folder / "arguments.npz")
    given = [stored.get(str(i)) for i in range(int(stored["count"]))]
    grid, block = (tuple(map(int, np.atleast_1d(launch[k]))) for k in ("blocks", "threads"))
    OwnKernel(text, name, "thread")(grid, block, *given, shared=int(launch["shared"]))
