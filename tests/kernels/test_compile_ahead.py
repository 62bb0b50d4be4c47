"""The second process that compiles kernels ahead, and the locks of kernels."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tinynet.core import file_lock
from tinynet.core.grad_mode import no_grad
from tinynet.kernels.codegen import ahead, cache, native
from tinynet.kernels.codegen.native import In1, Native, Out1
from tinynet.kernels.dispatch import has_numba

pytestmark = pytest.mark.skipif(not has_numba(), reason="Numba is not installed")

PROGRAM = """
import sys, time
import numpy as np
from tinynet import kernels
from tinynet.kernels import max_pool
from tinynet.kernels.codegen import ahead, native
kernels.set_num_threads(2)
ahead.IDLE = 100.0
max_pool._forward_loops.build()
print(ahead._second.pid, flush=True)
if sys.argv[1] == "kill":
    time.sleep(60)
end = time.monotonic() + 60
path = ahead._locks(native.cache_module.folder(tuple(sorted(native.OPTIONS.items()))).name)
while not (path / max_pool._backward_loops.name).exists() and time.monotonic() < end:
    time.sleep(0.01)
max_pool._backward_loops.build()
print(int(max_pool._backward_loops.from_cache))
"""


def copy(lo: int, hi: int, x: In1, y: Out1) -> None:
    for i in range(lo, hi):
        y[i] = x[i]


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    """A kernel with an empty cache, and no second process."""
    monkeypatch.setenv("TINYNET_CACHE", str(tmp_path))
    before = list(native.COMPILED)
    for memory in (cache.folder, ahead._locks):
        memory.cache_clear()
    monkeypatch.setattr(ahead, "_tried", True)
    monkeypatch.setattr(ahead, "_second", None)
    yield Native(copy)
    native.COMPILED[:] = before
    for memory in (cache.folder, ahead._locks):
        memory.cache_clear()


def folder():
    return cache.folder(tuple(sorted(native.OPTIONS.items())))


def start(tmp_path, what):
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, what],
        env={**os.environ, "TINYNET_CACHE": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    )


def runs(pid):
    """Return whether a process exists and is no zombie."""
    if Path("/proc/self/stat").exists():
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except (FileNotFoundError, ProcessLookupError):
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX")
def test_the_next_kernels_are_compiled_by_a_process_that_ends_with_this_one(tmp_path):
    out = start(tmp_path, "wait").communicate(timeout=120)[0].split()
    assert out[1] == "1"
    assert not runs(int(out[0]))


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX")
def test_the_second_process_does_not_outlive_a_first_one_that_is_killed(tmp_path):
    process = start(tmp_path, "kill")
    assert process.stdout is not None
    second = int(process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    process.communicate()
    end = time.monotonic() + 30
    while runs(second) and time.monotonic() < end:
        time.sleep(0.05)
    assert not runs(second)


def test_a_kernel_that_another_process_compiles_is_waited_for(kernel, monkeypatch):
    lock = ahead.claim(folder(), kernel.name)
    assert lock is not None
    waited = []

    def compiled_elsewhere(_seconds):
        waited.append(lock.close())

    monkeypatch.setattr(ahead.time, "sleep", compiled_elsewhere)
    x, y = np.ones(3, np.float32), np.zeros(3, np.float32)
    kernel(3, x, y)
    assert waited == [None]
    assert y.tolist() == [1, 1, 1]
    with (ahead._locks(folder().name) / kernel.name).open("ab") as free:
        assert file_lock.acquire(free), "the lock ends with the compilation"


def test_no_kernel_is_waited_for_forever(kernel, monkeypatch):
    monkeypatch.setattr(ahead, "PATIENCE", 0.0)
    with ahead.claim(folder(), kernel.name):
        assert ahead.claim(folder(), kernel.name) is None


def test_a_second_process_leaves_a_kernel_in_work_to_others(kernel, monkeypatch):
    monkeypatch.setattr(ahead, "is_second", True)
    with ahead.claim(folder(), kernel.name), pytest.raises(ahead.Busy):
        kernel.build()
    assert kernel.compiled is None
    kernel.build()
    assert kernel.compiled is not None


@pytest.mark.parametrize("case", ["no cache", "no gradients", "one thread", "no Python"])
def test_when_there_is_no_second_process(case, kernel, threads, monkeypatch):
    threads(1 if case == "one thread" else 2)
    started = []
    monkeypatch.setattr(ahead, "_tried", False)
    monkeypatch.setattr(ahead.subprocess, "Popen", lambda *a, **k: started.append(a))
    monkeypatch.setattr(ahead.threading, "Thread", None)
    if case == "no Python":
        monkeypatch.setattr(ahead.sys, "executable", "/opt/game.exe")
    if case == "no gradients":
        with no_grad():
            ahead.request(folder(), ["lrn"])
    else:
        ahead.request(None if case == "no cache" else folder(), ["lrn"])
    assert started == []


def test_a_system_that_allows_no_process_is_no_trouble(kernel, threads, monkeypatch):
    def refuse(*_args, **_settings):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    threads(2)
    monkeypatch.setattr(ahead, "_tried", False)
    monkeypatch.setattr(ahead.subprocess, "Popen", refuse)
    kernel.build()
    assert ahead._tried
    assert ahead._second is None


def test_every_backward_loop_is_compiled_ahead():
    ahead_of_time = {f.name for kernel in native.COMPILED for f in kernel.followers}
    backward = {kernel.name for kernel in native.COMPILED if "._backward_loop" in kernel.name}
    assert len(backward) > 5
    assert backward <= ahead_of_time
