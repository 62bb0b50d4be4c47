"""Runs: a resumed run equals an uninterrupted one bit for bit, and a run stops when asked."""

import json
import os
import signal

import pytest

import tinynet as tn
from support.tiny_run import assert_same_arrays, new_run, timeless
from tinynet.training import runs
from tinynet.training.loop import Epoch, State, Step
from tinynet.training.runs import Finished, Stopped
from tinynet.weights import checkpoint


@pytest.mark.parametrize("stop_after", [0, 1, 4, 6, 9, 10, 13, 17])
def test_a_run_that_stopped_anywhere_reaches_the_same_weights_bit_for_bit(
    tmp_path, no_pictures, stop_after
):
    whole = new_run(tmp_path / "whole")
    events = list(runs.advance(whole))
    assert isinstance(events[-1], Finished)

    first = new_run(tmp_path / "parts")
    for number, _ in enumerate(runs.advance(first)):
        if number == stop_after:
            break
    runs.save(first)
    second = new_run(tmp_path / "parts")
    assert str(runs.restore(second)) == ""
    assert isinstance(list(runs.advance(second))[-1], Finished)

    assert_same_arrays(second.model.state_dict(), whole.model.state_dict())
    assert_same_arrays(second.optimizer.state_dict(), whole.optimizer.state_dict())
    assert timeless(second.state.records) == timeless(whole.state.records)


def test_a_run_does_not_depend_on_what_was_drawn_or_seeded_before_it(tmp_path, no_pictures):
    one, two = new_run(tmp_path / "one"), new_run(tmp_path / "two")
    list(runs.advance(one))
    tn.seed(77)
    list(runs.advance(two))
    assert_same_arrays(one.model.state_dict(), two.model.state_dict())


def test_the_comparison_above_would_notice_a_lost_step(tmp_path, no_pictures):
    a, b = new_run(tmp_path / "a"), new_run(tmp_path / "b")
    list(runs.advance(a))
    b.state = State(step=1)
    list(runs.advance(b))
    with pytest.raises(AssertionError):
        assert_same_arrays(a.model.state_dict(), b.model.state_dict())


def test_a_killed_run_goes_on_from_its_last_save_and_rewrites_the_log(tmp_path, no_pictures):
    whole = new_run(tmp_path / "whole")
    list(runs.advance(whole))
    killed = new_run(tmp_path / "killed")
    for event in runs.advance(killed):
        if isinstance(event, Step) and event.epoch == 2 and event.step == 3:
            break  # as kill -9 would: nothing more is saved
    (killed.folder / "log.jsonl").write_text("a line of an epoch that was never saved\n")
    again = new_run(killed.folder)
    runs.restore(again)
    assert (again.state.epoch, again.state.step) == (1, 0)
    list(runs.advance(again))
    assert_same_arrays(again.model.state_dict(), whole.model.state_dict())
    log = [json.loads(line) for line in (killed.folder / "log.jsonl").read_text().splitlines()]
    assert [record["epoch"] for record in log] == [1, 2, 3]


def test_a_damaged_last_checkpoint_falls_back_to_the_previous_and_says_so(tmp_path, no_pictures):
    run = new_run(tmp_path / "r")
    list(runs.advance(run))
    last = run.folder / "last.safetensors"
    last.write_bytes(last.read_bytes()[:200])
    again = new_run(run.folder)
    assert "damaged" in str(runs.restore(again))
    assert not (again.folder / "last.safetensors").exists()  # it cannot replace the whole one
    assert (again.folder / "damaged.last.safetensors").exists()
    assert again.state.epoch == 2
    list(runs.advance(again))
    assert_same_arrays(again.model.state_dict(), run.model.state_dict())


def test_a_run_killed_before_its_first_save_starts_from_the_beginning(tmp_path):
    run = new_run(tmp_path / "r")
    assert "from the beginning" in str(runs.restore(run))


# stopping


def test_when_the_time_is_up_the_run_saves_and_says_so(tmp_path, no_pictures):
    run = new_run(tmp_path / "r")
    events = list(runs.advance(run, max_minutes=0))
    assert events[-1] == Stopped("the time is up", 0)
    again = new_run(run.folder)
    runs.restore(again)
    assert (again.state.epoch, again.state.step) == (0, 1)


def test_a_signal_after_the_last_epoch_does_not_stop_what_is_finished(tmp_path, no_pictures):
    run, end = new_run(tmp_path / "r"), None
    for end in runs.advance(run):
        if isinstance(end, Epoch) and end.epoch == 3:
            os.kill(os.getpid(), signal.SIGINT)
    assert isinstance(end, Finished)


def test_a_signal_stops_after_the_step_at_hand(tmp_path):
    run, events = new_run(tmp_path / "r"), []
    for event in runs.advance(run):
        events.append(event)
        if len(events) == 3:
            os.kill(os.getpid(), signal.SIGINT)
    assert events[-1] == Stopped("Ctrl-C", 130)
    assert len(events) == 4
    assert checkpoint.load(run.folder / "last.safetensors").metadata["step"] == "3"


def test_a_long_epoch_is_saved_in_its_middle(tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "SAVE_EVERY", 0.0)
    run = new_run(tmp_path / "r")
    events = runs.advance(run)
    for _ in range(4):
        next(events)
    events.close()
    assert checkpoint.load(run.folder / "last.safetensors").metadata["step"] == "3"
