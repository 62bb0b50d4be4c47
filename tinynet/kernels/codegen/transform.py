"""Winograd transforms: three small matrices, and vector code that applies them to tiles.

The product of two polynomials is determined by its values at enough points, where it costs one
multiplication per point. Correlating a row of m + r - 1 numbers d with a filter g of r numbers is
such a product (in reverse order), so that

    y = AT @ ((G @ g) * (BT @ d))                   m sums of r products for m + r - 1 products

where a row of G and of AT belongs to a point, and the last to the point at infinity (the leading
coefficient). In two dimensions each matrix is applied to the rows and then to the columns. The
points determine the rounding error: they come in pairs +p, -p (whose rows share their sums), with
magnitudes near 1.
"""

from __future__ import annotations

import functools
import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet.kernels.codegen.microkernel import Emitter, host_shape
from tinynet.kernels.codegen.native import Intrinsic

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

TILE = 4  # m: outputs of one tile along each axis
POINTS = {  # by the size r of the filter: m + r - 2 points, and infinity
    3: [Fraction(p) for p in ("0", "7/5", "-7/5", "5/7", "-5/7")],
    5: [Fraction(p) for p in ("0", "1", "-1", "2", "-2", "1/2", "-1/2")],
}
Matrix = np.ndarray[Any, np.dtype[np.float64]]


def polynomial(roots: Sequence[Fraction]) -> list[Fraction]:
    """Return the coefficients of the product of all (x - root), the constant first."""
    coefficients = [Fraction(1)]
    for root in roots:
        shifted = [Fraction(0), *coefficients]
        kept = [*coefficients, Fraction(0)]
        coefficients = [s - root * k for s, k in zip(shifted, kept, strict=True)]
    return coefficients


def matrices(r: int, m: int = TILE) -> tuple[Matrix, Matrix, Matrix]:
    """Return BT (a, a), G (a, r) and AT (m, a), a = m + r - 1, from exact fractions."""
    points = POINTS[r]
    others = [points[:j] + points[j + 1 :] for j in range(len(points))]
    norms = [math.prod(p - q for q in rest) for p, rest in zip(points, others, strict=True)]
    BT = [[*polynomial(rest), Fraction(0)] for rest in others] + [polynomial(points)]
    G = [[p**k / norm for k in range(r)] for p, norm in zip(points, norms, strict=True)]
    G.append([Fraction(int(k == r - 1)) for k in range(r)])
    AT = [[*(p**i for p in points), Fraction(int(i == m - 1))] for i in range(m)]
    data, weights, result = (np.array(M, dtype=np.float64) for M in (BT, G, AT))
    ratio = np.abs(data).max(axis=1) / np.abs(weights).max(axis=1)
    balance = 2.0 ** np.round(np.log2(ratio) / 2)  # a power of two changes no digit
    return data / balance[:, None], weights * balance[:, None], result


class Transform(Intrinsic):
    """An intrinsic: dst = T src T', on tiles of vectors of channels.

    transform(src, s0, sy, sx, dst, d0, dy, dx, n, bias, b0, floor)

    dst[d0 + i*dy + j*dx + c] = sum over a, b of T[i, a] * T[j, b] * src[s0 + a*sy + b*sx + c]
                                for c < n * lanes
                                (+ bias[b0 + c], or `floor` if that is larger, where `biased`)
    """

    def __init__(self, matrix: Matrix, *, biased: bool = False) -> None:
        self.matrix = matrix
        self.biased = biased
        super().__init__(self._build)

    def _build(self) -> Callable[..., None]:
        from numba import types
        from numba.extending import intrinsic

        def transform(_, src, s0, sy, sx, dst, d0, dy, dx, n, bias, b0, floor):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
            i8 = types.int64
            return types.void(
                src, i8, i8, i8, dst, i8, i8, i8, i8, bias, i8, types.float32
            ), self._emit

        return intrinsic(transform)

    def _emit(self, context: Any, builder: Any, signature: Any, args: Any) -> Any:
        from numba.core import cgutils

        e = Emitter(context, builder, host_shape().lanes)
        src, dst, bias = (e.pointer(signature.args[k], args[k], args[k + 1]) for k in (0, 4, 9))
        sy = args[2]
        sx = args[3]
        dy = args[6]
        dx = args[7]
        floor = e.broadcast(args[11])
        rows, columns = self.matrix.shape
        half = cgutils.alloca_once(builder, e.vector, rows * columns)  # T src
        for_each = functools.partial(cgutils.for_range, builder)

        def line(start: Any, step: Any, count: int) -> list[Any]:
            return [builder.add(start, builder.mul(step, e.number(k))) for k in range(count)]

        with for_each(args[8]) as vector:
            c = builder.mul(vector.index, e.number(e.lanes))
            with for_each(e.number(columns)) as column:  # a loop compiles faster than unrolled code
                begin = builder.add(c, builder.mul(column.index, sx))
                values = apply(e, self.matrix, [e.load(src, p) for p in line(begin, sy, columns)])
                places = line(column.index, e.number(columns), rows)
                for value, place in zip(values, places, strict=True):
                    builder.store(value, builder.gep(half, [place]))
            with for_each(e.number(rows)) as row:
                begin = builder.mul(row.index, e.number(columns))
                places = [builder.gep(half, [p]) for p in line(begin, e.number(1), columns)]
                values = apply(e, self.matrix, [builder.load(place) for place in places])
                begin = builder.add(c, builder.mul(row.index, dy))
                for value, place in zip(values, line(begin, dx, rows), strict=True):
                    if self.biased:
                        value = e.at_least(builder.fadd(value, e.load(bias, c)), floor)
                    e.store(value, dst, place)
        return context.get_dummy_value()


def apply(e: Emitter, T: Matrix, xs: list[Any]) -> list[Any]:
    """Return T @ xs, sharing the sums of columns, then of rows, that differ in signs only."""
    columns = []
    terms = []
    j = 0
    while j < T.shape[1]:
        if j + 1 < T.shape[1] and len(T) > 2 and _is_pair(T[:, j], T[:, j + 1]):
            same = T[:, j] == T[:, j + 1]
            terms += [e.builder.fadd(xs[j], xs[j + 1]), e.builder.fsub(xs[j], xs[j + 1])]
            columns += [np.where(same, T[:, j], 0), np.where(same, 0, T[:, j])]
            j += 2
        else:
            terms.append(xs[j])
            columns.append(T[:, j])
            j += 1
    return _rows(e, np.array(columns).T, terms)


def _rows(e: Emitter, T: Matrix, xs: list[Any]) -> list[Any]:
    results = []
    i = 0
    while i < len(T):
        if i + 1 < len(T) and _is_pair(T[i], T[i + 1]):
            same = T[i] == T[i + 1]
            even, odd = (_dot(e, np.where(s, T[i], 0), xs) for s in (same, ~same))
            results += [e.builder.fadd(even, odd), e.builder.fsub(even, odd)]
            i += 2
        else:
            results.append(_dot(e, T[i], xs))
            i += 1
    return results


def _is_pair(a: Matrix, b: Matrix) -> bool:
    """Return whether two rows agree except for some signs, so that their sums can be shared."""
    same = a == b
    return bool((np.abs(a) == np.abs(b)).all() and a[same].any() and a[~same].any())


def _dot(e: Emitter, row: Matrix, xs: list[Any]) -> Any:
    """Return the sum of row[k] * xs[k], without multiplications by 1 and without zero terms."""
    order = sorted(np.flatnonzero(row), key=lambda k: (row[k] != 1, abs(row[k]) != 1))
    total = None
    for k in order:
        factor = e.ir.Constant(e.vector, [float(np.float32(row[k]))] * e.lanes)
        if total is None:
            total = xs[k] if row[k] == 1 else e.builder.fmul(xs[k], factor)
        elif row[k] in (1, -1):
            total = (e.builder.fadd if row[k] == 1 else e.builder.fsub)(total, xs[k])
        else:
            total = e.multiply_add(xs[k], factor, total)
    return total
