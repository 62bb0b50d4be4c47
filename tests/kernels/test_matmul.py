"""Matrix products on a CPU: BLAS runs on the threads of the team only."""

import numpy as np
import pytest

from tinynet import kernels
from tinynet.kernels.codegen.blas import _libraries, single_thread

pytest.importorskip("numba")


def threads_of_blas():
    return [library.get_num_threads() for library in _libraries()]


def test_blocks_of_two_threads_that_overlap_give_blas_its_threads_back():
    before = threads_of_blas()
    first, second = single_thread(), single_thread()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert set(threads_of_blas()) == {1}, "the second block is still open"
    second.__exit__(None, None, None)
    assert threads_of_blas() == before


@pytest.mark.parametrize("side", [10, 200], ids=["small", "large"])
def test_no_product_wakes_a_thread_of_blas(side, rng, monkeypatch):
    """A thread of BLAS that was woken keeps spinning on a processor that other kernels need."""
    a, b = (rng.standard_normal((side, side), np.float32) for _ in range(2))
    before = threads_of_blas()
    seen = []
    multiply = np.matmul

    def watched(*args, **options):
        seen.append(threads_of_blas())
        return multiply(*args, **options)

    monkeypatch.setattr(np, "matmul", watched)
    with kernels.use("numba"):
        kernels.matmul(a, b)
    assert seen
    assert {n for threads in seen for n in threads} == {1}
    assert threads_of_blas() == before


@pytest.mark.parametrize("multiply", [kernels.gemm, kernels.matmul.implementations["numba"]])
def test_a_product_of_finite_numbers_is_silent_whatever_ran_before(multiply, rng):
    """It rings on AVX-512: see findings/numpy-matmul-warns-of-finite-numbers.sh."""
    a, b = (rng.standard_normal(shape, np.float32) for shape in ((7, 5), (5, 1)))
    signaling = np.zeros((256, 2), np.float32)
    signaling.view(np.uint32)[:, 0] = 0x7FA00000
    with np.errstate(all="ignore"):
        multiply(rng.standard_normal((4, 256), np.float32), signaling[:, :1])
    with np.errstate(invalid="raise"):
        assert multiply(a, b).shape == (7, 1)


@pytest.mark.parametrize("side", [2, 200], ids=["small", "large"])
@pytest.mark.parametrize("multiply", [kernels.gemm, kernels.matmul.implementations["numba"]])
def test_an_invalid_value_is_reported_as_the_caller_chose(multiply, side):
    a, b = np.ones((side, side), np.float32), np.zeros((side, side), np.float32)
    a[0, 0] = np.inf
    with np.errstate(invalid="raise"), pytest.raises(FloatingPointError, match="invalid value"):
        multiply(a, b)
    with np.errstate(invalid="ignore"):
        assert np.isnan(multiply(a, b)[0]).all()


def few_rows(rng, M):
    """Return the two products of a linear layer with a batch of M, and their exact results."""
    N, K = 1031, 1033
    x, gy, w = (rng.standard_normal(shape, np.float32) for shape in ((M, K), (M, N), (N, K)))
    factors = (x, w.T), (gy.T, x)
    return [(a, b, a.astype(np.float64) @ b.astype(np.float64)) for a, b in factors]


@pytest.mark.parametrize("M", [2, 7, 16, 17, 32, 33])
def test_a_few_rows_and_a_large_matrix(rng, M):
    multiply = kernels.matmul.implementations["numba"]
    for a, b, expected in few_rows(rng, M):
        y = multiply(a, b)
        assert y.flags.c_contiguous
        assert y.dtype == np.float32
        assert np.abs(y - expected).max() < 2e-6 * a.shape[1]


@pytest.mark.parametrize("M", [3, 16])
def test_a_few_rows_in_halves_are_two_products_of_their_own(rng, M):
    multiply = kernels.matmul.implementations["numba"]
    N, K = 2080, 2064
    x, w = rng.standard_normal((M, K), np.float32), rng.standard_normal((N, K), np.float32)
    parts = np.concatenate([multiply(x, half.T) for half in np.split(w, 2)], axis=1)
    assert np.array_equal(multiply(x, w.T, "N"), parts)


def test_the_number_of_threads_changes_no_bit_of_a_few_rows(rng):
    multiply = kernels.matmul.implementations["numba"]
    before = kernels.get_num_threads()
    try:
        for a, b, _ in few_rows(rng, 16):
            found = []
            for threads in (1, 2, 3):
                kernels.set_num_threads(threads)
                found.append(multiply(a, b))
            assert all(np.array_equal(found[0], other) for other in found[1:])
    finally:
        kernels.set_num_threads(before)


@pytest.mark.parametrize("spoiled", [0, 1])
def test_an_invalid_value_among_a_few_rows_is_reported(rng, spoiled):
    multiply = kernels.matmul.implementations["numba"]
    for a, b, _ in few_rows(rng, 4):
        factors = [a.copy(), b]
        factors[0][0, 0] = 0
        factors[spoiled] = np.array(factors[spoiled], order="K")
        factors[spoiled][0, 0] = np.inf
        factors[1 - spoiled][0, 0] = 0
        with np.errstate(invalid="raise"), pytest.raises(FloatingPointError, match="invalid"):
            multiply(*factors)
