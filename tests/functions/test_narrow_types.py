"""Bytes, bools, small integers and float16: what an op needs inside may be too large for them."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import functions as F
from tinynet import nn


def layer_of(kind, **more):
    """Return a function that makes a layer and applies it."""
    return lambda x: kind(**more)(x)


OPS = {
    "sigmoid": F.sigmoid,
    "tanh": F.tanh,
    "exp": lambda x: F.exp(x * 0.03125),
    "softmax": lambda x: F.softmax(F.flatten(x)),
    "log_softmax": lambda x: F.log_softmax(F.flatten(x)),
    "cross_entropy": lambda x: F.cross_entropy(F.flatten(x), np.arange(len(x))),
    "mean": F.mean,
    "std": F.std,
    "times a fraction": lambda x: x * 0.25,
    "less a fraction": lambda x: x - 0.5,
    "from a fraction": lambda x: 0.5 - x,
    "divided": lambda x: x / 3,
    "MSELoss": lambda x: nn.MSELoss()(x[:1] * 0.25, x[1:] * 0.25),
    "MSELoss of integers": lambda x: nn.MSELoss()(x[:1], x[1:]),
    "LocalResponseNorm": layer_of(nn.LocalResponseNorm),
    "SpatialResponseNorm": layer_of(nn.SpatialResponseNorm),
    "BatchNorm2d": layer_of(nn.BatchNorm2d, num_features=6),
    "BatchNorm2d, eval": lambda x: nn.BatchNorm2d(6).eval()(x),
    "AvgPool2d": layer_of(nn.AvgPool2d, kernel_size=3, stride=2, padding=1),
    "AdaptiveAvgPool2d": layer_of(nn.AdaptiveAvgPool2d, output_size=2),
    "GlobalAvgPool2d": layer_of(nn.GlobalAvgPool2d),
    "MaxPool2d": layer_of(nn.MaxPool2d, kernel_size=3, stride=2, padding=1),
}


@pytest.mark.parametrize("kind", ["u1", "i1", "i4", "?", "f2"])
@pytest.mark.parametrize("op", OPS)
def test_the_value_is_that_of_float64(op, kind, rng):
    low, high = {"?": (0, 2), "u1": (0, 256), "i1": (-128, -3)}.get(kind, (-180, 180))
    x = rng.integers(low, high, (2, 6, 5, 4)).astype(kind)
    found = OPS[op](tn.Tensor(x)).data
    right = OPS[op](tn.Tensor(x.astype(np.float64))).data
    bound = 2**-9 if found.dtype == np.float16 else 1e-5
    np.testing.assert_allclose(found.astype(np.float64), right, rtol=bound, atol=bound)


def test_roots_logarithms_and_powers_of_bytes_are_singles():
    x = np.array([1, 9, 255], np.uint8)
    assert F.log(tn.Tensor(x)).data == pytest.approx(np.log(x, dtype=np.float64), rel=1e-6)
    assert F.sqrt(tn.Tensor(x)).data == pytest.approx(np.sqrt(x, dtype=np.float64), rel=1e-6)
    assert F.exp(tn.Tensor(x[:2] * 8)).data == pytest.approx(np.exp([8.0, 72.0]), rel=1e-5)


def test_sums_of_many_halves_do_not_overflow():
    ones = tn.tensor(np.ones((1, 1, 300, 300), np.float16), requires_grad=True)
    assert F.mean(ones).data == nn.GlobalAvgPool2d()(ones).data == nn.AvgPool2d(300)(ones).data == 1
    F.mean(ones * 4096).backward()
    assert ones.grad == pytest.approx(np.full(ones.shape, 4096 / 90_000), rel=2**-8)


def test_batch_norm_of_large_halves_is_that_of_singles(rng):
    values = (400 * rng.standard_normal((4, 3, 5, 5))).astype(np.float16)
    gradients = []
    for kind in (np.float16, np.float32):
        layer = nn.BatchNorm2d(3)
        for parameter in layer.parameters():
            parameter.data = parameter.data.astype(kind)
        x = tn.tensor(values.astype(kind), requires_grad=True)
        y = layer(x)
        assert y.dtype == kind
        assert y.data.astype(np.float32).std() == pytest.approx(1, rel=1e-2)
        (y * y * y).sum().backward()
        gradients.append(x.grad.astype(np.float32))
    np.testing.assert_allclose(*gradients, atol=2**-8 * abs(gradients[1]).max())
