"""Mistakes on the command line: one sentence and an exit code for each."""

import sys

import pytest

import tinynet
from tinynet.cli import errors, main
from tinynet.core.errors import DataError


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["train", "no-such"], 1, "Known: demo, cifar-quick"),
        (["train", "no-such"], 1, "Nor is there a folder of images, or a table, of that name."),
        (["train", "mnist"], 1, "It is a data set: --data mnist."),
        (["train", "./no-such"], 2, "no-such is not there. Name a folder of images"),
        (["train", "--device", "cpu:x"], 1, 'a device is called "cpu"'),
        (["train", "cifar-quick", "--data-dir", "/no/such"], 1, "/no/such"),
        (["train", "--model", "no-such"], 1, "Error: models.build: there is no model 'no-such'"),
        (["train", "--variant", "caffe"], 1, "'demo' has none"),
        (["train", "alexnet", "--variant", "no-such"], 1, "Error: alexnet: no variant 'no-such'"),
        (
            ["train", "fine-tune", "--data", "shapes", "--max-minutes", "0"],
            2,
            "fine-tune needs pretrained weights: --init-from FILE",
        ),
        (["train", "--freeze", "no-such"], 1, "Error: freeze: this model has no 'no-such'"),
        (["train", "--model", "alexnet"], 1, "these would be 32x32. Give them a size of 224."),
        (
            ["train", "alexnet", "--data", "shapes", "--variant", "caffe", "--size", "226"],
            1,
            "alexnet, caffe, is made for images of 227x227; these would be 226x226. "
            "Give them a size of 227 or more.",
        ),
        (["summary", "no-such"], 1, "Known: alexnet"),
        (["summary", "alexnet", "--variant", "no-such"], 1, "Known: paper"),
        (["summary", "demo", "--variant", "paper"], 1, "'demo' has none"),
        (["summary", "--diff", "paper", "no-such"], 1, "Known: paper"),
        (["summary"], 2, "name one MODEL"),
        (["summary", "demo", "--traffic"], 1, "demo runs on one device"),
        (["summary", "demo", "--batch", "128"], 2, "--batch-size belongs to --memory"),
        (
            ["summary", "--diff", "paper", "half", "--memory", "--batch", "4"],
            2,
            "no use for --batch-size, --memory",
        ),
        (["train", "--epochs", "0"], 2, "--epochs"),
        (["train", "--lr", "nan"], 2, "nan is not a finite number"),
        (["train", "--max-minutes", "inf"], 2, "inf is not a finite number"),
        (["no-such"], 2, "No such command"),
    ],
)
def test_mistakes_end_in_one_sentence_and_a_code(tinynet_says, tmp_path, arguments, code, words):
    if arguments[0] == "train":
        arguments = [*arguments, "--out", tmp_path / "r"]
    said = tinynet_says(*arguments)
    assert said.code == code
    assert words in said.err
    assert "Traceback" not in said.err
    assert said.out == ""
    assert not (tmp_path / "r").exists()


def test_a_cuda_device_without_cupy_is_refused_with_the_pip_line(
    tinynet_says, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "cupy", None)
    said = tinynet_says("train", "--device", "cuda", "--out", tmp_path / "r")
    assert said.code == 1
    assert "pip install 'cupy-cuda13x[ctk]'" in said.err


def test_a_folder_that_cannot_be_made_is_one_sentence(small, tinynet_says, tmp_path):
    (tmp_path / "file").write_text("")
    said = tinynet_says("train", "--out", tmp_path / "file" / "r")
    assert said.code == 1
    assert "Not a directory" in said.err
    said = tinynet_says("train", "--out", tmp_path / "file")
    assert said.code == 1
    assert "is not a directory. Choose another with --out" in said.err


def test_an_error_of_our_own_code_keeps_its_traceback(tinynet_says, monkeypatch):
    def broken(*_, **__):
        raise KeyError("a bug")

    monkeypatch.setattr(tinynet.models, "names", broken)
    monkeypatch.setattr(sys, "argv", ["tinynet", "summary", "demo"])
    with pytest.raises(KeyError):
        main.main()


def test_an_os_error_is_told_without_its_number():
    assert errors.sentence(OSError(28, "a.bin: disk full")) == "a.bin: disk full"
    assert errors.sentence(FileNotFoundError(2, "No such file", "x")) == "x: No such file"
    assert errors.sentence(DataError("x is bad")) == "x is bad"
