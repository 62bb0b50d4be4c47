"""Run folders: the files of a run, its settings, and the lock."""

import dataclasses
import json

import pytest

from support.tiny_run import RECIPE, assert_same_arrays, new_run
from tinynet.core.errors import DataError
from tinynet.training import loop as training
from tinynet.training import run_dir, runs
from tinynet.training.loop import Epoch
from tinynet.training.metrics import RunningMetrics
from tinynet.weights import checkpoint


def test_a_finished_run_leaves_its_files(tmp_path):
    run = new_run(tmp_path / "r")
    run_dir.write_config(run.folder, RECIPE, device="cpu")
    result = list(runs.advance(run))[-1].result
    names = {p.name for p in run.folder.iterdir()}
    assert names == {
        "best.safetensors",
        "config.json",
        "curves.png",
        "filters.png",
        "last.safetensors",
        "last.previous.safetensors",
        "log.jsonl",
        "result.json",
    }
    assert json.loads((run.folder / "result.json").read_text()) == result
    assert set(result) == {
        "test_accuracy",
        "test_loss",
        "epochs",
        "seconds",
        "parameters",
        "device",
        "seed",
    }
    assert (result["parameters"], result["device"], result["seed"]) == (30 + 98, "cpu", 5)
    record = json.loads((run.folder / "log.jsonl").read_text().splitlines()[0])
    assert list(record) == [
        "epoch",
        "train_loss",
        "train_accuracy",
        "test_loss",
        "test_accuracy",
        "lr",
        "seconds",
        "images_per_second",
    ]
    assert run_dir.read_config(run.folder) == (RECIPE, {"device": "cpu"})


def test_best_holds_the_weights_of_the_best_epoch_the_first_of_equals(
    tmp_path, no_pictures, monkeypatch
):
    run = new_run(tmp_path / "r")
    accuracies = iter([0.5, 0.7, 0.7])
    real = training._finish_epoch

    def scripted(state, found, lr, seconds):
        found["test"] = RunningMetrics(0.1, 10 * next(accuracies), 10)
        return real(state, found, lr, seconds)

    monkeypatch.setattr(training, "_finish_epoch", scripted)
    weights = [run.model.state_dict() for e in runs.advance(run) if isinstance(e, Epoch)]
    assert_same_arrays(checkpoint.load(run.folder / "best.safetensors").model, weights[1])


def test_a_folder_that_holds_a_run_is_refused(tmp_path):
    run_dir.write_config(tmp_path, RECIPE)
    with pytest.raises(DataError, match=r"already holds a run. Resume it, or choose another"):
        run_dir.write_config(tmp_path, RECIPE)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"recipe": {"name": 1}}', '{"recipe": 3}'])
def test_a_damaged_config_is_refused_by_name(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(DataError, match=r"config\.json: not the config"):
        run_dir.read_config(tmp_path)


CHANGES = [
    *(
        {"epochs": "x"},
        {"epochs": 0},
        {"epochs": True},
        {"lr": None},
        {"lr": -1},
        {"batch_size": 0},
    ),
    *({"batch_size": 2.5}, {"seed": -5}, {"crop": "a"}, {"horizontal_flip": 1}),
]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_a_config_with_impossible_settings_is_refused_by_name(tmp_path, change):
    settings = {**dataclasses.asdict(RECIPE), **change}
    (tmp_path / "config.json").write_text(json.dumps({"recipe": settings}))
    with pytest.raises(DataError, match=r"config\.json: not the config"):
        run_dir.read_config(tmp_path)


def test_an_unknown_model_is_refused_by_name():
    with pytest.raises(DataError, match=r"^models.build: there is no model 'zzz'\. Known: alexnet"):
        dataclasses.replace(RECIPE, model="zzz").build_model(10)


def test_a_config_whose_device_is_no_name_is_refused(tmp_path):
    run_dir.write_config(tmp_path, RECIPE, device=3)
    with pytest.raises(DataError, match="device cannot be 3"):
        run_dir.read_config(tmp_path)


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(DataError, match="not a run folder"):
        run_dir.read_config(tmp_path)


def test_a_second_run_in_one_folder_is_refused_while_the_first_one_lives(tmp_path):
    second = run_dir.lock(tmp_path)
    with run_dir.lock(tmp_path), pytest.raises(DataError, match=r"another run \(process \d+\)"):
        second.__enter__()
    with run_dir.lock(tmp_path):
        pass


def test_settings_that_were_changed_before_the_first_checkpoint_are_refused(tmp_path):
    run_dir.write_config(tmp_path, RECIPE, device="cpu")
    path = tmp_path / run_dir.CONFIG
    written = path.read_text()
    path.write_text(written.replace(f'"seed": {RECIPE.seed}', '"seed": 77'))
    with pytest.raises(DataError, match="not those that were written"):
        run_dir.read_config(tmp_path)
    path.write_text(written)
    recipe, facts = run_dir.read_config(tmp_path)
    assert (recipe, facts) == (RECIPE, {"device": "cpu"})
    changed = dataclasses.replace(RECIPE, epochs=9)
    run_dir.change_recipe(tmp_path, changed)
    assert run_dir.read_config(tmp_path) == (changed, {"device": "cpu"})
