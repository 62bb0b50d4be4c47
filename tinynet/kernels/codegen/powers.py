"""Powers of the scale of local response normalization: s**-0.75 without roots and divisions.

A processor needs some twenty cycles for a vector of square roots, and as many for one of
divisions. Newton's method for a = s**-0.25 needs multiplications and additions alone:

    a <- a * (1.25 - 0.25 * s * a**4)

It starts within 3.2 % of the root: the bits of a float32 are, roughly, its logarithm, so that a
quarter of them, subtracted from a constant, are those of the root. Two steps make that 1.6e-5.
Then, with h = 1 - s * a**4 (at most 7e-5), a**3 * (1 + 0.75 * h) is s**-0.75 within 2e-7 relative,
and a**4 * (1 + h) is 1 / s. Square roots and a division reach 2.3e-7.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet.core.backend import Array
from tinynet.kernels.codegen.native import Intrinsic, helper
from tinynet.kernels.codegen.vectors import Window, for_channels

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT_OF_BITS = 0x4F586000  # of the constants tried in steps of 0x2000, the nearest start
SMALLEST = 2.0**-126  # of the normal numbers
LARGEST = 2.0**126  # the inverse of a larger number is not normal


def _powers(w: Window, s: Any) -> tuple[Any, Any]:
    """Return vectors of s**-0.75 and 1 / s, for s from SMALLEST to LARGEST."""
    b = w.builder
    real = w.e.vector
    quarter = w.constant(real, -0.25)
    bits = b.ashr(b.bitcast(s, w.integers), w.constant(w.integers, 2))
    a = b.bitcast(b.sub(w.constant(w.integers, ROOT_OF_BITS), bits), real)
    minus_quarter = b.fmul(quarter, s)
    for _ in range(2):
        square = b.fmul(a, a)
        step = w.e.multiply_add(b.fmul(minus_quarter, square), square, w.constant(real, 1.25))
        a = b.fmul(a, step)
    square = b.fmul(a, a)
    h = w.e.multiply_add(b.fmul(b.fneg(s), square), square, w.constant(real, 1.0))
    cube = b.fmul(square, a)
    fourth = b.fmul(square, square)
    power = w.e.multiply_add(cube, b.fmul(w.constant(real, 0.75), h), cube)
    return power, w.e.multiply_add(fourth, h, fourth)


def _over_row(context: Any, builder: Any, signature: Any, args: Any, body: Any) -> Any:
    """Emit body(window, addresses) for the vectors of rows of equal length, which returns a scale.

    Return an integer that is zero if all numbers of the scale are from SMALLEST to LARGEST.
    """
    from numba.core import cgutils

    others = cgutils.alloca_once_value(builder, context.get_constant(signature.return_type, 0))

    def visit(w: Window, c: Any) -> None:
        s = body(
            w, [w.e.pointer(kind, row, c) for kind, row in zip(signature.args, args, strict=True)]
        )
        small = builder.fcmp_unordered("<", s, w.constant(w.e.vector, SMALLEST))
        large = builder.fcmp_unordered(">", s, w.constant(w.e.vector, LARGEST))
        lanes = builder.bitcast(builder.or_(small, large), w.e.ir.IntType(w.e.lanes))
        found = builder.or_(builder.load(others), builder.zext(lanes, w.e.integer))
        builder.store(found, others)

    channels = context.make_array(signature.args[0])(context, builder, args[0]).nitems
    for_channels(context, builder, channels, visit)
    return builder.load(others)


def _build_normalize() -> Callable[..., Any]:
    from numba import types
    from numba.extending import intrinsic

    def normalize(_: Any, x: Any, s: Any, y: Any) -> Any:
        return types.int64(x, s, y), code

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def body(w: Window, rows: Any) -> Any:
            x, s, y = rows
            here = w.e.number(0)
            scale = w.e.load(s, here)
            power, _ = _powers(w, scale)
            w.e.store(builder.fmul(w.e.load(x, here), power), y, here)
            return scale

        return _over_row(context, builder, signature, args, body)

    return intrinsic(normalize)


def _build_differentiate() -> Callable[..., Any]:
    from numba import types
    from numba.extending import intrinsic

    def differentiate(_: Any, gy: Any, x: Any, s: Any, direct: Any, term: Any) -> Any:
        return types.int64(gy, x, s, direct, term), code

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def body(w: Window, rows: Any) -> Any:
            gy, x, s, direct, term = rows
            here = w.e.number(0)
            scale = w.e.load(s, here)
            power, inverse = _powers(w, scale)
            product = builder.fmul(w.e.load(gy, here), power)
            w.e.store(product, direct, here)
            w.e.store(builder.fmul(builder.fmul(product, w.e.load(x, here)), inverse), term, here)
            return scale

        return _over_row(context, builder, signature, args, body)

    return intrinsic(differentiate)


_normalize = Intrinsic(_build_normalize)
_differentiate = Intrinsic(_build_differentiate)


@helper
def normalize(x: Array, scale: Array, beta: float, y: Array) -> None:
    """Write y = x * scale**-beta for rows of numbers."""
    usual = beta == np.float32(0.75)
    if not usual or _normalize(x, scale, y) != 0:
        for c in range(len(x)):
            s = scale[c]
            if not usual or not SMALLEST <= s <= LARGEST:
                y[c] = x[c] * s**-beta


@helper
def differentiate(
    gy: Array, x: Array, scale: Array, beta: float, direct: Array, term: Array
) -> None:
    """Write direct = gy * scale**-beta and term = direct * x / scale for rows of numbers."""
    usual = beta == np.float32(0.75)
    if not usual or _differentiate(gy, x, scale, direct, term) != 0:
        for c in range(len(x)):
            s = scale[c]
            if not usual or not SMALLEST <= s <= LARGEST:
                direct[c] = gy[c] * s**-beta
                term[c] = direct[c] * x[c] / s
