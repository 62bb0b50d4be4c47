"""The verbs of towers: what they do, and what they do backwards."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinynet as tn
from support.strategies import floats, seeds
from tinynet import nn
from tinynet.core.errors import DeviceError, ShapeError
from tinynet.distributed import model_parallel

places = st.integers(1, 3).map(lambda G: [f"cpu:{i}" for i in range(G)])
shapes = st.tuples(st.integers(1, 2), st.integers(1, 3)) | st.tuples(*[st.integers(1, 3)] * 4)


def parts(rng, devices, shape):
    """Return a tensor (N, C, ...) on each device, and the arrays in them."""
    arrays = [floats(rng, shape) for _ in devices]
    pairs = zip(arrays, devices, strict=True)
    return [tn.tensor(x, device=d, requires_grad=True) for x, d in pairs], arrays


@given(places, shapes, seeds)
def test_scatter_is_a_cut_and_backwards_gathers(devices, shape, seed):
    rng = np.random.default_rng(seed)
    whole = (shape[0], len(devices) * shape[1], *shape[2:])
    x = tn.tensor(floats(rng, whole), device="cpu:7", requires_grad=True)
    cut = model_parallel.scatter_channels(x, devices)
    assert [h.device for h in cut] == [tn.Device("cpu", i) for i in range(len(devices))]
    expected = np.split(x.data, len(devices), axis=1)
    assert all(np.array_equal(h.data, e) for h, e in zip(cut, expected, strict=True))
    slopes, _ = parts(rng, devices, shape)
    for h, gy in zip(cut, slopes, strict=True):
        h.backward(gy.data)
    assert np.array_equal(x.grad, model_parallel.gather_channels(slopes, "cpu").data)


@given(places, shapes, seeds)
def test_gather_joins_and_backwards_scatters(devices, shape, seed):
    rng = np.random.default_rng(seed)
    xs, arrays = parts(rng, devices, shape)
    y = model_parallel.gather_channels(xs, "cpu:1")
    assert y.device == "cpu:1"
    assert np.array_equal(y.data, np.concatenate(arrays, axis=1))
    gy = floats(rng, y.shape)
    y.backward(gy)
    back = model_parallel.scatter_channels(tn.tensor(gy), devices)
    assert all(np.array_equal(x.grad, g.data) for x, g in zip(xs, back, strict=True))


@given(places, shapes, seeds)
def test_after_an_all_gather_all_see_all_and_backwards_slices_are_summed(devices, shape, seed):
    rng = np.random.default_rng(seed)
    xs, arrays = parts(rng, devices, shape)
    ys = model_parallel.all_gather_channels(xs)
    assert [y.device for y in ys] == [x.device for x in xs]
    assert all(np.array_equal(y.data, np.concatenate(arrays, axis=1)) for y in ys)
    gys = [rng.integers(-4, 5, y.shape).astype(float) for y in ys]  # their sums are exact
    total = tn.tensor(np.zeros((), float), device="cpu")
    for y, gy in zip(ys, gys, strict=True):
        total = total + (y * tn.tensor(gy, device=y.device)).sum().to("cpu")
    total.backward()
    for i, x in enumerate(xs):
        C = shape[1]
        assert np.array_equal(x.grad, sum(gy[:, i * C : (i + 1) * C] for gy in gys))


def test_towers_may_differ_in_channels_alone():
    a, b = tn.zeros(2, 3, 4, 4), tn.zeros(2, 5, 4, 4, device="cpu:1")
    assert [y.shape for y in model_parallel.all_gather_channels([a, b])] == [(2, 8, 4, 4)] * 2
    for shape in ((1, 3, 4, 4), (2, 3, 4, 5), (2, 3)):
        with pytest.raises(
            ShapeError, match=r"all_gather_channels: .*tower 0 on cpu has.*tower 1 on cpu:1"
        ):
            model_parallel.all_gather_channels([a, tn.zeros(shape, device="cpu:1")])
    with pytest.raises(ShapeError, match=r"gather_channels: .*there is none"):
        model_parallel.gather_channels([], "cpu")


@pytest.mark.parametrize(("shape", "devices"), [((2, 3), 2), ((2,), 1), ((2, 0), 2), ((2, 4), 0)])
def test_channels_that_cannot_be_shared_out_are_refused(shape, devices):
    with pytest.raises(ShapeError, match=rf"multiple of the {devices} devices"):
        model_parallel.scatter_channels(tn.zeros(shape), ["cpu"] * devices)


def test_what_does_not_cross_does_not_meet():
    a, b = tn.zeros(1, 2), tn.zeros(1, 2, device="cpu:1")
    with pytest.raises(DeviceError, match=r"tensor on cpu, a \(1, 2\) tensor on cpu:1.*x\.to"):
        a + b


def test_every_crossing_is_counted_with_its_gradient():
    x = tn.tensor(np.ones((2, 3), "f"), requires_grad=True)
    with model_parallel.crossings() as found:
        with model_parallel.into("there"):
            y = x.to("cpu:1")
        z = y.to("cpu")
        (z.to("cpu") + x).sum().backward()  # the third goes nowhere
    seen = [(c.layer, str(c.source), str(c.target), c.backward, c.nbytes) for c in found]
    assert seen == [
        ("there", "cpu", "cpu:1", False, 24),
        ("", "cpu:1", "cpu", False, 24),
        ("", "cpu", "cpu:1", True, 24),
        ("there", "cpu:1", "cpu", True, 24),
    ]
    assert found[0].bytes_per_image == 12
    x.to("cpu:1")
    assert len(found) == 4


@given(places, st.integers(1, 3), st.integers(1, 4), st.booleans(), st.booleans(), seeds)
def test_dropout_is_that_of_one_device(devices, N, C, inverted, training, seed):
    rng = np.random.default_rng(seed)
    xs, arrays = parts(rng, devices, (N, C))
    layer = nn.Dropout(0.4, inverted=inverted).train(training)
    x, gy = tn.tensor(np.concatenate(arrays, 1), requires_grad=True), rng.random((N, C * len(xs)))
    tn.random.at_step(seed)
    expected = layer(x * 1)
    expected.backward(gy)
    after = tn.random.counters()
    tn.random.at_step(seed)
    ys = model_parallel.dropout([h * 1 for h in xs], layer)
    for y, part in zip(ys, np.split(gy, len(ys), axis=1), strict=True):
        y.backward(part)
    assert tn.random.counters() == after
    assert [y.device for y in ys] == [x.device for x in xs]
    assert np.array_equal(np.concatenate([y.data for y in ys], 1), expected.data)
    assert np.array_equal(np.concatenate([h.grad for h in xs], 1), x.grad)
