"""One weird trick on two devices: the network of one device, where the sums are exact."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import tinynet as tn
from grouped import TINY, one_device
from strategies import seeds
from tinynet import nn, parallel, traffic
from tinynet.models import towers, weird_trick
from tinynet.models.weird_trick import OneWeirdTrick

CLASSES = 3


def both():
    """Return the trick and the network on one device, with the same small whole numbers."""
    one = one_device(CLASSES)
    features = nn.Sequential(*list(one_device(CLASSES))[:16])
    return OneWeirdTrick(TINY, CLASSES, features), one


def whole(trick, named):
    """Return {name on one device: array}, its halves joined."""
    features = {n.removeprefix("features."): a for n, a in named.items() if "features" in n}
    units = {
        f"{number}.{part}": np.concatenate([named[f"{layer}.{i}.0.{part}"] for i in (0, 1)])
        for number, layer in ((16, "fc6"), (19, "fc7"))
        for part in ("weight", "bias")
    }
    return features | units | {f"22.{part}": named[f"fc8.{part}"] for part in ("weight", "bias")}


def gradients(model):
    return {name: p.grad for name, p in model.named_parameters()}


@given(st.integers(2, 5), seeds)
def test_its_gradients_are_those_of_one_device(N, seed):
    rng = np.random.default_rng(seed)
    trick, one = both()
    for model in (trick, one):
        model.to(np.float64).eval()
        for _, layer in model.named_modules():
            if isinstance(layer, nn.LocalResponseNorm):
                layer.k, layer.alpha = 1.0, 0.0
    for p in trick.parameters():
        p.data[...] = rng.integers(-1, 2, p.shape)
    one.load_state_dict(whole(trick, trick.state_dict()))
    x = rng.integers(-4, 5, (N, 3, 16, 16)).astype(float)
    gy = rng.integers(-4, 5, (N, CLASSES)).astype(float)
    scores = [model(tn.tensor(x)) for model in (trick, one)]
    for y in scores:
        y.backward(gy)
    assert np.array_equal(scores[0].data, scores[1].data)
    found, expected = whole(trick, gradients(trick)), gradients(one)
    assert {n for n in expected if not np.array_equal(found[n], expected[n])} == set()


def test_what_crosses_is_the_arithmetic(rng):
    """An even batch; the page of `tinynet summary --traffic` says the same of towers' own plan."""
    trick, _ = both()
    N, model = 6, towers.TwoTowers(TINY, CLASSES)
    with parallel.crossings() as found:
        trick(tn.tensor(rng.standard_normal((N, 3, 16, 16)))).backward(np.ones((N, CLASSES), "f"))
    count = {"weights": 0, False: 0, True: 0}
    for c in found:
        if c.layer != "picture":
            count["weights" if c.layer == "weights" else c.backward] += c.nbytes
    _, forward, backward, weights = traffic.amounts(model, model.traffic(), N)[2]
    sees_all = 4 * sum(p.data.size for p in trick.features.parameters())
    assert (count[False], count[True]) == (2 * forward, 2 * backward)  # float64
    assert count["weights"] == 2 * sees_all
    assert weights == 2 * sees_all


def test_the_small_network_runs_on_two_devices(rng):
    trick = weird_trick.small_alexnet_one_weird_trick(devices=("cpu:1", "cpu:2"))
    assert trick(tn.zeros(3, 3, 32, 32, device="cpu:1")).shape == (3, 10)
    assert {str(p.device) for p in trick.features.parameters()} == {"cpu:1"}
    assert {str(p.device) for p in trick.fc6[1].parameters()} == {"cpu:2"}
    with nn.init.undrawn():
        papers = weird_trick.alexnet_one_weird_trick()
    assert sum(p.data.size for p in papers.parameters()) == 60_965_224
