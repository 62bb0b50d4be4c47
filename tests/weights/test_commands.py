"""`tinynet weights`: what it prints, what it writes, one sentence for every mistake."""

from types import SimpleNamespace

import numpy as np
import pytest

from tinynet import models, weights
from tinynet.cli import weights as weights_module
from tinynet.weights import Weights
from weights import crafted
from weights import crafted_formats as made


@pytest.fixture
def demo(tmp_path):
    """The demo's weights for 7 classes, numbered as a net without normalization would be."""
    state = models.build("demo", 7).state_dict()
    renamed = {"4": "3", "8": "7"}
    arrays = {
        renamed.get(name.split(".")[0], name.split(".")[0]) + "." + name.split(".")[1]: array
        for name, array in state.items()
    }
    path = tmp_path / "demo.pth"
    path.write_bytes(crafted.plain_pth(**arrays))
    return SimpleNamespace(path=path, arrays=arrays, state=state)


def test_show_lists_arrays_and_what_is_said_of_them(weights_says, tmp_path):
    path = tmp_path / "a.safetensors"
    weights.save(Weights({"w": np.array([[1, 3]], np.float32)}, {"author": "me"}), path)
    said = weights_says("show", path)
    assert said.code == 0
    assert said.out.splitlines()[0] == f"{path}: safetensors, 1 arrays, 2 numbers, 0.0 MiB"
    assert said.out.splitlines()[3].split() == ["w", "float32", "1x2", "2", "1"]
    assert "author: me" in said.out


@pytest.mark.parametrize("dtype", [np.uint8, np.bool_, np.float16, np.float64])
def test_the_spread_of_a_long_array_is_found_in_pieces(monkeypatch, rng, dtype):
    array = (30 * rng.random((7, 5, 3))).astype(dtype)
    monkeypatch.setattr(weights_module, "PIECE", 8)
    wide = array.astype(np.float64)
    assert weights_module.moments(array) == pytest.approx((wide.mean(), wide.std()))


def test_a_file_cannot_ask_for_any_number_of_classes(weights_says, tmp_path):
    path = tmp_path / "a.safetensors"
    weights.save(Weights({"8.bias": np.zeros(100_001, np.uint8)}, {}), path)
    said = weights_says("show", path, "--model", "demo")
    assert said.code == 1
    assert said.err.count("\n") == 1
    assert "demo: a network has at most 100,000 classes here" in said.err


def test_conventions_that_are_none_are_said_of_the_file(weights_says, tmp_path):
    path = tmp_path / "a.safetensors"
    bad = {weights.conventions.KEY: "7"}
    weights.save(Weights({"w": np.zeros(2, np.float32)}, bad), path)
    said = weights_says("convert", path, tmp_path / "b.npz")
    assert (said.code, said.err.count("\n")) == (1, 1)
    assert f"{path}: " in said.err


def test_show_says_where_it_cut_what_a_file_says(weights_says, tmp_path):
    path = tmp_path / "a.safetensors"
    said = {"long": 101 * "x", "short": 100 * "y"}
    weights.save(Weights({"w": np.ones(2, np.float32)}, said), path)
    assert weights_says("show", path).out.splitlines()[-3:] == [
        f"long: {100 * 'x'} ...",
        f"short: {100 * 'y'}",
        "It fits no network here by names or by order; --model NAME says what differs.",
    ]


def test_show_says_whether_a_model_fits(weights_says, demo):
    assert "It fits demo." in weights_says("show", demo.path, "--model", "demo").out
    said = weights_says("show", demo.path, "--model", "cifar-quick")
    assert said.code == 1
    assert f"{demo.path}: these are not the weights of this model" in said.err
    assert (
        "there is no model 'nothing'" in weights_says("show", demo.path, "--model", "nothing").err
    )


@pytest.mark.parametrize("ending", ["npz", "safetensors"])
def test_convert_writes_the_names_and_conventions_of_the_model(weights_says, demo, ending):
    out = demo.path.with_suffix(f".{ending}")
    assert weights_says("convert", demo.path, out, "--model", "demo").code == 0
    found = weights.read(out)
    assert found.metadata["model"] == "demo"
    assert '"lrn_alpha": "sum"' in found.metadata["conventions"]
    for name, array in demo.state.items():
        np.testing.assert_array_equal(found.arrays[name], array)


def test_convert_applies_what_the_file_does_not_say(weights_says, demo):
    out = demo.path.with_suffix(".npz")
    said = weights_says("convert", demo.path, out, "--model", "demo", "--channels", "BGR")
    assert "0.weight were reordered from BGR to RGB" in said.out
    np.testing.assert_array_equal(
        weights.read(out).arrays["0.weight"], demo.arrays["0.weight"][:, ::-1]
    )


def test_convert_without_a_model_notes_the_conventions_and_changes_nothing(weights_says, demo):
    out = demo.path.with_suffix(".safetensors")
    weights_says("convert", demo.path, out, "--channels", "BGR")
    found = weights.read(out)
    assert '"channels": "BGR"' in found.metadata["conventions"]
    np.testing.assert_array_equal(found.arrays["0.weight"], demo.arrays["0.weight"])


def test_a_hostile_file_is_one_sentence(weights_says, tmp_path):
    path = tmp_path / "evil.pth"
    path.write_bytes(crafted.pth(crafted.running(exec, "1/0")))
    said = weights_says("show", path)
    assert said.code == 1
    assert "builtins.exec" in said.err.replace("__builtin__", "builtins")
    assert said.err.count("\n") == 1
    assert said.out == ""


def test_an_ending_that_cannot_be_written_is_refused(weights_says, demo):
    said = weights_says("convert", demo.path, demo.path.with_suffix(".h5"))
    assert said.code == 1
    assert ".safetensors, .npz or .pt" in said.err


OPEN = {
    "channels": made.caffemodel([("conv1", "Convolution", [np.ones((8, 3, 3, 3), "f4")], None)]),
    "layout": made.npy_of({"conv1": [np.ones((5, 5, 4, 4), "f4")]}),
}


@pytest.mark.parametrize(("option", "value"), [("channels", "BGR"), ("layout", "HWIO")])
def test_convert_without_a_model_answers_no_open_question(weights_says, tmp_path, option, value):
    path = tmp_path / "net"
    path.write_bytes(OPEN[option])
    out = tmp_path / "out.safetensors"
    said = weights_says("convert", path, out)
    assert said.code == 1
    assert f"Say --{option}, or name the network with --model." in said.err
    assert not out.exists()
    assert weights_says("convert", path, out, f"--{option}", value).code == 0
    assert f'"{option}": "{value}"' in weights.read(out).metadata["conventions"]


def test_show_prints_commands_with_what_the_user_said(weights_says, demo):
    said = weights_says("show", demo.path, "--channels", "BGR")
    assert "--model demo --channels BGR" in said.out
    assert 'channels="BGR")' in said.out


def test_a_folder_with_weights_is_no_run_folder(weights_says, demo):
    said = weights_says("show", demo.path.parent)
    assert "not a run folder: it has no config.json. Name a run folder, or a file of" in said.err
