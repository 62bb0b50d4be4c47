"""Vector intrinsics for sums over pixels: a vector of channels at a time, down a block of rows.

Arrays are rows of C channels, one row per pixel. What belongs to a channel, its sums above all,
stays in registers during the loop over the rows. A plain loop over rows would read the sums from
memory, and write them there, in every row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinynet.kernels.codegen.native import Intrinsic
from tinynet.kernels.codegen.vectors import Window, for_channels

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS = 8  # of a block: they stay in the L1 cache while the vectors of channels change


class _Column:
    """A vector of channels: the emitter, the first channel, and addresses of the arrays there."""

    def __init__(self, w: Window, c: Any, kinds: Any, arrays: Any) -> None:
        self.w = w
        self.b = w.builder
        pairs = zip(kinds, arrays, strict=True)
        self.at = [w.e.pointer(kind, array, c) for kind, array in pairs]
        ir = w.e.ir
        self.doubles = ir.VectorType(ir.DoubleType(), w.e.lanes)

    def vector(self, k: int, offset: Any) -> Any:
        """Return the floats of array k at this offset."""
        return self.w.e.load(self.at[k], offset)

    def wide(self, value: Any) -> Any:
        """Return a vector of floats in double precision."""
        return self.b.fpext(value, self.doubles)

    def sums_at(self, k: int) -> Any:
        """Return the address of the vector of doubles of array k."""
        return self.b.bitcast(self.at[k], self.doubles.as_pointer())

    def add(self, place: Any, value: Any) -> None:
        """Add a vector of doubles to the one in a register."""
        self.b.store(self.b.fadd(self.b.load(place), value), place)


def _over_rows(
    context: Any,
    builder: Any,
    signature: Any,
    args: Any,
    sums: int,
    begin: Callable[[_Column], Any],
    step: Callable[[_Column, Any, Any, list[Any]], None],
) -> Any:
    """Emit the loops of an intrinsic f(*arrays, first, rows, C); the last `sums` arrays are sums.

    `begin` returns what belongs to a vector of channels; step(column, that, offset, sums) adds a
    row to the sums.
    """
    from numba.core import cgutils

    *arrays, first, rows, channels = args
    kinds = signature.args[: len(arrays)]

    def body(w: Window, c: Any) -> None:
        column = _Column(w, c, kinds, arrays)
        places = [column.sums_at(k) for k in range(-sums, 0)]
        totals = [w.variable(builder.load(place, align=8)) for place in places]
        constants = begin(column)
        with cgutils.for_range(builder, rows) as row:
            offset = builder.mul(builder.add(first, row.index), channels)
            step(column, constants, offset, totals)
        for place, total in zip(places, totals, strict=True):
            builder.store(builder.load(total), place, align=8)

    for_channels(context, builder, channels, body)
    return context.get_dummy_value()


def _build_add_moments() -> Callable[..., None]:
    from numba import types
    from numba.extending import intrinsic

    i8 = types.int64

    def add_moments(
        _: Any, x: Any, total: Any, squares: Any, first: Any, rows: Any, channels: Any
    ) -> Any:
        return types.void(x, total, squares, i8, i8, i8), code

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def step(column: _Column, _: Any, offset: Any, sums: list[Any]) -> None:
            value = column.wide(column.vector(0, offset))
            column.add(sums[0], value)
            column.add(sums[1], builder.fmul(value, value))

        return _over_rows(context, builder, signature, args, 2, lambda _: None, step)

    return intrinsic(add_moments)


def _passed(column: _Column, all_pass: Any, offset: Any) -> Any:
    """Return the vector of array 0 where array 1 is positive, or all of it."""
    b = column.b
    gy = column.vector(0, offset)
    zero = column.w.constant(column.w.e.vector, 0.0)
    positive = b.fcmp_ordered(">", column.vector(1, offset), zero)
    return b.select(all_pass, gy, b.select(positive, gy, zero))


def _build_add_gradient_moments() -> Callable[..., None]:
    from numba import types
    from numba.extending import intrinsic

    i8 = types.int64

    def add_gradient_moments(
        _: Any,
        gy: Any,
        y: Any,
        x: Any,
        mean: Any,
        inverse: Any,
        bias: Any,
        weight: Any,
        first: Any,
        rows: Any,
        channels: Any,
        all_pass: Any,
    ) -> Any:
        arrays = gy, y, x, mean, inverse, bias, weight
        return types.void(*arrays, i8, i8, i8, types.boolean), code

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        *rest, all_pass = args

        def begin(column: _Column) -> Any:
            zero = column.w.e.number(0)
            return column.vector(3, zero), column.vector(4, zero)

        def step(column: _Column, constants: Any, offset: Any, sums: list[Any]) -> None:
            mean, inverse = constants
            g = column.wide(_passed(column, all_pass, offset))
            deviation = builder.fsub(column.vector(2, offset), mean)
            column.add(sums[0], g)
            normalized = column.wide(builder.fmul(deviation, inverse))
            column.add(sums[1], builder.fmul(g, normalized))

        return _over_rows(context, builder, signature, rest, 2, begin, step)

    return intrinsic(add_gradient_moments)


def _build_add_rows() -> Callable[..., None]:
    from numba import types
    from numba.extending import intrinsic

    i8 = types.int64

    def add_rows(_: Any, x: Any, total: Any, first: Any, rows: Any, channels: Any) -> Any:
        return types.void(x, total, i8, i8, i8), code

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def step(column: _Column, _: Any, offset: Any, sums: list[Any]) -> None:
            column.add(sums[0], column.wide(column.vector(0, offset)))

        return _over_rows(context, builder, signature, args, 1, lambda _: None, step)

    return intrinsic(add_rows)


def _build_mask_and_add_rows() -> Callable[..., None]:
    from numba import types
    from numba.extending import intrinsic

    i8 = types.int64

    def mask_and_add_rows(
        _: Any, gy: Any, y: Any, masked: Any, total: Any, first: Any, rows: Any, channels: Any
    ) -> Any:
        return types.void(gy, y, masked, total, i8, i8, i8), code

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def step(column: _Column, _: Any, offset: Any, sums: list[Any]) -> None:
            passed = _passed(column, context.get_constant(types.boolean, False), offset)
            column.w.e.store(passed, column.at[2], offset)
            column.add(sums[0], column.wide(passed))

        return _over_rows(context, builder, signature, args, 1, lambda _: None, step)

    return intrinsic(mask_and_add_rows)


# add_moments(x, total, squares, first, rows, C) adds rows first, first + 1, ... of x, and their
# squares, to rows of sums in double precision
add_moments = Intrinsic(_build_add_moments)
# add_gradient_moments(gy, y, x, mean, inverse, bias, weight, first, rows, C, all_pass) adds g, and
# g * (x - mean) * inverse, to bias and weight; g is gy where y > 0, or everywhere
add_gradient_moments = Intrinsic(_build_add_gradient_moments)
# add_rows(x, total, first, rows, C) adds rows of x to a row of sums in double precision
add_rows = Intrinsic(_build_add_rows)
# mask_and_add_rows(gy, y, masked, total, first, rows, C) writes masked = gy where y > 0 and 0
# elsewhere, and adds its rows
mask_and_add_rows = Intrinsic(_build_mask_and_add_rows)
