"""One weird trick on two devices: the network of one device."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinynet as tn
from support.grouped import TINY, one_device
from support.strategies import seeds
from tinynet import functions as F
from tinynet import models, nn
from tinynet.analysis import communication
from tinynet.analysis.summary import counted
from tinynet.distributed import model_parallel
from tinynet.models import one_weird_trick, two_towers
from tinynet.models.one_weird_trick import OneWeirdTrick

CLASSES = 3


def both():
    """Return the trick and the network on one device."""
    one = one_device(CLASSES)
    features = nn.Sequential(*list(one_device(CLASSES))[:16])
    return OneWeirdTrick(TINY, CLASSES, features), one


def whole(named):
    """Return {name on one device: array}, its halves joined."""
    return one_weird_trick.join(named, "small-alexnet")


def gradients(model):
    return {name: p.grad for name, p in model.named_parameters()}


@given(st.integers(2, 5), seeds)
def test_where_sums_are_exact_its_gradients_are_those_of_one_device(N, seed):
    rng = np.random.default_rng(seed)
    trick, one = both()
    for model in (trick, one):
        model.to(np.float64).eval()
        for _, layer in model.named_modules():
            if isinstance(layer, nn.LocalResponseNorm):
                layer.k, layer.alpha = 1.0, 0.0
    for p in trick.parameters():
        p.data[...] = rng.integers(-1, 2, p.shape)
    one.load_state_dict(whole(trick.state_dict()))
    x = rng.integers(-4, 5, (N, 3, 16, 16)).astype(float)
    gy = rng.integers(-4, 5, (N, CLASSES)).astype(float)
    scores = [model(tn.tensor(x)) for model in (trick, one)]
    for y in scores:
        y.backward(gy)
    assert np.array_equal(scores[0].data, scores[1].data)
    found, expected = whole(gradients(trick)), gradients(one)
    assert {n for n in expected if not np.array_equal(found[n], expected[n])} == set()


@settings(max_examples=6)
@given(st.integers(2, 7), seeds)
def test_with_normalization_and_dropout_it_differs_by_rounding_alone(N, seed):
    """In float64. How much rounding is, float32 says: its error, times the ratio of the epsilons.

    Eight times that, since another order of sums has other luck.
    """
    rng, labels = np.random.default_rng(seed), np.arange(N) % CLASSES
    trick, one = both()
    x = rng.standard_normal((N, 3, 16, 16)).astype("f")
    state, found = whole(trick.state_dict()), []
    trick.to(np.float64)
    for model, dtype in ((trick, "d"), (one, "d"), (one, "f")):
        if model is one:
            one.load_state_dict({name: array.astype(dtype) for name, array in state.items()})
        model.zero_grad()
        tn.random.at_step(seed)
        F.cross_entropy(model(tn.tensor(x.astype(dtype))), labels).backward()
        found.append(gradients(model))
    ratio = np.finfo("d").eps / np.finfo("f").eps
    joined = whole(found[0])
    for name, expected in found[1].items():
        error = abs(found[2][name] - expected).max()
        assert abs(joined[name] - expected).max() <= 8 * ratio * error, name


def test_what_crosses_is_the_arithmetic(rng):
    """An even batch; the page of `tinynet summary --traffic` says the same of towers' own plan."""
    trick, _ = both()
    N, model = 6, two_towers.TwoTowers(TINY, CLASSES)
    with model_parallel.crossings() as found:
        trick(tn.tensor(rng.standard_normal((N, 3, 16, 16), np.float32))).backward(
            np.ones((N, CLASSES), "f")
        )
    count = {"weights": 0, False: 0, True: 0}
    for c in found:
        if c.layer != "picture":
            count["weights" if c.layer == "weights" else c.backward] += c.nbytes
    _, forward, backward, weights = communication.amounts(model, model.traffic(), N)[2]
    sees_all = 4 * sum(p.data.size for p in trick.features.parameters())
    assert (count[False], count[True]) == (forward, backward)
    assert count["weights"] == 2 * sees_all
    assert weights == 2 * sees_all


def test_by_name_it_has_the_weights_of_one_device_and_both_ways_they_convert():
    trick = models.build("small-alexnet-one-weird-trick", seed=3, devices=("cpu:1", "cpu:2"))
    one = models.build("small-alexnet", seed=3)
    state = one.state_dict()
    found = whole(trick.state_dict())
    assert found.keys() == state.keys()
    assert all(np.array_equal(found[name], array) for name, array in state.items())
    split = one_weird_trick.split(state, "small-alexnet")
    assert all(np.array_equal(split[n], array) for n, array in trick.state_dict().items())
    assert trick(tn.zeros(3, 3, 32, 32, device="cpu:1")).shape == (3, 10)
    assert {str(p.device) for p in trick.features.parameters()} == {"cpu:1"}
    assert {str(p.device) for p in trick.fc6[1].parameters()} == {"cpu:2"}
    assert trick.to("cpu:3")(tn.zeros(1, 3, 32, 32, device="cpu:3")).shape == (1, 10)
    with pytest.raises(tn.DeviceError, match="one device or two"):
        trick.to("cpu,cpu:1,cpu:2")


def test_a_summary_counts_each_weight_and_each_image_once():
    (_, rows), (_, expected) = (counted(f"small-alexnet{s}") for s in ("-one-weird-trick", ""))
    assert len({row.name for row in rows}) == len(rows)
    for what in ("parameters", "multiply_adds"):
        assert sum(getattr(row, what) for row in rows) == sum(getattr(r, what) for r in expected)
