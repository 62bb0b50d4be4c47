"""Filters that are kept between two calls of inference are those of the weights as they are now."""

import gc

import numpy as np
import pytest

import tinynet as tn
from tinynet import functions as F
from tinynet import kernels, nn, optim
from tinynet.kernels.convolution import kept
from tinynet.kernels.dispatch import has_numba

pytestmark = pytest.mark.skipif(not has_numba(), reason="Numba is not installed")


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch):
    monkeypatch.setattr(kept, "_kept", {})


LAYERS = {
    "Winograd": lambda: nn.Conv2d(16, 32, 3, padding=1),
    "direct": lambda: nn.Conv2d(3, 8, 5, stride=2),
    "groups": lambda: nn.Conv2d(32, 32, 5, padding=2, groups=2),
}


@pytest.fixture(params=LAYERS.values(), ids=LAYERS)
def layer(request):
    return request.param()


def images(layer, rng, count=2):
    channels = layer.weight.shape[1] * layer.groups
    return tn.tensor(rng.standard_normal((count, channels, 12, 12)).astype(np.float32))


def infer(layer, x):
    with tn.no_grad():
        return layer(x).numpy()


def assert_right(layer, x):
    """Compare two calls of inference with a call that keeps nothing."""
    wanted = layer(x).numpy()
    assert np.array_equal(infer(layer, x), wanted)
    assert np.array_equal(infer(layer, x), wanted)


def by_one_number(layer):
    layer.weight.data[0, 0, 0, 0] += 1


def by_an_assignment(layer):
    layer.weight.data[...] = 0.5


def by_the_optimizer(layer):
    optimizer = optim.SGD(layer.parameters(), lr=0.1)
    channels = layer.weight.shape[1] * layer.groups
    F.sum(layer(tn.ones(1, channels, 12, 12))).backward()
    optimizer.step()


def by_a_state(layer):
    layer.load_state_dict({name: 2 * value for name, value in layer.state_dict().items()})


def by_another_array(layer):
    layer.weight.data = layer.weight.data * 3


CHANGES = [by_one_number, by_an_assignment, by_the_optimizer, by_a_state, by_another_array]


@pytest.mark.parametrize("change", CHANGES, ids=lambda f: f.__name__)
def test_a_change_of_the_weights_is_seen(layer, rng, change):
    x = images(layer, rng)
    assert_right(layer, x)
    assert len(kept._kept) == 1
    change(layer)
    assert_right(layer, x)


def test_the_same_filters_serve_every_batch(layer, rng, monkeypatch):
    infer(layer, images(layer, rng))
    monkeypatch.setattr(kept, "_same", lambda a, b: True)
    layer.weight.data[...] = (
        0  # not seen, because nothing is compared: so the filters are kept ones
    )
    assert infer(layer, images(layer, rng, count=5)).any()


def test_training_keeps_nothing(layer, rng):
    layer(images(layer, rng))
    assert kept._kept == {}


def test_what_is_kept_goes_with_the_weights(layer, rng):
    infer(layer, images(layer, rng))
    assert len(kept._kept) == 1
    layer.weight.data = layer.weight.data + 1
    gc.collect()
    assert kept._kept == {}


def test_no_more_is_kept_than_the_limit(layer, rng, monkeypatch):
    monkeypatch.setattr(kept, "LIMIT", layer.weight.data.nbytes)
    assert_right(layer, images(layer, rng))
    assert kept._kept == {}


def test_the_reference_keeps_nothing(layer, rng):
    with kernels.use("reference"):
        infer(layer, images(layer, rng))
    assert kept._kept == {}
