"""Filters for every place: where all of them are the same, it is a convolution."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import integers, seeds, windows
from tinynet import kernels
from tinynet.kernels.convolution import local_loops

KINDS = pytest.mark.parametrize("kind", kernels.locally_connected2d_forward.implementations)


@KINDS
@given(w=windows(pooling=True), seed=seeds)
def test_with_the_same_filters_everywhere_it_is_a_convolution(kind, w, seed):
    rng = np.random.default_rng(seed)
    OH, OW = w.outputs()
    x, weight, bias = (
        integers(rng, shape).astype("f") for shape in (w.shape, (3, w.shape[1], *w.kernel), (3,))
    )
    geometry = w.stride, w.padding
    everywhere = np.broadcast_to(weight, (OH, OW, *weight.shape)).copy()
    biases = np.broadcast_to(bias[:, None, None], (3, OH, OW)).copy()
    gy = integers(rng, (len(x), 3, OH, OW)).astype("f")
    with kernels.use(kind):
        y = kernels.locally_connected2d_forward(x, everywhere, biases, *geometry)
        gx = kernels.locally_connected2d_backward_input(gy, everywhere, x.shape, *geometry)
        gw = kernels.locally_connected2d_backward_weight(gy, x, w.kernel, *geometry)
    same = *geometry, (1, 1), 1
    assert np.array_equal(y, kernels.conv2d_forward.reference(x, weight, bias, *same))
    expected = kernels.conv2d_backward_input.reference(gy, weight, x.shape, *same)
    assert np.array_equal(gx, expected)
    expected = kernels.conv2d_backward_weight.reference(gy, x, w.kernel, *same)
    assert np.array_equal(gw.sum(axis=(0, 1)), expected)


@given(w=windows(pooling=True), by_pixel=st.booleans())
def test_links_are_every_pixel_that_every_window_sees(w, by_pixel):
    size = w.shape[2:]
    KW = w.kernel[1]
    SH, SW = w.stride
    outputs = w.outputs()
    net = local_loops.links(size, w.kernel, w.stride, w.padding, outputs, by_pixel=by_pixel)
    found = set()
    for end in range(len(net.begin) - 1):
        for other, place, tap in net.rows[net.begin[end] : net.begin[end + 1]].tolist():
            pixel = end if by_pixel else other
            assert place == (other if by_pixel else end)
            h, ww = divmod(pixel, size[1])
            i, j = divmod(place, outputs[1])
            p, q = divmod(tap, KW)
            assert (h, ww) == (SH * i + p - w.padding[0][0], SW * j + q - w.padding[1][0])
            found.add((pixel, place, tap))
    assert len(found) == len(net.rows)
    rows, cols = (
        sum(0 <= s * o + k - before < n for o in range(out) for k in range(K))
        for n, K, s, (before, _), out in zip(
            size, w.kernel, w.stride, w.padding, outputs, strict=True
        )
    )
    assert len(found) == rows * cols
