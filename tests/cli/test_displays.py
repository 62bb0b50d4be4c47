"""Displays of a run: the live bar and its curve, JSON lines, silence, and which one is chosen."""

import io
import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tinynet.cli import bar, console, output
from tinynet.cli.bar import Bar, LossHistory, sparkline
from tinynet.cli.json_lines import JsonLines
from tinynet.training.diagnosis import Diagnosis
from tinynet.training.loop import Epoch, Step


def step(number, phase="train", loss=2.0, epoch=1):
    return Step(phase, epoch, number, 10, loss, 0.5, 0.1, 1234.5)


def epoch(number, accuracy=0.4):
    return Epoch(number, 1.0, 0.5, 1.1, accuracy, 0.1, 3.0, 100.0)


def screen(text):
    """Return the lines that a terminal shows after these characters and movements."""
    rows = [""]
    row = 0
    for part in (
        text.replace("\x1b", "\0\x1b").replace("\n", "\0\n").replace("\r", "\0\r").split("\0")
    ):
        if part.startswith("\n"):
            row += 1
            rows += [""] * (row + 1 - len(rows))
            rows[row] += part[1:]
        elif part.startswith("\x1b[1A"):
            row -= 1
        elif part.startswith("\x1b[2K"):
            rows[row] = part[4:]
        elif part.startswith("\x1b["):
            rows[row] += part[2:].lstrip("?0123456789;")[1:]
        elif part:
            rows[row] += part.removeprefix("\r")
    return [line for line in rows if line]


def terminal(width=90, **settings):
    file = io.StringIO()
    return file, Console(file=file, force_terminal=True, width=width, height=20, **settings)


def shown_by(a_bar, file):
    a_bar._live.refresh()
    return screen(file.getvalue())


def test_lines_end_between_words_and_a_path_stays_whole():
    file, there = terminal(no_color=True)
    shown = Bar(3, there)
    path = "runs/" + "long" * 30
    shown.say(f"Written:\n  {path}")
    shown.show(epoch(1))
    lines = file.getvalue().splitlines()
    assert f"  {path}" in lines
    numbers = [line for line in lines if "loss" in line or "images/s" in line]
    assert len(numbers) > 1, "the terminal is narrower than the line of an epoch"
    assert all(len(line) <= 90 for line in numbers)
    assert " ".join(numbers).split() == console.epoch_line(epoch(1), 3).split()


def test_a_bar_shows_the_step_its_numbers_and_a_curve():
    file, there = terminal(no_color=True)
    shown = Bar(2, there)
    with shown.live():
        for number in range(1, 6):
            shown.show(step(number, loss=2.0 / number))
        first, second = shown_by(shown, file)[-2:]
    assert first.startswith("epoch 1/2  step 5/10")
    assert first.endswith("left")
    assert second.startswith("loss 0.4000  accuracy 50.0 %  1,234 images/s  █")


def test_nothing_of_the_bar_is_left_at_the_end():
    file, there = terminal(width=150, no_color=True)
    shown = Bar(1, there)
    with shown.live():
        shown.show(step(1))
        shown.show(step(2, "test"))
        assert any("testing 2/10" in line for line in shown_by(shown, file))
        shown.show(epoch(1))
    assert screen(file.getvalue()) == [console.epoch_line(epoch(1), 1)]


def test_the_best_epoch_is_said_in_words_and_color():
    for no_color in (False, True):
        file, there = terminal(width=150, no_color=no_color, color_system="standard")
        shown = Bar(3, there)
        for number, accuracy in ((1, 0.4), (2, 0.5), (3, 0.45)):
            shown.show(epoch(number, accuracy))
        one, two, three = screen(file.getvalue())
        assert [line.endswith("best") for line in (one, two, three)] == [False, True, False]
        assert ("\x1b[32m" in file.getvalue()) is not no_color


def test_the_environment_turns_the_colors_off(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    file, there = terminal()
    Bar(1, there).show(epoch(1))
    assert "\x1b[3" not in file.getvalue()


def test_the_curve_has_the_loss_of_each_batch():
    history = LossHistory(size=6)
    means = [8.0, 6.0, 4.0]  # of losses 8, 4, 0
    for number, mean in enumerate(means, start=1):
        history.add(step(number, loss=mean))
    assert history.means == [8.0, 4.0, 0.0]
    history.add(step(1, loss=3.0, epoch=2))
    assert history.means[-1] == 3.0, "an epoch begins anew"
    history.add(step(2, loss=float("inf"), epoch=2))
    assert len(history.means) == 4, "a loss that is not finite has no place"


def test_a_long_curve_is_made_of_means():
    history = LossHistory(size=40)
    for number in range(1, 1001):
        history.add(step(number, loss=(number + 1) / 2))  # of losses 1, 2, 3, ...
    assert 20 <= len(history.means) < 40
    first = sum(range(1, history.each + 1)) / history.each
    assert history.means[0] == pytest.approx(first)
    assert history.means == sorted(history.means)
    assert sparkline(history.means, 20)[-1] == bar.BLOCKS[-1]


@given(st.lists(st.floats(0, 1e30), max_size=50), st.integers(1, 30))
def test_a_sparkline_has_its_width_and_a_full_block(values, width):
    line = sparkline(values, width)
    assert len(line) == min(width, len(values))
    assert set(line) <= set(bar.BLOCKS)
    if len({*line}) > 1:
        assert bar.BLOCKS[0] in line
        assert bar.BLOCKS[-1] in line


def test_json_lines_are_events(capsys):
    shown = JsonLines()
    shown.begin("a line", {"recipe": "demo", "classes": ["고양이"]})
    for number in (1, 2, 3):
        shown.show(step(number))
    shown.show(Epoch(1, 1.0, 0.5, float("nan"), 0.4, 0.1, 3.0, 100.0))
    shown.say("a note")
    shown.find(Diagnosis("chance", "no better than guessing"))
    shown.end("two\nlines", {"state": "finished"})
    lines = [
        json.loads(line, parse_constant=pytest.fail)
        for line in capsys.readouterr().out.splitlines()
    ]
    kinds = ["begin", "step", "epoch", "note", "finding", "end"]
    assert [line["event"] for line in lines] == kinds
    assert lines[0]["classes"] == ["고양이"]
    assert lines[2]["test_loss"] is None
    assert lines[4]["kind"] == "chance"


@pytest.mark.parametrize(
    ("tty", "settings", "kind", "expected"),
    [
        (True, {}, "text", Bar),
        (False, {}, "text", console.Lines),
        (True, {"TERM": "dumb"}, "text", console.Lines),
        (True, {"OMPI_COMM_WORLD_SIZE": "2"}, "text", console.Lines),
        (True, {}, "quiet", console.Quiet),
        (True, {}, "json", JsonLines),
    ],
)
def test_the_display_fits_the_place(monkeypatch, tty, settings, kind, expected):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: tty, raising=False)
    monkeypatch.delenv("OMPI_COMM_WORLD_SIZE", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert type(output.display(1, kind)) is expected


# the commands


def test_a_run_in_json(small, tinynet_says, tmp_path):
    given = "--epochs", 2, "--batch-size", 20, "--out", tmp_path / "r", "--json"
    said = tinynet_says("train", *given)
    lines = [json.loads(line) for line in said.out.splitlines()]
    assert [line["event"] for line in lines if line["event"] != "note"][:2] == ["begin", "step"]
    assert sum(line["event"] == "epoch" for line in lines) == 2
    assert lines[0]["images"] == {"train": 60, "test": 30}
    assert lines[0]["folder"] == str(tmp_path / "r")
    assert lines[-1]["state"] == "finished"
    assert lines[-1]["result"] == json.loads((tmp_path / "r" / "result.json").read_text())


def test_a_stopped_run_in_json_says_how_it_resumes(small, tinynet_says, tmp_path):
    given = "--max-minutes", 0, "--out", tmp_path / "r", "--json"
    last = json.loads(tinynet_says("train", *given).out.splitlines()[-1])
    assert (last["state"], last["why"], last["step"]) == ("stopped", "the time is up", 1)
    assert last["resume"] == f"tinynet train --resume {tmp_path / 'r'}"
    said = tinynet_says("train", "--resume", tmp_path / "r", "--quiet")
    assert (said.code, said.out, said.err) == (0, "", "")
    assert (tmp_path / "r" / "result.json").exists()


def test_quiet_says_errors(small, tinynet_says, tmp_path):
    said = tinynet_says("train", "--quiet", "--lr", 1e30, "--batch", 20, "--out", tmp_path / "r")
    assert said.code == 1
    assert said.err.startswith("Error: train: ")
    assert said.out == ""


def test_quiet_and_json_exclude_each_other(tinynet_says):
    said = tinynet_says("train", "--quiet", "--json")
    assert said.code == 2
    assert "--quiet and --json exclude each other" in said.err
