"""Products of a large matrix with a few rows, on the microkernel: linear layers of a small batch.

    y  = x @ w.T      x (M, K), w (N, K), y (M, N)
    gw = gy.T @ x     gy (M, N), gw (N, K)

With M of 16, and 9,216 x 4,096 weights, each needs hardly more time than it takes to read or to
write the large matrix once. BLAS also copies w into another order first. The loops are those of a
convolution with 1x1 filters, in which the rows of the large matrix are the pixels. The third
product of a linear layer, gx = gy @ w, is no faster here than in BLAS.
"""

from __future__ import annotations

import numpy as np

from tinynet.core.backend import Array
from tinynet.kernels.codegen.tables import offsets, tiles
from tinynet.kernels.convolution.loops import convolve, pack

FEW = 32  # rows; for more BLAS is as fast
LARGE = 1 << 20  # numbers in w


def product(a: Array, b: Array, out: Array | None = None) -> Array | None:
    """Return a @ b if it is one of the two products above and all is finite, or None.

    It is in `out`, if that is given.
    """
    M, K = a.shape
    N = b.shape[1]
    if 2 <= M <= FEW and K * N >= LARGE and b.T.flags.c_contiguous:
        y = _forward(a, b.T, np.empty((M, N), np.float32) if out is None else out)
        return y if np.isfinite(y).all() else None
    in_rows = out is None or out.flags.c_contiguous
    large = M * N >= LARGE and in_rows
    if 2 <= K <= FEW and large and np.isfinite(a).all() and np.isfinite(b).all():
        return _outer(a, b, np.empty((M, N), np.float32) if out is None else out)
    return None


def _forward(x: Array, w: Array, y: Array) -> Array:
    """Write y = x @ w.T. Pixels are the rows of w, the filters are the rows of x."""
    M, K = x.shape
    N = len(w)
    pixels = np.empty((1, 1, N, M), np.float32)
    filters = pack(x.reshape(1, M, K, 1), np.arange(1))
    rows = tiles((N, K, 0))
    places = tiles((N, M, 0))
    convolve(w.reshape(1, 1, N, K), rows, offsets((K, 1, 0)), filters, None, pixels, places)
    y[...] = pixels.reshape(N, M).T
    return y


def _outer(gy: Array, x: Array, gw: Array) -> Array:
    """Write gw = gy @ x for gy (N, M), x (M, K). Pixels are its rows, filters those of x.T."""
    N, M = gy.shape
    K = x.shape[1]
    filters = pack(x.T.reshape(1, K, M, 1), np.arange(1))
    flat = np.ascontiguousarray(gy.T).reshape(1, 1, M, N)
    cols = offsets((M, N, 0))
    places = tiles((N, K, 0))
    rows = tiles((N, 1, 0))
    convolve(flat, rows, cols, filters, None, gw.reshape(1, 1, N, K), places, strip=1)
    return gw
