"""Max-pooling: windows that overlap, ties, edges. Golden values: tests are the only copy."""

import numpy as np
import pytest

from tinynet import kernels
from tinynet.kernels import Geometry, max_pool2d_backward, max_pool2d_forward
from tinynet.kernels.geometry import output_size

OVERLAPPING = Geometry((3, 3), (2, 2))
WHOLE = Geometry((3, 3), (3, 3))
KINDS = pytest.mark.parametrize("kind", max_pool2d_forward.implementations)


@pytest.fixture
def square():
    """6x6 pixels, 0 to 35."""
    return np.arange(36.0, dtype="f").reshape(1, 1, 6, 6)


@KINDS
def test_rounding_down_leaves_the_rest_out(kind, square):
    with kernels.use(kind):
        y, _ = max_pool2d_forward(square, OVERLAPPING, False)
    assert y[0, 0].tolist() == [[14, 16], [26, 28]]


@KINDS
def test_rounding_up_lets_the_last_windows_hang_over(kind, square):
    with kernels.use(kind):
        y, _ = max_pool2d_forward(square, OVERLAPPING, True)
    assert y[0, 0].tolist() == [[14, 16, 17], [26, 28, 29], [32, 34, 35]]


@KINDS
def test_a_pixel_that_is_the_maximum_of_four_windows_gets_four_gradients(kind):
    x = np.zeros((1, 1, 5, 5), "f")
    x[0, 0, 2, 2] = 1
    with kernels.use(kind):
        y, argmax = max_pool2d_forward(x, OVERLAPPING, False)
        gx = max_pool2d_backward(np.ones_like(y), argmax, x.shape, OVERLAPPING)
    assert gx[0, 0, 2, 2] == 4
    assert gx.sum() == 4


@KINDS
def test_of_equal_values_the_first_in_row_major_order_is_the_argmax(kind):
    x = np.full((1, 1, 3, 3), 7, "f")
    with kernels.use(kind):
        y, argmax = max_pool2d_forward(x, WHOLE, False)
        gx = max_pool2d_backward(np.ones_like(y), argmax, x.shape, WHOLE)
    assert gx[0, 0].tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 0]]


@KINDS
def test_the_padding_is_never_the_maximum_of_a_negative_image(kind):
    x = np.full((1, 1, 2, 2), -5, "f")
    bordered = Geometry((2, 2), (1, 2), ((1, 1), (1, 1)))
    with kernels.use(kind):
        y, argmax = max_pool2d_forward(x, bordered, False)
        gx = max_pool2d_backward(np.ones_like(y), argmax, x.shape, bordered)
    assert (y == -5).all()
    assert gx.sum() == y.size


@KINDS
def test_nan_is_not_hidden_by_the_maximum(kind):
    x = np.zeros((1, 1, 3, 3), "f")
    x[0, 0, 1, 1] = np.nan
    with kernels.use(kind):
        y, _ = max_pool2d_forward(x, WHOLE, False)
    assert np.isnan(y).all()


@KINDS
@pytest.mark.parametrize(("window", "dtype"), [((16, 16), np.uint8), ((1, 257), np.int32)])
def test_the_argmax_is_a_byte_where_a_byte_is_enough(kind, window, dtype):
    x = np.zeros((1, 1, 16, 257), "f")
    x[..., 15, 15] = 1
    with kernels.use(kind):
        _, argmax = max_pool2d_forward(x, Geometry(window, window), False)
    assert argmax.dtype == dtype


@pytest.mark.parametrize(
    ("size", "down", "up", "padded"),
    [
        (55, 27, 27, 28),
        (27, 13, 13, 14),
        (13, 6, 6, 7),
        (56, 27, 28, 28),
        (32, 15, 16, 16),
        (16, 7, 8, 8),
        (15, 7, 7, 8),
        (8, 3, 4, 4),
    ],
)
def test_sizes_of_alexnets_pooling(size, down, up, padded):
    assert output_size(size, 3, 2, (0, 0)) == down
    assert output_size(size, 3, 2, (0, 0), ceil_mode=True) == up
    assert output_size(size, 3, 2, (1, 1)) == padded


def test_no_window_starts_in_the_padding_behind_the_image():
    assert output_size(4, 2, 3, (1, 1), ceil_mode=True) == 2  # a third would start at pixel 5


@pytest.mark.parametrize(("size", "kernel", "stride"), [(1, 2, 3), (1, 2, 2), (2, 4, 3), (1, 2, 1)])
def test_rounding_up_a_window_may_be_larger_than_the_image_by_less_than_a_stride(
    size, kernel, stride
):
    found = output_size(size, kernel, stride, (0, 0), ceil_mode=True)
    assert found == (kernel - size < stride)
    assert output_size(size, kernel, stride, (0, 0)) == 0
