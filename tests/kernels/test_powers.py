"""Powers without roots: accuracy over all exponents, and numbers for which the method fails."""

import numpy as np
import pytest

from tinynet import kernels
from tinynet.kernels.dispatch import has_numba

pytestmark = pytest.mark.skipif(not has_numba(), reason="Numba is not installed")


def normalized(scale):
    """Return scale**-0.75 as the compiled kernel computes it: k is the scale, alpha is 0."""
    ones = np.ones((1, 1, 1, 1), np.float32)
    with kernels.use("numba"), np.errstate(all="ignore"):
        return kernels.lrn_forward(ones, 1, float(scale), 0.0, 0.75, 1)[0].item()


def rows(values):
    """Return x (1, C, 1, 1) whose scale with n = 1, k = 0, alpha = 1 is the square of `values`."""
    return np.asarray(values, np.float32).reshape(1, -1, 1, 1)


@pytest.mark.parametrize("channels", [1, 7, 4096])
def test_the_power_is_as_exact_as_with_square_roots(rng, channels):
    x = rows(2.0 ** rng.uniform(-62, 62, channels))
    with kernels.use("numba"):
        y, scale = kernels.lrn_forward(x, 1, 0.0, 1.0, 0.75, 1)
    expected = x.astype(np.float64) * scale.astype(np.float64) ** -0.75
    assert np.abs(y / expected - 1).max() < 3e-7


@pytest.mark.parametrize("channels", [1, 7, 4096])
def test_the_gradient_is_as_exact_as_with_a_division(rng, channels):
    x = rows(2.0 ** rng.uniform(-20, 20, channels))
    gy = rng.standard_normal(x.shape).astype(np.float32)
    with kernels.use("numba"):
        y, scale = kernels.lrn_forward(x, 1, 1.0, 1.0, 0.75, 1)
        gx = kernels.lrn_backward(gy, x, y, scale, 1, 1.0, 0.75, 1)
    wide, s = x.astype(np.float64), scale.astype(np.float64)
    direct = gy * s**-0.75
    expected = direct - 1.5 * wide * direct * wide / s
    assert (np.abs(gx - expected) <= 1e-6 * np.abs(direct)).all()


@pytest.mark.parametrize(
    ("scale", "power"),
    [(0.0, np.inf), (np.inf, 0.0), (1e-40, 1e30), (3e38, 3e38**-0.75), (2.0**-126, 2.0**94.5)],
)
def test_numbers_at_the_ends_of_the_range(scale, power):
    assert normalized(scale) == pytest.approx(power, rel=1e-4)


@pytest.mark.parametrize("scale", [np.nan, -1.0])
def test_a_scale_without_a_power_gives_nan(scale):
    assert np.isnan(normalized(scale))


def test_an_irregular_number_changes_no_other(rng):
    x = rows(rng.uniform(0.5, 2, 100))
    spoiled = x.copy()
    spoiled[0, 50] = 3e38  # its square is infinite
    with kernels.use("numba"):
        clean, _ = kernels.lrn_forward(x, 1, 2.0, 1.0, 0.75, 1)
        other, _ = kernels.lrn_forward(spoiled, 1, 2.0, 1.0, 0.75, 1)
    others = np.arange(100) != 50
    assert np.array_equal(clean[0, others], other[0, others])
    assert other[0, 50, 0, 0] == 0
