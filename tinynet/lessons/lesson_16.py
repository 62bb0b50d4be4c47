"""Exercises of lesson 16: a Numba loop, Winograd's F(2, 3) and profiling."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinynet import kernels
from tinynet.lessons.exercise import Wrong, cases, exercise, expect
from tinynet.words import phrase


@exercise(
    "16.1",
    "Max-pooling as a loop for Numba",
    hints=(
        "Six loops: for n, for c, for i over OH, for j over OW, and inside for p, for q over k.",
        "Before the loops over p and q: best = x[n, c, s*i, s*j]. Not 0: all may be negative.",
        "y = np.empty((N, C, OH, OW), x.dtype): np.empty without a dtype is float64, and the "
        "result must have the dtype of x.",
    ),
    value=True,
)
def pool_loop(answer: Any) -> None:
    """Write my_max_pool(x, k, s) with loops only, compiled with @njit; x is (N, C, H, W)."""
    row = np.array([[[[1.0, 3.0, 5.0, 0.0, 4.0]] * 3]], np.float32)
    got = answer(row.copy(), 3, 2)
    if got is None:
        raise NotImplementedError
    expect(
        got, [[[[5, 5]]]], "three rows of 1 3 5 0 4, k = 3, s = 2", "The windows share column 2."
    )
    expect(
        answer(-row, 3, 2),
        [[[[-1, 0]]]],
        "the same row, negative, k = 3, s = 2",
        "The largest of negative numbers is negative: begin with the first pixel, not with 0.",
    )
    if got.dtype != np.float32:
        raise Wrong(
            phrase(
                "for x of float32: expected float32, got {dtype}.\n  np.empty without a dtype is "
                "float64: twice the bytes, and half as many numbers in a register.",
                dtype=got.dtype,
            )
        )
    if not hasattr(answer, "py_func"):
        raise Wrong(
            "the numbers are right, but this is plain Python: expected a Numba function."
            "\n  Put @njit above its def."
        )
    x = cases(0).standard_normal((2, 3, 9, 7)).astype(np.float32)
    truth = kernels.max_pool2d_forward(x, kernels.Geometry.of(3, stride=2), False)[0]
    expect(
        answer(x, 3, 2),
        truth,
        "random images (2, 3, 9, 7), k = 3, s = 2",
        "The images are 9 high and 7 wide. Does `best` begin with the window's own first pixel?",
    )


@pool_loop.solution
def compiled_max_pool() -> Any:
    from numba import njit

    @njit
    def max_pool(x, k, s):
        N, C, H, W = x.shape
        OH = (H - k) // s + 1
        OW = (W - k) // s + 1
        y = np.empty((N, C, OH, OW), x.dtype)
        for n in range(N):
            for c in range(C):
                for i in range(OH):
                    for j in range(OW):
                        best = x[n, c, s * i, s * j]
                        for p in range(k):
                            for q in range(k):
                                best = max(best, x[n, c, s * i + p, s * j + q])
                        y[n, c, i, j] = best
        return y

    return max_pool


class Counted:
    """A number that counts its multiplications.

    Filters are known before the data, so operations on filters alone are not counted.
    """

    def __init__(self, value: float, is_data: bool, tally: list[int]) -> None:
        self.value = value
        self.is_data = is_data
        self.tally = tally

    def _join(self, other: Any, value: float, is_product: bool) -> Counted:
        plain = not isinstance(other, Counted)
        is_data = self.is_data or (not plain and other.is_data)
        free = plain and other in (0, 1, -1)
        self.tally[0] += is_product and is_data and not free
        return Counted(value, is_data, self.tally)

    def __add__(self, other: Any) -> Counted:
        return self._join(other, self.value + _value(other), False)

    def __sub__(self, other: Any) -> Counted:
        return self._join(other, self.value - _value(other), False)

    def __rsub__(self, other: Any) -> Counted:
        return self._join(other, _value(other) - self.value, False)

    def __mul__(self, other: Any) -> Counted:
        return self._join(other, self.value * _value(other), True)

    def __truediv__(self, other: Any) -> Counted:
        return self._join(other, self.value / _value(other), True)

    def __neg__(self) -> Counted:
        return self._join(0, -self.value, False)

    __radd__ = __add__
    __rmul__ = __mul__


def _value(x: Any) -> float:
    return x.value if isinstance(x, Counted) else float(x)


@exercise(
    "16.2",
    "F(2, 3): two outputs from four multiplications",
    hints=(
        "Two of the four products are the ends: (d[0] - d[2]) * g[0] and (d[1] - d[3]) * g[2].",
        "The two in the middle: (d[1] + d[2]) * (g[0] + g[1] + g[2]) / 2 and "
        "(d[2] - d[1]) * (g[0] - g[1] + g[2]) / 2. Put the / 2 on the filter: it is computed once.",
        "With these as m1, m4, m2, m3: y0 = m1 + m2 + m3 and y1 = m2 - m3 - m4.",
    ),
)
def four_multiplications(answer: Any) -> None:
    """Write my_f23(d, g): (d0 g0 + d1 g1 + d2 g2, d1 g0 + d2 g1 + d3 g2) with 4 multiplications."""
    cases: list[tuple[list[float], list[float]]] = [
        ([1, 0, 0, 0], [1, 2, 4]),
        ([0, 1, 0, 0], [1, 2, 4]),
        ([0, 0, 1, 0], [1, 2, 4]),
        ([0, 0, 0, 1], [1, 2, 4]),
        ([3, -1, 2, 5], [0.5, -2, 1]),
    ]
    tally = [0]
    for d, g in cases:
        tally[0] = 0
        data = [Counted(v, True, tally) for v in d]
        taps = [Counted(v, False, tally) for v in g]
        got = answer(data, taps)
        if not isinstance(got, tuple | list | np.ndarray) or len(got) != 2:
            raise Wrong("expected two numbers, y0 and y1.")
        truth = [sum(d[i + k] * g[k] for k in range(3)) for i in range(2)]
        expect(
            [_value(v) for v in got],
            truth,
            f"d = {d}, g = {g}",
            "Check the four products: a sign is wrong, or one is in the wrong sum.",
        )
    if tally[0] > 4:
        raise Wrong(
            phrase(
                "the numbers are right, with {count} multiplications: expected 4.\n  "
                "Operations on g alone are free (done once per filter); so is a factor 1 or -1.",
                count=tally[0],
            )
        )


@four_multiplications.solution
def f23(d, g):
    m1 = (d[0] - d[2]) * g[0]
    m2 = (d[1] + d[2]) * ((g[0] + g[1] + g[2]) / 2)
    m3 = (d[2] - d[1]) * ((g[0] - g[1] + g[2]) / 2)
    m4 = (d[1] - d[3]) * g[2]
    return m1 + m2 + m3, m2 - m3 - m4


class Stopwatch:
    """A clock that only the layers advance."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return its time in seconds."""
        return self.now


class Step:
    """A layer that adds 1 in `seconds` seconds, with 10 more the first time."""

    def __init__(self, clock: Stopwatch, place: int, seconds: float) -> None:
        self.clock = clock
        self.place = place
        self.seconds = seconds
        self.first = True

    def __call__(self, x: float) -> float:
        """Advance the clock and return x + 1."""
        if x != self.place:
            raise Wrong(
                phrase(
                    "layer {place} was given the output {x:g} of layer {before:g}: expected "
                    "x = layer(x), each layer applied to the previous layer's output.",
                    place=self.place,
                    x=x,
                    before=x - 1,
                )
            )
        self.clock.now += self.seconds + 10 * self.first
        self.first = False
        return x + 1


@exercise(
    "16.3",
    "Where the time goes",
    hints=(
        "Run all layers once before you read the clock: the first call compiles.",
        "Then for each layer: begin = clock(); x = layer(x); seconds = clock() - begin.",
        "Both passes begin with the input: keep it under another name than x.",
    ),
)
def where_time_goes(answer: Any) -> None:
    """Write my_profile(layers, x, clock): the seconds of each layer, without its first call."""
    for seconds in ([2.0, 5.0, 1.0], [4.0]):
        clock = Stopwatch()
        layers = [Step(clock, place, s) for place, s in enumerate(seconds)]
        got = answer(layers, 0, clock)
        case = phrase("layers of {seconds} seconds, and 10 more at the first call", seconds=seconds)
        if np.shape(got) == (len(seconds),) and got[0] >= 10:
            why = "The first call compiles. Run all layers once before you read the clock."
        else:
            why = "Read the clock before and after each layer."
        expect(got, seconds, case, why)


@where_time_goes.solution
def profile(layers, x, clock):
    first = x
    for layer in layers:
        x = layer(x)
    x = first
    seconds = []
    for layer in layers:
        begin = clock()
        x = layer(x)
        seconds.append(clock() - begin)
    return seconds
