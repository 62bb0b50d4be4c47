"""`tinynet look` and `predict`: figures of a run, machine-readable answers, weight files."""

import csv
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from tinynet import models, nn, weights
from tinynet.analysis import look
from tinynet.kernels.codegen import native


@pytest.fixture
def run(small, tinynet_says, tmp_path):
    assert (
        tinynet_says("train", "--epochs", 1, "--batch-size", 30, "--out", tmp_path / "run").code
        == 0
    )
    return tmp_path / "run"


@pytest.fixture
def pictures(tmp_path, few_shapes):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(3):
        pixels = few_shapes[False].images[i].transpose(1, 2, 0)
        Image.fromarray(pixels).resize((50, 40)).save(folder / f"{i}.png")
    (folder / "broken.jpg").write_bytes(b"no image")
    return folder


def test_figures_are_written_with_their_numbers_and_a_page(run, tinynet_says, tmp_path):
    chosen = ("filters", "dead_units", "saliency")
    options = [word for name in chosen for word in ("--figure", name)]
    done = tinynet_says(
        "look", run, *options, "--out", tmp_path / "seen", "--data", "--format", "svg"
    )
    assert done.code == 0, done.err
    files = {path.name for path in (tmp_path / "seen").iterdir()}
    assert files == {f"{n}.{s}" for n in chosen for s in ("svg", "json")} | {"index.html"}
    shares = json.loads((tmp_path / "seen" / "dead_units.json").read_text())
    assert len(shares["1"]) == 4
    page = (tmp_path / "seen" / "index.html").read_text()
    assert all(f'<img src="{name}.svg" alt="' in page for name in chosen)
    assert len(re.findall(r'<img [^>]*width="\d+" height="\d+"', page)) == len(chosen)
    assert "http" not in page


def test_each_image_has_its_own_figures(run, pictures, tinynet_says):
    done = tinynet_says("look", run, pictures / "0.png", pictures / "1.png", "--figure", "saliency")
    assert done.code == 0
    assert {path.name for path in (run / "look").iterdir()} == {
        "saliency-0.png",
        "saliency-1.png",
        "index.html",
    }


def test_images_of_one_name_keep_their_figures_apart(run, pictures, tinynet_says, tmp_path):
    other = tmp_path / "other" / "0.png"
    other.parent.mkdir()
    other.write_bytes((pictures / "1.png").read_bytes())
    done = tinynet_says("look", run, pictures / "0.png", other, "--figure", "saliency")
    assert done.code == 0
    names = {path.name for path in (run / "look").iterdir()}
    assert names == {"saliency-1-0.png", "saliency-2-0.png", "index.html"}


def test_the_trace_of_the_first_image_is_a_page(run, tinynet_says):
    done = tinynet_says("look", run, "--figure", "trace")
    assert done.code == 0
    assert [path.name for path in (run / "look").iterdir()] == ["trace.html"]
    assert "1. forward: conv2d in 0" in (run / "look" / "trace.html").read_text()


def test_a_figure_that_the_network_does_not_have_is_left_out_with_the_reason(run, tinynet_says):
    done = tinynet_says("look", run, "--figure", "lrn_before_after", "--figure", "filters")
    assert done.code == 0
    assert "lrn_before_after: not drawn. lrn_before_after: Sequential has no layer" in done.err
    assert tinynet_says("look", run, "--figure", "lrn_before_after").code == 1


@pytest.mark.slow
def test_every_figure_can_be_drawn_of_the_demo(tinynet_says, tmp_path):
    assert tinynet_says("train", "--epochs", 1, "--out", tmp_path / "demo").code == 0
    done = tinynet_says("look", tmp_path / "demo", "--best")
    assert done.code == 0
    assert {p.stem for p in (tmp_path / "demo" / "look").glob("*.png")} == set(look.NAMES)
    assert [line for line in done.err.splitlines() if native.COMPILING not in line] == []


@pytest.mark.slow
def test_the_gallery_adds_the_figures_of_other_commands(run, tinynet_says, tmp_path):
    done = tinynet_says("look", run, "--gallery", "--out", tmp_path / "gallery", "--format", "svg")
    assert done.code == 0
    names = {path.stem for path in (tmp_path / "gallery").glob("*.svg")}
    absent = {"lrn_before_after", "pool_winners"}  # the small network has no such layers
    others = {"curves", "confusion", "predictions", "one_prediction", "learning_rates"}
    others |= {"roofline", "graph", "towers", "architecture_of_alexnet"}
    assert names == (set(look.NAMES) - absent) | others
    page = (tmp_path / "gallery" / "index.html").read_text()
    assert page.count("<img ") == len(names)
    refused = tinynet_says("look", run / "last.safetensors", "--gallery")
    assert "--gallery is for a run folder" in refused.err


def test_answers_in_csv_and_json_name_the_bad_file_and_the_exit_code_says_so(
    run, pictures, tinynet_says
):
    table = tinynet_says("predict", run, pictures, "--csv")
    rows = list(csv.DictReader(io.StringIO(table.out)))
    assert table.code == 1
    assert [row["file"].rsplit("/", 1)[1] for row in rows] == [
        "0.png",
        "1.png",
        "2.png",
        "broken.jpg",
    ]
    assert "not an image that can be read" in rows[3]["error"]
    assert rows[3]["class_1"] == ""
    listed = json.loads(tinynet_says("predict", run, pictures, "--json").out)
    for row, entry in zip(rows[:3], listed, strict=False):
        assert entry["predictions"][0]["class"] == row["class_1"]
        assert entry["predictions"][0]["probability"] == pytest.approx(
            float(row["probability_1"]), abs=1e-6
        )
    assert list(listed[3]) == ["file", "error"]
    assert tinynet_says("predict", run, pictures / "0.png", "--json").code == 0
    assert tinynet_says("predict", run, pictures, "--json", "--csv").code == 2
    named = tinynet_says("predict", run, pictures, "--csv", pictures / "answers.csv")
    assert (named.code, named.out) == (2, "")
    assert f"to write a file: > {pictures / 'answers.csv'}" in named.err


def test_what_the_network_saw_is_drawn(run, pictures, tinynet_says, tmp_path):
    done = tinynet_says("predict", run, pictures, "--show", tmp_path / "sheet.png")
    assert done.code == 1
    assert f"Drawn: {tmp_path / 'sheet.png'}" in done.err
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.text["Description"].startswith("3 images with their most probable class")


def test_a_weight_file_of_another_program_predicts_with_its_network_named(
    pictures, tinynet_says, tmp_path, monkeypatch
):
    net = nn.Sequential(nn.Conv2d(3, 4, 8, stride=8), nn.ReLU(), nn.Flatten(), nn.Linear(64, 4))
    sizes = models.Entry(lambda classes: net_like(classes), 32, 10)

    def net_like(classes):
        return nn.Sequential(
            nn.Conv2d(3, 4, 8, stride=8), nn.ReLU(), nn.Flatten(), nn.Linear(64, classes)
        )

    monkeypatch.setitem(models.MODELS, "tiny", sizes)
    weights.save(net, tmp_path / "net.npz")
    done = tinynet_says(
        "predict", tmp_path / "net.npz", pictures / "0.png", "--model", "tiny", "--json"
    )
    assert done.code == 0, done.err
    (answer,) = json.loads(done.out)
    with Image.open(pictures / "0.png") as picture:
        x = np.asarray(picture.crop((5, 0, 45, 40)).resize((32, 32), Image.Resampling.BICUBIC))
    mean = 255 * np.array([0.485, 0.456, 0.406])
    std = 255 * np.array([0.229, 0.224, 0.225])
    scores = net.eval()(((x - mean) / std).transpose(2, 0, 1)[None].astype(np.float32)).numpy()[0]
    shares = np.exp(scores) / np.exp(scores).sum()
    assert answer["predictions"][0]["class"] == f"class {shares.argmax()}"
    assert answer["predictions"][0]["probability"] == pytest.approx(shares.max(), abs=0.01)
    refused = tinynet_says("predict", tmp_path / "net.npz", pictures / "0.png")
    assert refused.code == 1
    assert "--model NAME" in refused.err


def test_options_that_do_not_fit_are_refused(run, tinynet_says, pictures):
    image = pictures / "0.png"
    assert (
        "--model is for a weight file" in tinynet_says("predict", run, image, "--model", "demo").err
    )
    last = run / "last.safetensors"
    assert "--best is for a run folder" in tinynet_says("look", last, "--best").err
    assert "--data names the test images" in tinynet_says("eval", last, "--model", "demo").err


def test_one_epoch_is_no_plural(small, tinynet_says, tmp_path):
    tinynet_says("train", "--epochs", 1, "--batch", 20, "--out", tmp_path / "r")
    done = tinynet_says("export", tmp_path / "r", "--tensorboard", tmp_path / "board")
    assert done.err.endswith(": 1 epoch\n")


def test_the_curves_are_printed_or_written_for_tensorboard(run, tinynet_says, tmp_path):
    table = tinynet_says("export", run)
    assert [row["epoch"] for row in csv.DictReader(io.StringIO(table.out))] == ["1"]
    done = tinynet_says("export", run, "--tensorboard", tmp_path / "board")
    assert done.out == ""
    assert len(list((tmp_path / "board").iterdir())) == 1
    assert "not a run folder" in tinynet_says("export", tmp_path / "board").err
