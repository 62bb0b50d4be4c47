"""Stopped and resumed runs of the command line: hangups, closed terminals, more epochs."""

import dataclasses
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time

import pytest

from support.image_files import fill
from tinynet.training import presets
from tinynet.weights import checkpoint

TRAIN = ("-m", "tinynet", "train", "--batch-size", "10")


@pytest.fixture(autouse=True)
def _hangups_are_not_ignored():
    """Also under nohup, whose child processes would ignore SIGHUP, as they should."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


def started(*arguments, **settings):
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        env={**os.environ, "TINYNET_KERNELS": "reference"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **settings,
    )


def position(folder):
    state = json.loads(checkpoint.load(folder / "last.safetensors").metadata["state"])
    return state["epoch"], state["step"]


def test_a_hangup_saves_as_sigterm_does(tmp_path):
    process = started(*TRAIN, "--out", tmp_path / "r", start_new_session=True)
    assert any("loss" in line for line in process.stdout)
    process.send_signal(signal.SIGHUP)
    said, _ = process.communicate(timeout=20)
    assert process.returncode == 128 + signal.SIGHUP
    assert "Stopped: SIGHUP." in said
    assert position(tmp_path / "r") > (0, 0)


def test_a_closed_terminal_loses_nothing(tmp_path):
    process, terminal = pty.fork()
    if process == 0:
        os.environ["TINYNET_KERNELS"] = "reference"
        os.execv(sys.executable, [sys.executable, *TRAIN, "--out", str(tmp_path / "r")])
    said = b""
    until = time.monotonic() + 30
    while not re.search(rb"step ([2-9]|\d\d+)/", said) and time.monotonic() < until:
        said += os.read(terminal, 1 << 16)
    os.close(terminal)
    _, status = os.waitpid(process, 0)
    assert os.waitstatus_to_exitcode(status) == 128 + signal.SIGHUP, said
    assert position(tmp_path / "r") > (0, 0)


def test_a_pipe_whose_reader_leaves_loses_nothing(tmp_path):
    with_a_line_a_step = """from tinynet.cli import console, main
console.SECONDS_BETWEEN_LINES = 0.0
main.main()"""
    process = started("-c", with_a_line_a_step, *TRAIN[2:], "--out", tmp_path / "r")
    assert any("loss" in line for line in process.stdout)
    process.stdout.close()
    assert process.wait(30) == 128 + signal.SIGHUP
    assert position(tmp_path / "r") > (0, 0)


@pytest.mark.slow
def test_two_runs_at_once_take_two_folders(tmp_path):
    two = [started(*TRAIN, "--max-minutes", "0", cwd=tmp_path) for _ in range(2)]
    said = [process.communicate(timeout=60)[0] for process in two]
    assert [process.returncode for process in two] == [0, 0], said
    folders = {re.search(r"--resume (\S+)", text)[1] for text in said}
    assert folders == {"runs/demo-0", "runs/demo-0-2"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("schedule", "code", "words"),
    [
        ("constant", 0, "epoch 2/2"),
        ("cosine", 1, "--init-from RUN/last.safetensors"),
    ],
)
def test_more_epochs_where_the_schedule_allows_them(tmp_path, schedule, code, words):
    for name, seed in (("cat", 0), ("dog", 100)):
        fill(tmp_path / "pictures" / name, range(seed, seed + 20))
    folder = tmp_path / "r"

    def train(*arguments):
        process = started("-m", "tinynet", "train", *arguments)
        said, _ = process.communicate(timeout=60)
        return process.returncode, said

    begun = train(tmp_path / "pictures", "--epochs", 1, "--schedule", schedule, "--out", folder)
    assert begun[0] == 0, begun
    more = train("--resume", folder, "--epochs", 2)
    assert more[0] == code, more
    assert words.replace("RUN", str(folder)) in more[1]
    epochs = json.loads((folder / "config.json").read_text())["recipe"]["epochs"]
    assert epochs == (2 if code == 0 else 1)
    assert f"after {epochs} epoch" in train("--resume", folder)[1]


def test_a_run_keeps_the_schedule_with_which_it_was_begun(
    small, tinynet_says, tmp_path, monkeypatch
):
    """The recipe demo of version 0.1 divided its rate by 10; a run of it goes on to do so."""
    folder = tmp_path / "r"
    old = dataclasses.replace(presets.find("demo"), lr=0.02, schedule=((0.75, 0.1),), epochs=4)
    with monkeypatch.context() as earlier:
        earlier.setitem(presets.RECIPES, "demo", old)
        begun = tinynet_says("train", "--out", folder, "--max-minutes", 0)
    assert begun.code == 0, begun
    assert presets.find("demo").schedule != old.schedule
    assert position(folder) < (1, 0)
    resumed = tinynet_says("train", "--resume", folder)
    assert resumed.code == 0, resumed
    log = map(json.loads, (folder / "log.jsonl").read_text().splitlines())
    assert [epoch["lr"] for epoch in log] == pytest.approx([0.02] * 3 + [0.002])
