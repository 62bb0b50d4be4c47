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
