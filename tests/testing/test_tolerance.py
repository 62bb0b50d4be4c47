"""The tolerance of a sum, and the words for a place."""

import numpy as np
import pytest

from tinynet.testing import check_adjoint, tolerance


def test_tolerance_grows_as_the_square_root_of_the_terms():
    assert tolerance(400, np.float32) == 20 * tolerance(1, np.float32)
    assert tolerance(0, np.float64) == tolerance(1, np.float64) == 8 * np.finfo("d").eps


@pytest.mark.parametrize("terms", [10, 1000, 100_000])
def test_tolerance_holds_any_order_of_summation_and_not_much_more(terms, rng):
    x = rng.standard_normal(terms).astype(np.float32)
    exact = x.astype(np.float64).sum()
    size = np.sqrt(terms)
    for order in (x, x[::-1], np.sort(x)):
        error = abs(float(np.cumsum(order)[-1]) - exact)
        assert error <= tolerance(terms, np.float32) * max(
            abs(exact), size, np.abs(np.cumsum(order)).max()
        )
    assert tolerance(terms, np.float32) < 1e-3


def test_an_element_of_a_vector_has_a_letter_too():
    with pytest.raises(AssertionError, match=r"all at i = 1 or 3 or 5\.\s+Worst at \[i=\d\]"):
        check_adjoint(lambda x: x[::2], lambda g: np.repeat(g, 2), np.ones(6))
