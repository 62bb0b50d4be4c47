"""Batch normalization: statistics of its output and properties of its gradient."""

import numpy as np
import pytest

from tinynet import kernels
from tinynet.kernels import batch_norm_backward, batch_norm_forward, batch_norm_statistics
from tinynet.testing import tolerance

KINDS = pytest.mark.parametrize("kind", batch_norm_forward.implementations)
PIXELS = (0, 2, 3)


@pytest.fixture
def x(rng):
    return (3 + 2 * rng.standard_normal((4, 3, 7, 5))).astype("f")


def vectors(*values):
    return [np.array(v, "f") for v in values]


@KINDS
def test_a_batch_comes_out_with_the_bias_as_mean_and_the_weight_as_deviation(kind, x):
    weight, bias = vectors([1, 2, -3], [0, 10, -1])
    with kernels.use(kind):
        y = batch_norm_forward(x, *batch_norm_statistics(x), weight, bias, 0.0)
    near = tolerance(x.size, np.float32)
    assert y.mean(axis=PIXELS) == pytest.approx(bias, abs=10 * near)
    assert y.std(axis=PIXELS) == pytest.approx(abs(weight), rel=near)


@KINDS
def test_eps_is_added_to_the_variance_and_not_to_the_deviation(kind):
    x = np.full((1, 1, 1, 2), 6, "f")
    zero, one = vectors([0], [1])
    with kernels.use(kind):
        y = batch_norm_forward(x, zero, 3 * one, one, zero, 1.0)
    assert y.ravel().tolist() == [3, 3]


@KINDS
def test_the_variance_survives_a_mean_a_thousand_times_larger(kind, rng):
    x = rng.integers(-4, 5, (2, 2, 30, 30)).astype("f")
    with kernels.use(kind):
        mean, var = batch_norm_statistics(x + 4096)
    last_digit = 2.0**-10  # of 4096 in float32
    assert mean - 4096 == pytest.approx(x.mean(axis=PIXELS), abs=last_digit)
    assert var == pytest.approx(x.var(axis=PIXELS), rel=tolerance(x.size, np.float32))


@KINDS
def test_a_constant_channel_has_no_negative_variance(kind, rng):
    """By rounding, the mean of the squares can be less than the square of the mean."""
    x = np.empty((3, 64, 7, 5), "f")
    x[...] = rng.uniform(1e6, 2e6, (64, 1, 1))
    with kernels.use(kind):
        mean, var = batch_norm_statistics(x)
    assert mean == pytest.approx(x[0, :, 0, 0], rel=tolerance(x[:, 0].size, np.float32))
    assert var.min() >= 0
    assert var.max() < 1  # 1e-12 of the square of the mean


@KINDS
def test_in_training_no_gradient_moves_the_mean_or_the_size_of_the_batch(kind, x, rng):
    """Normalization undoes a shift or scale of a whole channel, so its gradient is 0."""
    gy = rng.standard_normal(x.shape).astype("f")
    (weight,) = vectors([1, 2, -3])
    with kernels.use(kind):
        mean, var = batch_norm_statistics(x)
        gx, _, _ = batch_norm_backward(gy, x, mean, var, weight, 0.0, True)
    near = tolerance(x.size, np.float32) * 3 * np.sqrt(x.size)
    assert gx.sum(axis=PIXELS) == pytest.approx(np.zeros(3), abs=near)
    assert (gx * x).sum(axis=PIXELS) == pytest.approx(np.zeros(3), abs=8 * near)


@KINDS
def test_with_given_statistics_it_is_one_factor(kind, x):
    mean, var, weight = vectors([5, 5, 5], [4, 4, 4], [1, 2, -3])
    with kernels.use(kind):
        gx, gweight, gbias = batch_norm_backward(
            np.ones_like(x), x, mean, var, weight, 0.0, training=False
        )
    assert gx[0, :, 0, 0].tolist() == [0.5, 1, -1.5]
    assert (gx == gx[:1, :, :1, :1]).all()
    assert gbias.tolist() == [x[:, 0].size] * 3
    assert gweight == pytest.approx(((x - 5) / 2).sum(axis=PIXELS), rel=1e-5)


def test_threads_do_not_change_a_bit(rng, threads):
    x = rng.standard_normal((8, 16, 33, 31), dtype=np.float32)
    mean, var = batch_norm_statistics(x)
    found = []
    for n in (1, 3):
        threads(n)
        back = batch_norm_backward(x, x, mean, var, mean, 0.1, training=True)
        found.append([*batch_norm_statistics(x), *back])
    assert all(np.array_equal(a, b) for a, b in zip(*found, strict=True))
