"""Devices and arrays, on a machine that may have no GPU at all."""

import copy
import importlib.util
import pickle
import re

import numpy as np
import pytest

import tinynet as tn
from tinynet.core import backend
from tinynet.core.errors import DeviceError


@pytest.mark.parametrize(
    ("spec", "name"), [("cpu", "cpu"), ("cpu:0", "cpu"), ("cpu:1", "cpu:1"), ("cpu:12", "cpu:12")]
)
def test_a_device_is_its_own_name(spec, name):
    device = backend.device(spec)
    assert device == name
    assert str(device) == name
    assert device.kind == "cpu"
    assert backend.device(device) is device


@pytest.mark.parametrize("spec", ["gpu", "cpu:", "cpu:x", "cpu:-1", "", "CPU", "cuda:1:2"])
def test_other_names_are_refused(spec):
    with pytest.raises(DeviceError, match=repr(spec)):
        backend.device(spec)


@pytest.mark.parametrize("change", [copy.deepcopy, lambda d: pickle.loads(pickle.dumps(d))])
def test_a_device_survives_copying(change):
    device = change(backend.device("cpu:3"))
    assert (device, device.kind, device.number) == ("cpu:3", "cpu", 3)


@pytest.mark.skipif(importlib.util.find_spec("cupy") is not None, reason="CuPy is installed")
def test_cuda_without_cupy_says_what_to_install():
    with pytest.raises(DeviceError, match=r'"cuda:1" needs CuPy.*pip install'):
        tn.tensor([1.0], device="cuda:1")


def test_the_default_device_ends_with_its_block():
    with tn.default_device("cpu:1"):
        assert tn.zeros(2).device == "cpu:1"
        assert tn.tensor([1.0], device="cpu").device == "cpu"
        with tn.default_device("cpu:2"):
            assert tn.ones(2).device == "cpu:2"
        assert tn.tensor([1.0]).device == "cpu:1"
    assert tn.tensor([1.0]).device == "cpu"


def test_the_default_device_ends_with_an_error_too():
    with pytest.raises(KeyError), tn.default_device("cpu:1"):
        raise KeyError
    assert tn.zeros(1).device == "cpu"


def test_numpy_is_the_module_of_its_arrays_and_numbers():
    assert backend.array_module(np.zeros(2)) is np
    assert backend.array_module(np.float32(2)) is np
    with pytest.raises(TypeError, match="list"):
        backend.array_module([1, 2])


def test_a_transfer_is_a_copy():
    x = np.zeros(3)
    y = backend.transfer(x, backend.device("cpu:1"))
    y[0] = 1
    assert x[0] == 0


def test_the_copy_to_a_device_gives_its_gradient_back():
    x = tn.tensor([1.0, 2.0], requires_grad=True)
    y = x.to("cpu:1")
    assert y.device == "cpu:1"
    (y * y).sum().backward()
    assert x.grad.tolist() == [2, 4]
    assert x.to("cpu") is x


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("cpu", ("cpu", "cpu", 0, 0)),
        ("cpu:0", ("cpu", "cpu", 0, 0)),
        ("cpu:2", ("cpu:2", "cpu", 2, 0)),
        ("cuda", ("cuda:0", "cuda", 0, 0)),
        ("cuda:1", ("cuda:1", "cuda", 1, 0)),
        ("cuda:0/1", ("cuda:0/1", "cuda", 0, 1)),
    ],
)
def test_a_device_is_made_from_its_name_whether_or_not_it_is_there(name, facts):
    made = tn.Device(name)
    assert (str(made), made.kind, made.number, made.lane) == facts


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "cuda:", "cpu:0/1", "cuda:0/", "tpu:1", ""])
def test_other_names_are_no_devices(name):
    with pytest.raises(DeviceError, match=re.escape(repr(name))):
        tn.Device(name)


def test_the_default_device_can_be_asked():
    assert tn.default_device() == "cpu"
    with tn.default_device("cpu:3") as chosen:
        assert chosen == tn.default_device() == "cpu:3"
    assert tn.default_device() == "cpu"


def test_new_tensors_and_parameters_are_made_on_the_default_device():
    with tn.default_device("cpu:1"):
        made = [tn.tensor([1.0]), tn.zeros(2), tn.ones(2), *tn.nn.Linear(2, 2).parameters()]
        norm = tn.nn.BatchNorm2d(2)
    assert [x.device for x in (*made, norm.running_mean)] == ["cpu:1"] * 6
    assert tn.zeros(2).device == "cpu"
    assert tn.zeros((2, 3)).shape == tn.ones(2, 3).shape == (2, 3)
