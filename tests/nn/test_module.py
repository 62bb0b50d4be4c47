"""Modules: parameters are found wherever Python keeps them, and state is all or nothing."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import nn
from tinynet.core.errors import ShapeError


class Net(nn.Module):
    def __init__(self):
        self.first = nn.Linear(2, 3)
        self.towers = [nn.Linear(3, 3), nn.Linear(3, 3, bias=False)]
        self.by_name = {"norm": nn.BatchNorm2d(3)}
        self.scale = nn.Parameter(np.ones(1, np.float32))

    def forward(self, x):
        return self.first(x)


NAMES = [
    "scale",
    "first.weight",
    "first.bias",
    "towers.0.weight",
    "towers.0.bias",
    "towers.1.weight",
    "by_name.norm.weight",
    "by_name.norm.bias",
]


def test_parameters_in_lists_and_dicts_are_found():
    assert sorted(name for name, _ in Net().named_parameters()) == sorted(NAMES)


def test_names_come_in_the_same_order_every_time():
    orders = [[name for name, _ in Net().named_parameters()] for _ in range(3)]
    assert orders[0] == orders[1] == orders[2]
    assert orders[0].index("first.weight") < orders[0].index("towers.0.weight")


def test_running_values_are_state_but_not_parameters():
    net = Net()
    assert set(net.state_dict()) - {name for name, _ in net.named_parameters()} == {
        "by_name.norm.running_mean",
        "by_name.norm.running_var",
    }


def test_a_shared_parameter_is_trained_once():
    net = Net()
    net.again = net.first
    assert len(net.parameters()) == len(NAMES)


def test_state_is_a_copy_and_loads_back():
    net = Net()
    other = Net()
    state = net.state_dict()
    net.first.weight.data[...] = 7
    assert not (state["first.weight"] == 7).any()
    other.load_state_dict(net.state_dict())
    for name, value in other.state_dict().items():
        assert np.array_equal(value, net.state_dict()[name])


def test_loading_float64_makes_a_float64_module():
    net = nn.Linear(2, 3)
    net.load_state_dict({k: v.astype(np.float64) for k, v in net.state_dict().items()})
    assert net(tn.tensor(np.ones((1, 2)))).dtype == np.float64


BROKEN = {
    "missing": lambda state: state.pop("first.bias"),
    "unknown": lambda state: state.update(extra=np.zeros(1)),
    "shape": lambda state: state.update({"by_name.norm.weight": np.zeros(4)}),
}


@pytest.mark.parametrize("damage", BROKEN.values(), ids=BROKEN)
def test_a_state_that_does_not_fit_changes_nothing(damage):
    net = Net()
    state = {name: value + 1 for name, value in net.state_dict().items()}
    before = net.state_dict()
    damage(state)
    with pytest.raises(
        ShapeError, match=r"first\.bias|extra|by_name\.norm\.weight.*\(3,\).*\(4,\)"
    ):
        net.load_state_dict(state)
    for name, value in net.state_dict().items():
        assert np.array_equal(value, before[name])


@pytest.mark.parametrize("counter", ["by_name.norm.num_batches_tracked", "num_batches_tracked"])
def test_the_count_of_batches_that_pytorch_keeps_is_passed_over(counter):
    net = Net()
    state = {name: value + 1 for name, value in net.state_dict().items()}
    net.load_state_dict({**state, counter: np.array(5)})
    for name, value in net.state_dict().items():
        assert np.array_equal(value, state[name])
    with pytest.raises(ShapeError, match="my_num_batches_tracked"):
        net.load_state_dict({**state, "my_num_batches_tracked": np.array(5)})


def test_a_state_that_holds_no_numbers_changes_nothing():
    net = nn.Linear(2, 3)
    before = net.state_dict()
    with pytest.raises(TypeError, match=r"bias must hold numbers.*Nothing was loaded"):
        net.load_state_dict({"weight": before["weight"] + 1, "bias": np.array(["a", "b", "c"])})
    for name, value in net.state_dict().items():
        assert np.array_equal(value, before[name])


def test_train_and_eval_reach_every_module():
    net = Net().eval()
    modules = [module for _, module in net.named_modules()]
    assert len(modules) == 5
    assert not any(module.training for module in modules)
    assert all(module.training for _, module in net.train().named_modules())


def test_evaluation_switches_dropout_off():
    layer = nn.Dropout(0.5)
    x = tn.ones(100)
    assert (layer(x).data == 0).any()
    assert np.array_equal(layer.eval()(x).data, x.data)


def test_evaluation_leaves_the_running_values_alone(rng):
    layer = nn.BatchNorm2d(3)
    x = tn.tensor(rng.standard_normal((4, 3, 2, 2)).astype("f"))
    layer(x)
    before = layer.state_dict()
    layer.eval()(x)
    assert all(np.array_equal(v, before[k]) for k, v in layer.state_dict().items())
    assert before["running_mean"].any()


def test_to_moves_parameters_and_running_values():
    net = Net().to("cpu:1")
    assert {p.device for p in net.parameters()} == {"cpu:1"}
    net.to("cpu").to(np.float64)
    assert {value.dtype for value in net.state_dict().values()} == {np.dtype(np.float64)}


def test_zero_grad_forgets():
    layer = nn.Linear(2, 1)
    layer(tn.ones(3, 2)).sum().backward()
    assert layer.weight.grad is not None
    layer.zero_grad()
    assert layer.weight.grad is None


def test_sequential_is_a_list_of_layers():
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    assert [name for name, _ in net.named_parameters()] == [
        "0.weight",
        "0.bias",
        "2.weight",
        "2.bias",
    ]
    assert len(net) == 3
    assert isinstance(net[1], nn.ReLU)
    assert net(tn.ones(5, 2)).shape == (5, 1)


def test_sequential_takes_layers_only():
    with pytest.raises(TypeError, match=r"layer 1 .*function"):
        nn.Sequential(nn.ReLU(), tn.functions.relu)


def test_an_observer_sees_every_module_and_its_output():
    seen = []
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    with nn.observe(lambda module, x, y: seen.append((type(module).__name__, x.shape, y.shape))):
        net(tn.ones(4, 2))
    net(tn.ones(4, 2))
    assert seen == [
        ("Linear", (4, 2), (4, 3)),
        ("ReLU", (4, 3), (4, 3)),
        ("Sequential", (4, 2), (4, 3)),
    ]


def test_a_typing_error_in_a_name_is_an_attribute_error():
    with pytest.raises(AttributeError):
        nn.Linear(2, 3).wieght  # noqa: B018


def test_initial_values_depend_on_the_seed_and_on_nothing_else():
    tn.seed(3)
    a = nn.Linear(50, 40)
    tn.seed(3)
    tn.functions.dropout(tn.ones(3), 0.5)
    b = nn.Linear(50, 40)
    c = nn.Linear(50, 40)
    assert np.array_equal(a.weight.data, b.weight.data)
    assert not np.array_equal(b.weight.data, c.weight.data)


def test_weights_start_with_the_variance_of_he(rng):
    layer = nn.Conv2d(64, 100, 5)
    fan_in = 64 * 25
    assert layer.weight.data.std() == pytest.approx(np.sqrt(2 / fan_in), rel=0.01)
    assert not layer.bias.data.any()
