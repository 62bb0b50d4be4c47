"""Two towers on two devices: the network of groups on one device, to the last bit."""

import dataclasses
import functools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinynet as tn
from support.grouped import TINY, one_device
from support.strategies import seeds
from tinynet import functions as F
from tinynet import models, nn, optim
from tinynet.core import backend, random
from tinynet.core.errors import DeviceError, ShapeError
from tinynet.distributed import model_parallel
from tinynet.functions.conv import split_conv2d
from tinynet.functions.matmul import layer_linear
from tinynet.models import two_towers
from tinynet.models.cross_layers import CROSS_LAYERS
from tinynet.models.two_towers import TwoTowers

CLASSES = 3
split_linear = functools.partial(layer_linear, split=True)


def built(plan=TINY, cross_at="conv3", devices=("cpu", "cpu:1")):
    return TwoTowers(plan, CLASSES, devices, cross_at)


def gradients(model):
    return {name: p.grad for name, p in model.named_parameters()}


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    different = [name for name in expected if not np.array_equal(found[name], expected[name])]
    assert different == []


def batch(rng, plan=TINY, N=5):
    x = rng.standard_normal((N, 3, plan.image, plan.image)).astype("f")
    return x, rng.integers(0, CLASSES, N)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("cross_at", CROSS_LAYERS)
def test_ten_steps_are_those_of_one_device_to_the_last_bit(cross_at, dtype, rng):
    two, one = built(cross_at=cross_at), one_device(CLASSES, cross_at=cross_at)
    two.to(dtype)
    one.load_state_dict(two_towers.join(two.state_dict(), "small-alexnet"))
    batches = [batch(rng) for _ in range(10)]
    assert_same_steps(two, one, [(x.astype(dtype), y) for x, y in batches], "small-alexnet")


def assert_same_steps(two, one, batches, of):
    """Scores, loss, every gradient and every weight, with momentum, decay and dropout."""
    rules = [optim.SGD(m.parameters(), 0.01, 0.9, weight_decay=0.01) for m in (two, one)]
    for step, (images, labels) in enumerate(batches):
        found = []
        for model, rule in zip((two, one), rules, strict=True):
            random.at_step(step)  # the same masks
            rule.zero_grad()
            scores = model(tn.tensor(images))
            loss = F.cross_entropy(scores, labels)
            loss.backward()
            found.append((scores.data, loss.data))
            rule.step()
        assert np.array_equal(found[0][0], found[1][0])
        assert np.isfinite(found[0][1])
        assert found[0][1] == found[1][1]
        assert_same(two_towers.join(gradients(two), of), gradients(one))
    assert_same(two_towers.join(two.state_dict(), of), one.state_dict())
    assert_same(two.state_dict(), two_towers.split(one.state_dict(), of))


@pytest.mark.parametrize("shape", [(6, 40), (6, 5, 7, 4)])
def test_halves_are_the_same_sums_in_another_order(shape, rng):
    """|a - b| <= 2 gamma_n * sum of absolute values, of two sums of n terms (Higham, 3.1)."""
    whole, halved = (F.linear, split_linear) if len(shape) == 2 else (F.conv2d, split_conv2d)
    weights = (90, 40) if len(shape) == 2 else (90, 5, 3, 2)
    x, w = (rng.standard_normal(s).astype("f") for s in (shape, weights))

    def gx(op, x, w, gy=None):
        x = tn.tensor(x, requires_grad=True)
        y = op(x, tn.tensor(w))
        gy = rng.standard_normal(y.shape).astype("f") if gy is None else gy
        y.backward(gy)
        return x.grad, gy

    one, gy = gx(whole, x, w)
    halves, _ = gx(halved, x, w, gy)
    n = 90 * int(np.prod(weights[2:]))
    unit = n * np.finfo("f").eps / 2
    largest, _ = gx(whole, *(abs(a).astype(float) for a in (x, w, gy)))
    assert (abs(halves - one.astype(float)) <= 2 * unit / (1 - unit) * largest).all()
    assert not np.array_equal(halves, one)


def test_a_graph_on_a_cpu_sums_in_halves_too(rng):
    x, w = (
        tn.tensor(rng.standard_normal(shape).astype("f"), requires_grad=True)
        for shape in ((6, 5, 7, 4), (90, 5, 3, 2))
    )

    def step():
        x.grad = None
        w.grad = None
        y = split_conv2d(x, w)
        (y * y).sum().backward()
        return y

    step()
    expected = x.grad.copy()
    graph = tn.graph(step)
    for _ in range(3):  # run, recorded, replayed
        graph()
        assert np.array_equal(x.grad, expected)


@pytest.mark.cxx
@pytest.mark.parametrize("shape", [(6, 40), (6, 5, 7, 4)])
def test_a_gpu_makes_one_sum_of_both_halves(shape, rng, stand_in):
    whole, halved = (F.linear, split_linear) if len(shape) == 2 else (F.conv2d, split_conv2d)
    weights = (90, 40) if len(shape) == 2 else (90, 5, 3, 2)
    x, w = (rng.standard_normal(s).astype("f") for s in (shape, weights))
    found = []
    for op in (whole, halved):
        leaves = [tn.tensor(a, device="cuda", requires_grad=True) for a in (x, w)]
        y = op(*leaves)
        y.backward(y.detach())
        found.append([backend.to_numpy(a) for a in (y.data, *(leaf.grad for leaf in leaves))])
    assert all(np.array_equal(a, b) for a, b in zip(*found, strict=True))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: split_linear(tn.zeros(1, 2), tn.zeros(3, 2)), r"even.*\(3, 2\)"),
        (lambda: split_conv2d(tn.zeros(1, 1, 2, 2), tn.zeros(3, 1, 1, 1)), "groups=1"),
        (
            lambda: split_conv2d(tn.zeros(1, 2, 2, 2), tn.zeros(4, 1, 1, 1), groups=2),
            "groups=2",
        ),
    ],
)
def test_what_has_no_halves_is_refused(call, message):
    with pytest.raises(ShapeError, match=message):
        call()


def whole_numbers(model, rng):
    """Let every sum be exact: small integers in float64, normalization by 1, no dropout."""
    model.to(np.float64).eval()
    for p in model.parameters():
        p.data[...] = rng.integers(-1, 2, p.shape)
    for _, layer in model.named_modules():
        if isinstance(layer, nn.LocalResponseNorm):
            layer.k, layer.alpha = 1.0, 0.0
    return model


@given(
    st.tuples(*[st.integers(1, 4)] * 5),
    st.integers(1, 3),
    st.sampled_from(sorted(CROSS_LAYERS)),
    st.integers(1, 3),
    seeds,
)
def test_where_sums_are_exact_it_is_the_network_of_groups(widths, hidden, cross_at, N, seed):
    rng = np.random.default_rng(seed)
    plan = dataclasses.replace(TINY, image=12, widths=widths, side=1, hidden=hidden)
    two = whole_numbers(built(plan, cross_at), rng)
    one = whole_numbers(one_device(CLASSES, plan, cross_at), rng)
    for _, layer in one.named_modules():
        layer._split = False
    one.load_state_dict(two_towers.join(two.state_dict(), "small-alexnet"))
    x = rng.integers(-4, 5, (N, 3, 12, 12)).astype(float)
    gy = rng.integers(-4, 5, (N, CLASSES)).astype(float)
    scores = [model(tn.tensor(x)) for model in (two, one)]
    for y in scores:
        y.backward(gy)
    assert np.array_equal(scores[0].data, scores[1].data)
    assert_same(two_towers.join(gradients(two), "small-alexnet"), gradients(one))


# the networks by name


def count(module):
    return sum(p.data.size for p in module.parameters())


@pytest.fixture(scope="module")
def papers():
    with nn.init.skip_init():
        return models.build("alexnet-two-towers", devices=("cpu:0", "cpu:1"))


def test_the_papers_towers_have_so_many_parameters(papers):
    assert [count(tower) for tower in papers.towers] == [28_434_112] * 2
    assert count(papers.fc8) == 4_097_000
    assert count(papers) == 60_965_224
    assert places(papers) == [{"cpu"}, {"cpu:1"}, {"cpu"}]


@pytest.mark.parametrize("cross_at", CROSS_LAYERS)
def test_towers_begin_with_the_weights_of_one_device(cross_at):
    two = models.build("small-alexnet-two-towers", seed=3, cross_at=cross_at)
    with random.fork(3):
        one = models.small.small_alexnet(10, cross_at)
    assert_same(two_towers.join(two.state_dict(), "small-alexnet"), one.state_dict())
    one.load_state_dict(two_towers.join(two.state_dict(), "small-alexnet"))
    one[2].groups = 2  # the one difference: towers normalize their own maps in the first layer too
    x = np.random.default_rng(0).standard_normal((16, 3, 32, 32)).astype("f")
    assert_same_steps(two, one, [(x, np.arange(16) % 10)] * 2, "small-alexnet")


@pytest.mark.slow
def test_ten_steps_of_alexnet_are_those_of_two_devices_to_the_last_bit(rng):
    """At full size, as anybody builds them."""
    two = models.build("alexnet-two-towers", 10, devices=("cpu:0", "cpu:1"))
    one = models.build("alexnet", 10)
    assert_same(two.state_dict(), two_towers.split(one.state_dict()))
    x = rng.standard_normal((2, 3, 224, 224)).astype("f")
    assert_same_steps(two, one, [(x, np.array([1, 7]))] * 10, "alexnet")


# what crosses


def floats(crossed, backward=False):
    """Return {(layer, source, target): floats of one image}."""
    return {
        (c.layer, c.source, c.target): c.bytes_per_image // 4
        for c in crossed
        if c.backward is backward
    }


def both_ways(**layers):
    pairs = (("cpu", "cpu:1"), ("cpu:1", "cpu"))
    return {(layer, *pair): n for layer, n in layers.items() for pair in pairs}


def test_what_crosses_is_the_arithmetic_of_the_paper(papers):
    """Half of 13x13x256, of 6x6x256 and of 4096; fc8 gets the half that it does not have."""
    crossed = papers.traffic()
    expected = both_ways(conv3=21_632, fc6=4_608, fc7=2_048)
    forward = expected | {("fc8", "cpu:1", "cpu"): 2_048}
    assert floats(crossed) == forward | {("picture", "cpu", "cpu:1"): 3 * 224 * 224}
    assert floats(crossed, backward=True) == expected | {("fc8", "cpu", "cpu:1"): 2_048}


@pytest.mark.parametrize("cross_at", CROSS_LAYERS)
def test_a_step_moves_what_was_predicted(cross_at, rng):
    model = built(cross_at=cross_at)
    images, labels = batch(rng, N=7)
    with model_parallel.crossings() as found:
        F.cross_entropy(model(tn.tensor(images)), labels).backward()
    for backward in (False, True):
        predicted = floats(model.traffic(), backward)
        assert predicted == floats(found, backward)
        bytes_ = {(c.layer, c.source): c.nbytes for c in found if c.backward is backward}
        assert bytes_ == {key[:2]: 7 * 4 * n for key, n in predicted.items()}
    _, c2, c3, *_ = TINY.widths
    maps = {"conv3": c2 * 16, "conv4": c3 * 16, "nowhere": None}[cross_at]
    assert floats(found).get((cross_at, "cpu", "cpu:1")) == maps


def test_asking_for_the_traffic_leaves_the_model_as_it_was(rng):
    model = built()
    images, labels = batch(rng)
    F.cross_entropy(model(tn.tensor(images)), labels).backward()
    before = {name: grad.copy() for name, grad in gradients(model).items()}
    model.traffic()
    assert_same(gradients(model), before)
    assert model.training


def test_nothing_crosses_on_one_device():
    assert built(devices=("cpu", "cpu")).traffic() == []


# where towers live


def places(model):
    parts = (*model.towers, model.fc8)
    return [{str(p.device) for p in part.parameters()} for part in parts]


def test_towers_move_together_or_apart():
    model = built(devices=("cpu:2", "cpu:3"))
    assert places(model) == [{"cpu:2"}, {"cpu:3"}, {"cpu:2"}]
    assert model.to("cpu:1") is model
    assert places(model) == [{"cpu:1"}] * 3
    model.to("cpu:0,cpu:1").to(np.float64)
    assert places(model) == [{"cpu"}, {"cpu:1"}, {"cpu"}]
    assert model.fc8.weight.dtype == np.float64
    with pytest.raises(DeviceError, match="one device or two, not on cpu,cpu:1,cpu:2"):
        model.to("cpu,cpu:1,cpu:2")


def test_towers_are_placed_on_a_tuple_of_devices():
    model = built()
    assert model.place(("cpu:2", "cpu:3")) is model
    assert places(model) == [{"cpu:2"}, {"cpu:3"}, {"cpu:2"}]
    assert model.devices == ("cpu:2", "cpu:3")
    model.place((backend.Device("cpu", 1),))
    assert places(model) == [{"cpu:1"}] * 3
    for wrong, said in (((), "not on none"), (("cpu", "cpu:1", "cpu:2"), "not on cpu,cpu:1,cpu:2")):
        with pytest.raises(DeviceError, match=f"one device or two, {said}"):
            model.place(wrong)
    with pytest.raises(DeviceError, match="a device is called"):
        model.place(("cpu,cpu:1",))
    assert places(model) == [{"cpu:1"}] * 3


@pytest.mark.parametrize("make", [models.AlexNet, models.small.small_alexnet])
def test_a_cross_layer_that_does_not_exist_is_refused_on_one_device_too(make):
    with pytest.raises(ValueError, match="one of conv3, conv4, nowhere, not 'conv5'"):
        make(10, cross_at="conv5")


@pytest.mark.parametrize("rule", [optim.SGD, optim.Adam])
def test_an_optimizer_changes_parameters_on_two_devices(rule, rng):
    two, one = built(), built(devices=("cpu", "cpu"))
    one.load_state_dict(two.state_dict())
    images, labels = batch(rng)
    for model in (two, one):
        changes = rule(model.parameters(), lr=0.01)
        for step in range(3):
            random.at_step(step)
            changes.zero_grad()
            F.cross_entropy(model(tn.tensor(images)), labels).backward()
            changes.step()
        changes.load_state_dict(changes.state_dict())
    assert_same(two.state_dict(), one.state_dict())
    assert places(two) == [{"cpu"}, {"cpu:1"}, {"cpu"}]


# what goes wrong


def test_a_layer_on_the_wrong_device_is_named_with_its_tower():
    model = built()
    model.towers[1].conv4.to("cpu:0")
    message = r"^tower 1 on cpu:1, conv4: conv2d.*: got a .* tensor on cpu:1, .* on cpu, .*x\.to"
    with pytest.raises(DeviceError, match=message):
        model(tn.zeros(1, 3, 16, 16))


def test_a_tower_of_another_shape_is_named():
    model = built()
    vars(model.towers[1].conv2)["0"] = nn.Conv2d(4, 6, 3, padding=0).to("cpu:1")
    with pytest.raises(
        ShapeError, match=r"all_gather_channels: .*tower 0 on cpu has .*tower 1 on cpu:1 has"
    ):
        model(tn.zeros(1, 3, 16, 16))
    vars(model.towers[1].conv2)["0"] = nn.Conv2d(5, 6, 3).to("cpu:1")
    with pytest.raises(ShapeError, match=r"^tower 1 on cpu:1, conv2: conv2d.*"):
        model(tn.zeros(1, 3, 16, 16))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "alexnet", "devices": ("cpu", "cpu:1")}, "'alexnet' lives on one device"),
        ({"name": "alexnet", "cross_at": "conv4"}, "'alexnet' has no two towers"),
        ({"name": "alexnet-one-weird-trick", "cross_at": "conv4"}, "trick' has no two towers"),
        ({"name": "small-alexnet-two-towers", "cross_at": "conv5"}, "conv3, conv4, nowhere"),
        ({"name": "small-alexnet-two-towers", "variant": "conv4"}, "Use cross_at='conv4'"),
        (
            {"name": "small-alexnet-two-towers", "variant": "caffe"},
            "has none. Got variant='caffe'.$",
        ),
        ({"name": "small-alexnet", "variant": "conv4"}, "'small-alexnet' has none"),
    ],
)
def test_what_cannot_be_built_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        models.build(**arguments)
