"""Every function on CuPy's arrays, forward and backward: the numbers of the CPU."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.function_cases import FUNCTION_ROWS
from support.strategies import float_fill, in_order, orders, seeds
from tinynet import kernels
from tinynet.core import random
from tinynet.tensors import Tensor, tensor
from tinynet.testing import tolerance
from tinynet.testing.compare import difference, scale_of

pytestmark = pytest.mark.cxx


def outcome(function, arrays, device, gy):
    """Return the value and the gradients of all float arrays, on the host."""
    inputs = [
        tensor(a, device=device, requires_grad=True) if a.dtype.kind == "f" else a for a in arrays
    ]
    with random.fork(0):
        y = function(*inputs)
    gy = tensor(gy(y.shape), device=device).data
    y.backward(gy)
    leaves = [x for x in inputs if isinstance(x, Tensor)]
    return [y.numpy(), *(Tensor(x.grad, x.device).numpy() for x in leaves)]


# the running values of these rows are NumPy's, and refused; nn.BatchNorm2d moves its own
ROWS = {name: row for name, row in FUNCTION_ROWS.items() if "batch_norm" not in name}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_a_function_does_on_a_card_what_it_does_on_the_cpu(row, cupy):
    @settings(max_examples=3, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.data(), seeds, orders)
    def same(data, seed, order):
        function, arrays = row(data.draw, float_fill(seed))
        arrays = [in_order(a, order) for a in arrays]
        with kernels.use("reference"):
            wanted = outcome(function, arrays, "cpu", lambda shape: float_fill(seed)(*shape))
        found = outcome(function, arrays, "cuda", lambda shape: float_fill(seed)(*shape))
        for a, b in zip(found, wanted, strict=True):
            assert a.dtype == b.dtype == np.float64
            allowed = 10 * tolerance(max(x.size for x in arrays), np.float64) * max(1, scale_of(b))
            assert difference(a, b, allowed) is None

    same()
