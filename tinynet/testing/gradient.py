r"""Gradient checks: backward against the slope of forward, or against its transpose.

Along a random direction v a function of many numbers is a function of one number h:

    phi(h) = <f(x + h*v), u>                 u: random weights, so that one number comes out
    (phi(h) - phi(-h)) / 2h -> <gradient, v>         the central difference
    |phi(h) - phi(0) - h * <gradient, v>|            the Taylor remainder

Everything is in float64. When h is halved, the remainder of a correct gradient falls by a factor of
4 (of 16 when h is quartered), that of a wrong one only by 2: there is no tolerance to choose.

A linear f needs no small steps: its backward is its transpose, <f(x), u> = <x, backward(u)>.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tinynet.core.backend import Array
from tinynet.testing.compare import both, difference, place, tolerance
from tinynet.testing.subject import Subject, name_of

STEPS = [4.0**-i for i in range(4, 11)]  # 0.004 ... 0.000001, in units of the size of x
FEW = slice(3, 6)  # of the steps, for single elements
MINUTE = [
    4.0**-i for i in range(8, 15)
]  # for a direction that moves a whole network, which has many kinks
ELEMENTS = 1000  # up to this size, every element of an array is compared

Phi = Callable[[Array], float]


def check_gradient(fn: Callable[..., Any], *arrays: Array, together: bool = False) -> None:
    """Raise unless backward() gives the derivatives of `fn` with respect to every array.

    Parameters
    ----------
    fn : function or module
        Takes one Tensor per array and returns a Tensor of any shape. The parameters of a module are
        checked too. Arrays of integers (labels) are passed on unchanged.
    arrays
        The point at which to differentiate, away from kinks: no ties under a maximum, no zeros
        under a ReLU.
    together : bool
        Move all arrays and parameters along one direction, each in proportion to its size: one
        comparison instead of one for each of them, for networks of many layers. If it fails, each
        array is checked alone, from the last one, which is nearest to the output.

    Raises
    ------
    AssertionError
        A gradient is wrong or missing, or `fn` changed an input; the message names the element.
    ValueError
        The point is at a kink.

    Examples
    --------
    >>> import numpy as np
    >>> import tinynet as tn
    >>> from tinynet import functions as F
    >>> tn.testing.check_gradient(F.tanh, np.array([0.5, -1.0]))
    """
    with Subject(fn, arrays, np.float64) as subject:
        compare_gradients(subject, "check_gradient", together)


def compare_gradients(subject: Subject, judge: str, together: bool = False) -> None:
    """Compare backward with the slopes of forward, for one input or parameter after the other."""
    rng = np.random.default_rng(0)
    arrays = subject.arrays
    given = [x.copy() for x in arrays]
    y = subject.value(given)
    subject.require_unchanged(given, judge)
    u = rng.standard_normal(y.shape)
    gradients = subject.gradients(given, u)
    subject.require_unchanged(given, judge)
    noise = tolerance(y.size + sum(a.size for a in arrays), np.float64)
    size = np.abs(y * u).sum()
    for name, x, gradient in zip(subject.names, arrays, gradients, strict=True):
        if gradient.shape != x.shape:
            raise AssertionError(
                f"{judge}: {subject.name}: the gradient of {name} has the shape "
                f"{gradient.shape}, expected {x.shape}."
            )
    if together and _right_together(subject, judge, u, gradients):
        return
    order = range(len(arrays))
    for i in reversed(order) if together else order:  # the last array is nearest to the output
        x = arrays[i]
        gradient = gradients[i]

        def phi(moved: Array, i: int = i) -> float:
            return float((subject.value([*arrays[:i], moved, *arrays[i + 1 :]]) * u).sum())

        search = Search(phi, x, gradient, noise * float(size + np.abs(x * gradient).sum()))
        v = rng.standard_normal(x.shape)
        if x.size and search.along(v) != "right":
            prefix = f"{judge}: {subject.name}"
            raise search.complaint(v, prefix, subject.names[i], elements=not together)
    if together:
        raise AssertionError(
            f"{judge}: {subject.name}: along a direction that moves all arrays the gradient is not "
            "the slope of forward, though it is for each of them alone."
        )


def _right_together(subject: Subject, judge: str, u: Array, gradients: list[Array]) -> bool:
    """Return whether backward is right along one random direction of all arrays together.

    Each number is rounded: the noise is as large as if each had moved by a rounding error.
    """
    rng = np.random.default_rng(1)
    arrays = subject.arrays
    vs = [_unit(x) * rng.standard_normal(x.shape) for x in arrays]
    squares = sum(float(((x * g) ** 2).sum()) for x, g in zip(arrays, gradients, strict=True))
    size = float(np.abs(subject.value(arrays) * u).sum()) + math.sqrt(squares)

    def phi(h: Any) -> float:
        moved = [x + h * v for x, v in zip(arrays, vs, strict=True)]
        return float((subject.value(moved) * u).sum())

    line = Line(phi, np.zeros(()), np.ones(()), np.array(MINUTE), tolerance(16, np.float64) * size)
    if line.kink:
        raise _kink(line, f"{judge}: {subject.name}", "all of it together")
    slope = sum(float((g * v).sum()) for g, v in zip(gradients, vs, strict=True))
    return line.verdict(slope) == "right"


def _kink(line: Line, prefix: str, what: str) -> ValueError:
    return ValueError(
        f"{prefix}: {what} is at a kink, or nearer to one than {line.steps[-1]:.1g}: to one "
        f"side the slope is {line.left:.6g}, to the other {line.right:.6g}. There is no "
        "derivative to compare with. Choose an input without ties, and without zeros "
        "under a ReLU."
    )


def _unit(x: Array) -> float:
    """Return the size of an element of x."""
    return float(np.sqrt(np.mean(x * x))) if x.any() else 1.0


class Line:
    """phi(h) around h = 0: its slope there, the uncertainty of it, and whether there is a kink."""

    def __init__(self, phi: Phi, x: Array, v: Array, h: Array, noise: float) -> None:
        self.steps = h
        self.noise = noise
        self.middle = phi(x)
        self.ahead = np.array([phi(x + step * v) for step in h])
        behind = np.array([phi(x - step * v) for step in h])
        slopes = (self.ahead - behind) / (2 * h)
        jumps = np.abs(self.ahead - 2 * self.middle + behind) / h  # right slope minus left slope
        falls = jumps[1:] <= jumps[:-1] / 2 + 4 * noise / h[1:]  # by 4 where it is smooth
        self.kink = not falls[-1]
        self.left = float((self.middle - behind[-1]) / h[-1])
        self.right = float((self.ahead[-1] - self.middle) / h[-1])
        doubts = np.abs(np.diff(slopes)) + 2 * noise / h[1:]
        agree = np.abs(slopes[1:] - slopes[-1]) <= doubts + 4 * noise / h[-1]
        best = int(np.where(falls & agree, doubts, np.inf).argmin())
        self.slope = float(slopes[best + 1])
        self.doubt = float(doubts[best])

    def verdict(self, slope: float) -> str:
        """Return "right" or "wrong" for a slope, or "kink" if that cannot be decided."""
        if self.kink:
            return "kink"
        last, previous = np.abs(self.ahead - self.middle - self.steps * slope)[[-1, -2]]
        falls = last <= 8 * self.noise or previous >= 8 * last  # 16 if right, 4 if wrong
        return "right" if falls and abs(slope - self.slope) <= self.doubt else "wrong"


class Search:
    """Comparison of one gradient, and the search for a wrong element of it."""

    def __init__(self, phi: Phi, x: Array, gradient: Array, noise: float) -> None:
        self.phi = phi
        self.x = x
        self.gradient = gradient
        self.noise = noise
        self.unit = _unit(x)

    def line(self, v: Array, steps: slice = slice(None)) -> Line:
        """Return phi along the direction v."""
        return Line(self.phi, self.x, v, np.array(STEPS[steps]) * self.unit, self.noise)

    def along(self, v: Array) -> str:
        """Return the verdict on the gradient along the direction v."""
        return self.line(v).verdict(float((self.gradient * v).sum()))

    def complaint(self, v: Array, prefix: str, what: str, elements: bool = True) -> Exception:
        """Return the error to raise; with `elements`, it names a wrong element."""
        line = self.line(v)
        along = float((self.gradient * v).sum())
        if line.kink:
            return _kink(line, prefix, what)
        text = None
        if elements:
            text = self.whole() if self.x.size <= ELEMENTS else self.one(v)
        text = text or f"along a random direction got {along:.9g}, expected {line.slope:.9g}."
        return AssertionError(
            f"{prefix}: the gradient of {what} is not the slope of forward: {text}"
        )

    def whole(self) -> str | None:
        """Compare every element with its central difference."""
        slopes = np.empty(self.x.shape)
        doubts = np.empty(self.x.shape)
        for at in np.ndindex(self.x.shape):
            v = np.zeros(self.x.shape)
            v[at] = 1
            line = self.line(v, FEW)
            slopes[at] = line.slope
            doubts[at] = np.inf if line.kink else line.doubt
        return difference(self.gradient, slopes, doubts)

    def one(self, v: Array) -> str | None:
        """Find one wrong element by halving the set of elements that move."""
        low = 0
        high = self.x.size
        part = np.zeros(self.x.size)
        while high - low > 1:
            half = (low + high) // 2
            part[:] = 0
            part[low:half] = v.flat[low:half]
            wrong = self.along(part.reshape(v.shape)) == "wrong"
            low, high = (low, half) if wrong else (half, high)
        at = tuple(int(i) for i in np.unravel_index(low, self.x.shape))
        part[:] = 0
        part[low] = 1
        line = self.line(part.reshape(v.shape))
        got = float(self.gradient[at])
        if abs(got - line.slope) <= line.doubt:
            return None
        return f"one wrong element of {self.x.size} is {place(at)}: {both(got, line.slope)}."


def check_adjoint(
    forward: Callable[..., Any], backward: Callable[..., Any], *arrays: Array
) -> None:
    """Raise unless `backward` is the transpose of the linear `forward`: <A x, u> = <x, A^T u>.

    Parameters
    ----------
    forward : function of the arrays that returns an array, linear in all of them together
    backward : function of one array of that shape
        Returns one array, or a tuple with one for each array.
    arrays
        Arguments of `forward`; any numbers will do.

    Raises
    ------
    AssertionError
        `backward` is not the transpose; the message names the wrong element.
    ValueError
        `forward` is not linear.

    Examples
    --------
    >>> import numpy as np
    >>> import tinynet as tn
    >>> A = np.arange(6.0).reshape(2, 3)
    >>> tn.testing.check_adjoint(lambda x: A @ x, lambda u: A.T @ u, np.ones(3))
    """
    rng = np.random.default_rng(0)
    prefix = f"check_adjoint: {name_of(backward)}"
    xs = [np.asarray(a, np.float64) for a in arrays]
    y = np.asarray(forward(*xs))
    u = rng.standard_normal(y.shape)
    gxs = backward(u)
    gxs = gxs if isinstance(gxs, tuple) else (gxs,)
    _require_linear(forward, xs, y, prefix)
    for i, (x, gx) in enumerate(zip(xs, gxs, strict=True)):
        if gx.shape != x.shape:
            raise AssertionError(
                f"{prefix}: result {i} has the shape {gx.shape}, expected {x.shape}."
            )
        zeros = [np.zeros_like(z) for z in xs]

        def image(part: Array, i: int = i, zeros: list[Array] = zeros) -> Array:
            return np.asarray(forward(*zeros[:i], part, *zeros[i + 1 :])) * u

        terms = image(x)
        left = float(terms.sum())
        right = float((x * gx).sum())
        size = float(np.abs(terms).sum() + np.abs(x * gx).sum())
        if not abs(left - right) <= tolerance(x.size + y.size, np.float64) * size:
            text = _wrong_element(image, x, gx) if x.size <= ELEMENTS else None
            raise AssertionError(
                f"{prefix} is not the transpose of {name_of(forward)}: <forward(x), u> = "
                f"{left:.13g}, <x, backward(u)> = {right:.13g} for input {i}. {text or ''}"
            )


def _require_linear(forward: Callable[..., Any], xs: list[Array], y: Array, prefix: str) -> None:
    """Raise a ValueError if forward(-2x) is not -2 * forward(x)."""
    doubled = np.asarray(forward(*[-2 * x for x in xs]))
    text = difference(doubled, -2 * y, tolerance(y.size, np.float64) * float(np.abs(y).sum()))
    if text:
        raise ValueError(
            f"{prefix}: {name_of(forward)} is not linear, so it has no transpose: of "
            f"forward(-2 * x), against -2 * forward(x), {text} Use check_gradient."
        )


def _wrong_element(image: Callable[[Array], Array], x: Array, gx: Array) -> str | None:
    """Compare each element of gx with <forward(1 at this place), u>."""
    expected = np.empty(x.shape)
    size = np.empty(x.shape)
    for at in np.ndindex(x.shape):
        one = np.zeros(x.shape)
        one[at] = 1
        terms = image(one)
        expected[at] = terms.sum()
        size[at] = np.abs(terms).sum()
    return difference(gx, expected, tolerance(x.size, np.float64) * size)
