"""The modules inside a module: walking, applying, freezing, devices, arrays as inputs."""

import copy
import pickle
import warnings
from collections import deque

import numpy as np
import pytest

import tinynet as tn
from tinynet import nn
from tinynet.core.errors import ShapeError


def network():
    return nn.Sequential(nn.Conv2d(3, 4, 1), nn.Sequential(nn.BatchNorm2d(4), nn.ReLU()))


def kinds(modules):
    return [type(module).__name__ for module in modules]


def test_children_and_modules():
    assert kinds(network().children()) == ["Conv2d", "Sequential"]
    inside = ["Conv2d", "Sequential", "BatchNorm2d", "ReLU"]
    assert kinds(network().modules()) == ["Sequential", *inside]


def test_a_shared_layer_has_two_names_and_is_one_module():
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    model.append(model[0])
    assert [name for name, _ in model.named_children()] == ["0", "1", "2"]
    assert len(model.children()) == 2
    assert len(model.modules()) == 3
    assert list(model.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]


def test_apply_calls_a_function_for_every_module_the_outermost_last():
    seen = []
    model = network()
    assert model.apply(seen.append) is model
    assert kinds(seen) == ["Conv2d", "Sequential", "BatchNorm2d", "ReLU", "Sequential"]
    assert seen[-1] is model


def test_a_module_that_holds_its_owner_does_not_recurse():
    model = network()
    state = list(model.state_dict())
    model[0].owner = model
    assert list(model.state_dict()) == state
    assert len(model.modules()) == 5
    assert len(model.train().eval().parameters()) == 4
    assert len(copy.deepcopy(model).parameters()) == 4


@pytest.mark.parametrize(
    "collection",
    [
        lambda layer: {layer},
        lambda layer: frozenset([layer]),
        lambda layer: deque([layer]),
        lambda layer: np.array([layer, None], dtype=object),
        lambda layer: {layer.weight},
    ],
)
def test_layers_where_they_are_not_found_are_refused(collection):
    model = nn.Module()
    model.parts = {"left": collection(nn.Linear(2, 2))}
    with pytest.raises(TypeError, match=r"parts\.left: layers and parameters in a .*list, a tuple"):
        model.parameters()


def test_other_collections_may_be_kept():
    model = nn.Linear(2, 2)
    model.seen = {1, 2}
    model.queue = deque(["a"])
    model.names = np.array(["a", None], dtype=object)
    assert len(model.parameters()) == 2


def test_unfreeze_undoes_freeze():
    model = network()
    model[1].freeze()
    model.train()
    assert [p.requires_grad for p in model.parameters()] == [True, True, False, False]
    assert not model[1][0].training
    assert model.unfreeze() is model
    assert all(p.requires_grad for p in model.parameters())
    assert all(module.training and not module.frozen for module in model.modules())


def test_requires_grad_does_not_change_the_mode():
    model = network()
    assert model.requires_grad_(False) is model
    assert not any(p.requires_grad for p in model.parameters())
    assert all(module.training for module in model.modules())
    assert all(p.requires_grad for p in model.requires_grad_().parameters())


def test_the_device_is_that_of_the_parameters():
    assert network().device == "cpu"
    assert network().to("cpu:1").device == "cpu:1"
    assert nn.ReLU().device == "cpu"
    with pytest.raises(AttributeError, match=r'model\.to\("cpu:1"\)'):
        network().device = "cpu:1"


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32"])
def test_a_network_takes_an_array(dtype):
    x = np.arange(2 * 3 * 4 * 4).reshape(2, 3, 4, 4).astype(dtype)
    model = network().eval()
    y = model(x)
    assert y.dtype == np.float32
    assert np.array_equal(y.data, model(tn.tensor(x)).data)
    assert model.to("cpu:1")(x).device == "cpu:1"


def test_an_array_in_float64_stays_so_and_the_warning_says_what_to_do():
    with pytest.warns(RuntimeWarning, match=r"x\.astype\(np\.float32\)"):
        nn.Linear(2, 2)(np.ones((1, 2)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert nn.Linear(2, 2).to(np.float64)(np.ones((1, 2))).dtype == np.float64


def test_only_the_first_input_is_taken_for_a_batch():
    class Inputs(nn.Module):
        def forward(self, x, labels):
            return type(x), type(labels)

    assert Inputs()(np.zeros(2), np.array([0, 1])) == (tn.Tensor, np.ndarray)


def test_an_observer_sees_the_tensor():
    seen = []
    with nn.observe(lambda module, x, y: seen.append(type(x))):
        nn.ReLU()(np.ones(3, np.float32))
    assert seen == [tn.Tensor]


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_model_is_copied_and_pickled(clone):
    model = network()
    other = clone(model)
    other[0].weight.data[...] = 0
    assert model[0].weight.data.any()
    assert repr(other) == repr(model)


def test_loading_what_both_have():
    model = nn.Linear(2, 3)
    before = model.weight.data.copy()
    state = {"bias": np.ones(3, np.float32), "scale": np.ones(1)}
    result = model.load_state_dict(state, strict=False)
    assert (result.missing_keys, result.unexpected_keys) == (["weight"], ["scale"])
    assert np.array_equal(model.weight.data, before)
    assert model.bias.data.tolist() == [1, 1, 1]
    assert model.load_state_dict(model.state_dict()) == ([], [])
    with pytest.raises(ShapeError, match=r"strict=False"):
        model.load_state_dict(state)
    with pytest.raises(ShapeError, match=r"bias is \(3,\), but the state has \(4,\)"):
        model.load_state_dict({"bias": np.ones(4)}, strict=False)


def test_a_path_is_no_state():
    with pytest.raises(TypeError, match=r"got str\. To read a file: tn\.load\(model, path\)"):
        nn.Linear(2, 3).load_state_dict("net.safetensors")
