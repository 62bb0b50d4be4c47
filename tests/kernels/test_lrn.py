"""Local response normalization with a large effect: alpha 1 instead of the paper's 1e-4."""

import numpy as np
import pytest

from tinynet import kernels
from tinynet.kernels import lrn_backward, lrn_forward
from tinynet.testing import tolerance

A = np.array([1.0, -2, 3, -4, 5, -6]).reshape(1, 6, 1, 1)
GOLDEN = {
    1e-4: [0.5942915817, -1.1878710105, 1.7801403936, -2.3704185590, 2.9634657383, -3.5573544195],
    0.1: [0.3993841379, -0.5981395125, 0.6619501839, -0.6622401043, 0.8511196267, -1.0916224274],
}
GRADIENT = {
    1e-4: [0.5942028535, 0.5937589917, 0.5929809766, 0.5918955698, 0.5931347007, 0.5915636733],
    0.1: [0.3864694311, 0.3068380760, 0.1728651447, 0.0912706577, 0.1733647090, 0.0987341088],
}
KINDS = pytest.mark.parametrize("kind", lrn_forward.implementations)
DIGITS = 5e-11  # the golden values are rounded to ten digits


def lrn(x, alpha, n=5, groups=1):
    y, scale = lrn_forward(x, n, 2.0, alpha, 0.75, groups)
    return y, scale, lambda gy: lrn_backward(gy, x, y, scale, n, alpha, 0.75, groups)


@pytest.mark.parametrize("alpha", GOLDEN)
def test_golden_values(alpha):
    y, scale, backward = lrn(A, alpha)
    assert ((scale.ravel() - 2) / alpha).tolist() == pytest.approx([14, 30, 55, 90, 86, 77])
    assert y.ravel().tolist() == pytest.approx(GOLDEN[alpha], abs=DIGITS)
    assert backward(np.ones_like(A)).ravel().tolist() == pytest.approx(GRADIENT[alpha], abs=DIGITS)


def test_golden_gradient_of_the_first_channel_alone():
    _, _, backward = lrn(A, 0.1)
    gy = np.zeros_like(A)
    gy[0, 0] = 1
    expected = [0.3817642494, 0.0352397769, -0.0528596653, 0, 0, 0]
    assert backward(gy).ravel().tolist() == pytest.approx(expected, abs=DIGITS)


@KINDS
def test_golden_values_in_float32(kind):
    with kernels.use(kind):
        y, _, backward = lrn(A.astype("f"), 0.1)
        gx = backward(np.ones_like(y))
    near = tolerance(5, np.float32)
    assert y.ravel().tolist() == pytest.approx(GOLDEN[0.1], rel=near)
    assert gx.ravel().tolist() == pytest.approx(GRADIENT[0.1], rel=8 * near)  # the terms cancel


@KINDS
@pytest.mark.parametrize("c", range(7))
def test_a_channel_sees_two_neighbours_on_each_side(kind, c):
    x = np.zeros((1, 7, 1, 1), "f")
    x[0, c] = 1
    with kernels.use(kind):
        _, scale, _ = lrn(x, 1.0)
    seen = (scale.ravel() == 3).nonzero()[0].tolist()
    assert seen == [j for j in range(7) if abs(j - c) <= 2]


@KINDS
def test_windows_do_not_cross_from_one_group_to_the_next(kind):
    x = np.ones((1, 6, 1, 1), "f")
    with kernels.use(kind):
        _, scale, _ = lrn(x, 1.0, groups=2)
    assert scale.ravel().tolist() == [5, 5, 5, 5, 5, 5]
    with kernels.use(kind):
        _, scale, _ = lrn(x, 1.0, groups=1)
    assert scale.ravel().tolist() == [5, 6, 7, 7, 6, 5]


@KINDS
def test_one_channel_is_normalized_by_itself(kind, rng):
    x = rng.standard_normal((2, 1, 3, 4)).astype("f")
    with kernels.use(kind):
        y, _, _ = lrn(x, 1.0)
    assert y == pytest.approx(x / (2 + x * x) ** 0.75, rel=tolerance(1, np.float32))


def test_turning_the_channels_round_turns_the_result_round(rng):
    x = rng.standard_normal((2, 7, 3, 4))
    gy = rng.standard_normal(x.shape)
    y, _, backward = lrn(x, 1.0)
    turned, _, backward_turned = lrn(x[:, ::-1], 1.0)
    assert turned[:, ::-1] == pytest.approx(y, rel=tolerance(5, np.float64))
    assert backward_turned(gy[:, ::-1])[:, ::-1] == pytest.approx(
        backward(gy), rel=tolerance(100, np.float64)
    )
