"""Ten-crop evaluation: the windows, and the average of their answers."""

import numpy as np
import pytest

from tinynet.core.errors import ShapeError
from tinynet.data import average_views, ten_crop


def numbered(N, C, H, W):
    """Images in which each pixel knows its place: value = 100 * row + column."""
    place = 100 * np.arange(H)[:, None] + np.arange(W)
    return np.broadcast_to(place, (N, C, H, W)).astype(np.int32)


def stream(seed=0):
    return np.random.default_rng(seed)


def test_ten_views_are_the_corners_the_center_and_their_mirrors():
    images = numbered(2, 3, 8, 6)
    views = ten_crop(images, 4)
    assert views.shape == (10, 2, 3, 4, 4)
    assert views[:5, 0, 0, 0, 0].tolist() == [0, 2, 400, 402, 201]
    assert np.array_equal(views[5:], views[:5, ..., ::-1])


def test_ten_views_of_a_symmetric_net_average_to_its_answer():
    scores = stream().normal(size=(1, 4, 10))
    mean = average_views(np.repeat(scores, 10, axis=0))
    exact = np.exp(scores[0]) / np.exp(scores[0]).sum(axis=1, keepdims=True)
    assert np.allclose(mean, exact, rtol=1e-14)


def test_views_are_averaged_as_probabilities_and_not_as_scores():
    scores = np.array([[[5.0, 0.0, 0.0]], [[0.0, 4.0, 0.0]], [[0.0, 4.0, 0.0]], [[9.0, 0.0, 0.0]]])
    scores[3, 0, 0] = 1000.0  # one loud view; also: no overflow
    assert average_views(scores)[0].argmax() == 0
    loud = np.array([[[60.0, 0.0]], [[0.0, 10.0]], [[0.0, 10.0]]])
    assert loud.mean(axis=0)[0].argmax() == 0  # the mean of scores follows the loudest
    assert average_views(loud)[0].argmax() == 1
    assert average_views(loud).sum() == pytest.approx(1)


def test_windows_must_fit_and_a_single_image_is_refused():
    with pytest.raises(ShapeError, match="9x9 must fit"):
        ten_crop(numbered(1, 1, 8, 9), 9)
    with pytest.raises(ShapeError, match=r"image\[None\]"):
        ten_crop(numbered(1, 1, 8, 8)[0], 4)
