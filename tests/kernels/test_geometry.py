"""Sliding windows: output sizes, normalized settings, refused filters."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.strategies import windows
from tinynet import kernels
from tinynet.core.errors import ShapeError
from tinynet.kernels import Geometry
from tinynet.kernels.dispatch import has_numba
from tinynet.kernels.geometry import frame, unframe

KINDS = ["reference", "cuda_on_cpu", *(["numba"] if has_numba() else [])]


@given(windows())
def test_the_output_shape_counts_the_windows_inside_the_padded_image(drawn):
    shape, g = drawn
    counts = []
    for size, k, s, (before, after), d in zip(
        shape[2:], g.kernel, g.stride, g.padding, g.dilation, strict=True
    ):
        starts = range(-before, size + after, s)
        counts.append(sum(start + (k - 1) * d < size + after for start in starts))
    assert g.output_shape("test", shape) == tuple(counts)


@given(windows(pooling=True))
def test_ceil_mode_adds_windows_that_begin_before_the_end_of_the_image(drawn):
    shape, g = drawn
    floor = g.output_shape("test", shape)
    ceil = g.output_shape("test", shape, ceil_mode=True)
    for size, k, s, (before, after), low, high in zip(
        shape[2:], g.kernel, g.stride, g.padding, floor, ceil, strict=True
    ):
        leaves_a_rest = (size + before + after - k) % s > 0
        begins_inside = low * s < size + before
        assert high == low + (leaves_a_rest and begins_inside)


@given(windows(), st.booleans())
def test_the_extent_ends_with_the_last_tap_of_the_last_window(drawn, ceil_mode):
    shape, g = drawn
    OH, OW = g.output_shape("test", shape, ceil_mode=ceil_mode)
    height, width = g.extent((OH, OW))
    assert height - 1 == g.stride[0] * (OH - 1) + g.dilation[0] * (g.kernel[0] - 1)
    assert width - 1 == g.stride[1] * (OW - 1) + g.dilation[1] * (g.kernel[1] - 1)
    framed = frame(np.ones(shape), g, (OH, OW), fill=0)
    assert framed.shape[2:] == (height, width)
    seen = unframe(framed, shape, g)
    assert set(np.unique(seen)) <= {0, 1}


def test_equal_geometries_are_one_key():
    first = Geometry((3, 3), (2, 2), ((1, 1), (0, 0)))
    second = Geometry.of(3, stride=2, padding=((1, 1), (0, 0)))
    assert first == second
    assert hash(first) == hash(second)
    assert first != Geometry((3, 3), (2, 2))
    with pytest.raises(AttributeError):
        first.stride = (1, 1)


def test_one_integer_stands_for_a_pair():
    g = Geometry.of(5, 2, 1, 3, 4)
    assert (g.kernel, g.stride, g.padding, g.dilation) == ((5, 5), (2, 2), ((1, 1), (1, 1)), (3, 3))
    assert g.groups == 4
    assert g.corner == (1, 1)
    assert Geometry.of((3, 2), padding=((1, 0), (2, 3))).corner == (1, 2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kernel_size": 0}, r"pool: kernel_size: .*at least 1, got 0"),
        ({"kernel_size": 3, "stride": (1, 0)}, r"pool: stride: .*at least 1, got \(1, 0\)"),
        ({"kernel_size": 3, "padding": -1}, r"pool: padding: .*at least 0, got -1"),
        ({"kernel_size": 3, "dilation": 1.5}, r"pool: dilation: .*got 1.5"),
    ],
)
def test_settings_that_describe_no_window_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Geometry.of(**settings, op="pool")


def test_a_window_that_does_not_fit_is_refused_with_the_numbers():
    with pytest.raises(ShapeError, match=r"pool: a 3x2 window does not fit in a 2x5 image"):
        Geometry((3, 2)).output_shape("pool", (1, 1, 2, 5))


@pytest.mark.cxx
@pytest.mark.parametrize("kind", KINDS)
def test_filters_of_another_size_than_the_windows_are_refused(kind):
    """The compiled loops check no index: they would read beyond the filters."""
    x = np.ones((1, 3, 6, 6), np.float32)
    weight = np.ones((4, 3, 2, 3), np.float32)
    with kernels.use(kind):
        for convolve in (kernels.conv2d_forward, kernels.conv2d_relu_forward):
            with pytest.raises(ShapeError, match=r"windows, \(3, 2\); weight is \(4, 3, 2, 3\)"):
                convolve(x, weight, None, Geometry((3, 2)))


@pytest.mark.skipif(not has_numba(), reason="Numba is not installed")
def test_unshared_filters_of_another_size_than_the_windows_are_refused():
    x = np.ones((1, 3, 4, 4), np.float32)
    weight = np.ones((2, 2, 5, 3, 2, 3), np.float32)
    with kernels.use("numba"), pytest.raises(ShapeError, match="filters must have the size"):
        kernels.locally_connected2d_forward(x, weight, np.ones((5, 2, 2), "f"), Geometry((3, 3)))
