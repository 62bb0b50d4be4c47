"""Tensor-core instructions of PTX: `mma` on the fragments of warps, and the rounding before it.

A lane holds some elements of each matrix (NVIDIA, "Parallel Thread Execution ISA", mma:
fragments of m16n8k8 for .tf32 and of m16n8k16 for .bf16). With g = lane // 4 and t = lane % 4, a
word of a lies in row g or g + 8 and column t or t + 4, a word of b in row t or t + 4 and column g,
and a sum in row g or g + 8 and column 2 t or 2 t + 1. A word holds one tf32 or two bfloat16.

Sums are computed in float64 and rounded once: how a tensor core rounds between its additions is not
documented.
"""

from __future__ import annotations

import re

import numpy as np

from tinynet.core.backend import Array
from tinynet.kernels.profiler.ptx import Instruction

KINDS = {"tf32": "m16n8k8", "bf16": "m16n8k16"}
PRECISIONS = {"tf32": "tf32", "bf16": "bfloat16"}
"""As `tinynet.precision` names them."""


def tf32(x: Array) -> Array:
    """Return float32 rounded to 11 significant bits, a tie away from zero, as its bits."""
    bits = x.view(np.uint32)
    rounded = (bits + np.uint32(0x1000)) & np.uint32(0xFFFFE000)
    return np.where(np.isfinite(x), rounded, bits)


def bfloat16_pair(high: Array, low: Array) -> Array:
    """Return two float32 rounded to bfloat16, a tie to even, in the halves of one word."""
    upper, lower = (_bfloat16(x) for x in (high, low))
    return upper << np.uint32(16) | lower


def _bfloat16(x: Array) -> Array:
    bits = x.view(np.uint32)
    rounded = (bits + (np.uint32(0x7FFF) + (bits >> np.uint32(16) & np.uint32(1)))) >> np.uint32(16)
    return np.where(np.isnan(x), np.uint32(0x7FFF), rounded)


def kind_of(one: Instruction) -> str:
    """Return the type of the factors of an mma, or raise a ValueError that names it."""
    for kind, shape in KINDS.items():
        if one.modifiers.count(kind) == 2 and shape in one.modifiers:
            return kind
    raise ValueError(f'"{one.op}.{".".join(one.modifiers)}" is not among the known forms of mma')


def operations(one: Instruction) -> int:
    """Return the floating-point operations of an mma: two for each product."""
    shape = next(m for m in one.modifiers if re.fullmatch(r"m\d+n\d+k\d+", m))
    M, N, K = map(int, re.findall(r"\d+", shape))
    return 2 * M * N * K


def multiply_add(one: Instruction, a: Array, b: Array, c: Array) -> Array:
    """Return c + a @ b as fragments.

    Parameters
    ----------
    a, b, c : (32 * warps, 4), (32 * warps, 2) uint32 and (32 * warps, 4) float32
    """
    kind = kind_of(one)
    left = a.reshape(-1, 8, 4, 2, 2).transpose(0, 4, 1, 3, 2).reshape(-1, 16, 8)
    right = b.reshape(-1, 8, 4, 2).transpose(0, 1, 3, 2).reshape(-1, 8, 8)  # columns of b
    product = np.matmul(_numbers(left, kind), _numbers(right, kind).swapaxes(1, 2))
    sums = c.reshape(-1, 8, 4, 2, 2).astype(np.float64)
    sums += product.reshape(-1, 2, 8, 4, 2).transpose(0, 2, 3, 1, 4)
    return sums.astype(np.float32).reshape(-1, 4)


def _numbers(words: Array, kind: str) -> Array:
    """Return the numbers in words (..., 8) in float64, (..., 8) or (..., 16)."""
    if kind == "tf32":
        return (words & np.uint32(0xFFFFE000)).view(np.float32).astype(np.float64)
    both = np.stack([words << np.uint32(16), words & np.uint32(0xFFFF0000)], axis=-1)
    return both.view(np.float32).astype(np.float64).reshape(*words.shape[:-1], -1)
