"""NaN and infinity: how far one number that is not finite reaches."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import functions as F

REACH = 4  # pixels, as the docstring of conv2d says


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize(("size", "stride"), [(3, 1), (3, 2), (5, 1), (1, 1)])
def test_a_convolution_spreads_it_over_its_windows_and_four_pixels_more(rng, size, stride, bad):
    x = rng.standard_normal((2, 32, 20, 20), np.float32)
    weight = tn.tensor(rng.standard_normal((32, 32, size, size), np.float32))
    without = F.conv2d(tn.tensor(x), weight, stride=stride, padding=size // 2).data
    for i, j in ((0, 0), (9, 10), (11, 12), (19, 19)):
        spoiled = x.copy()
        spoiled[0, 1, i, j] = bad
        y = F.conv2d(tn.tensor(spoiled), weight, stride=stride, padding=size // 2).data
        down, right = np.ogrid[: y.shape[2], : y.shape[3]]
        away = np.maximum(abs(down * stride - i), abs(right * stride - j))
        assert not np.isfinite(y[0][:, away <= size // 2]).any()
        assert np.array_equal(y[0][:, away > max(REACH, size // 2)], without[0][:, away > REACH])
        assert np.array_equal(y[1], without[1])


def test_the_maximum_of_a_window_with_a_nan_is_nan(rng):
    x = rng.standard_normal((1, 2, 6, 6), np.float32)
    x[0, 1, 3, 3] = np.nan
    y = F.max_pool2d(tn.tensor(x), 2).data
    assert np.argwhere(np.isnan(y)).tolist() == [[0, 1, 1, 1]]
