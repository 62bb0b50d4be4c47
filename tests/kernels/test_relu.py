"""ReLU of arrays that are large enough for compiled loops, in any memory order."""

import numpy as np
import pytest

from support.strategies import in_order
from tinynet import kernels
from tinynet.kernels import relu_backward, relu_forward
from tinynet.kernels.codegen.layout import GRAIN
from tinynet.kernels.dispatch import has_numba

pytestmark = pytest.mark.skipif(not has_numba(), reason="Numba is not installed")
SHAPE = 8, 17, 29, 33  # odd, and enough for several threads
ORDERS = ["rows", "channels last", "transposed", "every other", "backwards"]


def drawn(rng, order):
    """Return random numbers with a zero of each sign and an infinity among them."""
    x = rng.standard_normal(SHAPE).astype(np.float32)
    x[0, 0, 0, :3] = 0.0, -0.0, np.inf
    assert x.size > 3 * GRAIN
    return in_order(x, order)


@pytest.mark.parametrize("order", ORDERS)
def test_forward_is_the_maximum_with_0(rng, order):
    x = drawn(rng, order)
    x[1, 2, 3, 4] = np.nan
    with kernels.use("numba"):
        y = relu_forward(x)
    assert np.array_equal(y, relu_forward.reference(x), equal_nan=True)
    assert not np.signbit(y[y == 0]).any()


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("other", ORDERS)
def test_backward_lets_through_what_forward_let_through(rng, order, other):
    gy = in_order(rng.standard_normal(SHAPE, np.float32), order)
    y = drawn(rng, other)
    with kernels.use("numba"):
        assert np.array_equal(relu_backward(gy, y), relu_backward.reference(gy, y))


@pytest.mark.parametrize("kind", ["reference", "numba"])
@pytest.mark.parametrize("size", [5, 5000, 4 * GRAIN])
def test_where_nothing_passed_no_gradient_passes_whatever_it_is(kind, size):
    gy, y = np.ones((2, size), np.float32)
    gy[:4] = (np.inf, np.nan, -1, np.inf)
    y[:4] = (0, -1, -0.0, 2)
    with kernels.use(kind):
        gx = relu_backward(gy, y)
    assert gx[:4].tolist() == [0, 0, 0, np.inf]
    assert not np.signbit(gx).any()


def test_arrays_that_lie_alike_are_run_along_and_others_are_not(rng, monkeypatch):
    """Both implementations give the same numbers, so the test looks at which one ran."""
    asked = []
    monkeypatch.setattr(relu_backward, "reference", lambda gy, y: asked.append(gy.strides))
    rows = drawn(rng, "rows")
    last = drawn(rng, "channels last")
    with kernels.use("numba"):
        relu_backward(rows, rows)
        relu_backward(last, last)
        assert asked == []
        relu_backward(rows, last)
    assert asked == [rows.strides]


def test_threads_do_not_change_a_bit(rng, threads):
    x = drawn(rng, "rows")
    found = []
    with kernels.use("numba"):
        for n in (1, 3):
            threads(n)
            found.append((relu_forward(x).tobytes(), relu_backward(x, x).tobytes()))
    assert found[0] == found[1]
    assert found[0][0] == relu_forward.reference(x).tobytes()
