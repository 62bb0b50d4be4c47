"""`tinynet train`: what it prints, what it writes, and how a run is resumed."""

import dataclasses
import json
import re

import pytest

from support.small_demo import small_net, use_sets
from tinynet import data, models
from tinynet.training import presets
from tinynet.weights import checkpoint


def test_training_says_what_it_runs_on_and_what_it_wrote(finished):
    lines = finished.said.out.splitlines()
    assert finished.said.code == 0
    assert re.match(r"tinynet \S+: demo on cpu with \d+ threads?; data shapes, 60 \+ 30", lines[0])
    assert any(re.search(r"step 1/3  loss 2\.\d+  accuracy .* images/s .* left", x) for x in lines)
    assert any(re.search(r"epoch 2/2  loss .* test accuracy .* lr 0\.", x) for x in lines)
    result = json.loads((finished.folder / "result.json").read_text())
    assert f"test accuracy {100 * result['test_accuracy']:.2f} %" in finished.said.out
    written = [line.strip() for line in lines if line.startswith("  ")]
    names = "result.json log.jsonl last.safetensors best.safetensors config.json"
    assert written == [str(finished.folder / name) for name in names.split()]
    next_command = f"Next: tinynet predict {finished.folder} IMAGE, or tinynet explain "
    assert lines[-1].startswith(next_command)
    images = {"train": 60, "test": 30}
    assert json.loads((finished.folder / "config.json").read_text())["images"] == images


def test_options_replace_the_recipes_settings(small, tinynet_says, tmp_path):
    options = {"--epochs": 1, "--batch": 30, "--lr": 0.5, "--seed": 4}
    flat = [x for pair in options.items() for x in pair]
    tinynet_says("train", *flat, "--out", tmp_path / "r", "--max-minutes", 0)
    recipe = json.loads((tmp_path / "r" / "config.json").read_text())["recipe"]
    assert [recipe[k] for k in ("epochs", "batch_size", "lr", "seed")] == [1, 30, 0.5, 4]


def test_the_update_is_chosen_and_a_variant_of_other_settings_says_so(
    small, tinynet_says, tmp_path, monkeypatch
):
    of_32 = dataclasses.replace(models.alexnet_variants.find("caffe"), image=32)
    monkeypatch.setitem(models.alexnet_variants.VARIANTS, "caffe", of_32)
    monkeypatch.setattr(models, "build", lambda name, classes, *_, **__: small_net(classes))
    given = "--variant", "caffe", "--data", "shapes", "--update", "adam", "--lr", 0.001
    folder = tmp_path / "r"
    said = tinynet_says("train", "alexnet", *given, "--out", folder, "--max-minutes", 0)
    header, told, *_ = said.out.splitlines()
    assert header.startswith("tinynet ")
    assert told.startswith("As published, caffe has other settings than the recipe alexnet: ")
    assert json.loads((folder / "config.json").read_text())["recipe"]["optimizer"] == "adam"
    state = checkpoint.load(folder / "last.safetensors").optimizer
    assert {"0.mean", "0.square"} <= state.keys()


def test_a_plateau_from_the_command_line_is_seen_on_pictures_that_are_held_out(
    small, tinynet_says, few_shapes, tmp_path
):
    folder = tmp_path / "r"
    given = "--schedule", "plateau", "--validation", 0.3, "--epochs", 2, "--batch", 20
    said = tinynet_says("train", *given, "--out", folder)
    rest, held = data.hold_out(few_shapes[True], 0.3)
    assert f"{len(rest)} + 30 images, {len(held)} for validation" in said.out
    assert "validation accuracy" in said.out
    assert not {x.tobytes() for x in held.images} & {x.tobytes() for x in rest.images}
    config = json.loads((folder / "config.json").read_text())
    assert (config["recipe"]["schedule"], config["recipe"]["validation"]) == ("plateau", 0.3)
    seen = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert all(0 <= record["validation_accuracy"] <= 1 for record in seen)
    assert tinynet_says("train", "--resume", folder).code == 0


def test_a_run_without_out_gets_a_folder_of_its_own(small, tinynet_says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        tinynet_says("train", "--max-minutes", 0)
    assert sorted(p.name for p in (tmp_path / "runs").iterdir()) == ["demo-0", "demo-0-2"]


def test_when_the_time_is_up_the_resume_command_is_printed_and_works(small, tinynet_says, tmp_path):
    folder = tmp_path / "a run"
    said = tinynet_says("train", "--epochs", 1, "--batch", 20, "--out", folder, "--max-minutes", 0)
    assert said.code == 0
    assert "time is up" in said.out
    assert f"tinynet train --resume '{folder}'" in said.out
    assert not (folder / "result.json").exists()
    said = tinynet_says("train", "--resume", folder)
    assert said.code == 0
    assert "Resuming after epoch 0, step 1" in said.out
    assert (folder / "result.json").exists()


def test_resuming_a_finished_run_says_its_result_again(finished, tinynet_says):
    before = (finished.folder / "last.safetensors").read_bytes()
    said = tinynet_says("train", "--resume", finished.folder)
    assert said.code == 0
    assert "after 2 epochs" in said.out
    assert (finished.folder / "last.safetensors").read_bytes() == before


def test_resume_refuses_settings_that_would_make_another_run(finished, tinynet_says):
    said = tinynet_says("train", "--resume", finished.folder, "--lr", 1, "--seed", 3)
    assert said.code == 1
    assert "lr, seed cannot be changed" in said.err
    assert tinynet_says("train", "small-alexnet", "--resume", finished.folder).code == 1


def test_resume_refuses_other_pictures(finished, tinynet_says, few_shapes, monkeypatch):
    train = few_shapes[True]
    brighter = data.ArrayDataset(train.images + 1, train.labels, train.classes)
    use_sets(monkeypatch, {True: brighter, False: brighter})
    said = tinynet_says("train", "--resume", finished.folder)
    assert said.code == 1
    assert "other images" in said.err


def test_a_used_folder_is_refused(finished, tinynet_says):
    said = tinynet_says("train", "--out", finished.folder)
    assert said.code == 1
    assert "already holds a run" in said.err


def test_a_run_that_diverges_ends_with_one_sentence(small, tinynet_says, tmp_path):
    said = tinynet_says("train", "--lr", 1e30, "--batch", 20, "--out", tmp_path / "r")
    assert said.code == 1
    assert re.search(r"Error: train: .*step \d+ \(lr 1e\+30\)", said.err)
    assert "Traceback" not in said.err
    assert not (tmp_path / "r" / "last.safetensors").exists()


def test_a_loss_at_chance_is_explained_once(small, tinynet_says, tmp_path, monkeypatch):
    still = dataclasses.replace(presets.find("demo"), name="still", input_scale=1e-30, lr=1e-9)
    monkeypatch.setitem(presets.RECIPES, "still", still)
    said = tinynet_says("train", "still", "--epochs", 2, "--batch", 30, "--out", tmp_path / "r")
    assert said.out.count("stays at ln(10) = 2.3026") == 1


@pytest.mark.parametrize(
    ("name", "fact"),
    [("gone/cats", "is not there"), ("gone.csv", "is not there"), ("a.pdf", "of another kind")],
)
def test_a_path_that_is_no_data_is_no_unknown_recipe(tinynet_says, tmp_path, name, fact):
    (tmp_path / "a.pdf").write_bytes(b"")
    said = tinynet_says("train", tmp_path / name)
    assert said.code == 2
    assert f"train: {tmp_path / name} " in said.err
    assert fact in said.err
    assert "there is no" not in said.err


def test_one_thread_is_one(small, tinynet_says, tmp_path, monkeypatch):
    monkeypatch.setattr("tinynet.cli.run.get_num_threads", lambda: 1)
    said = tinynet_says("train", "--max-minutes", 0, "--out", tmp_path / "r")
    assert "demo on cpu with 1 thread; data" in said.out
