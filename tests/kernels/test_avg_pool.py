"""Average pooling: divisors of windows at an edge."""

import numpy as np
import pytest

from tinynet import kernels
from tinynet.kernels import Geometry, avg_pool2d_backward, avg_pool2d_forward

BORDER = ((1, 1), (1, 1))
KINDS = pytest.mark.parametrize("kind", avg_pool2d_forward.implementations)


@KINDS
def test_pixels_beyond_the_image_do_not_count(kind):
    x = np.arange(36.0, dtype="f").reshape(1, 1, 6, 6)
    with kernels.use(kind):
        y = avg_pool2d_forward(x, Geometry((3, 3), (2, 2)), True, True)
    assert y[0, 0].tolist() == [[7, 9, 10.5], [19, 21, 22.5], [28, 30, 31.5]]


@KINDS
@pytest.mark.parametrize(("counted", "corner"), [(True, 4 / 9), (False, 1.0)])
def test_the_padding_counts_if_asked(kind, counted, corner):
    bordered = Geometry((3, 3), padding=BORDER)
    with kernels.use(kind):
        y = avg_pool2d_forward(np.ones((1, 1, 4, 4), "f"), bordered, False, counted)
    assert y[0, 0, 0, 0] == np.float32(corner)
    assert y[0, 0, 1, 1] == 1


@KINDS
def test_every_gradient_is_divided_completely(kind):
    gy = np.ones((2, 3, 3, 2), "f")
    with kernels.use(kind):
        gx = avg_pool2d_backward(gy, (2, 3, 6, 5), Geometry((2, 3), (2, 2)), True)
    assert gx.sum() == pytest.approx(gy.sum())
    assert gx[0, 0, 0].tolist() == pytest.approx([1 / 6, 1 / 6, 1 / 3, 1 / 6, 1 / 6])
