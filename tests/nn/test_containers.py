"""Sequential as a list of layers."""

from collections import OrderedDict

import numpy as np
import pytest

import tinynet as tn
from tinynet import nn


def chain():
    return nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 10))


def names(model):
    return [name for name, _ in model.named_children()]


def test_a_slice_is_a_sequential_with_the_same_layers():
    model = chain()
    assert type(model[:2]) is nn.Sequential
    assert list(model[:2]) == list(model)[:2]
    assert names(model[1:]) == ["0", "1"]
    assert list(model[::-1]) == list(model)[::-1]


def test_a_slice_of_branches_is_branches():
    assert type(nn.Concatenate(nn.ReLU(), nn.Tanh(), nn.ReLU())[:2]) is nn.Concatenate


def test_a_slice_of_a_sequential_with_arguments_of_its_own_is_a_plain_one():
    class Head(nn.Sequential):
        def __init__(self, classes):
            super().__init__(nn.Flatten(), nn.Linear(4, classes))

    assert type(Head(3)[:1]) is nn.Sequential


@pytest.mark.parametrize("i", [2, -1])
def test_a_replaced_layer_keeps_the_name_and_the_order(i):
    model = chain()
    model[i] = nn.Linear(3, 2)
    assert names(model) == ["0", "1", "2"]
    assert model(tn.ones(5, 4)).shape == (5, 2)
    assert [name for name, _ in model.named_parameters()][-1] == "2.bias"


def test_a_replaced_layer_in_the_middle_stays_in_the_middle():
    model = chain()
    model[1] = nn.Tanh()
    assert [type(layer).__name__ for layer in model] == ["Linear", "Tanh", "Linear"]


def test_replacing_a_layer_that_is_not_there_is_an_index_error():
    with pytest.raises(IndexError):
        chain()[3] = nn.ReLU()


def test_a_network_grows():
    model = nn.Sequential().append(nn.Linear(4, 3)).append(nn.ReLU())
    assert model.extend([nn.Linear(3, 2), nn.Softmax()]) is model
    assert names(model) == ["0", "1", "2", "3"]
    assert model(tn.ones(5, 4)).numpy().sum(axis=1) == pytest.approx(np.ones(5))


def test_a_new_layer_takes_no_name_that_is_there():
    model = nn.Sequential({"1": nn.Linear(4, 3)}).append(nn.ReLU())
    assert names(model) == ["1", "2"]


def test_layers_have_the_names_of_a_dict():
    model = nn.Sequential(OrderedDict(conv=nn.Conv2d(3, 4, 1), relu=nn.ReLU()))
    assert list(model.state_dict()) == ["conv.weight", "conv.bias"]
    assert model.conv is model[0]


REFUSED = {
    "list": (lambda: nn.Sequential([nn.ReLU(), nn.ReLU()]), r"got list.*nn\.Sequential\(\*layers"),
    "generator": (lambda: nn.Sequential(nn.ReLU() for _ in "ab"), r"nn\.Sequential\(\*layers\)"),
    "branches": (lambda: nn.Concatenate([nn.ReLU()]), r"Concatenate: .*nn\.Concatenate\(\*layers"),
    "class": (lambda: nn.Sequential(nn.ReLU), r"got type\. Write ReLU\(\.\.\.\), with parenth"),
    "function": (lambda: nn.Sequential(tn.functions.relu), r"layer 0 .*nn\.ReLU\(\)"),
    "append": (lambda: chain().append(tn.functions.relu), r"layer 3 .*nn\.ReLU\(\)"),
    "assign": (lambda: chain().__setitem__(1, [nn.ReLU()]), r"layer 1 .*Unpack"),
}


@pytest.mark.parametrize(("call", "match"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_layer_is_refused_with_the_way_out(call, match):
    with pytest.raises(TypeError, match=match):
        call()


def test_a_layer_cannot_have_the_name_of_a_method():
    with pytest.raises(ValueError, match="'forward', as a method is"):
        nn.Sequential({"forward": nn.ReLU()})


def test_a_refused_layer_changes_nothing():
    model = chain()
    with pytest.raises(TypeError):
        model[1] = "relu"
    assert isinstance(model[1], nn.ReLU)
