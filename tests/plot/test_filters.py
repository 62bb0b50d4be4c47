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


def test_what_changed_most_comes_first_beside_what_it_was(rng):
    before = rng.standard_normal((20, 3, 5, 5))
    after = before * np.linspace(1, 3, 20)[:, None, None, None]
    figure = plot.filters(after, before=before, title="conv1")
    left, right = (axes.images[0].get_array() for axes in figure.axes)
    np.testing.assert_allclose(right, mosaic(after[::-1]))
    np.testing.assert_allclose(left, mosaic(before[::-1]))


def test_few_filters_are_compared_in_rows_and_a_small_difference_is_enlarged(rng):
    before = rng.standard_normal((4, 3, 5, 5))
    after = before * np.array([1.0, 3.0, 1.5, 2.0])[:, None, None, None]
    figure = plot.filters(after, before=before, title="conv1")
    order = [1, 3, 2, 0]
    times = abs(after).max() / abs(after - before).max()
    rows = before[order], after[order], times * (after - before)[order]
    for axes, weights in zip(figure.axes, rows, strict=True):
        drawn = axes.images[0].get_array()
        np.testing.assert_allclose(drawn, mosaic(weights, abs(after).max(), columns=4))
    assert [axes.get_ylabel() for axes in figure.axes] == [
        "before\ntraining",
        "after",
        f"difference\n× {times:.2g}",
    ]
    words = "training changed the filters by 0 % to 200 % (most first)"
    assert figure.get_suptitle() == f"conv1: {words}"
    np.testing.assert_allclose(figure.numbers["change"], [0, 2, 0.5, 1])


def test_filters_that_grew_from_almost_nothing_changed_by_times_not_percent():
    before = np.full((18, 3, 2, 2), 1e-4)  # more than are drawn in rows on one scale
    times = np.linspace(58, 431, 18).reshape(18, 1, 1, 1)
    figure = plot.filters(before * times + before, before=before)
    assert "by 58 to 431 times their initial length (most first)" in figure.description
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["before training, values × 432", "after"]


def test_groups_are_drawn_apart_on_one_scale(rng):
    weight = rng.standard_normal((6, 3, 5, 5))
    weight[3:] *= 100
    figure = plot.filters(weight, groups=2)
    assert [axes.get_title() for axes in figure.axes] == ["group 1", "group 2"]
    first, second = (axes.images[0].get_array() for axes in figure.axes)
    np.testing.assert_allclose(first, mosaic(weight[:3], abs(weight).max()))
    np.testing.assert_allclose(second, mosaic(weight[3:]))


def test_filters_that_do_not_fit_are_refused():
    with pytest.raises(ShapeError, match="before and after training the filters have one shape"):
        plot.filters(nn.Conv2d(3, 4, 5), before=nn.Conv2d(3, 4, 3))
    with pytest.raises(ShapeError, match="4 groups of equally many filters cannot be made of 6"):
        plot.filters(nn.Conv2d(3, 6, 5), groups=4)
