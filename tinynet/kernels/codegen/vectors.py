r"""Vector intrinsics for short rows of channels: pooling windows, sums over channels, copies.

Results stay in registers during the loop over a window. A plain loop over channels would write them
to memory and read them again at each step, and its setup would cost more than its work. Images are
(N, H, W, C); offsets count floats from the beginning of an array.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinynet.kernels.codegen.microkernel import Emitter, host_shape
from tinynet.kernels.codegen.native import Intrinsic

if TYPE_CHECKING:
    from collections.abc import Callable


UNROLLED = 5  # terms of a window sum without a loop: the paper's n
LINE = 16  # floats in a cache line of 64 bytes


class Window:
    """Types and helpers of the emitters, for vectors of `lanes` channels."""

    def __init__(self, context: Any, builder: Any, lanes: int) -> None:
        self.e = Emitter(context, builder, lanes)
        self.builder = builder
        self.integers = self.e.ir.VectorType(self.e.ir.IntType(32), lanes)
        self.bytes = self.e.ir.VectorType(self.e.ir.IntType(8), lanes)

    def constant(self, kind: Any, value: float) -> Any:
        """Return a vector of equal numbers."""
        return self.e.ir.Constant(kind, [value] * self.e.lanes)

    def broadcast(self, number: Any) -> Any:
        """Return a vector with a 64-bit integer in every lane, truncated to 32 bits."""
        ir = self.e.ir
        int32 = ir.IntType(32)
        undefined = ir.Constant(self.integers, ir.Undefined)
        narrow = self.builder.trunc(number, int32)
        one = self.builder.insert_element(undefined, narrow, ir.Constant(int32, 0))
        return self.builder.shuffle_vector(one, one, self.constant(self.integers, 0))

    def variable(self, value: Any) -> Any:
        """Return a stack variable (a register after optimization) that starts with this value."""
        from numba.core import cgutils

        place = cgutils.alloca_once(self.builder, value.type)
        self.builder.store(value, place)
        return place

    def taps_at(self, pointer: Any, offset: Any) -> Any:
        """Return the address of consecutive bytes."""
        return self.builder.bitcast(self.builder.gep(pointer, [offset]), self.bytes.as_pointer())


def _emit_max_pool_forward(
    w: Window, c: Any, x: Any, steps: Any, y: Any, argmax: Any, begin: Any
) -> None:
    """Write y, the maximum over a window (NaN if it has one), and argmax, the first tap with it.

    `begin` is the number to exceed, and the tap to write where no value exceeds it.
    """
    b = w.builder
    best = w.variable(w.e.broadcast(begin[0]))
    place = w.variable(w.broadcast(begin[1]))
    for at, tap in _taps(w, *steps):
        value = w.e.load(x, b.add(at, c))
        old = b.load(best)
        larger = b.and_(b.fcmp_unordered(">", value, old), b.fcmp_ordered("ord", old, old))
        b.store(b.select(larger, value, old), best)
        b.store(b.select(larger, w.broadcast(tap), b.load(place)), place)
    w.e.store(b.load(best), y, c)
    b.store(b.trunc(b.load(place), w.bytes), w.taps_at(argmax, c), align=1)


def _emit_max_pool_backward(
    w: Window, c: Any, gy: Any, steps: Any, gx: Any, argmax: Any, _begin: Any
) -> None:
    """Write gx, the sum of gy over the windows whose argmax is the tap over this pixel."""
    b = w.builder
    zero = w.constant(w.e.vector, 0.0)
    total = w.variable(zero)
    for at, tap in _taps(w, *steps):
        here = b.add(at, c)
        taps = b.zext(b.load(w.taps_at(argmax, here), align=1), w.integers)
        term = b.select(b.icmp_signed("==", taps, w.broadcast(tap)), w.e.load(gy, here), zero)
        b.store(b.fadd(b.load(total), term), total)
    w.e.store(b.load(total), gx, c)


def _taps(
    w: Window, rows: Any, cols: Any, down: Any, along: Any, tap: Any, tap_down: Any, tap_along: Any
) -> Any:
    """Emit the two loops over a window; yield, once, the offset and the number of a tap."""
    from numba.core import cgutils

    b = w.builder
    with cgutils.for_range(b, rows) as p, cgutils.for_range(b, cols) as q:
        at = b.add(b.mul(p.index, down), b.mul(q.index, along))
        yield at, b.add(tap, b.add(b.mul(p.index, tap_down), b.mul(q.index, tap_along)))


def for_channels(context: Any, builder: Any, count: Any, body: Callable[..., None]) -> None:
    """Emit body(window, c) for full vectors of channels, then for each remaining channel."""
    from numba.core import cgutils

    lanes = host_shape().lanes
    whole = builder.sub(count, builder.urem(count, count.type(lanes)))
    for step, begin, end in ((lanes, count.type(0), whole), (1, whole, count)):
        w = Window(context, builder, step)
        with cgutils.for_range_slice(builder, begin, end, count.type(step), inc=True) as (c, _):
            body(w, c)


def _pooling(emit: Callable[..., None]) -> Intrinsic:
    """Return an intrinsic made from one of the two emitters above.

    f(x, x0, rows, cols, down, along, tap, tap_down, tap_along, y, y0, argmax, a0, C, floor, none)

    loops over rows x cols taps from x[x0] on, `down` and `along` floats apart, numbered from `tap`
    on. argmax[a0] belongs to y[y0] in `max_pool_forward`, to x[x0] in `max_pool_backward`.
    """

    def build() -> Callable[..., None]:
        from numba import types
        from numba.extending import intrinsic

        i8 = types.int64

        def walk(
            _: Any,
            x: Any,
            x0: Any,
            rows: Any,
            cols: Any,
            down: Any,
            along: Any,
            tap: Any,
            tap_down: Any,
            tap_along: Any,
            y: Any,
            y0: Any,
            argmax: Any,
            a0: Any,
            channels: Any,
            floor: Any,
            none: Any,
        ) -> Any:
            return types.void(x, *[i8] * 8, y, i8, argmax, i8, i8, types.float32, i8), code

        return intrinsic(walk)

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def body(w: Window, c: Any) -> None:
            x, y, argmax = (w.e.pointer(signature.args[k], *args[k : k + 2]) for k in (0, 9, 11))
            emit(w, c, x, args[2:9], y, argmax, args[14:16])

        for_channels(context, builder, args[13], body)
        return context.get_dummy_value()

    return Intrinsic(build)


def _build_move() -> Callable[..., None]:
    from numba import types
    from numba.extending import intrinsic

    i8 = types.int64

    def move(_: Any, x: Any, x0: Any, y: Any, y0: Any, n: Any) -> Any:
        return types.void(x, i8, y, i8, i8), code

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def body(w: Window, c: Any) -> None:
            x, y = (w.e.pointer(signature.args[k], *args[k : k + 2]) for k in (0, 2))
            w.e.store(w.e.load(x, c), y, c)

        for_channels(context, builder, args[4], body)
        return context.get_dummy_value()

    return intrinsic(move)


def _build_prefetch() -> Callable[..., None]:
    from numba import types
    from numba.core import cgutils
    from numba.extending import intrinsic

    i8 = types.int64

    def prefetch(_: Any, x: Any, x0: Any, n: Any) -> Any:
        return types.void(x, i8, i8), code

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        e = Emitter(context, builder, 1)
        byte = e.ir.IntType(8).as_pointer()
        int32 = e.ir.IntType(32)
        kind = e.ir.FunctionType(e.ir.VoidType(), [byte, int32, int32, int32])
        request = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        writes = int(signature.args[0].mutable)
        hints = [e.ir.Constant(int32, hint) for hint in (writes, 2, 1)]  # 2: L2 cache; 1: data
        begin = e.pointer(signature.args[0], args[0], args[1])
        steps = e.number(0), args[2], e.number(LINE)
        with cgutils.for_range_slice(builder, *steps, inc=True) as (i, _):
            place = builder.bitcast(builder.gep(begin, [i]), byte)
            builder.call(request, [place, *hints])
        return context.get_dummy_value()

    return intrinsic(prefetch)


def _build_window_sums() -> Callable[..., None]:
    from numba import types
    from numba.core import cgutils
    from numba.extending import intrinsic

    def window_sums(_: Any, term: Any, n: Any, a: Any, b: Any, total: Any) -> Any:
        return types.void(term, types.int64, types.float32, types.float32, total), code

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def body(w: Window, c: Any, taps: int | None) -> None:
            term, total = (w.e.pointer(signature.args[k], args[k], c) for k in (0, 4))
            place = w.variable(w.e.load(term, w.e.number(0)))

            def add(j: Any) -> None:
                builder.store(builder.fadd(builder.load(place), w.e.load(term, j)), place)

            if taps is None:
                one = w.e.number(1)
                with cgutils.for_range_slice(builder, one, args[1], one, inc=True) as (j, _):
                    add(j)
            else:
                for j in range(1, taps):
                    add(w.e.number(j))
            scaled = builder.fmul(w.e.broadcast(args[3]), builder.load(place))
            w.e.store(builder.fadd(w.e.broadcast(args[2]), scaled), total, w.e.number(0))

        channels = context.make_array(signature.args[4])(context, builder, args[4]).nitems
        usual = builder.icmp_signed("==", args[1], args[1].type(UNROLLED))
        with builder.if_else(usual) as (unrolled, looped):
            with unrolled:
                for_channels(context, builder, channels, lambda w, c: body(w, c, UNROLLED))
            with looped:
                for_channels(context, builder, channels, lambda w, c: body(w, c, None))
        return context.get_dummy_value()

    return intrinsic(window_sums)


max_pool_forward = _pooling(_emit_max_pool_forward)
max_pool_backward = _pooling(_emit_max_pool_backward)
move = Intrinsic(_build_move)  # y[y0 + c] = x[x0 + c] for c < n, without a call of memcpy
# prefetch(x, x0, n) begins to load x[x0] ... x[x0 + n - 1] into the L2 cache: a hint, which has no
# effect on results and does not fail outside the array
prefetch = Intrinsic(_build_prefetch)
window_sums = Intrinsic(_build_window_sums)  # total[c] = a + b * (term[c] + ... + term[c + n - 1])
