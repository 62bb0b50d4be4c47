"""im2col and col2im: the columns of a pixel, and their sum."""

import numpy as np
from hypothesis import given

from support.strategies import float_fill, seeds, windows
from tinynet.kernels import Geometry, col2im, im2col


def test_a_column_is_a_window_in_row_major_order():
    x = np.arange(12.0).reshape(1, 1, 3, 4)
    columns = im2col(x, Geometry((2, 3)))
    assert columns[0, :, 0].tolist() == [0, 1, 2, 4, 5, 6]
    assert columns[0, :, 3].tolist() == [5, 6, 7, 9, 10, 11]


def test_channels_follow_each_other_within_a_column():
    x = np.arange(8.0).reshape(1, 2, 2, 2)
    assert im2col(x, Geometry((2, 2)))[0, :, 0].tolist() == list(range(8))


def test_outside_the_image_there_are_zeros():
    x = np.ones((1, 1, 1, 1))
    columns = im2col(x, Geometry((2, 2), padding=((1, 0), (0, 1))))
    assert columns[0, :, 0].tolist() == [0, 0, 1, 0]


@given(windows(), seeds)
def test_columns_hold_what_the_equation_says(drawn, seed):
    shape, g = drawn
    x = float_fill(seed)(*shape)
    columns = im2col(x, g)
    framed = np.pad(x, ((0, 0), (0, 0), *g.padding))
    KH, KW = g.kernel
    OH, OW = g.output_shape("test", shape)
    assert columns.shape == (shape[0], shape[1] * KH * KW, OH * OW)
    columns = columns.reshape(*shape[:2], KH, KW, OH, OW)
    for p, q, i, j in np.ndindex(KH, KW, OH, OW):
        h = g.stride[0] * i + g.dilation[0] * p
        v = g.stride[1] * j + g.dilation[1] * q
        assert np.array_equal(columns[:, :, p, q, i, j], framed[:, :, h, v])


def test_col2im_adds_what_overlaps():
    columns = np.ones((1, 9, 9))  # 3x3 windows, every pixel of a 5x5 image
    gx = col2im(columns, (1, 1, 5, 5), Geometry((3, 3)))
    assert gx[0, 0, 2].tolist() == [3, 6, 9, 6, 3]


def test_col2im_leaves_pixels_that_no_window_sees_at_zero():
    gx = col2im(np.ones((1, 1, 4)), (1, 1, 4, 4), Geometry((1, 1), (2, 2)))
    assert gx[0, 0].tolist() == [[1, 0, 1, 0], [0] * 4, [1, 0, 1, 0], [0] * 4]
