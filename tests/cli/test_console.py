"""Console: progress lines, the bar, the clock, warnings."""

import warnings

import pytest

from tinynet.cli import console
from tinynet.training.loop import Epoch, Step


def step(number, phase="train"):
    return Step(phase, 1, number, 10, 2.0, 0.5, 0.1, 1234.5)


def test_lines_show_the_first_step_at_once_and_keep_quiet_after_it(capsys):
    lines = console.Lines(2)
    for number in range(1, 6):
        lines.show(step(number))
    assert capsys.readouterr().out.count("\n") == 1
    lines.show(Epoch(1, 1.0, 0.5, 1.1, 0.4, 0.1, 3.0, 100.0))
    said = capsys.readouterr().out
    assert "epoch 1/2  loss 1.0000  accuracy 50.0 %  test loss 1.1000" in said
    assert said.endswith(" left\n")
    lines.show(Epoch(2, 1.0, 0.5, 1.1, 0.4, 0.1, 3.0, 100.0))
    assert "left" not in capsys.readouterr().out, "the last epoch leaves no time"


def test_a_run_that_goes_on_with_a_test_knows_no_time_yet(capsys):
    console.Lines(2).show(Step("test", 1, 1, 4, 2.0, 0.5, 0.1))
    assert capsys.readouterr().out == "epoch 1/2  testing 1/4  some time left\n"


def test_the_time_left_does_not_count_the_compilation(monkeypatch):
    now = iter([100.0, 101.0, 102.0])  # the first step ended at 100, the others took a second
    monkeypatch.setattr(console.time, "monotonic", lambda: next(now))
    clock = console.TimeLeft(2)
    assert clock.left(step(1)) == "some time"
    assert clock.left(step(2)) == "18 s"
    assert clock.left(step(3)) == "17 s"


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (59.4, "59 s"), (65, "1 min 05 s"), (7860, "2 h 11 min")]
)
def test_durations_read_as_people_say_them(seconds, words):
    assert console.duration(seconds) == words


def test_a_warning_is_one_line_without_a_line_of_ours(tinynet_says, monkeypatch):
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    tinynet_says("recipes")
    shown = warnings.formatwarning("the cache is gone.", RuntimeWarning, "file.py", 7, "x = 1")
    assert shown == "Note: the cache is gone.\n"
