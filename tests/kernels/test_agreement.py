"""Agreement of all implementations of each kernel with its reference."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.kernel_cases import EXACT, KERNEL_ROWS
from support.strategies import floats, in_order, integers, negatives, orders, seeds
from tinynet import kernels
from tinynet.kernels.conv import direct
from tinynet.kernels.dispatch import has_numba
from tinynet.testing import check_kernel, tolerance
from tinynet.testing.cases import cases_for
from tinynet.testing.compare import difference, scale_of

MARKS = {
    "numba": pytest.mark.skipif(not has_numba(), reason="Numba is not installed"),
    "cuda_on_cpu": pytest.mark.cxx,
}
FAST = [
    pytest.param(kernel, function, id=f"{kernel.__name__}-{kind}", marks=MARKS[kind])
    for kernel in kernels.KERNELS
    for kind, function in kernel.implementations.items()
    if kind not in ("reference", "cuda")  # "cuda" is tested by test_cuda_arrays.py
]
EXACT_FAST = [p for p in FAST if p.values[0].__name__ in EXACT]  # others divide or take roots
ALL = [kernel.__name__ for kernel in kernels.KERNELS]


def draw_arguments(data, kernel, fill):
    """Return the same arguments in float64, contiguous, and in float32, in a memory order."""
    rng = np.random.default_rng(data.draw(seeds))
    arguments = KERNEL_ROWS[kernel.__name__](data.draw, lambda *shape: fill(rng, shape))
    order = data.draw(orders)
    # momentum_update writes into its arrays, which are parameters and always contiguous
    order = "rows" if kernel.__name__ == "momentum_update" else order
    narrow = tuple(
        in_order(a.astype(np.float32) if a.dtype.kind == "f" else a, order)
        if isinstance(a, np.ndarray)
        else a
        for a in arguments
    )
    return arguments, narrow


def outcome(function, arguments):
    """Return what a kernel returns, or, where it returns None, the arrays that it changed."""
    result = function(*arguments)
    if result is None:
        return [a for a in arguments if isinstance(a, np.ndarray)]
    return list(result) if isinstance(result, tuple) else [result]


@pytest.mark.parametrize("name", ALL)
def test_every_kernel_has_a_row_and_chosen_cases(name):
    assert name in KERNEL_ROWS
    assert cases_for(name)


def test_every_implementation_is_tested():
    judged = [set(k.implementations) - {"reference", "cuda"} for k in kernels.KERNELS]
    assert len(FAST) == sum(map(len, judged))


@pytest.mark.parametrize(("kernel", "function"), EXACT_FAST)
def test_small_integers_give_the_same_bits(kernel, function):
    @given(st.data(), st.sampled_from([integers, negatives]))
    def agree(data, fill):
        wide, narrow = draw_arguments(data, kernel, fill)
        if kernel.__name__ == "avg_pool2d_forward":  # multiples of all divisors divide exactly
            narrow = (narrow[0] * 5040, *narrow[1:])
            wide = (wide[0] * 5040, *wide[1:])
        expected = outcome(kernel.reference, wide)
        with direct():
            got = outcome(function, narrow)
        for a, b in zip(got, expected, strict=True):
            assert a.dtype == (np.float32 if b.dtype == np.float64 else b.dtype)
            assert difference(a, b) is None

    agree()


@pytest.mark.parametrize(("kernel", "function"), FAST)
def test_floats_agree_within_rounding(kernel, function):
    @given(st.data())
    def agree(data):
        wide, narrow = draw_arguments(data, kernel, floats)
        terms = max(a.size for a in wide if isinstance(a, np.ndarray))
        expected = outcome(kernel.reference, wide)
        for a, b in zip(outcome(function, narrow), expected, strict=True):
            exact = b.dtype.kind != "f"
            allowed = 0 if exact else tolerance(terms, np.float32) * scale_of(b)
            assert difference(a, b, allowed) is None

    agree()


@pytest.mark.parametrize(("kernel", "function"), FAST)
def test_chosen_cases_pass_in_every_memory_order(kernel, function):
    both = function is kernel.implementations.get("cuda_on_cpu")
    check_kernel(
        function, against=kernel, dtypes=(np.float32, np.float64) if both else (np.float32,)
    )


@pytest.mark.parametrize("kernel", kernels.KERNELS, ids=ALL)
def test_references_keep_the_dtype_and_accept_any_memory_order(kernel):
    check_kernel(kernel.reference, against=kernel)


@pytest.mark.parametrize("kernel", kernels.KERNELS, ids=ALL)
def test_float64_takes_the_reference(kernel):
    assert kernel.kind_for(np.zeros(3)) == "reference"
