"""PTX arithmetic: what each instruction without memory or control computes, for many lanes at once.

A rule takes the instruction and its source operands as arrays of its type, and returns the result.
Denormal numbers are kept where a GPU may flush them. A fused multiply-add of float32 is computed in
float64 and then rounded; one of float64 rounds its product too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinynet.core.backend import Array
from tinynet.kernels.profiler.ptx import TYPES, Instruction

Rule = Callable[..., Array]
COMPARISONS: dict[str, Rule] = {
    "eq": np.equal,
    "ne": lambda a, b: (a != b) & (a == a) & (b == b),
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "lo": np.less,
    "ls": np.less_equal,
    "hi": np.greater,
    "hs": np.greater_equal,
    "equ": lambda a, b: (a == b) | np.isnan(a) | np.isnan(b),
    "neu": np.not_equal,
    "ltu": lambda a, b: ~(a >= b),
    "leu": lambda a, b: ~(a > b),
    "gtu": lambda a, b: ~(a <= b),
    "geu": lambda a, b: ~(a < b),
    "num": lambda a, b: ~(np.isnan(a) | np.isnan(b)),
    "nan": lambda a, b: np.isnan(a) | np.isnan(b),
}
ROUNDINGS = {"rni": np.rint, "rzi": np.trunc, "rmi": np.floor, "rpi": np.ceil}
WIDER = {"s16": np.int32, "u16": np.uint32, "s32": np.int64, "u32": np.uint64}


def _divide(_: Instruction, a: Array, b: Array) -> Array:
    if a.dtype.kind == "f":
        return a / b
    safe = np.where(b == 0, b.dtype.type(1), b)  # a GPU returns some number
    return (a - np.fmod(a, safe)) // safe  # toward zero, as C does


def _remainder(_: Instruction, a: Array, b: Array) -> Array:
    return np.fmod(a, np.where(b == 0, b.dtype.type(1), b))


def _multiply(one: Instruction, a: Array, b: Array) -> Array:
    if "wide" in one.modifiers:
        wider = WIDER[one.kind]
        return a.astype(wider) * b.astype(wider)
    if "hi" in one.modifiers:
        return _high_half(one, a, b)
    return a * b


def _high_half(one: Instruction, a: Array, b: Array) -> Array:
    """Return the upper half of the bits of a product."""
    if a.itemsize < 8:
        wider = WIDER[one.kind]
        return ((a.astype(wider) * b.astype(wider)) >> wider(8 * a.itemsize)).astype(a.dtype)
    half = np.uint64(32)
    low = np.uint64(0xFFFFFFFF)
    x = a.view(np.uint64)
    y = b.view(np.uint64)
    middle = (x >> half) * (y & low) + ((x & low) * (y & low) >> half)
    other = (x & low) * (y >> half) + (middle & low)
    high = (x >> half) * (y >> half) + (middle >> half) + (other >> half)
    if a.dtype.kind == "i":  # a negative factor stands for itself plus 2**64
        high -= np.where(a < 0, y, 0) + np.where(b < 0, x, 0)
    return high.view(a.dtype)


def _multiply_add(one: Instruction, a: Array, b: Array, c: Array) -> Array:
    if a.dtype == np.float32:
        exact = a.astype(np.float64) * b.astype(np.float64)
        return (exact + c.astype(np.float64)).astype(np.float32)
    product = _multiply(one, a, b)
    return product + c.view(product.dtype)


def _shifted(shift: Rule) -> Rule:
    def rule(_: Instruction, a: Array, by: Array) -> Array:
        bits = 8 * a.itemsize
        by = by.view(np.uint32) if by.itemsize == 4 else by
        within = shift(a, np.minimum(by, bits - 1).astype(a.dtype))
        signs = a >> (bits - 1) if a.dtype.kind == "i" and shift is np.right_shift else a ^ a
        return np.where(by < bits, within, signs)

    return rule


def _insert_bits(_: Instruction, a: Array, b: Array, start: Array, length: Array) -> Array:
    one = b.dtype.type(1)
    mask = ((one << length.astype(b.dtype)) - one) << start.astype(b.dtype)
    return (b & ~mask) | ((a << start.astype(b.dtype)) & mask)


def _extract_bits(_: Instruction, a: Array, start: Array, length: Array) -> Array:
    bits = 8 * a.itemsize
    begin = np.minimum(start.astype(np.int64), bits - 1)
    count = np.minimum(length.astype(np.int64), bits - begin)
    left = (bits - begin - count).astype(a.dtype)
    right = np.minimum(bits - count, bits - 1).astype(a.dtype)
    return np.where(count > 0, (a << left) >> right, a.dtype.type(0))


def _compare(one: Instruction, a: Array, b: Array, *also: Array) -> Array:
    holds = COMPARISONS[one.modifiers[0]](a, b)
    for kind, rule in (("and", np.logical_and), ("or", np.logical_or), ("xor", np.logical_xor)):
        if also and kind in one.modifiers:
            holds = rule(holds, also[0])
    return holds


def converted(one: Instruction, x: Array) -> Array:
    """Return x in the type that a `cvt` names first."""
    to = TYPES[next(m for m in one.modifiers if m in TYPES)]
    rounding = next((ROUNDINGS[m] for m in one.modifiers if m in ROUNDINGS), None)
    if rounding is not None:
        x = rounding(x)
    if np.dtype(to).kind == "f":
        if "sat" in one.modifiers:
            x = np.fmin(np.fmax(x, 0), 1)  # NaN becomes 0
        return x.astype(to)
    if x.dtype.kind == "f":
        return _nearest_integer(x, to)
    if "sat" in one.modifiers:
        limits = np.iinfo(to)
        kept = np.iinfo(x.dtype)
        x = np.clip(x, max(limits.min, kept.min), min(limits.max, kept.max))
    return x.astype(to)


def _nearest_integer(x: Array, to: Any) -> Array:
    """Return whole numbers in floating point as integers: the nearest that there is; NaN is 0."""
    limits = np.iinfo(to)
    wide = x.astype(np.float64)
    inside = (wide > float(limits.min)) & (wide < float(limits.max))  # float(2**63 - 1) is 2**63
    beyond = np.where(wide > 0, limits.max, np.where(wide < 0, limits.min, 0))
    return np.where(inside, np.where(inside, wide, 0).astype(to), beyond.astype(to))


def _extreme(ignoring_nan: Rule, with_nan: Rule) -> Rule:
    """Return the rule of min or max: of a number and NaN it takes the number, unless told so."""

    def rule(one: Instruction, a: Array, b: Array) -> Array:
        floating = a.dtype.kind == "f" and "NaN" not in one.modifiers
        return (ignoring_nan if floating else with_nan)(a, b)

    return rule


RULES: dict[str, Rule] = {
    "add": lambda _, a, b: a + b,
    "sub": lambda _, a, b: a - b,
    "mul": _multiply,
    "mad": _multiply_add,
    "fma": _multiply_add,
    "div": _divide,
    "rem": _remainder,
    "min": _extreme(np.fmin, np.minimum),
    "max": _extreme(np.fmax, np.maximum),
    "abs": lambda _, a: np.abs(a),
    "neg": lambda _, a: -a,
    "not": lambda _, a: ~a,
    "and": lambda _, a, b: a & b,
    "or": lambda _, a, b: a | b,
    "xor": lambda _, a, b: a ^ b,
    "shl": _shifted(np.left_shift),
    "shr": _shifted(np.right_shift),
    "bfi": _insert_bits,
    "bfe": _extract_bits,
    "setp": _compare,
    "selp": lambda _, a, b, chosen: np.where(chosen, a, b),
    "sqrt": lambda _, a: np.sqrt(a),
    "rsqrt": lambda _, a: (1 / np.sqrt(a)).astype(a.dtype),
    "rcp": lambda _, a: (1 / a).astype(a.dtype),
    "ex2": lambda _, a: np.exp2(a),
    "lg2": lambda _, a: np.log2(a),
    "sin": lambda _, a: np.sin(a),
    "cos": lambda _, a: np.cos(a),
    "tanh": lambda _, a: np.tanh(a),
    "copysign": lambda _, sign, a: np.copysign(a, sign),
    "popc": lambda _, a: np.bitwise_count(a).astype(np.uint32),
    "cvta": lambda _, a: a,
}
"""Rules by op; `mov`, `cvt`, memory and control are in `lanes`."""


def source_types(one: Instruction, count: int) -> list[Any]:
    """Return the type of each of the `count` source operands of an instruction."""
    kind = TYPES.get(one.kind, np.uint64)
    types = [kind] * count
    if one.op in ("shl", "shr"):
        types[1] = np.uint32
    if one.op in ("bfi", "bfe"):
        types[-2:] = [np.uint32] * 2
    if one.op in ("selp", "setp") and count == 3:
        types[2] = np.bool_
    if one.op == "mad" and "wide" in one.modifiers:
        types[2] = WIDER[one.kind]
    return types
