"""Layers beyond AlexNet's chain: branches, shortcuts, filters per place, and a famous mistake."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import functions as F
from tinynet import nn
from tinynet.nn.mistakes import KerasPostLRN, lrn_error
from tinynet.testing import check_layer, tolerance


def images(rng, *shape):
    return tn.tensor(rng.standard_normal(shape))


def test_adaptive_windows_overlap_where_the_size_does_not_divide():
    x = tn.tensor(np.arange(5.0).reshape(1, 1, 1, 5))
    assert F.adaptive_avg_pool2d(x, (1, 3)).data.ravel().tolist() == [0.5, 2, 3.5]
    assert F.adaptive_avg_pool2d(x, (1, 7)).data.ravel().tolist() == [0, 0.5, 1.5, 2, 2.5, 3.5, 4]


def test_adaptive_pooling_to_the_same_size_is_nothing_and_to_one_the_mean(rng):
    x = images(rng, 2, 3, 6, 6)
    assert F.adaptive_avg_pool2d(x, 6) is x
    y = F.adaptive_avg_pool2d(x, 1).data[:, :, 0, 0]
    assert y == pytest.approx(F.global_avg_pool2d(x).data, rel=tolerance(360, np.float64))


def test_equal_filters_at_all_places_make_a_convolution(rng):
    layer = nn.LocallyConnected2d(3, 4, size=(6, 5), kernel_size=(3, 2), stride=(2, 1), padding=1)
    assert layer.weight.shape == (3, 6, 4, 3, 3, 2)
    filters = rng.standard_normal((4, 3, 3, 2))
    bias = rng.standard_normal(4)
    layer.weight.data = np.broadcast_to(filters, layer.weight.shape)
    layer.bias.data = np.broadcast_to(bias[:, None, None], layer.bias.shape)
    x = images(rng, 2, 3, 6, 5)
    y = F.conv2d(x, tn.tensor(filters), tn.tensor(bias), stride=(2, 1), padding=1).data
    assert layer(x).data == pytest.approx(y, abs=tolerance(18, np.float64) * abs(y).max())


def test_every_place_has_filters_of_its_own(rng):
    layer = nn.LocallyConnected2d(1, 1, size=4, kernel_size=3, padding=1)
    layer.weight.data[2, 1] = 0
    y = layer(images(rng, 1, 1, 4, 4)).data[0, 0]
    assert np.argwhere(y == 0).tolist() == [[2, 1]]


def test_spatial_response_norm_sees_the_pixels_of_its_own_map():
    x = np.ones((1, 2, 5, 6))
    x[0, 0, 1, 4] = 2  # its square is 3 more than that of the others
    scale = x / F.spatial_response_norm(tn.tensor(x), 3, k=9.0, alpha=1.0, beta=1.0).data
    uniform = 1 / F.spatial_response_norm(tn.ones(1, 2, 5, 6), 3, k=9.0, alpha=1.0, beta=1.0).data
    more = (scale - uniform).round(4)
    assert np.argwhere(more[0, 0] == 3).tolist() == [[i, j] for i in (0, 1, 2) for j in (3, 4, 5)]
    assert more.sum() == 27
    assert uniform[0, 1, 0, :2].round(4).tolist() == [13, 15]  # a corner sees 4, an edge 6


@pytest.mark.parametrize("layer", [nn.LocalResponseNorm, nn.SpatialResponseNorm])
@pytest.mark.parametrize("n", [4, 0, -1])
def test_a_window_without_a_middle_is_refused_at_once(layer, n):
    with pytest.raises(ValueError, match=f"{layer.__name__}: n must be odd, .* Got n={n}"):
        layer(n)


def test_branches_stand_one_after_the_other(rng):
    x = images(rng, 2, 3, 4, 4)
    two = nn.Concatenate(nn.Subsample(1, 0), nn.Sequential(nn.ReLU(), nn.Subsample(1, 2)))
    y = two(x).data
    assert y.shape == (2, 8, 4, 4)
    assert np.array_equal(y[:, :3], x.data)
    assert np.array_equal(y[:, 3:6], np.maximum(x.data, 0))
    assert not y[:, 6:].any()


def test_a_residual_block_adds_its_input_or_what_the_shortcut_makes_of_it(rng):
    x = images(rng, 2, 3, 5, 4)
    assert np.array_equal(nn.Residual(nn.ReLU())(x).data, np.maximum(x.data, 0) + x.data)
    y = nn.Residual(nn.Conv2d(3, 5, 1, stride=2), nn.Subsample(2, 2)).to(np.float64)
    y.body.weight.data *= 0
    assert np.array_equal(y(x).data[:, :3], x.data[:, :, ::2, ::2])


@pytest.mark.parametrize(("stride", "channels"), [(0, 2), (-1, 2), (2, -1)])
def test_a_shortcut_that_keeps_nothing_or_takes_channels_away_is_refused(stride, channels):
    with pytest.raises(ValueError, match=f"stride must be at least 1.*{stride} and {channels}"):
        nn.Subsample(stride, channels)


def test_a_residual_block_does_not_broadcast(rng):
    with pytest.raises(tn.ShapeError, match=r"\(2, 1, 5, 4\).*\(2, 3, 5, 4\)"):
        nn.Residual(nn.Conv2d(3, 1, 1).to(np.float64))(images(rng, 2, 3, 5, 4))


def test_padding_keeps_the_order_of_memory(rng):
    x = np.ascontiguousarray(rng.standard_normal((2, 4, 5, 3))).transpose(0, 3, 1, 2)
    y = F.pad(tn.tensor(x), [(0, 0), (1, 2), (0, 0), (0, 0)]).data
    assert y.transpose(0, 2, 3, 1).flags.c_contiguous


def test_a_net_of_branches_and_shortcuts_is_right(rng):
    tn.seed(0)
    net = nn.Sequential(
        nn.Concatenate(nn.Conv2d(2, 3, 1), nn.Conv2d(2, 2, 3, padding=1)),
        nn.SpatialResponseNorm(3, alpha=1.0),
        nn.Residual(
            nn.Sequential(nn.BatchNorm2d(5), nn.Tanh(), nn.Conv2d(5, 7, 3, 2, 1)),
            nn.Subsample(2, 2),
        ),
        nn.LocallyConnected2d(7, 2, size=(4, 3), kernel_size=2),
        nn.Sigmoid(),
        nn.AdaptiveAvgPool2d((2, 3)),
    )
    check_layer(net, rng.standard_normal((3, 2, 7, 6)))


def test_the_lrn_of_the_post_is_not_the_papers():
    """On 96 maps full of ones: 96 squares instead of 5."""
    x = tn.ones(1, 96, 7, 7)
    y = KerasPostLRN(alpha=1.0)(x).data
    assert y == pytest.approx(np.full(y.shape, (2 + 96) ** -0.75), rel=1e-5)
    assert lrn_error(x, alpha=1.0) == pytest.approx(1 - (98 / 7) ** -0.75, rel=0.01)


def test_the_error_of_the_post_grows_with_the_activations(rng):
    x = rng.standard_normal((1, 96, 5, 5))
    small = lrn_error(tn.tensor(x))
    large = lrn_error(tn.tensor(100 * x))
    assert small < 0.01 < 0.5 < large


@pytest.mark.parametrize(
    ("layer", "shape"), [(nn.Conv2d(2, 3, 1), (1, 2, 4, 4)), (nn.Linear(2, 3), (1, 2))]
)
def test_float64_pictures_in_a_float32_layer_are_warned_of(layer, shape):
    x = tn.tensor(np.ones(shape))
    with pytest.warns(RuntimeWarning, match=r"x is float64 and weight float32.*x\.astype"):
        layer(x)
    layer.to(np.float64)(x)  # here a warning is an error
    layer.to(np.float32)(tn.tensor(np.ones(shape, np.float32)))
