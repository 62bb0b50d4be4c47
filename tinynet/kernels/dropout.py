r"""Dropout (Krizhevsky et al. 2012, section 4.2), in its inverted form.

    y[i]  = x[i] / (1 - p)  if bits[i] >= p * 2**32  else  0
    gx[i] = gy[i] / (1 - p) if bits[i] >= p * 2**32  else  0

bits[i] is a random 32-bit word of Philox4x32-10 that depends on (seed, step, draw, i) only (if
several ranks share a batch, i continues from rank to rank). The mask is never stored: backward
draws the same bits and is the same function. The paper multiplied by 1 - p at test time instead of
dividing here; the expected values at test time are the same.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinynet.core.backend import Array, array_module
from tinynet.core.bfloat16 import empty
from tinynet.core.random import Key, LiveKey, first_number, numbers, random_bits
from tinynet.kernels.codegen.layout import grain_size
from tinynet.kernels.codegen.native import In1, Out1, Real, helper, native
from tinynet.kernels.cuda.launch import cover, in_rows, launch
from tinynet.kernels.dispatch import Kernel, bfloat16_too, fallback_if


@Kernel
def dropout(x: Array, p: float, key: Key) -> Array:
    """Return x of any shape with each element zeroed with probability p, the rest / (1 - p).

    `key` is (seed, step, draw) or (seed, step, draw, first); elements count in row-major order from
    `first` on, whatever the memory order of x.
    """
    if p == 1:
        return array_module(x).zeros_like(x)
    kept = random_bits(x.size, key, like=x) >= round(p * 2**32)
    return x * (1 / (1 - p)) * kept.reshape(x.shape)


all_zero = fallback_if("p = 1: no random bits are needed", lambda x, p, key: p == 1)


# ---- Numba: one pass, in which the bits are drawn and used


@dropout.numba
@all_zero
def dropout_numba(x: Array, p: float, key: Key) -> Array:
    """One call of Philox draws the words of four consecutive elements."""
    seed, step, draw = numbers(key)
    start, skipped = divmod(first_number(key), 4)
    y = np.empty(x.shape, np.float32)
    halves = seed % 2**32, seed // 2**32, step % 2**32, step // 2**32
    _mask_loop(
        -(-(x.size + skipped) // 4),
        np.ascontiguousarray(x).reshape(-1),
        *halves,
        draw,
        start,
        skipped,
        round(p * 2**32),
        1 / (1 - p),
        y.reshape(-1),
        grain=grain_size(16),
    )
    return y


@native
def _mask_loop(
    lo: int,
    hi: int,
    x: In1,
    seed: int,
    seed_high: int,
    step: int,
    step_high: int,
    draw: int,
    start: int,
    skipped: int,
    threshold: int,
    scale: Real,
    y: Out1,
) -> None:
    for block in range(lo, hi):
        words = _philox(start + block, draw, step, step_high, seed, seed_high)
        first = 4 * block - skipped
        for i in range(max(first, 0), min(first + 4, len(x))):
            kept = words[i - first] >= np.uint64(threshold)
            y[i] = x[i] * scale * (np.float32(1) if kept else np.float32(0))


@helper
def _philox(c0: int, c1: int, c2: int, c3: int, k0: int, k1: int) -> Any:
    """Philox4x32-10: see tinynet.core.random. All words are 32 bits wide, in 64-bit integers."""
    low = np.uint64(0xFFFFFFFF)
    a = np.uint64(c0)
    b = np.uint64(c1)
    c = np.uint64(c2)
    d = np.uint64(c3)
    k = np.uint64(k0)
    m = np.uint64(k1)
    for _ in range(10):
        first = a * np.uint64(0xD2511F53)
        second = c * np.uint64(0xCD9E8D57)
        a = (second >> np.uint64(32)) ^ b ^ k
        c = (first >> np.uint64(32)) ^ d ^ m
        b = second & low
        d = first & low
        k, m = (k + np.uint64(0x9E3779B9)) & low, (m + np.uint64(0xBB67AE85)) & low
    return a, b, c, d


# ---- CUDA: dropout.cu


@dropout.cuda
@bfloat16_too
@all_zero
def dropout_cuda(x: Array, p: float, key: Key) -> Array:
    """One thread per four elements, the words of one call of Philox."""
    return launch_dropout(x, p, key)


def launch_dropout(
    x: Array,
    p: float,
    key: Key,
    *,
    bias: Array | None = None,
    relu: bool = False,
    after: float = 1.0,
    bfloat16: bool | None = None,
) -> Array:
    """Return after * dropout of x, or of max(x + bias, 0); p is below 1, and 0 drops nothing."""
    counters = None
    seed = 0
    step = 0
    draw = 0
    if isinstance(key, LiveKey):
        counters = key.counters
        draw = key.offset
    else:
        seed, step, draw = key[:3]
    start, skipped = divmod(first_number(key), 4)
    x = in_rows(x)
    y = empty(x, x.shape, bfloat16=bfloat16)
    words = seed % 2**32, seed // 2**32, step % 2**32, step // 2**32, draw, start, skipped
    columns = x.shape[-1] if x.ndim else 1
    numbers = x.size, columns, relu, *words, round(p * 2**32), 1 / (1 - p), after
    grid = cover(-(-(x.size + skipped) // 4))
    launch("dropout", "dropout", grid, x, bias, *numbers, counters, y)
    return y
