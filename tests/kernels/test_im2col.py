"""im2col and col2im: where a pixel goes, and how often it comes back."""

import numpy as np
from hypothesis import given

from cases import float_fill
from strategies import seeds, windows
from tinynet.kernels import col2im, im2col

ONE = (1, 1)
NONE = ((0, 0), (0, 0))


def test_a_column_is_a_window_in_row_major_order():
    x = np.arange(12.0).reshape(1, 1, 3, 4)
    columns = im2col(x, (2, 3), ONE, NONE, ONE)
    assert columns[0, :, 0].tolist() == [0, 1, 2, 4, 5, 6]
    assert columns[0, :, 3].tolist() == [5, 6, 7, 9, 10, 11]


def test_channels_follow_each_other_within_a_column():
    x = np.arange(8.0).reshape(1, 2, 2, 2)
    assert im2col(x, (2, 2), ONE, NONE, ONE)[0, :, 0].tolist() == list(range(8))


def test_outside_the_image_there_are_zeros():
    x = np.ones((1, 1, 1, 1))
    columns = im2col(x, (2, 2), ONE, ((1, 0), (0, 1)), ONE)
    assert columns[0, :, 0].tolist() == [0, 0, 1, 0]


@given(windows(), seeds)
def test_columns_hold_what_the_equation_says(w, seed):
    x = float_fill(seed)(*w.shape)
    columns = im2col(x, w.kernel, w.stride, w.padding, w.dilation)
    framed = np.pad(x, ((0, 0), (0, 0), *w.padding))
    KH, KW = w.kernel
    OH, OW = w.outputs()
    assert columns.shape == (w.shape[0], w.shape[1] * KH * KW, OH * OW)
    columns = columns.reshape(*w.shape[:2], KH, KW, OH, OW)
    for p, q, i, j in np.ndindex(KH, KW, OH, OW):
        h = w.stride[0] * i + w.dilation[0] * p
        v = w.stride[1] * j + w.dilation[1] * q
        assert np.array_equal(columns[:, :, p, q, i, j], framed[:, :, h, v])


def test_col2im_adds_what_overlaps():
    columns = np.ones((1, 9, 9))  # 3x3 windows, every pixel of a 5x5 image
    gx = col2im(columns, (1, 1, 5, 5), (3, 3), ONE, NONE, ONE)
    assert gx[0, 0, 2].tolist() == [3, 6, 9, 6, 3]


def test_col2im_leaves_pixels_that_no_window_sees_at_zero():
    gx = col2im(np.ones((1, 1, 4)), (1, 1, 4, 4), ONE, (2, 2), NONE, ONE)
    assert gx[0, 0].tolist() == [[1, 0, 1, 0], [0] * 4, [1, 0, 1, 0], [0] * 4]
