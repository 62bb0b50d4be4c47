"""Locally connected layers: with the same filters at every place they are a convolution."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.strategies import integers, seeds, windows
from tinynet import kernels
from tinynet.kernels.convolution import local_loops

KINDS = pytest.mark.parametrize("kind", kernels.locally_connected2d_forward.implementations)


@KINDS
@given(drawn=windows(pooling=True), seed=seeds)
def test_with_the_same_filters_everywhere_it_is_a_convolution(kind, drawn, seed):
    rng = np.random.default_rng(seed)
    shape, geometry = drawn
    OH, OW = geometry.output_shape("test", shape)
    x = integers(rng, shape).astype("f")
    weight = integers(rng, (3, shape[1], *geometry.kernel)).astype("f")
    bias = integers(rng, (3,)).astype("f")
    everywhere = np.broadcast_to(weight, (OH, OW, *weight.shape)).copy()
    biases = np.broadcast_to(bias[:, None, None], (3, OH, OW)).copy()
    gy = integers(rng, (len(x), 3, OH, OW)).astype("f")
    with kernels.use(kind):
        y = kernels.locally_connected2d_forward(x, everywhere, biases, geometry)
        gx = kernels.locally_connected2d_backward_input(gy, everywhere, x.shape, geometry)
        gw = kernels.locally_connected2d_backward_weight(gy, x, geometry)
    assert np.array_equal(y, kernels.conv2d_forward.reference(x, weight, bias, geometry))
    expected = kernels.conv2d_backward_input.reference(gy, weight, x.shape, geometry)
    assert np.array_equal(gx, expected)
    expected = kernels.conv2d_backward_weight.reference(gy, x, geometry)
    assert np.array_equal(gw.sum(axis=(0, 1)), expected)


@given(drawn=windows(pooling=True), by_pixel=st.booleans())
def test_links_are_the_pixels_of_every_window(drawn, by_pixel):
    shape, g = drawn
    size = shape[2:]
    SH, SW = g.stride
    top, left = g.corner
    outputs = g.output_shape("test", shape)
    net = local_loops.links(size, g, outputs, by_pixel=by_pixel)
    found = set()
    for end in range(len(net.begin) - 1):
        for other, place, tap in net.rows[net.begin[end] : net.begin[end + 1]].tolist():
            pixel = end if by_pixel else other
            assert place == (other if by_pixel else end)
            h, ww = divmod(pixel, size[1])
            i, j = divmod(place, outputs[1])
            p, q = divmod(tap, g.kernel[1])
            assert (h, ww) == (SH * i + p - top, SW * j + q - left)
            found.add((pixel, place, tap))
    assert len(found) == len(net.rows)
    rows, cols = (
        sum(0 <= s * o + k - before < n for o in range(out) for k in range(K))
        for n, K, s, before, out in zip(size, g.kernel, g.stride, g.corner, outputs, strict=True)
    )
    assert len(found) == rows * cols
