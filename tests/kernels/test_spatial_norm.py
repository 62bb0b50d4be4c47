"""Normalization within a map, where its effect is large."""

import numpy as np
import pytest

from tinynet import kernels
from tinynet.kernels import spatial_norm_backward, spatial_norm_forward
from tinynet.testing import tolerance

KINDS = pytest.mark.parametrize("kind", spatial_norm_forward.implementations)


@KINDS
@pytest.mark.parametrize("place", [(0, 0), (0, 4), (2, 1), (3, 4)])
def test_a_pixel_sees_its_neighbours_in_the_same_map_and_no_others(kind, place):
    x = np.zeros((2, 3, 4, 5), "f")
    x[1, 2][place] = 1
    with kernels.use(kind):
        _, scale = spatial_norm_forward(x, 3, 2.0, 1.0, 0.75)
    seen = {tuple(map(int, at)) for at in np.argwhere(scale == 3)}
    near = [(i, j) for i in range(4) for j in range(5)]
    assert seen == {(1, 2, *p) for p in near if max(abs(np.subtract(p, place))) <= 1}


@KINDS
def test_golden_values(kind):
    x = np.array([1.0, 2, 3, 4], "f").reshape(1, 1, 1, 4)
    with kernels.use(kind):
        y, scale = spatial_norm_forward(x, 3, 1.0, 1.0, 0.5)
        gx = spatial_norm_backward(np.ones_like(x), x, y, scale, 3, 1.0, 0.5)
    s = np.array([6.0, 15, 30, 26])
    others = np.convolve(x.ravel() / s**1.5, [1, 1, 1], "same")
    near = tolerance(9, np.float32)
    assert scale.ravel() == pytest.approx(s)
    assert y.ravel() == pytest.approx(x.ravel() / s**0.5, rel=near)
    assert gx.ravel() == pytest.approx(s**-0.5 - x.ravel() * others, rel=8 * near)  # terms cancel


@KINDS
def test_a_window_wider_than_the_map_sees_all_of_it(kind, rng):
    x = rng.standard_normal((2, 3, 4, 2)).astype("f")
    with kernels.use(kind):
        _, scale = spatial_norm_forward(x, 9, 0.0, 1.0, 0.75)
    whole = np.broadcast_to((x * x).sum(axis=(2, 3), keepdims=True), x.shape)
    assert scale == pytest.approx(whole, rel=tolerance(8, np.float32))
