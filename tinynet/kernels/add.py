"""Sums of two arrays of one shape: residual additions, and gradients that meet.

y = a + b
"""

from __future__ import annotations

import numpy as np

from tinynet.core.backend import Array
from tinynet.kernels.codegen.layout import GRAIN, below_minimum_size, mixed_dtypes, with_gaps
from tinynet.kernels.codegen.native import In1, Out1, native
from tinynet.kernels.dispatch import Kernel, fallback_if


@Kernel
def add(a: Array, b: Array) -> Array:
    """Return a + b."""
    return a + b


# ---- Numba: one loop, on all threads; NumPy adds on one


@add.numba
@mixed_dtypes
@below_minimum_size
@fallback_if("arrays of two shapes", lambda a, b: a.shape != b.shape)
@with_gaps
def add_numba(a: Array, b: Array) -> Array:
    """One pass over a and b."""
    y = np.empty_like(a)
    _add_loop(a.size, a.ravel("K"), b.ravel("K"), y.ravel("K"), grain=GRAIN)
    return y


@native
def _add_loop(lo: int, hi: int, a: In1, b: In1, y: Out1) -> None:
    left = a[lo:hi]
    right = b[lo:hi]
    out = y[lo:hi]
    for i in range(len(out)):
        out[i] = left[i] + right[i]
