"""What an ONNX file knows beside the network: preprocessing, softmax, classes, conventions."""

import json

import numpy as np
import pytest

import tinynet as tn
from tinynet import data, models, nn, weights
from tinynet import functions as F
from tinynet.core.errors import DataError
from tinynet.training import predict, presets, run_dir
from tinynet.weights import checkpoint
from weights.onnx_oracle import run, stirred

onnx = pytest.importorskip("onnx", reason="the package onnx is not installed")
pytest.importorskip("onnxruntime", reason="onnxruntime, the oracle, is not installed")


def images(shape=(5, 3, 32, 32)):
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def properties(path):
    return {p.key: p.value for p in onnx.load(path).metadata_props}


def scores_of(model, x):
    with tn.no_grad(), tn.kernels.use("reference"):
        return model.eval()(tn.tensor(x))


@pytest.mark.parametrize("kind", ["standardize", "mean-image"])
def test_the_file_takes_the_bytes_of_images(tmp_path, kind):
    model = stirred(models.build("demo", 4))
    x = images()
    normalize = data.Normalize.fit(kind, x)
    weights.save_onnx(model, tmp_path / "a.onnx", (3, 32, 32), preprocessing=normalize)
    wanted = scores_of(model, normalize(x)).numpy()
    found = run(onnx.load(tmp_path / "a.onnx"), x.astype(np.float32))
    assert abs(found - wanted).max() <= 1e-5 * abs(wanted).max()
    assert properties(tmp_path / "a.onnx")["value_range"] == "0..255"


def test_the_middle_of_a_larger_mean_image_is_subtracted(tmp_path):
    model = stirred(models.build("demo", 4))
    normalize = data.Normalize.fit("mean-image", images((5, 3, 36, 36)))
    weights.save_onnx(model, tmp_path / "a.onnx", (3, 32, 32), preprocessing=normalize)
    x = images()
    wanted = scores_of(model, normalize(x)).numpy()
    found = run(onnx.load(tmp_path / "a.onnx"), x.astype(np.float32))
    assert abs(found - wanted).max() <= 1e-5 * abs(wanted).max()


def test_without_the_preprocessing_the_metadata_say_how(tmp_path):
    model = stirred(models.build("demo", 4))
    normalize = data.Normalize([120, 110, 100], [60, 50, 40])
    weights.save_onnx(
        model,
        tmp_path / "a.onnx",
        (3, 32, 32),
        preprocessing=normalize,
        include_preprocessing=False,
    )
    said = properties(tmp_path / "a.onnx")
    mean, std = (np.array(json.loads(said[k]))[:, None, None] for k in ("mean", "std"))
    x = ((images() - mean) / std).astype(np.float32)
    found = run(onnx.load(tmp_path / "a.onnx"), x)
    wanted = scores_of(model, normalize(images())).numpy()
    assert abs(found - wanted).max() <= 1e-5 * abs(wanted).max()
    assert (said["value_range"], said["preprocessing"]) == ("normalized", "not included")


def test_probabilities_and_names(tmp_path):
    model = stirred(models.build("demo", 3))
    path = tmp_path / "a.onnx"
    weights.save_onnx(
        model, path, (3, 32, 32), softmax=True, classes=["a", "b", "c"], metadata={"author": "me"}
    )
    x = images().astype(np.float32)
    proto = onnx.load(path)
    assert [v.name for v in proto.graph.output] == ["probabilities"]
    np.testing.assert_allclose(run(proto, x), F.softmax(scores_of(model, x)).numpy(), atol=1e-5)
    said = properties(path)
    assert json.loads(said["classes"]) == ["a", "b", "c"]
    assert json.loads(said["input_shape"]) == [3, 32, 32]
    assert (said["output"], said["channels"], said["author"]) == ("probabilities", "RGB", "me")
    assert "softmax" in proto.doc_string


def test_the_conventions_of_lrn_are_stated(tmp_path):
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.LocalResponseNorm(n=5, alpha=2e-5))
    weights.save_onnx(model, tmp_path / "a.onnx", (3, 8, 8))
    proto = onnx.load(tmp_path / "a.onnx")
    (alpha,) = (a.f for node in proto.graph.node for a in node.attribute if a.name == "alpha")
    assert alpha == pytest.approx(5 * 2e-5)
    (ours,) = json.loads(properties(tmp_path / "a.onnx")["conventions"])["lrn"]
    assert ours["alpha"] == 2e-5
    assert "alpha / size" in proto.doc_string


def test_names_and_channels_that_do_not_fit(tmp_path):
    model = models.build("demo", 3)
    with pytest.raises(DataError, match="2 names of classes are given"):
        weights.save_onnx(model, tmp_path / "a.onnx", (3, 32, 32), classes=["a", "b"])
    gray = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
    normalize = data.Normalize([1, 2, 3], [1, 1, 1], scale=1)
    with pytest.raises(DataError, match="the preprocessing is for 3 channels"):
        weights.save_onnx(gray, tmp_path / "a.onnx", (1, 8, 8), preprocessing=normalize)


# the command, with a run


@pytest.fixture
def trained(tmp_path):
    """A run folder of the demo, whose best weights are others than its last ones."""
    recipe = presets.find("demo")
    folder = tmp_path / "run"
    folder.mkdir()
    run_dir.write_config(folder, recipe)
    normalize = data.Normalize([120, 110, 100], [60, 50, 40])
    facts = {
        "recipe": json.dumps(json.loads((folder / "config.json").read_text())["recipe"]),
        "classes": json.dumps(["disc", "ring", "square"]),
    }
    for seed, name in enumerate((run_dir.LAST, run_dir.BEST)):
        model = stirred(models.build("demo", 3), seed)
        checkpoint.save(
            folder / name,
            checkpoint.Checkpoint(model.state_dict(), {}, normalize.arrays(), facts),
        )
    return folder


@pytest.mark.parametrize(
    ("given", "options", "file"),
    [
        ("", (), run_dir.LAST),
        ("", ("--best",), run_dir.BEST),
        (run_dir.BEST, (), run_dir.BEST),
        ("", ("--model", "demo"), run_dir.LAST),
    ],
)
def test_convert_takes_a_run_with_its_preprocessing(
    trained, tmp_path, weights_says, given, options, file
):
    out = tmp_path / "a.onnx"
    said = weights_says("convert", trained / given, out, *options)
    assert said.code == 0, said.err
    assert "values 0..255, and returns scores of 3 classes" in said.out
    x = images()
    model = predict.open_run(trained / file)
    found = run(onnx.load(out), x.astype(np.float32))
    shares = F.softmax(tn.tensor(found)).numpy()
    np.testing.assert_allclose(shares, model.probabilities(x), atol=1e-5)
    assert properties(out)["model"] == "demo"


def test_convert_leaves_out_the_preprocessing_and_adds_softmax(trained, tmp_path, weights_says):
    out = tmp_path / "a.onnx"
    said = weights_says("convert", trained, out, "--without-preprocessing", "--softmax")
    assert "(value in 0..255 - [120.0, 110.0, 100.0]) / [60.0, 50.0, 40.0]" in said.out
    model = predict.open_run(trained)
    x = model.normalize(images())
    np.testing.assert_allclose(run(onnx.load(out), x), model.probabilities(images()), atol=1e-5)


def test_convert_takes_the_weights_of_a_run(trained, tmp_path, weights_says):
    assert weights_says("convert", trained, tmp_path / "a.npz", "--best").code == 0
    best = checkpoint.load(trained / run_dir.BEST).model
    found = weights.read(tmp_path / "a.npz")
    assert all(np.array_equal(found.arrays[name], a) for name, a in best.items())
    said = weights_says("convert", tmp_path / "a.npz", tmp_path / "a.onnx")
    assert "prepared as in training" in said.out  # it knows its network, not its images


@pytest.mark.parametrize(
    ("file", "options", "words"),
    [
        ("nothing", (), "no file of this name"),
        (".", (), "not a run folder"),
        ("run/last.safetensors", ("--best",), "--best is for a run folder"),
    ],
)
def test_what_is_no_run_is_one_sentence(trained, tmp_path, weights_says, file, options, words):
    said = weights_says("convert", tmp_path / file, tmp_path / "a.onnx", *options)
    assert (said.code, said.err.count("\n")) == (1, 1)
    assert words in said.err


def test_a_run_without_a_best_epoch(trained, tmp_path, weights_says):
    (trained / run_dir.BEST).unlink()
    said = weights_says("convert", trained, tmp_path / "a.onnx", "--best")
    assert (said.code, said.err.count("\n")) == (1, 1)
    assert "best.safetensors" in said.err
