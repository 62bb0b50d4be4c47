"""Average pooling: by what a window at an edge is divided."""

import numpy as np
import pytest

from tinynet import kernels
from tinynet.kernels import avg_pool2d_backward, avg_pool2d_forward

NONE = ((0, 0), (0, 0))
BORDER = ((1, 1), (1, 1))
KINDS = pytest.mark.parametrize("kind", avg_pool2d_forward.implementations)


@KINDS
def test_what_hangs_over_does_not_count(kind):
    x = np.arange(36.0, dtype="f").reshape(1, 1, 6, 6)
    with kernels.use(kind):
        y = avg_pool2d_forward(x, (3, 3), (2, 2), NONE, True, True)
    assert y[0, 0].tolist() == [[7, 9, 10.5], [19, 21, 22.5], [28, 30, 31.5]]


@KINDS
@pytest.mark.parametrize(("counted", "corner"), [(True, 4 / 9), (False, 1.0)])
def test_the_padding_counts_if_asked(kind, counted, corner):
    with kernels.use(kind):
        y = avg_pool2d_forward(np.ones((1, 1, 4, 4), "f"), (3, 3), (1, 1), BORDER, False, counted)
    assert y[0, 0, 0, 0] == np.float32(corner)
    assert y[0, 0, 1, 1] == 1


@KINDS
def test_every_gradient_is_shared_out_completely(kind):
    gy = np.ones((2, 3, 3, 2), "f")
    with kernels.use(kind):
        gx = avg_pool2d_backward(gy, (2, 3, 6, 5), (2, 3), (2, 2), NONE, True)
    assert gx.sum() == pytest.approx(gy.sum())
    assert gx[0, 0, 0].tolist() == pytest.approx([1 / 6, 1 / 6, 1 / 3, 1 / 6, 1 / 6])
