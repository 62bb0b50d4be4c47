"""One line saves a model, one line loads it; what is meant otherwise is explained."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import nn, weights
from tinynet.core.errors import DataError
from tinynet.weights import Weights


def net(seed=0):
    tn.seed(seed)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.LocalResponseNorm(), nn.Flatten(), nn.Linear(16, 2))


def assert_same(a, b):
    assert list(a.state_dict()) == list(b.state_dict())
    for name, array in a.state_dict().items():
        np.testing.assert_array_equal(array, b.state_dict()[name])


@pytest.mark.parametrize("name", ["a.safetensors", "a.npz"])
@pytest.mark.parametrize("kind", [str, lambda path: path], ids=["str", "Path"])
def test_a_model_comes_back(tmp_path, name, kind):
    path = kind(tmp_path / name)
    assert weights.save(net(1), path) is None
    other = net(2)
    assert weights.load(other, path) == []
    assert_same(other, net(1))
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_the_file_states_the_conventions_of_the_model(tmp_path):
    weights.save(net(), tmp_path / "a.npz")
    found = weights.read(tmp_path / "a.npz")
    assert weights.of_model(net()).json() == found.metadata["conventions"]


@pytest.mark.parametrize(
    "make",
    [
        lambda m: m.state_dict(),
        lambda m: Weights(m.state_dict()),
        lambda m: dict(m.named_parameters()),
    ],
)
def test_arrays_tensors_and_weights_are_saved_too(tmp_path, make):
    weights.save(make(net(1)), tmp_path / "a.npz")
    other = net(2)
    weights.load(other, tmp_path / "a.npz")
    assert_same(other, net(1))


def test_an_onnx_is_written_for_one_shape_of_inputs(tmp_path):
    onnx = pytest.importorskip("onnx", reason="the package onnx is not installed")
    weights.save(net(), tmp_path / "a.onnx", input_shape=(3, 4, 4))
    shape = onnx.load(tmp_path / "a.onnx").graph.input[0].type.tensor_type.shape
    assert [d.dim_param or d.dim_value for d in shape.dim] == ["batch", 3, 4, 4]


def test_an_onnx_without_a_shape_or_without_a_network_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"a\.onnx: .* input_shape=\(3, 224, 224\)"):
        weights.save(net(), tmp_path / "a.onnx")
    with pytest.raises(DataError, match=r"a\.onnx: .* save a module, not arrays"):
        weights.save(net().state_dict(), tmp_path / "a.onnx", input_shape=(3, 4, 4))


def test_another_suffix_is_refused(tmp_path):
    with pytest.raises(
        DataError, match=r"written as \.safetensors, \.npz or \.pt, networks as \.onnx"
    ):
        weights.save(net(), tmp_path / "a.h5")
    assert list(tmp_path.iterdir()) == []


def test_swapped_arguments_are_named(tmp_path):
    with pytest.raises(TypeError, match=r"save: the model comes first.*save\(model, 'a\.npz'\)"):
        weights.save("a.npz", net())
    with pytest.raises(TypeError, match=r"load: the model comes first.*load\(model, .*a\.npz'\)"):
        weights.load(tmp_path / "a.npz", net())
    with pytest.raises(
        TypeError, match=r"comes first.*A run's folder is opened by .*open_run\('r'\)"
    ):
        tn.load("r")
    with pytest.raises(TypeError, match=r"save_onnx: the model comes first"):
        weights.save_onnx("a.onnx", net(), (3, 4, 4))


def test_things_of_another_kind_are_named():
    with pytest.raises(TypeError, match=r"save: it takes a module, its .* or Weights, got list"):
        weights.save([np.ones(2)], "a.npz")
    with pytest.raises(TypeError, match="save: the path is a str or a Path, got Sequential"):
        weights.save(net(), net())
    with pytest.raises(TypeError, match="load: it loads into a module, got dict"):
        weights.load({}, "a.npz")
    with pytest.raises(TypeError, match=r"load: .* got dict; .* model\.load_state_dict"):
        weights.load(net(), net().state_dict())


# names that PyTorch puts around others


@pytest.mark.parametrize(
    "wrap",
    [
        lambda name: f"_orig_mod.{name}",
        lambda name: f"module._orig_mod.{name}",
        lambda name: f"_orig_mod.module.{name}",
        lambda name: name.replace("0.", "0._orig_mod."),  # a part of it was compiled
    ],
)
def test_the_names_of_a_compiled_module_are_known(wrap):
    other = net(2)
    state = {wrap(name): array for name, array in net(1).state_dict().items()}
    weights.load(other, Weights(state))
    assert_same(other, net(1))


def test_a_model_with_a_part_called_module_comes_back(tmp_path):
    class Wrapper(nn.Module):
        def __init__(self, seed):
            self.module = net(seed)

        def forward(self, x):
            return self.module(x)

    weights.save(Wrapper(1), tmp_path / "a.npz")
    other = Wrapper(2)
    weights.load(other, tmp_path / "a.npz")
    assert_same(other, Wrapper(1))


def test_a_folder_is_no_file_of_weights_but_may_have_one(tmp_path):
    model = nn.Linear(2, 2)
    with pytest.raises(DataError, match=r"expected a file of weights, found a folder\.$"):
        tn.load(model, tmp_path)
    tn.save(model, tmp_path / "last.safetensors")
    with pytest.raises(DataError, match=r"found a folder\. In it: last\.safetensors\.$"):
        tn.load(model, tmp_path)


def test_a_folder_of_the_name_is_not_called_whole(tmp_path):
    (tmp_path / "a.npz").mkdir()
    with pytest.raises(OSError, match=r"a\.npz: could not be written \(.*\)\.$"):
        tn.save(nn.Linear(2, 2), tmp_path / "a.npz")
