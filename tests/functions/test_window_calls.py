"""Calls of convolution and pooling: positional arguments as in PyTorch, channels-last hints."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import functions as F
from tinynet.core.errors import ShapeError
from tinynet.functions.conv import split_conv2d


def image(*shape):
    return tn.tensor(np.random.default_rng(0).standard_normal(shape).astype(np.float32))


@pytest.mark.parametrize("convolve", [F.conv2d, F.conv2d_relu])
def test_a_convolution_takes_stride_padding_dilation_groups_in_this_order(convolve):
    x = image(2, 4, 11, 12)
    weight = image(6, 2, 3, 2)
    bias = image(6)
    named = convolve(x, weight, bias, stride=(2, 1), padding=(1, 2), dilation=(1, 3), groups=2)
    placed = convolve(x, weight, bias, (2, 1), (1, 2), (1, 3), 2)
    assert np.array_equal(named.data, placed.data)
    assert np.array_equal(convolve(x, weight, None, 2, 1, 1, 2).data.shape, (2, 6, 6, 7))


def test_a_split_convolution_takes_the_same_order():
    x = image(1, 2, 6, 6)
    weight = image(4, 2, 3, 3)
    placed = split_conv2d(x, weight, None, 2, 1).data
    assert np.array_equal(placed, F.conv2d(x, weight, stride=2, padding=1).data)


def test_a_locally_connected_layer_takes_stride_and_padding_in_this_order():
    x = image(2, 3, 6, 7)
    weight = image(3, 4, 5, 3, 3, 3)
    bias = image(5, 3, 4)
    named = F.locally_connected2d(x, weight, bias, stride=2, padding=1)
    assert np.array_equal(named.data, F.locally_connected2d(x, weight, bias, 2, 1).data)


@pytest.mark.parametrize("pool", [F.max_pool2d, F.max_pool2d_relu, F.avg_pool2d])
def test_a_pooling_takes_kernel_stride_padding_in_this_order(pool):
    x = image(1, 2, 8, 7)
    named = pool(x, kernel_size=3, stride=2, padding=1)
    assert np.array_equal(named.data, pool(x, 3, 2, 1).data)


def test_average_pooling_takes_ceil_mode_and_count_include_pad_next():
    x = image(1, 2, 8, 8)
    named = F.avg_pool2d(x, 3, 2, padding=1, ceil_mode=True, count_include_pad=False)
    assert np.array_equal(named.data, F.avg_pool2d(x, 3, 2, 1, True, False).data)
    assert not np.array_equal(named.data, F.avg_pool2d(x, 3, 2, 1, True, True).data)


def test_max_pooling_takes_no_fifth_position_where_pytorch_has_the_dilation():
    with pytest.raises(TypeError):
        F.max_pool2d(image(1, 2, 8, 8), 3, 2, 1, 1)


@pytest.mark.parametrize(("channels", "groups"), [(3, 1), (4, 2)])
def test_a_channels_last_batch_gets_a_hint(channels, groups):
    x = image(2, 9, 9, channels)
    weight = image(8, channels // groups, 3, 3)
    with pytest.raises(ShapeError, match=r"channels-last\? x\.transpose\(0, 3, 1, 2\)\.$"):
        F.conv2d(x, weight, groups=groups)
    assert F.conv2d(x.transpose(0, 3, 1, 2), weight, groups=groups).shape == (2, 8, 7, 7)


def test_a_channels_last_batch_gets_a_hint_from_a_locally_connected_layer():
    with pytest.raises(ShapeError, match=r"channels-last\? x\.transpose\(0, 3, 1, 2\)\.$"):
        F.locally_connected2d(image(2, 4, 4, 3), image(2, 2, 5, 3, 3, 3), image(5, 2, 2))


def test_other_channels_get_no_such_hint():
    with pytest.raises(ShapeError, match=r"expects 3\. x is \(2, 4, 9, 9\)\.$"):
        F.conv2d(image(2, 4, 9, 9), image(8, 3, 3, 3))
    with pytest.raises(ShapeError, match=r"With groups=2 they would fit\.$"):
        F.conv2d(image(2, 6, 9, 9), image(8, 3, 3, 3))
