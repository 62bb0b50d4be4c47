"""Kernel cache shared by processes: concurrent writes, killed processes, edited sources."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import tinynet
from tinynet.kernels.dispatch import has_numba

pytestmark = [
    pytest.mark.skipif(not has_numba(), reason="Numba is not installed"),
    pytest.mark.skipif(os.name != "posix", reason="signals and limits are those of POSIX"),
]
PACKAGE = Path(tinynet.__file__).parent
BUILD = """
import resource, sys
import numpy as np
from tinynet.kernels import momentum
from tinynet.kernels.convolution import loops
limit = int(sys.argv[1])
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
built = [loops._pack, momentum._update_loop]
if sys.argv[2] == "tile":
    built.append(loops.convolve_loops.wide)
for kernel in built:
    kernel.build()
w, g, v = np.ones(3, "f"), np.ones(3, "f"), np.zeros(3, "f")
momentum._update_loop(3, w, g, v, 0.5, 0.0, 0.0, False, True)
assert w.tolist() == [0.5, 0.5, 0.5]
print(*[int(kernel.from_cache) for kernel in built])
"""


def start(cache, *, package=PACKAGE, limit=0, kernels="plain"):
    environment = {
        **os.environ,
        "TINYNET_CACHE": str(cache),
        "PYTHONPATH": str(package.parent),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return subprocess.Popen(
        [sys.executable, "-c", BUILD, str(limit), kernels],
        env=environment,
        cwd=package.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def hits(process):
    """Return the standard output and the warnings of a process."""
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out.split(), [line for line in err.splitlines() if "Warning" in line]


def files(cache):
    return sorted(path.name for path in cache.glob("kernels/*/*"))


def test_a_second_process_finds_everything(tmp_path):
    assert hits(start(tmp_path)) == (["0", "0"], [])
    assert hits(start(tmp_path)) == (["1", "1"], [])


@pytest.mark.slow
def test_an_edit_of_the_microkernel_finds_nothing(tmp_path):
    package = tmp_path / "tinynet"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    cache = tmp_path / "cache"
    microkernel = package / "kernels" / "codegen" / "microkernel.py"

    def found():
        return hits(start(cache, package=package, kernels="tile"))[0]

    text = microkernel.read_text()
    assert found() == ["0", "0", "0"]
    microkernel.write_text(text + "\n# edited\n")
    assert found() == ["0", "0", "0"]
    microkernel.write_text(text)
    assert found() == ["1", "1", "1"]


@pytest.mark.slow
def test_four_processes_may_fill_it_at_once(tmp_path):
    at_once = [start(tmp_path) for _ in range(4)]
    assert [hits(process)[1] for process in at_once] == [[]] * 4
    assert len(files(tmp_path)) == 2  # and no temporary files
    assert hits(start(tmp_path)) == (["1", "1"], [])


@pytest.mark.slow
def test_a_process_killed_while_it_compiles_leaves_nothing_that_hurts(tmp_path):
    process = start(tmp_path)
    assert process.stderr is not None
    assert "Compiling" in process.stderr.readline()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert hits(start(tmp_path)) == (["0", "0"], [])
    assert hits(start(tmp_path)) == (["1", "1"], [])


def test_a_disk_without_room_costs_one_warning_and_leaves_nothing_behind(tmp_path):
    found, warned = hits(start(tmp_path, limit=1000))
    assert found == ["0", "0"]
    assert len(warned) == 1
    assert "RuntimeWarning: kernel cache:" in warned[0]
    assert files(tmp_path) == []


@pytest.mark.slow
def test_warm_fills_it_with_all_there_are(tmp_path):
    def warm():
        done = subprocess.run(
            [sys.executable, "-m", "tinynet", "warm"],
            env={**os.environ, "TINYNET_CACHE": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.split()

    count = warm()[0]
    first, *_, were = warm()[:5]
    assert first == were == count
    assert len(files(tmp_path)) == int(count)
