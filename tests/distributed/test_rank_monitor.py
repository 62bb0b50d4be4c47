"""The watcher beside the ranks: it names the first to die, by rank, and says how to go on."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tinynet.distributed import rank_monitor


@pytest.fixture
def sleepers():
    """Two processes that do nothing."""
    found = [subprocess.Popen(["sleep", "60"]) for _ in range(2)]
    yield found
    for process in found:
        process.kill()
        process.wait()


def watched_by(running):
    """Return how many processes another one watches."""
    handles = []
    for path in Path(f"/proc/{running.pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            handles.append(os.readlink(path))
    return sum("pidfd" in handle for handle in handles)


def test_the_first_of_two_deaths_is_named_whatever_their_numbers(sleepers):
    script = [sys.executable, "-IS", rank_monitor.__file__, os.devnull, "again!"]
    named = [f"{rank}:{each.pid}" for rank, each in zip((4, 7), sleepers, strict=True)]
    running = subprocess.Popen([*script, *named], stderr=subprocess.PIPE, text=True)
    while watched_by(running) < 2:
        assert running.poll() is None
        time.sleep(0.01)
    running.send_signal(signal.SIGSTOP)  # both are dead when it looks again
    for each in reversed(sleepers):
        each.kill()
        each.wait()
    running.send_signal(signal.SIGCONT)
    _, text = running.communicate(timeout=10)
    where = f"process {sleepers[1].pid} on {socket.gethostname()}"
    assert text == f"rank 7 ({where}) died; the other ranks stop. Resume with: again!\n"


def test_a_rank_that_is_dead_already_is_named_and_without_a_run_nothing_goes_on(sleepers, capsys):
    gone, alive = sleepers
    gone.kill()
    gone.wait()
    rank_monitor.main("/nowhere/config.json", "again!", f"0:{alive.pid}", f"1:{gone.pid}")
    said = capsys.readouterr().err
    assert said.startswith(f"rank 1 (process {gone.pid} on ")
    assert said.endswith("died; the other ranks stop.\n")


def test_where_processes_cannot_be_watched_it_is_silent(sleepers, capsys, monkeypatch):
    def forbidden(process):
        raise PermissionError(process)

    monkeypatch.setattr(os, "pidfd_open", forbidden)
    rank_monitor.main(os.devnull, "again!", *(f"{i}:{each.pid}" for i, each in enumerate(sleepers)))
    assert capsys.readouterr() == ("", "")
