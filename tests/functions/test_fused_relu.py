"""Fused ReLU of a convolution, a max-pooling or a batch normalization."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import functions as F
from tinynet import nn

WIDE = 32  # channels with which 3x3 uses Winograd's algorithm


def conv2d_then_relu(*inputs, **settings):
    return F.relu(F.conv2d(*inputs, **settings))


def fused_and_not(x, weight, bias, **settings):
    """Return y and all gradients of relu(conv2d(...)), in two steps and in one."""
    results = []
    for fused in (False, True):
        inputs = [
            None if a is None else tn.Tensor(a, requires_grad=True) for a in (x, weight, bias)
        ]
        y = (F.conv2d_relu if fused else conv2d_then_relu)(*inputs, **settings)
        weights = np.cos(np.arange(y.data.size)).reshape(y.shape).astype(x.dtype)
        (y * tn.Tensor(weights)).sum().backward()
        results.append([y.data, *(v.grad for v in inputs if v is not None)])
    return zip(*results, strict=True)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("channels", [3, WIDE])
@pytest.mark.parametrize("biased", [True, False])
def test_the_fused_op_equals_the_two_ops_bit_for_bit(rng, dtype, channels, biased):
    x = rng.standard_normal((3, channels, 9, 7)).astype(dtype)
    weight = rng.standard_normal((WIDE, channels, 3, 3)).astype(dtype)
    bias = rng.standard_normal(WIDE).astype(dtype) if biased else None
    for separate, fused in fused_and_not(x, weight, bias, padding=1):
        assert np.array_equal(separate, fused)


@pytest.mark.parametrize("channels", [3, WIDE])
def test_nan_is_not_hidden(rng, channels):
    x = rng.standard_normal((1, channels, 8, 8)).astype(np.float32)
    x[0, 0, 4, 4] = np.nan
    weight = rng.standard_normal((WIDE, channels, 3, 3)).astype(np.float32)
    y = F.conv2d_relu(tn.Tensor(x), tn.Tensor(weight), padding=1)
    assert np.isnan(y.data[:, :, 3:6, 3:6]).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kernel", [(3, 3), (16, 17)])
def test_a_fused_pooling_equals_the_two_ops_bit_for_bit(rng, dtype, kernel):
    values = (
        rng.standard_normal((2, 5, 21, 20)).astype(dtype) - 2
    )  # many windows without a positive value
    results = []
    for fused in (False, True):
        x = tn.Tensor(values, requires_grad=True)
        y = F.max_pool2d_relu(x, kernel, 2) if fused else F.relu(F.max_pool2d(x, kernel, 2))
        (y * y).sum().backward()
        results.append((y.data, x.grad))
    for separate, fused in zip(*results, strict=True):
        assert (fused != 0).any()
        assert np.array_equal(separate, fused)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("training", [True, False])
def test_a_fused_normalization_equals_the_two_ops_bit_for_bit(rng, dtype, training):
    arrays = [rng.standard_normal(shape).astype(dtype) for shape in ((4, 5, 9, 7), 5, 5)]
    weights = tn.Tensor(rng.standard_normal((4, 5, 9, 7)).astype(dtype))
    results = []
    for fused in (False, True):
        inputs = [tn.Tensor(a, requires_grad=True) for a in arrays]
        running = np.zeros(5, dtype), np.ones(5, dtype)
        normalize = F.batch_norm_relu if fused else F.batch_norm
        y = normalize(*inputs, *running, training=training)
        y = y if fused else F.relu(y)
        (y * weights).sum().backward()
        results.append([y.data, *(v.grad for v in inputs), *running])
    assert all(a.any() for a in results[0][:4])
    for separate, fused in zip(*results, strict=True):
        assert np.array_equal(separate, fused)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
@pytest.mark.parametrize("training", [True, False])
def test_a_shortcut_added_in_the_same_pass_equals_the_three_ops_bit_for_bit(rng, dtype, training):
    shape = (4, 5, 9, 7)
    arrays = [rng.standard_normal(each).astype(dtype) for each in (shape, 5, 5, shape)]
    weights = tn.Tensor(rng.standard_normal(shape).astype(dtype))
    results = []
    for fused in (False, True):
        x, weight, bias, added = [tn.Tensor(a, requires_grad=True) for a in arrays]
        given = x, weight, bias, np.full(5, 0.1, np.float32), np.full(5, 2.0, np.float32)
        if fused:
            y = F.batch_norm_relu(*given, training=training, added=added)
        else:
            y = F.relu(F.batch_norm(*given, training=training) + added)
        (y * weights).sum().backward()
        results.append([y.data, *(v.grad for v in (x, weight, bias, added)), *given[3:]])
    for separate, fused in zip(*results, strict=True):
        assert separate.any()
        if dtype == np.float16:  # three ops round between them
            assert np.allclose(separate, fused, rtol=0.01, atol=0.01)
        else:
            assert np.array_equal(separate, fused)


def test_a_shortcut_of_another_shape_is_refused():
    vectors = [tn.ones(3) for _ in range(4)]
    with pytest.raises(
        tn.ShapeError, match=r"added must have the shape of x; it is \(2, 3, 1, 4\)"
    ):
        F.batch_norm_relu(tn.ones(2, 3, 4, 4), *vectors, training=False, added=tn.ones(2, 3, 1, 4))


def test_a_fused_normalization_does_not_hide_nan(rng):
    x = rng.standard_normal((2, 3, 8, 8)).astype(np.float32)
    x[0, 1, 4, 4] = np.nan
    vectors = (tn.Tensor(np.ones(3, np.float32)) for _ in range(2))
    running = np.zeros(3, np.float32), np.ones(3, np.float32)
    y = F.batch_norm_relu(tn.Tensor(x), *vectors, *running, training=False).data
    assert np.isnan(y[0, 1, 4, 4])
    assert np.isnan(y).sum() == 1


def layers():
    tn.seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.ReLU(), nn.Conv2d(4, 5, 3))


def ops_of(y):
    """Return the names of the ops that made a tensor, the last one first."""
    names = []
    while y.creator is not None:
        names.append(y.creator.op())
        y = y.creator.inputs[0]
    return names


def test_a_sequence_fuses_a_convolution_and_the_next_relu(rng):
    y = layers()(tn.tensor(rng.standard_normal((2, 3, 8, 8)).astype(np.float32)))
    assert ops_of(y) == ["conv2d", "relu", "conv2d"]


def test_a_sequence_fuses_a_normalization_and_the_next_relu(rng):
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.ReLU())
    x = tn.tensor(rng.standard_normal((2, 3, 8, 8)).astype(np.float32))
    y = net(x)
    norm = net[1]
    assert ops_of(y) == ["relu", "batch_norm", "conv2d"]
    assert norm.running_mean.data.any()
    assert np.array_equal(nn.run_sequential(x, *net).data, y.data)


def test_an_observer_sees_every_layer_and_the_same_numbers(rng):
    model = layers()
    seen = []
    x = tn.tensor(rng.standard_normal((2, 3, 8, 8)).astype(np.float32))
    with nn.observe(lambda module, x, y: seen.append((type(module).__name__, y.data.min()))):
        watched = model(x)
    assert [name for name, _ in seen] == ["Conv2d", "ReLU", "ReLU", "Conv2d", "Sequential"]
    assert seen[0][1] < 0 == seen[1][1]
    assert np.array_equal(watched.data, model(x).data)


def test_a_layer_of_a_user_is_not_skipped(rng):
    class Loud(nn.ReLU):
        def forward(self, x):
            calls.append(x.shape)
            return super().forward(x)

    class Louder(nn.BatchNorm2d):
        def forward(self, x):
            calls.append(x.shape)
            return super().forward(x)

    calls = []
    x = tn.tensor(np.ones((1, 3, 5, 5), np.float32))
    nn.Sequential(nn.Conv2d(3, 4, 3), Loud())(x)
    nn.Sequential(Louder(3), nn.ReLU())(x)
    assert calls == [(1, 4, 3, 3), (1, 3, 5, 5)]
