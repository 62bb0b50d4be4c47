"""`tinynet eval` and `tinynet predict`: what they report, and the mistakes they name."""

import dataclasses
import json
import re

import numpy as np
import pytest
from PIL import Image

from tinynet.training import presets


def test_eval_measures_what_the_run_said(finished, tinynet_says):
    result = json.loads((finished.folder / "result.json").read_text())
    said = tinynet_says("eval", finished.folder)
    assert said.code == 0
    accuracy, loss = 100 * result["test_accuracy"], result["test_loss"]
    assert f"test accuracy {accuracy:.2f} %  test loss {loss:.4f}  (30 images" in said.out


def test_eval_prints_its_numbers_as_json(finished, tinynet_says):
    result = json.loads((finished.folder / "result.json").read_text())
    said = json.loads(tinynet_says("eval", finished.folder, "--json").out)
    assert said["test_accuracy"] == pytest.approx(result["test_accuracy"])
    assert said["test_loss"] == pytest.approx(result["test_loss"])
    assert (said["images"], said["views"]) == (30, 1)


def test_ten_views_need_a_recipe_with_crops(finished, tinynet_says):
    said = tinynet_says("eval", finished.folder, "--ten-view")
    assert said.code == 1
    assert "no crops to average" in said.err


def test_ten_views_average_the_views(small, tinynet_says, tmp_path, monkeypatch):
    padded = dataclasses.replace(presets.find("demo"), name="padded", pad=2)
    monkeypatch.setitem(presets.RECIPES, "padded", padded)
    tinynet_says("train", "padded", "--epochs", 1, "--batch", 20, "--out", tmp_path / "r")
    one, ten = (
        tinynet_says("eval", tmp_path / "r"),
        tinynet_says("eval", tmp_path / "r", "--ten-view"),
    )
    assert ten.code == 0
    assert "ten crops each" in ten.out
    assert one.out.split("(")[0] != ten.out.split("(")[0]


def test_predict_names_five_classes_that_are_sorted(finished, tinynet_says, tmp_path):
    Image.fromarray(np.zeros((50, 80, 3), np.uint8)).save(tmp_path / "black.png")
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "grey.png")
    said = tinynet_says("predict", finished.folder, tmp_path / "black.png", tmp_path / "grey.png")
    assert said.code == 0
    for line in said.out.splitlines():
        shares = [float(x) for x in re.findall(r"([\d.]+) %", line)]
        assert len(shares) == 5
        assert shares == sorted(shares, reverse=True)
    assert len(said.out.splitlines()) == 2


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n" + b"\0" * 40])
def test_predict_refuses_what_is_no_picture_by_name(finished, tinynet_says, tmp_path, content):
    (tmp_path / "x.png").write_bytes(content)
    said = tinynet_says("predict", finished.folder, tmp_path / "x.png")
    assert said.code == 1
    assert "x.png: not an image" in said.err
    assert tinynet_says("predict", finished.folder, tmp_path / "missing.png").code == 1


def test_predict_says_what_else_it_found(finished, tinynet_says, tmp_path):
    (tmp_path / "pipe.png").symlink_to("/dev/null")
    said = tinynet_says("predict", finished.folder, tmp_path / "pipe.png")
    assert "found something else" in said.err


@pytest.mark.parametrize("command", [("eval",), ("predict",), ("train", "--resume")])
def test_a_folder_without_a_run_is_one_sentence(tinynet_says, tmp_path, command):
    extra = ["x.png"] if command == ("predict",) else []
    said = tinynet_says(*command, tmp_path, *extra)
    assert said.code == 1
    assert (
        said.err
        == f"Error: {tmp_path}: not a run folder: it has no config.json. tinynet train makes one.\n"
    )


@pytest.mark.parametrize("command", [("eval",), ("train", "--resume"), ("explain",)])
def test_the_folder_of_a_run_is_proposed(finished, tinynet_says, command):
    proposed = f"Did you mean {finished.folder}?"
    assert proposed in tinynet_says(*command, finished.folder.parent).err
    if command != ("eval",):
        assert proposed in tinynet_says(*command, finished.folder / "last.safetensors").err


@pytest.mark.parametrize(
    ("name", "content", "fact"),
    [
        ("x.png", b"\x89PNG\r\n\x1a\n", r"one that begins with b'\x89PNG\r\n\x1a\n'"),
        ("config.json", b'{"recipe": {}}', """one that begins with b'{"recipe'"""),
        ("empty.safetensors", b"", "an empty file"),
    ],
)
def test_a_file_that_holds_no_weights_is_no_damaged_checkpoint(
    tinynet_says, tmp_path, name, content, fact
):
    (tmp_path / name).write_bytes(content)
    for command in (("eval", tmp_path / name), ("predict", tmp_path / name, "cat.png")):
        said = tinynet_says(*command)
        assert said.code == 1
        assert "expected a file of weights" in said.err
        assert said.err.endswith(f"found {fact}.\n")


def test_a_damaged_checkpoint_is_said_and_the_previous_one_used(finished, tinynet_says):
    (finished.folder / "last.safetensors").write_bytes(b"")
    said = tinynet_says("eval", finished.folder)
    assert said.code == 0
    assert "Using the checkpoint before it" in said.err
