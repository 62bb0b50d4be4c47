"""`tinynet runs` and `tinynet explain`: what they say of runs that are there."""

import dataclasses
import json

import pytest

from support.small_demo import few_shapes, use_sets
from tinynet.training import presets, run_dir
from tinynet.training.diagnosis import Kind

DEMO = presets.find("demo")


def make(folder, losses, recipe=DEMO, **facts):
    """Write a run with these losses; its accuracies are high where the losses are low."""
    with run_dir.new_folder(recipe, folder):
        run_dir.write_config(folder, recipe, **facts)
    lines = [
        {
            "epoch": i,
            "train_loss": loss,
            "train_accuracy": 1 / (1 + loss),
            "test_loss": loss,
            "test_accuracy": 1 / (1 + loss),
            "lr": 0.02,
            "seconds": 1.0,
            "images_per_second": 10.0,
        }
        for i, loss in enumerate(losses, start=1)
    ]
    (folder / run_dir.LOG).write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


@pytest.fixture
def two_runs(tmp_path, monkeypatch):
    """Make two runs in runs/, and a damaged one."""
    monkeypatch.chdir(tmp_path)
    images = {"train": 3000, "test": 1000}
    make(tmp_path / "runs" / "a", [1.0] * 8, images=images)
    run_dir.write_json(tmp_path / "runs" / "a" / run_dir.RESULT, {"test_accuracy": 0.5})
    make(tmp_path / "runs" / "b", [3.0, 1.0])
    (make(tmp_path / "runs" / "c", [1.0]) / run_dir.LOG).write_text("{")
    return tmp_path / "runs"


def test_runs_are_listed(two_runs, tinynet_says):
    said = tinynet_says("runs")
    header, _, a, b, c, damaged = said.out.splitlines()
    assert header.split()[:4] == ["run", "recipe", "data", "state"]
    assert a.split()[:4] == ["runs/a", "demo", "shapes", "finished"]
    assert a.endswith("8/8  50.00 % (46.9 to 53.1 %)")
    assert b.split()[3] == "stopped"
    assert b.split()[-3:] == ["2/8", "50.00", "%"]
    assert c.split() == ["runs/c", "damaged"]
    assert damaged.startswith("Damaged: runs/c/log.jsonl: line 1")


def test_runs_as_json(two_runs, tinynet_says):
    lines = [json.loads(line) for line in tinynet_says("runs", two_runs, "--json").out.splitlines()]
    assert [line["state"] for line in lines] == ["finished", "stopped", "damaged"]
    assert lines[0]["test_accuracy"] == 0.5
    assert lines[0]["test_images"] == 1000
    assert (lines[1]["epochs"], lines[1]["epochs_wanted"]) == (2, 8)


def test_a_running_run_says_so(two_runs, tinynet_says):
    with run_dir.lock(two_runs / "b"):
        assert "running" in tinynet_says("runs", two_runs / "b").out


def test_no_runs(tmp_path, tinynet_says, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = tinynet_says("runs")
    assert (said.code, said.out) == (0, "runs: no runs here. To start one: tinynet train\n")
    assert tinynet_says("runs", "--json").out == ""
    said = tinynet_says("runs", "nowhere")
    assert (said.code, said.err) == (1, "Error: nowhere: there is no such folder.\n")


# explain


@pytest.fixture
def of_shapes(monkeypatch):
    use_sets(monkeypatch, few_shapes(300, 300))


def test_a_run_that_still_improves_gets_the_command_for_more_epochs(
    tmp_path, of_shapes, tinynet_says
):
    folder = make(tmp_path / "r", [2.0, 1.5, 1.1, 0.8])
    run_dir.write_json(folder / run_dir.RESULT, {})
    said = tinynet_says("explain", folder)
    assert "finished after epoch 4 of 8" in said.out
    assert "Still improving. The held-out loss still fell" in said.out
    assert said.out.endswith("  To try: tinynet train demo --epochs 16\n")


def test_a_rate_that_is_too_high_gets_a_smaller_one(tmp_path, of_shapes, tinynet_says):
    said = tinynet_says("explain", make(tmp_path / "r", [1.0, 0.5, 1.5]), "--json")
    (found,) = map(json.loads, said.out.splitlines())
    assert found["kind"] == "rate too high"
    assert found["try"] == "tinynet train demo --lr 0.0067"


def test_nothing_unusual_is_said_as_well(tmp_path, of_shapes, tinynet_says):
    said = tinynet_says("explain", make(tmp_path / "r", [1.0, 0.1, 0.1, 0.1]))
    assert said.out.splitlines()[-1].startswith("Nothing unusual: no plateau, no rise of")
    one = tinynet_says("explain", make(tmp_path / "one", [1.0]))
    assert one.out.endswith(
        "Nothing unusual so far; a trend takes 3 epochs, and 1 epoch is there.\n"
    )


def test_images_that_are_gone_are_no_error(tmp_path, tinynet_says, monkeypatch):

    gone = dataclasses.replace(DEMO, data=f"folder:{tmp_path / 'gone'}", size=32)
    folder = make(tmp_path / "r", [1.0, 0.5, 1.5], gone, classes=3)
    said = tinynet_says("explain", folder)
    assert said.code == 0
    assert "The images are not at hand" in said.out
    assert "Rate too high." in said.out
    assert f"--data folder:{tmp_path / 'gone'} --lr" in said.out


def test_what_to_try_keeps_the_other_settings_of_the_run(tmp_path, tinynet_says):
    given = dataclasses.replace(
        DEMO, model="small-resnet", data=f"folder:{tmp_path}", size=64, epochs=3, seed=5
    )
    said = tinynet_says("explain", make(tmp_path / "r", [1.0, 0.5, 1.5], given, classes=3))
    options = f"--model small-resnet --data folder:{tmp_path} --size 64 --epochs 3 --lr 0.0067"
    assert f"To try: tinynet train demo {options} --seed 5\n" in said.out


def test_a_run_without_an_epoch(tmp_path, of_shapes, tinynet_says):
    said = tinynet_says("explain", make(tmp_path / "r", []))
    assert said.out.endswith("No epoch has finished yet.\n")


def test_a_folder_without_a_run_is_refused(tmp_path, tinynet_says):
    said = tinynet_says("explain", tmp_path)
    assert said.code == 1
    assert "not a run folder" in said.err


@pytest.mark.parametrize("kind", Kind.__args__)
def test_there_is_something_to_try_about_every_finding(tmp_path, kind):
    from tinynet.cli.runs import attempt
    from tinynet.training.diagnosis import Diagnosis
    from tinynet.training.run_list import read

    saved = read(make(tmp_path / "r", [1.0]))
    assert "tinynet train" in attempt(Diagnosis(kind, "x"), saved)


def test_weights_of_a_run_folder_are_shown(finished, tinynet_says):
    shown = tinynet_says("weights", "show", finished.folder)
    assert shown.code == 0
    assert shown.out == tinynet_says("weights", "show", finished.folder / "last.safetensors").out
