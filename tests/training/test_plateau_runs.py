"""Runs whose learning rate falls when the validation error stalls."""

import dataclasses
import json

import numpy as np
import pytest

from support.tiny_run import RECIPE, Points, assert_same_arrays, new_run, timeless
from tinynet.training import runs
from tinynet.weights import checkpoint

WAITING = dataclasses.replace(RECIPE, epochs=16, schedule="plateau", validation=0.5)


class Coins(Points):
    """Black images, half of each class: the accuracy is one half, whatever is learned."""

    def batches(self, epoch, first=0):
        for images, labels in super().batches(epoch, first):
            yield np.zeros_like(images), np.arange(len(labels)) % 2


def new_waiting_run(folder):
    run = new_run(folder, WAITING)
    run.validation = Coins(20, shuffle=False)
    return run


def test_a_planted_stall_of_the_validation_error_lowers_the_rate(tmp_path, no_pictures):
    run = new_waiting_run(tmp_path / "r")
    list(runs.advance(run))
    assert {record.validation_accuracy for record in run.state.records} == {0.5}
    assert len({record.test_accuracy for record in run.state.records}) > 1  # which do not stall
    rates = [record.lr for record in run.state.records]
    assert rates == pytest.approx([0.05] * 6 + [0.005] * 5 + [0.0005] * 5)
    result = json.loads((run.folder / "result.json").read_text())
    assert result["validation_accuracy"] == 0.5
    best = checkpoint.load(run.folder / "best.safetensors")
    assert best.metadata["epoch"] == "1"  # chosen by validation, the first of equals


@pytest.mark.parametrize("stop_after", [3, 40, 49, 70])
def test_a_run_that_waits_goes_on_waiting_where_it_stopped(tmp_path, no_pictures, stop_after):
    whole = new_waiting_run(tmp_path / "whole")
    count = len(list(runs.advance(whole)))
    assert count > stop_after
    first = new_waiting_run(tmp_path / "parts")
    for number, _ in enumerate(runs.advance(first)):
        if number == stop_after:
            break
    runs.save(first)
    second = new_waiting_run(tmp_path / "parts")
    runs.restore(second)
    list(runs.advance(second))
    assert_same_arrays(second.model.state_dict(), whole.model.state_dict())
    assert_same_arrays(second.optimizer.state_dict(), whole.optimizer.state_dict())
    assert timeless(second.state.records) == timeless(whole.state.records)
