"""Comparison of runs: letters, results, the settings that differ, and the page."""

import dataclasses
import json

import pytest

from support.reported_run import RECIPE, RECORDS
from tinynet import reports
from tinynet.core.errors import DataError
from tinynet.reports import comparison
from tinynet.training import run_dir


def make(path, records=RECORDS, recipe=RECIPE, **facts):
    with run_dir.new_folder(recipe, path):
        run_dir.write_config(path, recipe, **facts)
    lines = (json.dumps(dataclasses.asdict(record)) + "\n" for record in records)
    (path / run_dir.LOG).write_text("".join(lines))
    return path


@pytest.fixture
def three(tmp_path):
    """Make three runs: the second has another rate and device, the third no epoch."""
    images = {"train": 24, "test": 15}
    other = dataclasses.replace(RECIPE, lr=0.5, name="other", schedule="cosine")
    return [
        make(tmp_path / "a", images=images, device="cpu"),
        make(tmp_path / "<b>", RECORDS[:1], other, images=images, device="cuda:0"),
        make(tmp_path / "c", [], device="cpu"),
    ]


def test_the_results_of_each_run(three):
    a, b, c = comparison.results(comparison.read(three))
    assert a == ("A", str(three[0]), "stopped", "3/4", "50.00 %", "30.1 to 75.2 %", "2", "3")
    assert b[0] == "B"
    assert b[3:5] == ("1/4", "40.00 %")
    assert c[3:] == ("0/4", "", "", "", "0")


def test_only_the_settings_that_differ_are_listed(three):
    found = comparison.differences(comparison.read(three[:2]))
    assert found == [
        ("lr", "0.02", "0.5"),
        ("schedule", "×0.1 from 75%", "cosine"),
        ("device", "cpu", "cuda:0"),
    ]
    assert comparison.differences(comparison.read(three[::2])) == []


def test_the_page_overlays_the_curves(three, tmp_path):
    page = reports.compare(three, tmp_path / "c.html").read_text(encoding="utf-8")
    assert page.count('role="img"') == 4
    assert "A ends at 50.0, B ends at 40.0." in page
    assert "&lt;b&gt;" in page
    assert "<b>" not in page
    assert "The other" in page


def test_runs_without_epochs_can_be_compared(tmp_path):
    folders = [make(tmp_path / name, []) for name in "ab"]
    page = reports.compare(folders, tmp_path / "c.html").read_text()
    assert "No epoch has finished in any of these runs." in page
    assert "The runs have the same settings" in page


@pytest.mark.parametrize("count", [0, 1, 7])
def test_two_to_six_runs_are_compared(tmp_path, count):
    with pytest.raises(DataError, match=f"2 to 6 different runs, got {count}"):
        reports.compare([tmp_path / str(i) for i in range(count)])


def test_a_run_is_not_compared_with_itself(three):
    with pytest.raises(DataError, match="got 1"):
        comparison.read([three[0], str(three[0])])


def test_the_command_prints_what_the_page_has(three, tinynet_says, tmp_path):
    said = tinynet_says("compare", *three[:2], "--out", tmp_path / "c.html")
    assert said.code == 0
    assert "A  " in said.out
    assert "30.1 to 75.2 %" in said.out
    (rate,) = [line.split() for line in said.out.splitlines() if line.startswith("lr")]
    assert rate == ["lr", "0.02", "0.5"]
    assert said.out.endswith(f"The curves: {tmp_path / 'c.html'}\n")
    assert (tmp_path / "c.html").exists()
