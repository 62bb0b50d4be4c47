r"""Microkernel: a small matrix product whose sums stay in registers.

A convolution is a matrix product, im2col(x) @ weights, and im2col(x) need not be built: its element
in row p (an output pixel) and column k (a tap and channel of the filter) is an element of x, at an
offset that is the sum of two table entries.

                     k →                  c →
        p  ┌──────────────────┐       ┌─────────┐          ┌─────────┐
        ↓  │ x[row[p]+col[k]] │   @   │ w[k, c] │    =     │ y[p, c] │     PIXELS x CHANNELS
           └──────────────────┘       └─────────┘          └─────────┘     sums, in registers

For each k the kernel loads one row of w (VECTORS registers) and, for each of PIXELS pixels,
broadcasts one number of x to a register and multiplies and adds. Each loaded number is used many
times, and nothing is stored until the end, so that the loop comes near the peak of the machine.

With other tables the same kernel is the backward pass: with `rows` and `cols` exchanged it sums
over pixels (the gradient of the weights), with rotated weights it is the gradient of the input.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, NamedTuple

from tinynet.kernels.codegen import target

if TYPE_CHECKING:
    from collections.abc import Callable


class Shape(NamedTuple):
    """The block of sums that one call of the microkernel computes."""

    lanes: int  # floats in one register
    pixels: int  # rows of the block
    vectors: int  # registers in a row of the block

    @property
    def channels(self) -> int:
        """Columns of the block."""
        return self.lanes * self.vectors


# The sums, one row of w and one broadcast number must fit in the 32 or 16 registers.
AVX512 = Shape(lanes=16, pixels=8, vectors=2)
AVX = Shape(lanes=8, pixels=5, vectors=2)  # a sixth row would need more integer registers
NEON = Shape(lanes=4, pixels=6, vectors=4)
SSE = Shape(lanes=4, pixels=6, vectors=2)

# Blocks of one register per row, for products with so few columns that the second register would
# hold zeros. The number of rows stays, because `tables.tiles` is shared by both. It has not been
# tried for other register sizes.
NARROW = {AVX512: AVX512._replace(vectors=1)}


@functools.cache
def host_shape() -> Shape:
    """Return the block for the processor and features that Numba compiles for."""
    host = target.host()
    have = set(host.features.split(","))
    if "+avx512f" in have:
        return AVX512
    if "+avx" in have:
        return AVX
    return NEON if host.triple.startswith(("aarch64", "arm64")) else SSE


def shape_for(columns: int) -> Shape:
    """Return the block for a product with this number of columns."""
    narrow = NARROW.get(host_shape(), host_shape())
    return narrow if columns <= narrow.channels else host_shape()


class Emitter:
    """Emits vector instructions with an LLVM builder."""

    def __init__(self, context: Any, builder: Any, lanes: int) -> None:
        from llvmlite import ir

        self.context = context
        self.builder = builder
        self.ir = ir
        self.lanes = lanes
        self.real = ir.FloatType()
        self.integer = ir.IntType(64)
        self.vector = ir.VectorType(self.real, lanes)

    def number(self, value: int) -> Any:
        """Return an integer constant."""
        return self.ir.Constant(self.integer, value)

    def pointer(self, kind: Any, array: Any, offset: Any) -> Any:
        """Return the address of element `offset` of an array argument."""
        data = self.context.make_array(kind)(self.context, self.builder, array).data
        return self.builder.gep(data, [offset])

    def index(self, table: Any, k: Any) -> Any:
        """Return table[k], a 32-bit integer, widened."""
        return self.builder.sext(self.builder.load(self.builder.gep(table, [k])), self.integer)

    def address(self, pointer: Any, offset: Any) -> Any:
        """Return the address of the vector that starts at pointer[offset]."""
        place = self.builder.gep(pointer, [offset])
        return self.builder.bitcast(place, self.vector.as_pointer())

    def load(self, pointer: Any, offset: Any) -> Any:
        """Return consecutive floats, from pointer[offset] on, as one vector."""
        return self.builder.load(self.address(pointer, offset), align=4)

    def store(self, value: Any, pointer: Any, offset: Any) -> None:
        """Write a vector to consecutive floats, from pointer[offset] on."""
        self.builder.store(value, self.address(pointer, offset), align=4)

    def broadcast(self, value: Any) -> Any:
        """Return a vector with one float in every lane."""
        ir = self.ir
        int32 = ir.IntType(32)
        undefined = ir.Constant(self.vector, ir.Undefined)
        one = self.builder.insert_element(undefined, value, ir.Constant(int32, 0))
        lanes = ir.Constant(ir.VectorType(int32, self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(one, one, lanes)

    def multiply_add(self, a: Any, b: Any, c: Any) -> Any:
        """Return a * b + c: one instruction where the processor has it."""
        from numba.core import cgutils

        kind = self.ir.FunctionType(self.vector, [self.vector] * 3)
        name = f"llvm.fmuladd.v{self.lanes}f32"
        function = cgutils.get_or_insert_function(self.builder.module, kind, name)
        return self.builder.call(function, [a, b, c])

    def at_least(self, value: Any, floor: Any) -> Any:
        """Return the larger of a vector and a vector of bounds (+0, for -0); NaN stays NaN."""
        return self.builder.select(self.builder.fcmp_ordered("<=", value, floor), floor, value)


def build_tile(shape: Shape) -> Callable[..., None]:
    """Return the intrinsic `tile`, which computes one block.

    All arrays are flat to it:

        y[y0 + places[q0+p] + c] = start[s0 + follow*places[q0+p] + c]
                                   + sum over k < depth of
                                     x[x0 + rows[r0+p] + cols[c0+k]] * w[w0 + k*CHANNELS + c]
                                   or `floor`, if that is larger

    `follow` is 0 to start from one row for all pixels (a bias), 1 to accumulate (y is its own
    start). No bounds are checked: the caller does that.
    """
    from numba import types
    from numba.extending import intrinsic

    i8 = types.int64

    def tile(
        _: Any,
        x: Any,
        x0: Any,
        rows: Any,
        r0: Any,
        cols: Any,
        c0: Any,
        depth: Any,
        w: Any,
        w0: Any,
        start: Any,
        s0: Any,
        follow: Any,
        y: Any,
        y0: Any,
        places: Any,
        q0: Any,
        floor: Any,
    ) -> Any:
        kinds = x, i8, rows, i8, cols, i8, i8, w, i8, start, i8, i8, y, i8, places, i8
        return types.void(*kinds, types.float32), functools.partial(_emit_tile, shape)

    return intrinsic(tile)


def _emit_tile(shape: Shape, context: Any, builder: Any, signature: Any, args: Any) -> Any:
    from numba.core import cgutils

    e = Emitter(context, builder, shape.lanes)

    def pointer(k: int) -> Any:
        return e.pointer(signature.args[k], args[k], args[k + 1])

    x, rows, cols, w, start, y, places = (pointer(k) for k in (0, 2, 4, 7, 9, 12, 14))
    depth = args[6]
    follow = args[11]
    block = [(p, v) for p in range(shape.pixels) for v in range(shape.vectors)]
    column = [e.number(v * shape.lanes) for v in range(shape.vectors)]
    pixels = [builder.gep(x, [e.index(rows, e.number(p))]) for p in range(shape.pixels)]
    sums = {pv: cgutils.alloca_once(builder, e.vector) for pv in block}
    outputs = [e.index(places, e.number(p)) for p in range(shape.pixels)]
    for p, v in block:
        begin = builder.mul(outputs[p], follow)
        builder.store(e.load(start, builder.add(begin, column[v])), sums[p, v])
    with cgutils.for_range(builder, depth) as loop:
        tap = e.index(cols, loop.index)
        row = builder.mul(loop.index, e.number(shape.channels))
        weights = [e.load(w, builder.add(row, c)) for c in column]
        for p in range(shape.pixels):
            value = e.broadcast(builder.load(builder.gep(pixels[p], [tap])))
            for v in range(shape.vectors):
                total = e.multiply_add(value, weights[v], builder.load(sums[p, v]))
                builder.store(total, sums[p, v])
    floor = e.broadcast(args[16])
    for p, v in block:
        out = e.at_least(builder.load(sums[p, v]), floor)
        e.store(out, y, builder.add(outputs[p], column[v]))
    return context.get_dummy_value()
