"""`tinynet lr-find` and `profile`: numbers, figures, and no run left behind."""

import json

import pytest

from tinynet.analysis import profile as profiling


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch, small):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(profiling, "measure", lambda: profiling.Machine(1e12, 1e10))


def test_a_rate_is_suggested_and_no_run_is_left(tinynet_says, tmp_path):
    said = tinynet_says("lr-find", "--steps", 30, "--batch-size", 20, "--figure", "lr.png")
    assert "steps from 1e-05 to" in said.out
    assert [path.name for path in tmp_path.iterdir()] == ["lr.png"]


def test_the_numbers_come_as_json(tinynet_says):
    found = json.loads(tinynet_says("lr-find", "--steps", 12, "--batch-size", 20, "--json").out)
    assert len(found["rates"]) == len(found["losses"]) == len(found["smoothed"])


def test_rates_in_the_wrong_order_are_refused(tinynet_says):
    said = tinynet_says("lr-find", "--low", 1, "--high", 0.1)
    assert said.code == 2
    assert "--low 1 must be below --high 0.1" in said.err


def test_ops_are_listed_and_drawn(tinynet_says, tmp_path):
    options = ("profile", "--batch-size", 10, "--repeats", 1)
    said = tinynet_says(*options, "--figure", "roof.svg")
    assert "0 conv2d + relu" in said.out
    assert (tmp_path / "roof.svg").exists()
    ops = json.loads(tinynet_says(*options, "--json").out)["ops"]
    assert [op["op"] for op in ops][:2] == ["conv2d + relu", "reshape"]
