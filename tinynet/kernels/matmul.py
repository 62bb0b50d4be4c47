r"""The matrix product of the fully connected layers.

    y[m, n] = sum over k of a[m, k] * b[k, n]

This is the one hot loop that is not ours: BLAS computes it. The fast version only decides who
computes which part, so that BLAS's threads and ours do not fight for the processors.
"""

from __future__ import annotations

import numpy as np

from tinynet.backend import Array
from tinynet.kernels._blas import single_thread
from tinynet.kernels._kernel import Kernel
from tinynet.kernels._team import team

BLOCKS = 8  # a fixed number, so that the bits do not depend on the number of threads
WORTH = 1_000_000  # multiplications that are worth waking a thread for


@Kernel
def matmul(a: Array, b: Array) -> Array:
    """Return a @ b (M, N) of matrices a (M, K) and b (K, N)."""
    return a @ b


@matmul.numba
def matmul_numba(a: Array, b: Array) -> Array:
    """Split the longer side of y into blocks, which the team takes one by one."""
    (M, K), N = a.shape, b.shape[1]
    if M * N * K < WORTH or b.dtype != np.float32:
        return a @ b
    y = np.empty((M, N), np.float32)
    side, settings = max(M, N), np.geterr()

    def blocks(lo: int, hi: int) -> None:
        with np.errstate(**settings):  # a thread does not inherit them
            for i in range(lo, hi):
                part = slice(i * side // BLOCKS, (i + 1) * side // BLOCKS)
                if M > N:
                    np.matmul(a[part], b, out=y[part])
                else:
                    np.matmul(a, b[:, part], out=y[:, part])

    with single_thread():
        team().run(blocks, BLOCKS, 1, ())
    return y
