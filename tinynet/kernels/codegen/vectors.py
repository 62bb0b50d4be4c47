r"""Vector code for short rows of channels: pooling windows, sums over neighbours, moves.

What is computed stays in registers while a window is walked; a plain loop over channels would
write it to memory and read it again at each step, and pays more for its start than for its work.
Pictures lie as (N, H, W, C); offsets count floats from the beginning of an array.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet.core.backend import Array
from tinynet.kernels.codegen.microkernel import Emitter, host_shape
from tinynet.kernels.codegen.native import Intrinsic, helper

if TYPE_CHECKING:
    from collections.abc import Callable


class _Window:
    """What the emitters below share: channels in vectors, then the rest one by one; and taps."""

    def __init__(self, context: Any, builder: Any, lanes: int) -> None:
        self.e = Emitter(context, builder, lanes)
        self.builder = builder
        self.integers = self.e.ir.VectorType(self.e.ir.IntType(32), lanes)
        self.bytes = self.e.ir.VectorType(self.e.ir.IntType(8), lanes)

    def constant(self, kind: Any, value: float) -> Any:
        """Return a vector of equal numbers."""
        return self.e.ir.Constant(kind, [value] * self.e.lanes)

    def spread(self, number: Any) -> Any:
        """Return a 64-bit integer in every lane, as 32 bits."""
        ir = self.e.ir
        few = self.e.ir.IntType(32)
        number, undefined = (
            self.builder.trunc(number, few),
            ir.Constant(self.integers, ir.Undefined),
        )
        one = self.builder.insert_element(undefined, number, ir.Constant(few, 0))
        return self.builder.shuffle_vector(one, one, self.constant(self.integers, 0))

    def variable(self, value: Any) -> Any:
        """Return the place of a register variable that begins with this value."""
        from numba.core import cgutils

        place = cgutils.alloca_once(self.builder, value.type)
        self.builder.store(value, place)
        return place

    def tags_at(self, pointer: Any, offset: Any) -> Any:
        """Return the address of neighbouring bytes."""
        return self.builder.bitcast(self.builder.gep(pointer, [offset]), self.bytes.as_pointer())


def _emit_max_pool_forward(
    w: _Window, c: Any, x: Any, steps: Any, y: Any, winner: Any, begin: Any
) -> None:
    """Y = the maximum over a window, winner = the tag of the first tap that has it. NaN wins.

    `begin` is the number to exceed, and the tag that stays where none does.
    """
    b = w.builder
    best = w.variable(w.e.spread(begin[0]))
    place = w.variable(w.spread(begin[1]))
    for at, tag in _taps(w, *steps):
        value = w.e.load(x, b.add(at, c))
        old = b.load(best)
        wins = b.and_(b.fcmp_unordered(">", value, old), b.fcmp_ordered("ord", old, old))
        b.store(b.select(wins, value, old), best)
        b.store(b.select(wins, w.spread(tag), b.load(place)), place)
    w.e.store(b.load(best), y, c)
    b.store(b.trunc(b.load(place), w.bytes), w.tags_at(winner, c), align=1)


def _emit_max_pool_backward(
    w: _Window, c: Any, gy: Any, steps: Any, gx: Any, winner: Any, _begin: Any
) -> None:
    """Gx = the sum of gy over the windows whose winner has the tag of this pixel."""
    b = w.builder
    nothing = w.constant(w.e.vector, 0.0)
    total = w.variable(nothing)
    for at, tag in _taps(w, *steps):
        here = b.add(at, c)
        tags = b.zext(b.load(w.tags_at(winner, here), align=1), w.integers)
        share = b.select(b.icmp_signed("==", tags, w.spread(tag)), w.e.load(gy, here), nothing)
        b.store(b.fadd(b.load(total), share), total)
    w.e.store(b.load(total), gx, c)


def _taps(
    w: _Window, rows: Any, cols: Any, down: Any, along: Any, tag: Any, tag_down: Any, tag_along: Any
) -> Any:
    """Emit the two loops over a window; yield, once, the offset and the tag of the tap inside."""
    from numba.core import cgutils

    b = w.builder
    with cgutils.for_range(b, rows) as p, cgutils.for_range(b, cols) as q:
        at = b.add(b.mul(p.index, down), b.mul(q.index, along))
        yield at, b.add(tag, b.add(b.mul(p.index, tag_down), b.mul(q.index, tag_along)))


def _for_channels(context: Any, builder: Any, count: Any, body: Callable[..., None]) -> None:
    """Emit body(window, c) for whole vectors of channels, and then for each that is left."""
    from numba.core import cgutils

    lanes = host_shape().lanes
    whole = builder.sub(count, builder.urem(count, count.type(lanes)))
    for step, begin, end in ((lanes, count.type(0), whole), (1, whole, count)):
        w = _Window(context, builder, step)
        with cgutils.for_range_slice(builder, begin, end, count.type(step), inc=True) as (c, _):
            body(w, c)


def _pooling(emit: Callable[..., None]) -> Intrinsic:
    """Make an intrinsic of one of the two functions above.

    f(x, x0, rows, cols, down, along, tag, tag_down, tag_along, y, y0, winner, w0, C, floor, none)

    walks rows x cols taps from x[x0] on, `down` and `along` floats apart, whose tags begin with
    `tag`. winner[w0] belongs to y[y0] in `max_pool_forward`, to x[x0] in `max_pool_backward`.
    """

    def build() -> Callable[..., None]:
        from numba import types
        from numba.extending import intrinsic

        i8 = types.int64

        # fmt: off
        def walk(_: Any, x: Any, x0: Any, rows: Any, cols: Any, down: Any, along: Any,
                 tag: Any, tag_down: Any, tag_along: Any, y: Any, y0: Any, winner: Any, w0: Any,
                 channels: Any, floor: Any, none: Any) -> Any:
            return types.void(x, *[i8] * 8, y, i8, winner, i8, i8, types.float32, i8), code
        # fmt: on

        return intrinsic(walk)

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def body(w: _Window, c: Any) -> None:
            x, y, winner = (w.e.pointer(signature.args[k], *args[k : k + 2]) for k in (0, 9, 11))
            emit(w, c, x, args[2:9], y, winner, args[14:16])

        _for_channels(context, builder, args[13], body)
        return context.get_dummy_value()

    return Intrinsic(build)


def _build_move() -> Callable[..., None]:
    from numba import types
    from numba.extending import intrinsic

    i8 = types.int64

    def move(_: Any, x: Any, x0: Any, y: Any, y0: Any, n: Any) -> Any:
        return types.void(x, i8, y, i8, i8), code

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def body(w: _Window, c: Any) -> None:
            x, y = (w.e.pointer(signature.args[k], *args[k : k + 2]) for k in (0, 2))
            w.e.store(w.e.load(x, c), y, c)

        _for_channels(context, builder, args[4], body)
        return context.get_dummy_value()

    return intrinsic(move)


def _build_window_sums() -> Callable[..., None]:
    from numba import types
    from numba.core import cgutils
    from numba.extending import intrinsic

    def window_sums(_: Any, term: Any, n: Any, a: Any, b: Any, total: Any) -> Any:
        return types.void(term, types.int64, types.float32, types.float32, total), code

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def body(w: _Window, c: Any) -> None:
            term, total = (w.e.pointer(signature.args[k], args[k], c) for k in (0, 4))
            place = w.variable(w.e.load(term, w.e.number(0)))
            with cgutils.for_range_slice(
                builder, w.e.number(1), args[1], w.e.number(1), inc=True
            ) as (j, _):
                builder.store(builder.fadd(builder.load(place), w.e.load(term, j)), place)
            scaled = builder.fmul(w.e.spread(args[3]), builder.load(place))
            w.e.store(builder.fadd(w.e.spread(args[2]), scaled), total, w.e.number(0))

        channels = context.make_array(signature.args[4])(context, builder, args[4]).nitems
        _for_channels(context, builder, channels, body)
        return context.get_dummy_value()

    return intrinsic(window_sums)


max_pool_forward = _pooling(_emit_max_pool_forward)
max_pool_backward = _pooling(_emit_max_pool_backward)
move = Intrinsic(_build_move)  # y[y0 + c] = x[x0 + c] for c < n: no call of memcpy for so little
window_sums = Intrinsic(_build_window_sums)  # total[c] = a + b * (term[c] + ... + term[c + n - 1])


@helper
def times_power(x: Array, scale: Array, beta: float, result: Array) -> None:
    """Write x * scale**-beta into result.

    For the paper's beta, s**-0.75 is 1 / (sqrt(s) * sqrt(sqrt(s))): two instructions of the
    processor instead of a call of pow.
    """
    if beta == np.float32(0.75):
        for c in range(len(x)):
            root = np.sqrt(scale[c])
            result[c] = x[c] / (root * np.sqrt(root))
    else:
        for c in range(len(x)):
            result[c] = x[c] * scale[c] ** -beta
