"""Pooling winners and response normalization beside their definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinynet import inspection, nn
from tinynet.core.errors import ShapeError


def brute_force(x, k, s):
    """Count the windows whose first maximum each pixel is."""
    wins = np.zeros(x.shape, int)
    N, C, H, W = x.shape
    for n, c in np.ndindex(N, C):
        for h in range(0, H - k + 1, s):
            for w in range(0, W - k + 1, s):
                window = x[n, c, h : h + k, w : w + k]
                p, q = np.unravel_index(window.argmax(), window.shape)
                wins[n, c, h + p, w + q] += 1
    return wins


@given(st.integers(0, 1000), st.integers(1, 3), st.integers(1, 3), st.integers(3, 7))
def test_winners_are_the_argmax_of_each_window_ties_included(seed, k, s, side):
    x = np.random.default_rng(seed).integers(0, 4, (2, 2, side, side + 1)).astype(np.float32)
    (found,) = inspection.pool_winners(nn.MaxPool2d(k, stride=s), x)
    np.testing.assert_array_equal(found.wins, brute_force(x, k, s))
    assert found.wins.sum() == found.y.size
    assert found.share == (found.wins > 0).mean()


def test_all_pools_of_a_network_are_found(rng):
    model = nn.Sequential(nn.MaxPool2d(2), nn.Sequential(nn.ReLU(), nn.MaxPool2d(2)))
    found = inspection.pool_winners(model, rng.standard_normal((1, 8, 8)).astype(np.float32))
    assert [(each.name, each.x.shape) for each in found] == [
        ("0", (1, 1, 8, 8)),
        ("1.1", (1, 1, 4, 4)),
    ]


def test_before_and_after_follow_the_equation(rng):
    layer = nn.LocalResponseNorm(n=3, k=2.0, alpha=0.5, beta=0.75)
    x = rng.standard_normal((2, 5, 3, 3)).astype(np.float32)
    x[0, 0, 0, 0] = 0
    (found,) = inspection.lrn_before_after(nn.Sequential(layer), x)
    padded = np.pad(x**2, ((0, 0), (1, 1), (0, 0), (0, 0)))
    sums = padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]
    gain = (2 + 0.5 * sums) ** -0.75
    assert np.isnan(found.gain[0, 0, 0, 0])
    np.testing.assert_allclose(found.gain[x != 0], gain[x != 0], rtol=1e-4)


@pytest.mark.parametrize("op", ["pool_winners", "lrn_before_after"])
def test_a_network_without_the_layer_is_refused(op):
    with pytest.raises(ShapeError, match=f"{op}: ReLU has no layer nn."):
        getattr(inspection, op)(nn.ReLU(), np.ones((1, 2, 2), np.float32))
