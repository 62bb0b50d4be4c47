"""Eps of batch normalization: another one in the file than in the model moves the variances."""

import json

import numpy as np
import pytest

import tinynet as tn
from tinynet import nn, weights
from tinynet.core.errors import DataError
from weights import crafted_formats as made


def loaded(path, data, model, **how):
    path.write_bytes(data)
    return model, weights.load(model, path, **how)


EPSILONS = {"a": 0.001, "b": 0.003}  # of two layers
NORM_ROLES = ("gamma", "beta", "moving_mean", "moving_variance")


def described(layers):
    return {"config": {"layers": [{"config": {"name": n, "epsilon": e}} for n, e in layers]}}


def keras_norms(form, rng):
    """A file of two batch normalizations, and its arrays by layer."""
    arrays = {name: list(rng.random((4, 8)).astype(np.float32) + 0.01) for name in EPSILONS}
    config = described(EPSILONS.items())
    if form == "nested":
        inner = {"config": {"name": "in", **described([("b", 0.003)])["config"]}}
        config["config"]["layers"][1] = inner
    if form == ".h5":
        layers = {name: dict(zip(NORM_ROLES, a, strict=True)) for name, a in arrays.items()}
        return made.h5_of(layers, config), arrays
    keys = ("batch_normalization", "batch_normalization_1")
    h5 = made.weights_h5_of(dict(zip(keys, arrays.items(), strict=True)))
    members = [("config.json", json.dumps(config)), ("model.weights.h5", h5)]
    return (h5 if form == ".weights.h5" else made.crafted.archive(members)), arrays


def assert_normalizes(model, arrays, eps):
    """Each layer of a model computes what its arrays say, with its own eps in the file."""
    x = np.linspace(-2, 2, 8 * 8, dtype=np.float32).reshape(1, 8, 2, 4)
    for layer, name in zip(model, arrays, strict=True):
        gamma, beta, mean, var = (a[:, None, None].astype(np.float64) for a in arrays[name])
        wanted = gamma * (x - mean) / np.sqrt(var + eps[name]) + beta
        got = layer.eval()(tn.tensor(x)).numpy()
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("form", [".keras", "nested", ".h5"])
@pytest.mark.parametrize("ours", [1e-5, 1e-3, 0.01])
def test_eps_of_a_keras_file_is_converted_to_that_of_the_model(tmp_path, rng, form, ours):
    data, arrays = keras_norms(form, rng)
    model = nn.Sequential(nn.BatchNorm2d(8, eps=ours), nn.BatchNorm2d(8, eps=ours))
    _, changes = loaded(tmp_path / "a.keras", data, model, by_order=True)
    assert_normalizes(model, arrays, EPSILONS)
    moved = [str(change) for change in changes if change.kind == "normalization"]
    assert len(moved) == (ours != 1e-3)
    assert all("eps is 0.001 in the file's batch normalizations" in text for text in moved)


def test_a_weights_h5_of_keras_asks_for_eps(tmp_path, rng, weights_says):
    data, arrays = keras_norms(".weights.h5", rng)
    model = nn.Sequential(nn.BatchNorm2d(8), nn.BatchNorm2d(8))
    path = tmp_path / "a.weights.h5"
    with pytest.raises(DataError, match=r"does not state eps.*batch_norm_eps=0\.001.*Nothing was"):
        loaded(path, data, model, by_order=True)
    loaded(path, data, model, by_order=True, batch_norm_eps=0.001)
    assert_normalizes(model, arrays, dict.fromkeys(arrays, 0.001))
    with pytest.raises(ValueError, match=r"batch_norm_eps is a number in 0\.\.1, got 2"):
        weights.load(model, path, batch_norm_eps=2)
    out = tmp_path / "a.safetensors"
    assert weights_says("convert", path, out, "--batch-norm-eps", 0.001).code == 0
    again = nn.Sequential(nn.BatchNorm2d(8), nn.BatchNorm2d(8))
    weights.load(again, out, by_order=True)
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(again.state_dict()[name], array)


@pytest.mark.parametrize("eps", ["1", -1, 1e400, True, [0.1]])
def test_an_eps_that_is_none_is_refused(tmp_path, eps):
    metadata = {"conventions": json.dumps({"batch_norm_eps": eps})}
    found = weights.Weights(nn.BatchNorm2d(8).state_dict(), metadata)
    with pytest.raises(DataError, match=r"batch_norm_eps is a number in 0\.\.1"):
        weights.load(nn.BatchNorm2d(8), found)


@pytest.mark.parametrize("form", ["layers", "m b x", "_mult _bias _moments"])
def test_batch_normalization_of_matconvnet_has_moments(tmp_path, rng, form):
    gamma, beta, mean, var = rng.random((4, 8)).astype(np.float32) + 0.01
    moments = np.stack([mean, np.sqrt(var + 1e-4)], 1)
    parts = [gamma[:, None], beta[:, None], moments]
    if form == "layers":
        found = {"layers": [{"type": "bnorm", "name": "bn1", "weights": parts}]}
    else:
        names = zip(form.split(), parts, strict=True)
        found = {"params": [{"name": f"bn1{end}", "value": part} for end, part in names]}
    model = nn.Sequential(nn.BatchNorm2d(8))
    loaded(tmp_path / "a.mat", made.mat(**found), model, by_order=True)
    assert_normalizes(model, {"bn1": [gamma, beta, mean, var]}, {"bn1": 1e-4})


def onnx_norm(epsilon):
    """An .onnx with a batch normalization of 8 channels, and its arrays."""
    onnx = pytest.importorskip("onnx")
    roles = ("bn.gamma", "bn.beta", "bn.mean", "bn.var")
    arrays = [np.random.default_rng(i).random(8).astype(np.float32) + 0.01 for i in range(4)]
    stated = {} if epsilon is None else {"epsilon": epsilon}
    helper = onnx.helper
    node = helper.make_node("BatchNormalization", ["x", *roles], ["y"], **stated)
    values = [helper.make_tensor_value_info(name, 1, [1, 8, 2, 4]) for name in "xy"]
    tensors = [onnx.numpy_helper.from_array(a, name) for name, a in zip(roles, arrays, strict=True)]
    graph = helper.make_graph([node], "net", values[:1], values[1:], tensors)
    return helper.make_model(graph).SerializeToString(), {"a": arrays}


@pytest.mark.parametrize(("epsilon", "meant"), [(0.003, 0.003), (None, 1e-5)])
@pytest.mark.parametrize("ours", [1e-5, 0.02])
def test_an_onnx_states_eps(tmp_path, epsilon, meant, ours):
    data, arrays = onnx_norm(epsilon)
    model = nn.Sequential(nn.BatchNorm2d(8, eps=ours))
    loaded(tmp_path / "a.onnx", data, model, by_order=True)
    assert_normalizes(model, arrays, {"a": meant})


NAMES = ("gamma", "beta", "moving_mean", "moving_variance")


@pytest.mark.parametrize("form", [".npy", ".npz", ".safetensors"])
def test_arrays_whose_names_are_not_pytorchs_ask_for_eps(tmp_path, rng, form, weights_says):
    arrays = {f"bn/{name}:0": rng.random(8).astype(np.float32) + 0.01 for name in NAMES}
    path = tmp_path / f"a{form}"
    if form == ".npy":
        path.write_bytes(made.npy_of({"bn": dict(zip(NAMES, arrays.values(), strict=True))}))
    elif form == ".npz":
        np.savez(path, **arrays)
    else:
        pytest.importorskip("safetensors.numpy").save_file(arrays, path)
    model = nn.Sequential(nn.BatchNorm2d(8, eps=1e-5))
    with pytest.raises(DataError, match=r"does not state eps.*batch_norm_eps=0\.001.*Nothing was"):
        weights.load(model, path, by_order=True)
    weights.load(model, path, by_order=True, batch_norm_eps=0.001)
    assert_normalizes(model, {"a": list(arrays.values())}, {"a": 0.001})
    out = tmp_path / "out.safetensors"
    asked = weights_says("convert", path, out)
    assert "Say --batch-norm-eps, or name the network" in asked.err
    assert weights_says("convert", path, out, "--batch-norm-eps", 0.001).code == 0
    weights.load(model, out, by_order=True)
    assert_normalizes(model, {"a": list(arrays.values())}, {"a": 0.001})


def test_pytorchs_names_in_an_npz_have_the_eps_of_pytorch(tmp_path):
    model = nn.Sequential(nn.BatchNorm2d(8))
    np.savez(tmp_path / "a.npz", **model.state_dict())
    assert weights.load(model, tmp_path / "a.npz") == []
