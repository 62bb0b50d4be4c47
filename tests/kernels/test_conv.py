"""Convolution: laws that hold for any correct one, and the fast algorithms of large layers."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.kernel_cases import conv2d_forward as draw_convolution
from support.strategies import float_fill, floats, integers, seeds
from tinynet import kernels
from tinynet.kernels import (
    Geometry,
    conv2d_backward_input,
    conv2d_backward_weight,
    conv2d_forward,
)
from tinynet.kernels.conv import direct
from tinynet.testing import tolerance
from tinynet.testing.compare import difference, scale_of

ONE = (1, 1)
NONE = ((0, 0), (0, 0))


def arguments(data, seed, fill=integers):
    """Draw a convolution of integers in float32: the bits agree for any order of the sums."""
    rng = np.random.default_rng(seed)
    drawn = draw_convolution(data.draw, lambda *shape: fill(rng, shape))
    return [a.astype(np.float32) if isinstance(a, np.ndarray) else a for a in drawn]


def convolve_by_hand(x, weight, bias, geometry):
    """The definition, one multiplication at a time."""
    N, _, H, W = x.shape
    OC, CG, KH, KW = weight.shape
    (top, bottom), (left, right) = geometry.padding
    SH, SW = geometry.stride
    DH, DW = geometry.dilation
    OH = (H + top + bottom - DH * (KH - 1) - 1) // SH + 1
    OW = (W + left + right - DW * (KW - 1) - 1) // SW + 1
    y = np.zeros((N, OC, OH, OW), x.dtype)
    for n, o, i, j, c, p, q in np.ndindex(N, OC, OH, OW, CG, KH, KW):
        h = SH * i + DH * p - top
        w = SW * j + DW * q - left
        if 0 <= h < H and 0 <= w < W:
            group = o // (OC // geometry.groups)
            y[n, o, i, j] += weight[o, c, p, q] * x[n, c + CG * group, h, w]
    return y if bias is None else y + bias[:, None, None]


@pytest.mark.parametrize("kind", conv2d_forward.implementations)
def test_it_is_the_definition(kind, rng):
    x, weight, bias = (integers(rng, s).astype("f") for s in ((2, 4, 5, 6), (6, 2, 3, 2), (6,)))
    geometry = Geometry((3, 2), (2, 1), ((1, 0), (2, 1)), (1, 2), 2)
    with kernels.use(kind):
        y = conv2d_forward(x, weight, bias, geometry)
    assert np.array_equal(y, convolve_by_hand(x, weight, bias, geometry))


@given(st.data(), seeds)
def test_groups_are_separate_convolutions_side_by_side(data, seed):
    x, weight, bias, geometry = arguments(data, seed)
    groups = geometry.groups
    together = conv2d_forward(x, weight, bias, geometry)
    parts = zip(
        np.split(x, groups, 1),
        np.split(weight, groups),
        [None] * groups if bias is None else np.split(bias, groups),
        strict=True,
    )
    separate = [conv2d_forward(*part, replace(geometry, groups=1)) for part in parts]
    assert np.array_equal(together, np.concatenate(separate, axis=1))


@given(st.data(), seeds)
def test_dilation_is_a_kernel_with_zeros_between(data, seed):
    x, weight, bias, geometry = arguments(data, seed)
    DH, DW = geometry.dilation
    KH, KW = geometry.kernel
    size = DH * (KH - 1) + 1, DW * (KW - 1) + 1
    stuffed = np.zeros((*weight.shape[:2], *size), np.float32)
    stuffed[:, :, ::DH, ::DW] = weight
    dilated = conv2d_forward(x, weight, bias, geometry)
    whole = replace(geometry, kernel=size, dilation=ONE)
    assert np.array_equal(dilated, conv2d_forward(x, stuffed, bias, whole))


@given(st.data(), seeds)
def test_padding_is_an_image_with_zeros_around(data, seed):
    x, weight, bias, geometry = arguments(data, seed)
    framed = np.pad(x, (NONE[0], NONE[0], *geometry.padding))
    padded = conv2d_forward(x, weight, bias, geometry)
    expected = conv2d_forward(framed, weight, bias, replace(geometry, padding=NONE))
    assert np.array_equal(padded, expected)


@given(st.data(), seeds)
def test_splitting_the_batch_changes_nothing(data, seed):
    x, weight, bias, geometry = arguments(data, seed)
    whole = conv2d_forward(x, weight, bias, geometry)
    parts = [conv2d_forward(x[n : n + 1], weight, bias, geometry) for n in range(len(x))]
    assert np.array_equal(whole, np.concatenate(parts))


@given(st.data(), seeds)
def test_moving_the_image_moves_the_output(data, seed):
    x, weight, bias, geometry = arguments(data, seed)
    y = conv2d_forward(x, weight, bias, geometry)
    down = np.pad(x, (NONE[0], NONE[0], (geometry.stride[0], 0), NONE[0]))
    moved = conv2d_forward(down, weight, bias, geometry)
    assert np.array_equal(moved[:, :, 1:], y)


def test_filters_are_not_flipped():
    x = np.arange(9.0, dtype="f").reshape(1, 1, 3, 3)
    weight = np.array([[[[1, 0], [0, 0]]]], "f")  # the corner above and left
    y = conv2d_forward(x, weight, None, Geometry((2, 2)))
    assert y.tolist() == [[[[0, 1], [3, 4]]]]


SAME = Geometry((3, 3), padding=((1, 1), (1, 1)))
CONV1 = Geometry((11, 11), (4, 4), ((0, 3), (0, 3)))
BORDERS = Geometry((3, 3), padding=((2, 0), (0, 1)))
ODD = Geometry((3, 2), (2, 1), ((1, 0), (0, 1)), (1, 2))
LAYERS = {  # x, weight, windows: of small-alexnet, AlexNet's first, and one with odd sizes
    "conv1": ((2, 3, 32, 32), (64, 3, 5, 5), Geometry.of(5, padding=2)),
    "conv2": ((2, 64, 16, 16), (128, 32, 5, 5), Geometry.of(5, padding=2, groups=2)),
    "conv3": ((2, 128, 8, 8), (192, 128, 3, 3), SAME),
    "conv5": ((3, 192, 8, 7), (128, 96, 3, 3), replace(SAME, groups=2)),
    "a residual net's": ((11, 16, 32, 32), (16, 16, 3, 3), SAME),
    "a border on two sides": ((3, 48, 9, 14), (32, 48, 3, 3), BORDERS),
    "AlexNet conv3": ((5, 256, 13, 13), (384, 256, 3, 3), SAME),
    "many to few": ((1, 512, 8, 8), (16, 512, 3, 3), SAME),
    "AlexNet conv1": ((1, 3, 67, 59), (96, 3, 11, 11), CONV1),
    "odd": ((2, 33, 13, 11), (37, 33, 3, 2), ODD),
}
WINOGRAD = {"forward": {3: 2e-6, 5: 1e-5}, "weight": {3: 4e-5, 5: 4e-5}}
"""Errors relative to the largest output, as tinynet/kernels/convolution/winograd.py states them."""


def three_passes(layer, fill, rng, dtype):
    """Return y, gx, gweight of one layer."""
    shape, weight_shape, geometry = LAYERS[layer]
    x, weight, bias = (fill(rng, s).astype(dtype) for s in (shape, weight_shape, weight_shape[:1]))
    y = conv2d_forward(x, weight, bias, geometry)
    gy = fill(rng, y.shape).astype(dtype)
    gx = conv2d_backward_input(gy, weight, shape, geometry)
    return y, gx, conv2d_backward_weight(gy, x, geometry)


@pytest.mark.parametrize("layer", LAYERS)
def test_whole_layers_of_integers_agree_bit_for_bit(layer):
    with kernels.use("reference"):
        expected = three_passes(layer, integers, np.random.default_rng(0), np.float64)
    with direct():
        got = three_passes(layer, integers, np.random.default_rng(0), np.float32)
    for a, b in zip(got, expected, strict=True):
        assert difference(a, b) is None


@pytest.mark.parametrize("layer", LAYERS)
def test_whole_layers_stay_within_the_stated_bound(layer):
    (N, _, H, W), (OC, CG, K, KW), _ = LAYERS[layer]
    with kernels.use("reference"):
        expected = three_passes(layer, floats, np.random.default_rng(0), np.float64)
    got = three_passes(layer, floats, np.random.default_rng(0), np.float32)
    terms = CG * K * KW, OC * K * KW, N * H * W
    for a, b, t, what in zip(got, expected, terms, ("forward", "forward", "weight"), strict=True):
        allowed = max(tolerance(t, np.float32), WINOGRAD[what].get(K, 0))
        assert difference(a, b, allowed * scale_of(b)) is None


@pytest.mark.parametrize("kind", conv2d_forward.implementations)
def test_it_says_the_same_bits_twice(kind):
    with kernels.use(kind):
        runs = [three_passes("conv2", floats, np.random.default_rng(0), np.float32) for _ in "ab"]
    for a, b in zip(*runs, strict=True):
        assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize(("size", "weight"), [(16, (128, 32, 5, 5)), (8, (128, 96, 3, 3))])
def test_two_groups_are_two_layers_bit_for_bit(size, weight, rng):
    """With any algorithm and any number of images: two towers must equal one device."""
    half = weight[1]
    border = weight[2] // 2
    alone = Geometry.of(weight[2], padding=border)
    both = replace(alone, groups=2)
    x = floats(rng, (21, 2 * half, size, size)).astype(np.float32)
    gy = floats(rng, (21, weight[0], size, size)).astype(np.float32)
    filters = floats(rng, weight).astype(np.float32)
    middle = weight[0] // 2
    one = [
        conv2d_forward(x, filters, None, both),
        conv2d_backward_input(gy, filters, x.shape, both),
        conv2d_backward_weight(gy, x, both),
    ]
    two = []
    for seen, o in ((x[:, :half], slice(middle)), (x[:, half:], slice(middle, None))):
        y = conv2d_forward(seen, filters[o], None, alone)
        gx = conv2d_backward_input(gy[:, o], filters[o], seen.shape, alone)
        two.append((y, gx, conv2d_backward_weight(gy[:, o], seen, alone)))
    for together, axis, apart in zip(one, (1, 1, 0), zip(*two, strict=True), strict=True):
        assert np.array_equal(together, np.concatenate(apart, axis=axis))


@pytest.mark.parametrize("layer", ["conv2", "conv3", "a residual net's"])
def test_threads_do_not_change_a_bit(layer, threads):
    runs = []
    for n in (1, 3):
        threads(n)
        runs.append(three_passes(layer, floats, np.random.default_rng(0), np.float32))
    for a, b in zip(*runs, strict=True):
        assert a.tobytes() == b.tobytes()


@given(st.data(), seeds)
def test_bias_gradient_is_the_sum_over_images_and_pixels(data, seed):
    fill = float_fill(seed)
    gy = fill(*(data.draw(st.integers(1, 5)) for _ in range(4)))
    expected = [gy[:, o].sum() for o in range(gy.shape[1])]
    allowed = tolerance(gy.size, np.float64) * np.abs(gy).sum()
    assert difference(kernels.conv2d_backward_bias(gy), np.array(expected), allowed) is None
