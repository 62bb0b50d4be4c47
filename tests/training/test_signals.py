"""Signals: a run saves and stops, a second signal stops it at once."""

import os
import signal
import subprocess
import sys
import time

import pytest


def begin(*arguments, **environment):
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        env={**os.environ, "TINYNET_KERNELS": "reference", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_prints_the_resume_command_and_ends_within_five_seconds(
    tmp_path, number, code
):
    folder = tmp_path / "r"
    process = begin("-m", "tinynet", "train", "--batch", 10, "--out", folder)
    assert any("loss" in line for line in process.stdout)
    sent = time.monotonic()
    process.send_signal(number)
    said, _ = process.communicate()
    assert process.returncode == code
    assert time.monotonic() - sent < 5
    assert f"tinynet train --resume {folder}" in said
    assert (folder / "last.safetensors").exists()
    assert not [p for p in folder.iterdir() if p.name.endswith(".tmp")]


WAIT = """
import sys, time
from tinynet.training import signals
signals.PATIENCE = {patience}
with signals.stop_requests() as request:
    print("ready", flush=True)
    until = time.monotonic() + 20
    while time.monotonic() < until:
        time.sleep(0.01)
        if request.why:
            print("asked", flush=True)
            while time.monotonic() < until:
                time.sleep(0.01)
"""


def test_a_second_ctrl_c_stops_at_once():
    process = begin("-c", WAIT.format(patience=15))
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "asked\n"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=5)
    assert process.returncode == -signal.SIGINT


def test_a_step_that_does_not_end_is_not_waited_for():
    process = begin("-c", WAIT.format(patience=0.2))
    process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=5)
    assert process.returncode == 143
    assert "did not finish within 0.2 s of SIGTERM" in said


def test_handlers_of_others_come_back():
    from tinynet.training.signals import stop_requests

    before = signal.getsignal(signal.SIGINT)
    with stop_requests() as request:
        assert signal.getsignal(signal.SIGINT) == request.receive
    assert signal.getsignal(signal.SIGINT) is before
