"""Filters as pictures: each at its place, on one scale."""

import numpy as np
import pytest
from PIL import Image

import tinynet as tn
from tinynet import nn, plot
from tinynet.core.errors import ShapeError
from tinynet.plot.filters import mosaic


def test_filters_are_drawn_and_described(tmp_path, rng):
    plot.filters(rng.standard_normal((16, 3, 5, 5)), tmp_path / "f.png", title="first layer")
    with Image.open(tmp_path / "f.png") as picture:
        assert picture.text["Description"] == "16 filters of 5x5 pixels in color"


def test_an_array_a_tensor_a_layer_and_a_model_are_drawn_alike():
    layer = nn.Conv2d(3, 4, 5)
    model = nn.Sequential(nn.Sequential(nn.Linear(2, 2), layer), nn.Conv2d(4, 2, 3))
    for weights in (layer.weight.data, layer.weight, layer, model):
        (image,) = plot.filters(weights).axes[0].images
        np.testing.assert_array_equal(image.get_array(), mosaic(layer.weight.data))


def test_a_mosaic_shows_each_filter_at_its_place():
    weight = np.zeros((3, 3, 2, 2))
    weight[1, 2, 0, 1] = 2.0  # the second filter, blue, top right
    tiles = mosaic(weight)
    assert tiles.shape == (2, 8, 3)
    np.testing.assert_array_equal(tiles[0, 4], [0.5, 0.5, 1.0])
    np.testing.assert_array_equal(tiles[0, 0], [0.5, 0.5, 0.5])  # zero is gray
    np.testing.assert_array_equal(tiles[0, 2], [1.0, 1.0, 1.0])  # a seam


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_other_numbers_of_channels_are_shown_in_gray(channels):
    weight = -np.ones((2, channels, 3, 3))
    tiles = mosaic(weight)
    assert (tiles[..., 0] == tiles[..., 1]).all()
    assert (tiles == 0).all(axis=-1).sum() == 2 * channels * 9


def test_filters_of_zeros_are_not_divided_by_zero():
    assert np.isfinite(mosaic(np.zeros((2, 3, 3, 3)))).all()


def test_a_model_without_a_convolution_is_refused():
    with pytest.raises(ShapeError, match="filters: Linear has no convolution"):
        plot.filters(nn.Linear(3, 2))
    with pytest.raises(ShapeError, match=r"filters: .* got \(3, 2\)"):
        plot.filters(tn.ones(3, 2))
