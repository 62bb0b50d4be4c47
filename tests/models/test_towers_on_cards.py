"""Two towers on two cards, or on two streams of one: each copy waits for what it copies.

The stand-in is lazy here: a launch waits until somebody waits for it. On a card, kernels that only
pass the time run before every op, so that a forgotten wait is seen there as well.
"""

import random as chance

import numpy as np
import pytest

import tinynet as tn
from support.devices import cuda_devices
from support.grouped import TINY
from tinynet import functions as F
from tinynet import nn
from tinynet.core import backend, random
from tinynet.core.backend import to_numpy
from tinynet.models.two_towers import TwoTowers
from tinynet.optim import SGD
from tinynet.training.metrics import RunningMetrics
from tinynet.training.steps import GpuSteps

SPIN = """extern "C" __global__ void spin(long long n) {
    long long begin = clock64();
    while (clock64() - begin < n) {}
}"""
PLACES = [("cuda:0", "cuda:0/1"), ("cuda:0", "cuda:1")]


@pytest.fixture(params=["stand-in", pytest.param("card", marks=pytest.mark.gpu)])
def late(request, monkeypatch):
    """Let everything on the GPU happen as late as it may."""
    monkeypatch.setattr(backend, "_lanes", {})
    if request.param == "stand-in":
        request.getfixturevalue("stand_in").card.lazy = True
        return
    import cupy

    spin, enter, rng = cupy.RawKernel(SPIN, "spin"), backend._OnGpu.__enter__, chance.Random(0)

    def enter_late(self):
        enter(self)
        spin((1,), (1,), (np.int64(rng.choice([0, 0, 3_000_000])),))

    monkeypatch.setattr(backend._OnGpu, "__enter__", enter_late)


def step(devices, batch):
    """Return a model and its scores after a step on these devices; nothing has been waited for."""
    with random.fork(0):
        model = TwoTowers(TINY, 3, devices)
    images, labels = batch
    random.at_step(0)
    scores = model(tn.tensor(images, device=devices[0]))
    F.cross_entropy(scores, labels).backward()
    return model, scores


def read(model, scores):
    return [to_numpy(scores.data), *(to_numpy(p.grad) for p in model.parameters())]


@pytest.fixture
def batch(rng):
    return rng.standard_normal((2, 3, 16, 16)).astype("f"), np.array([0, 2])


def enough(devices, request):
    if devices[1] == "cuda:1" and "card" in request.node.name and cuda_devices() < 2:
        pytest.skip("needs two CUDA devices")


@pytest.mark.cxx
@pytest.mark.parametrize("devices", PLACES)
def test_a_step_is_that_of_one_stream(devices, late, batch, request):
    enough(devices, request)
    expected = read(*step(("cuda:0", "cuda:0"), batch))
    found = read(*step(devices, batch))
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))
    assert all(np.isfinite(a).all() for a in found)


@pytest.mark.cxx
@pytest.mark.parametrize("devices", PLACES)
def test_a_forgotten_wait_is_seen(devices, late, batch, request, monkeypatch):
    """Without the waits of the copies the same step gives other numbers."""
    enough(devices, request)
    expected = read(*step(("cuda:0", "cuda:0"), batch))
    with monkeypatch.context() as forgetful:
        forgetful.setattr(backend, "_wait", lambda stream, events: None)
        done = step(devices, batch)
    found = read(*done)
    assert not all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.cxx
@pytest.mark.parametrize("before", [True, False])
def test_each_of_the_two_waits_is_needed(before, stand_in, monkeypatch, batch):
    """The copy waits for its source, and the memory of the source waits for the copy."""
    monkeypatch.setattr(backend, "_lanes", {})
    stand_in.card.lazy = True
    expected, wait = read(*step(("cuda:0", "cuda:0"), batch)), backend._wait

    def forget_one(stream, events):
        if (stream is stand_in.cuda.get_current_stream()) is not before:
            wait(stream, events)

    with monkeypatch.context() as forgetful:
        forgetful.setattr(backend, "_wait", forget_one)
        done = step(PLACES[0], batch)
    found = read(*done)
    assert not all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.cxx
def test_training_on_two_cards_goes_without_a_graph(stand_in, batch):
    tally = RunningMetrics()
    with random.fork(0):
        model = TwoTowers(TINY, 3, ("cuda:0", "cuda:1"))
    steps = GpuSteps(model, SGD(model.parameters(), lr=0.01))
    for number in range(2):
        steps.run(*batch, tally, number, look=True)
    assert tally.images == 4


def test_a_second_stream_is_a_device_of_its_own(stand_in, monkeypatch):
    monkeypatch.setattr(backend, "_lanes", {})
    lane = backend.device("cuda:0/1")
    assert (lane, lane.number, lane.lane) == ("cuda:0/1", 0, 1)
    a, b = tn.zeros(1, 2, device="cuda:0"), tn.ones(1, 2, device=lane)
    with pytest.raises(tn.DeviceError, match=r"on cuda:0, .* on cuda:0/1"):
        a + b
    assert (a + b.to("cuda:0")).numpy().tolist() == [[1, 1]]
    layer = nn.Linear(2, 2).to(lane)
    assert layer(b).device == lane
    for wrong in ("cuda:0/", "cuda:0/x", "cpu:0/1", "cuda:/1"):
        with pytest.raises(tn.DeviceError, match="a device is called"):
            backend.device(wrong)
