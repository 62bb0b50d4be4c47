"""No process of a graded file is left behind, whatever ends its grading."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from support.checkout import needs_lessons
from tinynet.lessons.grading import batch, judge

pytestmark = [
    needs_lessons,
    pytest.mark.skipif(os.name != "posix", reason="files are graded on Linux and macOS"),
]


@pytest.fixture
def started(monkeypatch):
    """Remember every process that is started."""
    made = []
    popen = judge.subprocess.Popen

    def start(*arguments, **options):
        made.append(popen(*arguments, **options))
        return made[-1]

    monkeypatch.setattr(judge.subprocess, "Popen", start)
    return made


def test_a_pupil_that_does_not_start_is_ended(tmp_path, monkeypatch, started):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexec sleep 600\n")
    python.chmod(0o755)
    monkeypatch.setattr(judge.sys, "executable", str(python))
    monkeypatch.setattr(judge, "START", 0.1)
    handed_in = tmp_path / "ann.py"
    handed_in.write_text("def my_output_size(size, kernel, stride, padding):\n    return 1\n")
    before = os.listdir("/proc/self/fd") if sys.platform == "linux" else []
    graded = judge.grade("05", handed_in, seed=1)
    assert [state for _, state, _ in graded["outcomes"]] == ["raised"] * 3
    assert graded["outcomes"][0][2].startswith("its process did not start in 0.1 s")
    assert len(started) == 4  # for all exercises together, then for each
    assert [process.returncode for process in started] == [-signal.SIGKILL] * 4
    if before:
        assert os.listdir("/proc/self/fd") == before


WAITS = """
import ctypes, os, time
def my_output_size(*_):
    if LEAVES:
        os.setsid()
        ctypes.CDLL(None).prctl(1, 0)  # PR_SET_PDEATHSIG: none
    open("ready", "w").close()
    time.sleep(600)
"""


def descendants(pid):
    """Return the processes below one, as Linux lists them."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [one for child in listed for one in (int(child), *descendants(child))]


def running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.slow
@pytest.mark.parametrize("leaves", [False, True], ids=["waits", "leaves"])
@pytest.mark.skipif(
    not Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").exists(),
    reason="this system does not list the children of a process",
)
def test_a_judge_that_is_broken_off_takes_its_pupil_along(leaves, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    below = []
    popen = batch.subprocess.Popen

    class Impatient(popen):
        def communicate(self, *told, timeout=None):
            if timeout is None:  # the first call: wait until the pupil is in the answer
                self.stdin.write(told[0])
                self.stdin.close()
                end = time.monotonic() + 60
                while not list(tmp_path.glob("*/ready")) and time.monotonic() < end:
                    time.sleep(0.05)
                below.extend(descendants(self.pid))
                raise batch.subprocess.TimeoutExpired("judge", told[1])
            self.stdin = None
            return super().communicate(timeout=timeout)

    monkeypatch.setattr(batch.subprocess, "Popen", Impatient)
    text = WAITS.replace("LEAVES", str(leaves))
    task = {"lesson": "05", "suffix": ".py", "seed": 1, "text": text, "seconds": 300}
    result = batch._judge(task)
    assert result["outcomes"][0][1:] == ["raised", "the grading of this file did not end."]
    assert below, "the answer was not called in a minute"
    for _ in range(100):
        if not any(map(running, below)):
            break
        time.sleep(0.05)
    left = [pid for pid in below if running(pid)]
    if leaves and len(below) == 1:  # no namespace holds it
        os.kill(below[0], signal.SIGKILL)
        pytest.skip("this system has no namespaces: a process that leaves its group stays")
    assert left == []
