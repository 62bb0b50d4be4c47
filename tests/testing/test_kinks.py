"""check_gradient at and near a kink, and how sharply it sees."""

import numpy as np
import pytest

from testing.planted import (
    X,
    backward_that,
    lrn_with,
    text_of,
)
from tinynet import functions as F
from tinynet.testing import check_gradient
from tinynet.testing.gradient import STEPS, Line


@pytest.mark.parametrize("distance", [0.0, 1e-9])
def test_at_a_kink_the_judge_explains_itself_instead_of_blaming_relu(distance):
    x = X.copy()
    x[0, 0, 0, 0] = distance
    with pytest.raises(ValueError, match=r"relu: input 0 is at a kink.*slope is .*, to the other"):
        check_gradient(F.relu, x)


def test_ties_under_a_maximum_are_kinks():
    with pytest.raises(ValueError, match="without ties"):
        check_gradient(lambda x: F.max_pool2d(x, 3, 2), np.ones((1, 1, 5, 5)))


@pytest.mark.parametrize("distance", [1e-1, 1e-2, 1e-3, 1e-4, 1e-5])
def test_near_a_kink_right_is_right_and_wrong_is_wrong(distance):
    x = np.array([distance, 1.0, -2.0, -distance])
    check_gradient(F.relu, x)
    wrong = backward_that(lambda self, gy: gy * 1.0)
    wrong.forward = lambda self, x: np.maximum(x, 0)
    assert "2 of 4 elements" in text_of(check_gradient, lambda t: wrong()(t), x)


def test_the_taylor_remainder_sees_what_a_coarse_difference_lets_pass():
    """So steep that even the last two central differences are 5 % apart, and 3 % could hide."""
    line = Line(lambda h: float(np.tanh(1e5 * h)), 0.0, 1.0, np.array(STEPS), 1e-16)
    assert abs(0.97e5 - line.slope) < line.doubt
    assert line.verdict(0.97e5) == "wrong"
    assert line.verdict(1e5) == "right"


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
def test_the_size_of_the_input_does_not_matter(size):
    check_gradient(lambda x: F.tanh(x * (1 / size)), size * X)
    wrong = lrn_with(lambda op, gy, gx: 1.0001 * gx)
    assert "not the slope" in text_of(check_gradient, lambda x: wrong(x * (1 / size)), size * X)
