"""Networks that are built on a GPU by default_device; those of two devices keep their two."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import models
from tinynet.core import backend
from tinynet.models.two_devices import TwoDeviceModel

SMALL = [name for name in models.names() if name.startswith(("demo", "cifar-", "small-"))]


@pytest.mark.parametrize("name", SMALL)
def test_a_network_is_built_on_the_default_device_with_the_values_of_a_cpu(name, two_cards):
    with tn.default_device("cuda:1"):
        there = models.build(name, seed=3)
    here = models.build(name, seed=3).state_dict()
    state = there.state_dict()
    places = {"cuda:1"} if not isinstance(there, TwoDeviceModel) else {"cpu", "cpu:1"}
    assert {p.device for p in there.parameters()} == places
    assert all(np.array_equal(backend.to_numpy(state[key]), here[key]) for key in here)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in models.names() if name not in SMALL])
def test_a_large_network_is_built_there_too(name, stand_in):
    stand_in.card.runs = False
    with tn.default_device("cuda"):
        model = models.build(name)
    places = {"cuda:0"} if not isinstance(model, TwoDeviceModel) else {"cpu", "cpu:1"}
    assert {p.device for p in model.parameters()} == places


def test_initial_values_are_written_on_the_device_of_the_parameter(two_cards):
    with tn.default_device("cuda:1"):
        bias = tn.nn.Linear(2, 3).bias
    tn.nn.init.set_constant(bias, 2.0)
    assert bias.numpy().tolist() == [2, 2, 2]
    for draw, value in ((tn.nn.init.set_normal, 0.1), (tn.nn.init.set_uniform, 0.5)):
        draw(bias, value)
        assert abs(bias.numpy()).max() < 1
