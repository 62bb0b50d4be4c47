"""report.html from the command line: at the end of a run, and later."""

import pytest

from tinynet import reports
from tinynet.reports.run_page import write_for


@pytest.fixture
def trains(small, monkeypatch, tinynet_says, tmp_path):
    """Return a function that trains an epoch into a folder and writes its page."""
    monkeypatch.setattr(reports, "write_for", write_for)

    def train(*options):
        folder = tmp_path / "r"
        return folder, tinynet_says("train", "--epochs", 1, "--out", folder, *options)

    return train


def test_a_run_ends_with_its_page(trains):
    folder, said = trains()
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert f"  {folder / 'report.html'}" in said.out.splitlines()
    assert "tinynet train demo --epochs 1</code>" in page
    assert "left out" not in page


def test_the_page_can_be_left_out_and_written_later(trains, tinynet_says):
    folder, said = trains("--no-report")
    assert not (folder / "report.html").exists()
    assert "report.html" not in said.out
    said = tinynet_says("report", folder)
    assert (said.code, said.out) == (0, f"{folder / 'report.html'}\n")
    assert (folder / "report.html").exists()


def test_a_page_that_cannot_be_written_is_a_note(trains, monkeypatch):
    def broken(run, sets):
        raise OSError("the disk is full")

    monkeypatch.setattr(reports, "write_for", broken)
    folder, said = trains()
    assert said.code == 0
    assert f"{folder / 'report.html'} could not be written: the disk is full" in said.out
    assert (folder / "result.json").exists()


def test_a_folder_without_a_run_is_refused(tinynet_says, tmp_path):
    said = tinynet_says("report", tmp_path)
    assert said.code == 1
    assert "not a run folder" in said.err
