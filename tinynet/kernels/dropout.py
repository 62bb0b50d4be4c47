r"""Dropout (Krizhevsky et al. 2012, section 4.2), in its inverted form.

    y[i]  = x[i] / (1 - p)  if bits[i] >= p * 2**32  else  0
    gx[i] = gy[i] / (1 - p) if bits[i] >= p * 2**32  else  0

bits[i] is a random 32-bit word of Philox4x32-10 that depends on (seed, step, draw, i) alone. The
mask is never stored: backward draws the same bits and is the same function. The paper multiplied
by 1 - p at test time instead of dividing here; what a test sees is the same.
"""

from __future__ import annotations

from tinynet.backend import Array, array_module
from tinynet.kernels._kernel import Kernel
from tinynet.random import random_bits


@Kernel
def dropout(x: Array, p: float, key: tuple[int, int, int]) -> Array:
    """Return x of any shape with each element zeroed with probability p, the rest / (1 - p).

    `key` is (seed, step, draw); element i counts in row-major order, however x lies in memory.
    """
    if p == 1:
        return array_module(x).zeros_like(x)
    kept = random_bits(x.size, key, like=x) >= round(p * 2**32)
    return x * (1 / (1 - p)) * kept.reshape(x.shape)
