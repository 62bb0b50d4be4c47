"""File locks: one process at a time, on each kind of system."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

from tinynet.core import file_lock, processors

HOLDS = """
import sys
from tinynet.core import file_lock
with open(sys.argv[1], "a+") as file:
    assert file_lock.acquire(file)
    print("held", flush=True)
    sys.stdin.read()
"""


class Windows:
    """Stands for `msvcrt`: locks of bytes that other files of this process feel too."""

    LK_NBLCK = 2

    def __init__(self):
        self.locked = set()

    def locking(self, descriptor, mode, count):
        if self.locked:
            raise PermissionError(13, "Permission denied")
        self.locked.add(descriptor)


@pytest.mark.skipif(file_lock._flock is None, reason="there is no flock here")
def test_a_lock_is_of_one_process_and_ends_with_it(tmp_path):
    path = tmp_path / "lock"
    words = [sys.executable, "-c", HOLDS, path]
    pipes = SimpleNamespace(stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with subprocess.Popen(words, text=True, **vars(pipes)) as holder, open(path, "a+") as file:
        assert holder.stdout.readline() == "held\n"
        assert not file_lock.acquire(file)
        assert not file_lock.acquire(file, shared=True)
        holder.stdin.close()
        holder.wait(10)
        assert file_lock.acquire(file)


def test_windows_locks_a_byte_behind_the_contents(tmp_path, monkeypatch):
    monkeypatch.setattr(file_lock, "_flock", None)
    monkeypatch.setattr(file_lock, "_windows", Windows())
    with open(tmp_path / "lock", "a+") as first, open(tmp_path / "lock", "a+") as second:
        assert file_lock.acquire(first)
        assert first.tell() == file_lock.FAR
        assert not file_lock.acquire(second)


def test_a_system_without_locks_refuses_nobody(tmp_path, monkeypatch):
    monkeypatch.setattr(file_lock, "_flock", None)
    monkeypatch.setattr(file_lock, "_windows", None)
    with open(tmp_path / "lock", "a+") as file:
        assert file_lock.acquire(file)


def test_processors_are_counted_where_a_process_has_no_affinity(monkeypatch):
    assert processors.available() >= 1
    monkeypatch.delattr(processors.os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(processors.os, "cpu_count", lambda: None)
    assert processors.available() == 1
