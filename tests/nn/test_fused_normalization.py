"""Batch normalization joined with its neighbors: the end of a block, and folded weights."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import models, nn
from tinynet.models import resnet

SHAPE = (3, 6, 9, 7)


def images(rng, shape=SHAPE):
    return tn.tensor(rng.standard_normal(shape).astype(np.float32))


def settle(model, rng):
    """Give every batch normalization other statistics, scale and shift than the first ones."""
    for norm in model.modules():
        if isinstance(norm, nn.BatchNorm2d):
            C = norm.num_features
            norm.running_mean.data[...] = rng.standard_normal(C)
            norm.running_var.data[...] = 0.5 + rng.random(C)
            if norm.weight is not None:
                norm.weight.data[...] = rng.standard_normal(C)
                norm.bias.data[...] = rng.standard_normal(C)
    return model


def by_layers(model, x):
    """Return the output of layers that run one by one."""
    with nn.observe(lambda *_: None):
        return model(x)


# ---- the end of a residual block


def basic(stride=1):
    return resnet.BasicBlock(6, 6 * stride, stride, False)


def chain():
    body = nn.Sequential(nn.Conv2d(6, 6, 3, padding=1), nn.BatchNorm2d(6))
    return nn.Sequential(nn.Residual(body), nn.ReLU())


BLOCKS = {
    "basic": basic,
    "basic with a projection": lambda: basic(2),
    "bottleneck": lambda: resnet.Bottleneck(6, 3, 1, False),
    "chain": chain,
    "squeeze": lambda: resnet.BasicBlock(6, 16, 2, True),
}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("make", BLOCKS.values(), ids=BLOCKS)
def test_a_block_in_fewer_passes_has_the_same_bits(rng, make, training):
    model = settle(make(), rng).train(training)
    state = {name: value.copy() for name, value in model.state_dict().items()}
    values = images(rng).data
    results = []
    for run in (type(model).__call__, by_layers):
        model.load_state_dict(state)
        model.zero_grad()
        x = tn.Tensor(values, requires_grad=True)
        y = run(model, x)
        (y * y).sum().backward()
        grads = [p.grad for p in model.parameters()]
        results.append([y.data, x.grad, *grads, *model.state_dict().values()])
    for joined, separate in zip(*results, strict=True):
        assert np.array_equal(joined, separate)


def ops(y):
    """Return the names of all ops behind a tensor."""
    found = set()
    waiting = [y]
    while waiting:
        creator = waiting.pop().creator
        if creator is not None and creator not in found:
            found.add(creator)
            waiting += creator.inputs
    return sorted(op.op() for op in found)


def test_the_end_of_a_block_is_one_op(rng):
    assert ops(chain()(images(rng))) == ["batch_norm", "conv2d"]
    assert ops(basic()(images(rng))) == ["batch_norm", "batch_norm", "conv2d", "conv2d"]


class Doubled(nn.BatchNorm2d):
    def forward(self, x):
        return 2 * super().forward(x)


@pytest.mark.parametrize("last", [Doubled(6), nn.ReLU(), nn.Sequential(nn.BatchNorm2d(6))])
def test_another_end_runs_layer_by_layer(rng, last):
    x = images(rng)
    model = nn.Sequential(nn.Residual(nn.Sequential(nn.Conv2d(6, 6, 1), last)), nn.ReLU())
    assert np.array_equal(model(x).data, by_layers(model, x).data)


def test_a_shortcut_that_does_not_fit_is_named(rng):
    body = nn.Sequential(nn.Conv2d(6, 5, 1), nn.BatchNorm2d(5))
    with pytest.raises(tn.ShapeError, match="Residual: body and shortcut must agree"):
        nn.Sequential(nn.Residual(body), nn.ReLU())(images(rng))


# ---- folded into the weights of a convolution


PAIRS = {
    "with a bias": lambda: (nn.Conv2d(6, 8, 3, padding=1), nn.BatchNorm2d(8)),
    "no bias, no scale": lambda: (nn.Conv2d(6, 8, 1, bias=False), nn.BatchNorm2d(8, affine=False)),
    "groups": lambda: (nn.Conv2d(6, 4, 3, stride=2, groups=2), nn.BatchNorm2d(4, eps=0.1)),
    "Winograd": lambda: (nn.Conv2d(16, 16, 3, padding=1), nn.BatchNorm2d(16)),
}


@pytest.fixture(params=PAIRS.values(), ids=PAIRS)
def pair(request, rng):
    return settle(nn.Sequential(*request.param()), rng).eval()


def infer(model, x):
    with tn.no_grad():
        return model(x).numpy()


def assert_folded(model, x):
    """Compare with the two layers; folded numbers round elsewhere, so they are not all equal."""
    wanted = by_layers(model, x).numpy()
    found = infer(model, x)
    assert np.allclose(found, wanted, rtol=1e-5, atol=1e-5 * np.abs(wanted).max())
    return not np.array_equal(found, wanted)


def of(pair, rng):
    return images(rng, (3, pair[0].in_channels, 9, 8))


@pytest.mark.parametrize("relu", [True, False])
def test_inference_folds_a_normalization_into_the_convolution(rng, pair, relu):
    if relu:
        pair.append(nn.ReLU())
    assert assert_folded(pair, of(pair, rng))
    assert infer(pair, of(pair, rng)).min() >= 0 or not relu


CHANGES = {
    "weight": lambda conv, norm: conv.weight.data.__setitem__(0, 3.0),
    "bias": lambda conv, norm: None if conv.bias is None else conv.bias.data.fill(2),
    "mean": lambda conv, norm: norm.running_mean.data.fill(3),
    "variance": lambda conv, norm: norm.running_var.data.fill(9),
    "scale": lambda conv, norm: None if norm.weight is None else norm.weight.data.fill(-1),
    "shift": lambda conv, norm: None if norm.bias is None else norm.bias.data.fill(-1),
    "eps": lambda conv, norm: setattr(norm, "eps", 4.0),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_of_any_number_is_seen(rng, pair, change):
    x = of(pair, rng)
    infer(pair, x)
    change(*pair)
    assert assert_folded(pair, x)


def test_with_gradients_and_in_training_nothing_is_folded(rng, pair):
    x = of(pair, rng)
    assert np.array_equal(pair(x).data, by_layers(pair, x).data)
    state = {name: value.copy() for name, value in pair.state_dict().items()}
    pair.train()
    found = infer(pair, x)
    pair.load_state_dict(state)
    with tn.no_grad():
        assert np.array_equal(found, by_layers(pair, x).data)


class Plain(nn.Conv2d):
    pass


def test_where_folding_does_not_fit_the_layers_run_one_by_one(rng, monkeypatch):
    for conv, norm in (
        (nn.Conv2d(6, 8, 1).to(np.float64), nn.BatchNorm2d(8).to(np.float64)),
        (Plain(6, 8, 1), nn.BatchNorm2d(8)),
        (nn.Conv2d(6, 8, 1), Doubled(8)),
    ):
        model = settle(nn.Sequential(conv, norm), rng).eval()
        x = tn.Tensor(images(rng).data.astype(conv.weight.dtype))
        assert np.array_equal(infer(model, x), by_layers(model, x).numpy())
    monkeypatch.setattr(nn.normalization, "MOST_FOLDED", 47)
    large = settle(nn.Sequential(nn.Conv2d(6, 8, 1), nn.BatchNorm2d(8)), rng).eval()
    x = images(rng)
    assert np.array_equal(infer(large, x), by_layers(large, x).numpy())
    with pytest.raises(tn.ShapeError, match="batch_norm"):
        infer(nn.Sequential(nn.Conv2d(6, 8, 1), nn.BatchNorm2d(7)).eval(), images(rng))


def test_a_whole_network_is_folded_within_rounding(rng):
    model = settle(models.build("resnet-20"), rng).eval()
    assert assert_folded(model, images(rng, (2, 3, 32, 32)))
