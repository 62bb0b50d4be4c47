"""Options --show, --figure and --tensorboard: with a file, without one, beside files of others."""

import numpy as np
import pytest
from PIL import Image

from tinynet import plot
from tinynet.cli import output_file


@pytest.fixture
def run(small, tinynet_says, tmp_path):
    folder = tmp_path / "run"
    assert tinynet_says("train", "--epochs", 1, "--batch-size", 30, "--out", folder).code == 0
    return folder


@pytest.fixture
def photo(few_shapes, tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(few_shapes[False].images[0].transpose(1, 2, 0)).save(path)
    return path


def test_show_alone_draws_into_the_run_and_names_the_file(run, photo, tinynet_says):
    done = tinynet_says("predict", run, photo, "--show")
    assert done.code == 0
    assert done.err == f"Drawn: {run / 'predictions.png'}\n"
    first = (run / "predictions.png").stat().st_mtime_ns
    before_a_folder = tinynet_says("predict", run, "--show", photo.parent)
    assert before_a_folder.code == 0
    assert (run / "predictions.png").stat().st_mtime_ns > first
    named = tinynet_says("predict", run, photo, "--show", photo.parent / "drawn.svg")
    assert (named.code, (photo.parent / "drawn.svg").exists()) == (0, True)


def test_a_file_of_others_is_never_replaced(run, photo, tinynet_says):
    before = photo.read_bytes()
    refused = tinynet_says("predict", run, photo, "--show", photo)
    assert refused.code == 2
    assert "photo.png is there and is no figure of tinynet. Choose another name." in refused.err
    (run / "predictions.png").write_bytes(before)
    done = tinynet_says("predict", run, photo, "--show")
    assert done.err == f"Drawn: {run / 'predictions-2.png'}\n"
    assert (run / "predictions.png").read_bytes() == photo.read_bytes() == before


def test_another_format_is_refused_before_the_work(run, photo, tinynet_says):
    refused = tinynet_says("predict", run, photo, "--show", photo.parent / "drawn.jpg")
    assert refused.code == 2
    assert "figures are written as .png, .svg, .pdf, and" in refused.err
    assert refused.out == ""


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_a_figure_of_ours_is_known_and_replaced(suffix, tmp_path):
    path = tmp_path / f"figure{suffix}"
    plot.confusion(np.eye(2, dtype=int), path=path)
    assert output_file.chosen(output_file.UNNAMED, path) == path
    path.write_bytes(b"something else")
    assert output_file.chosen(output_file.UNNAMED, path) == tmp_path / f"figure-2{suffix}"


def test_an_event_file_goes_into_the_run(run, tinynet_says):
    for words in ((run, "--tensorboard"), ("--tensorboard", run)):
        done = tinynet_says("export", *words)
        assert done.code == 0
        assert str(run / "tensorboard") in done.err


def test_figures_of_a_recipe_and_of_a_model_have_names(small, tinynet_says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = tinynet_says("lr-find", "--figure", "demo", "--steps", 10)
    assert found.err == "Drawn: lr-find-demo.png\n"
    drawn = tinynet_says("summary", "alexnet-two-towers", "--figure")
    assert drawn.err == "Drawn: alexnet-two-towers.png\n"
    assert {path.name for path in tmp_path.glob("*.png")} == {
        "lr-find-demo.png",
        "alexnet-two-towers.png",
    }
