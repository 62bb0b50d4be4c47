r"""Matrix products of fully connected layers; `gemm` has those of the other kernels.

    y[m, n] = sum over k of a[m, k] * b[k, n]

This is the one hot loop that tinynet leaves to a library: BLAS computes it, except where a few rows
meet a large matrix (see `skinny`). On a CPU, `matmul` splits the product among the threads of the
team, so that they do not compete with BLAS's threads.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tinynet.core.backend import Array, array_module
from tinynet.core.bfloat16 import BFloat16, empty
from tinynet.kernels import skinny
from tinynet.kernels.bfloat16 import bfloat16, floats
from tinynet.kernels.codegen.blas import single_thread
from tinynet.kernels.codegen.team import team
from tinynet.kernels.cuda.launch import Grid, in_rows, launch
from tinynet.kernels.dispatch import Kernel, bfloat16_too, fallback_if
from tinynet.kernels.gemm import factor, gemm, on_host, sums_in_halves

BLOCKS = 8  # fixed, so that the result does not depend on the number of threads
MINIMUM_WORK = 1_000_000  # multiplications that are worth waking a thread for


@Kernel
def matmul(a: Array, b: Array, halves: str = "", stored: bool = False) -> Array:
    """Return a @ b (M, N) of matrices a (M, K) and b (K, N).

    halves : "M", "N" or "K": the side to split into two products, as two devices would. The
        rounding of BLAS depends on the shapes, so only then is the result bit for bit theirs. A GPU
        makes one product: see `sums_in_halves`.
    stored : whether a GPU that multiplies matrices of bfloat16 stores y as bfloat16, not as float32
    """
    return _in_halves(gemm, a, b, halves) if halves else gemm(a, b)


def _in_halves(multiply: Callable[..., Array], a: Array, b: Array, side: str) -> Array:
    """Return a @ b from two products; multiply(a, b, out) computes one."""
    M, K = a.shape
    N = b.shape[1]
    half = {"M": M, "N": N, "K": K}[side] // 2
    if side == "K":
        y = multiply(a[:, :half], b[:half], None)
        y += multiply(a[:, half:], b[half:], None)
        return y
    y = array_module(a).empty((M, N), np.result_type(a.dtype, b.dtype))
    for part in (slice(None, half), slice(half, None)):
        if side == "M":
            multiply(a[part], b, y[part])
        else:
            y[:, part] = multiply(a, b[:, part], None)
    return y


@matmul.numba
@fallback_if("a second matrix that is not float32", lambda a, b, *_: b.dtype != np.float32)
def matmul_numba(a: Array, b: Array, halves: str = "", stored: bool = False) -> Array:
    """Split the longer side of y into blocks, which the threads of the team compute."""
    return _in_halves(_on_the_team, a, b, halves) if halves else _on_the_team(a, b)


def _on_the_team(a: Array, b: Array, out: Array | None = None) -> Array:
    """Return a @ b, in `out` if it is given."""
    y = skinny.product(a, b, out)
    return _in_blocks(a, b, out) if y is None else y


def _in_blocks(a: Array, b: Array, out: Array | None = None) -> Array:
    """Return a @ b, in `out` if it is given.

    A small product is one block, also on one thread of BLAS: its other threads, once woken, keep
    spinning on processors that the next kernel needs. So is a product with a vector, which waits
    for the memory of the matrix.
    """
    M = len(a)
    N = b.shape[1]
    y = np.empty((M, N), np.float32) if out is None else out
    side = max(M, N)
    settings = np.geterr()
    if min(M, N) == 1 or M * N * b.shape[0] < MINIMUM_WORK:
        with single_thread():
            return on_host(a, b, y)

    def blocks(lo: int, hi: int) -> None:
        with np.errstate(**settings):  # threads do not inherit the settings
            for i in range(lo, hi):
                part = slice(i * side // BLOCKS, (i + 1) * side // BLOCKS)
                if M > N:
                    on_host(a[part], b, y[part])
                else:
                    on_host(a, b[:, part], y[:, part])

    with single_thread():
        team().run(blocks, BLOCKS, 1, ())
    return y


# ---- CUDA: matmul.cu

TILE = 64  # as in tile_product.cuh
THREADS = 256


def tiles(rows: int, columns: int) -> int:
    """Return how many tiles, one per block, cover a matrix."""
    return -(-rows // TILE) * -(-columns // TILE)


def _steps(a: Array) -> tuple[Array, int, int]:
    """Return a contiguous matrix, and the steps to the next row and column of `a` in it."""
    if a.T.flags.c_contiguous:
        return a.T, 1, a.shape[0]
    return in_rows(a), a.shape[1], 1


@matmul.cuda
@bfloat16_too
def matmul_cuda(a: Array, b: Array, halves: str = "", stored: bool = False) -> Array:
    """One block per tile of y; transposed matrices are not copied. A GPU uses cuBLAS instead."""
    a, b = (factor(x) for x in (a, b))
    stored = stored and isinstance(a, BFloat16)
    if not sums_in_halves(a):
        shape = a.shape[0], b.shape[1]
        return gemm(a, b, empty(a, shape)) if stored else gemm(a, b)
    a, b = (floats(x) for x in (a, b))
    y = _in_halves(_in_tiles, a, b, halves) if halves else _in_tiles(a, b)
    return bfloat16(y) if stored else y


def _in_tiles(a: Array, b: Array, out: Array | None = None) -> Array:
    M, K = a.shape
    N = b.shape[1]
    y = np.empty((M, N), a.dtype) if out is None else out
    a, *a_steps = _steps(a)
    b, *b_steps = _steps(b)
    grid = Grid((tiles(M, N),), (THREADS,))
    launch("matmul", "matmul", grid, a, b, M, K, N, *a_steps, *b_steps, y)
    return y
