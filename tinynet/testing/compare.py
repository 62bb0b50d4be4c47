"""Comparison of two results: the tolerance, and a description of where and how they differ."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinynet.core.backend import Array
from tinynet.words import phrase

# the letters of an index, by number of axes
AXES = {1: "i", 2: "n, c", 3: "n, k, p", 4: "n, c, h, w"}


def tolerance(terms: int, dtype: Any) -> float:
    """Return the relative error that a sum of so many terms may have: 8 * sqrt(terms) * eps.

    Rounding errors of n additions grow like a random walk, as sqrt(n) (Higham and Mary 2019). Eight
    standard deviations allow any order of summation, and reveal a missing term.

    Parameters
    ----------
    terms : int
    dtype : float dtype

    Examples
    --------
    >>> import numpy as np
    >>> f"{tolerance(100, np.float64):.3g}"  # 8 * 10 * 2.22e-16
    '1.78e-14'
    """
    return 8 * math.sqrt(max(1, terms)) * float(np.finfo(dtype).eps)


def scale_of(expected: Array) -> float:
    """Return the largest finite magnitude in an array, the unit of relative errors."""
    finite = np.abs(expected[np.isfinite(expected)]) if expected.size else expected
    return float(finite.max()) if finite.size else 0.0


def difference(got: Array, expected: Array, allowed: float | Array = 0.0) -> str | None:
    """Return None if all |got - expected| <= allowed, else a description of the differences.

    NaN equals NaN here, and an infinity itself.

    Parameters
    ----------
    got, expected : arrays
    allowed : float or array of their shape

    Examples
    --------
    >>> import numpy as np
    >>> print(difference(np.array([1.0, 4.0]), np.array([1.0, 2.0])))
    1 of 2 elements are wrong, all at i = 1.
      Worst at [i=1]: got 4, expected 2.
      It is the only one that is wrong: what is special about its place, or its input?
    >>> difference(np.ones(2), np.ones(2)) is None
    True
    """
    if got.shape != expected.shape:
        said = "the shape is {got}, expected {expected}"
        return phrase(said, got=got.shape, expected=expected.shape)
    wide_got = got.astype(np.float64)
    wide = expected.astype(np.float64)
    with np.errstate(invalid="ignore"):
        error = np.abs(wide_got - wide)
    same = (error <= allowed) | (wide_got == wide) | (np.isnan(wide_got) & np.isnan(wide))
    if same.all():
        return None
    wrong = np.argwhere(~same)  # (count, axes)
    order = np.where(np.isnan(error[~same]), np.inf, error[~same])
    worst = tuple(int(i) for i in wrong[int(order.argmax())])
    return phrase(
        "{count} of {size} elements are wrong{pattern}.\n  Worst at {place}: {both}.\n  {way}",
        count=len(wrong),
        size=got.size,
        pattern=_pattern(wrong, got.shape),
        place=place(worst),
        both=both(wide_got[worst], wide[worst]),
        way=_way(wide_got[~same], wide[~same], got.size),
    )


def place(at: tuple[int, ...]) -> str:
    """Return an index with the letters of its axes, e.g. [n=0, c=3, h=2, w=1]."""
    letters = AXES.get(len(at), "").split(", ")
    if not at:
        return phrase("[its only number]")
    if len(letters) != len(at):
        return str(list(at))
    return "[" + ", ".join(f"{a}={i}" for a, i in zip(letters, at, strict=True)) + "]"


def both(got: float, expected: float) -> str:
    """Return both numbers with enough digits to show that they differ."""
    for digits in (6, 9, 13, 17):
        texts = f"{got:.{digits}g}", f"{expected:.{digits}g}"
        if texts[0] != texts[1]:
            break
    return phrase("got {got}, expected {expected}", got=texts[0], expected=texts[1])


def _pattern(wrong: Array, shape: tuple[int, ...]) -> str:
    """Return the indices along the axes that the wrong elements are limited to, if few."""
    letters = AXES.get(len(shape), "").split(", ")
    found = []
    for axis, size in enumerate(shape):
        places = np.unique(wrong[:, axis])
        if len(places) < size and len(places) <= 4:
            named = len(letters) == len(shape)
            name = letters[axis] if named else phrase("axis {axis}", axis=axis)
            found.append(f"{name} = {phrase(' or ').join(str(p) for p in places)}")
    return phrase(", all at {places}", places=", ".join(found)) if found else ""


def _way(got: Array, expected: Array, size: int) -> str:
    """Return a description of how the numbers are wrong, in an array of this size."""
    if not np.isfinite(got).all():
        return phrase("Some are NaN or infinite: never written, divided by 0, or overflowed.")
    if not got.any():
        return phrase("They are 0: they were never written, or a whole term is missing.")
    if got.size == 1 < size or not expected.any():  # one number, or a 0, shows no pattern
        only = "It is the only one that is wrong: what is special about its place, or its input?"
        zero = "0 is expected there: a condition is missing."
        return phrase(only if expected.any() else zero)
    if expected.all() and np.isfinite(expected).all():
        ratio = got / expected
        if np.ptp(ratio) <= 1e-3 * np.abs(ratio).min():
            return _factor(float(np.median(ratio)))
    if np.ptp(got - expected) <= 1e-6 * np.abs(got - expected).min():
        said = "Each is off by {by:+.4g}: a constant too much."
        return phrase(said, by=float((got - expected).flat[0]))
    return _size(got, expected)


def _size(got: Array, expected: Array) -> str:
    """Return whether the wrong numbers are too small, too large, or both."""
    if (np.abs(got) < np.abs(expected)).all():
        return phrase("All are too small: a term is missing.")
    if (np.abs(got) > np.abs(expected)).all():
        return phrase("All are too large: a term is too much, or a divisor is missing.")
    return phrase(
        "They differ by different amounts: a term is missing, too much, or in the wrong place."
    )


def _factor(ratio: float) -> str:
    """Return the meaning of wrong numbers that are all about `ratio` times the right ones."""
    if abs(ratio - 1) < 1e-3:
        return phrase(
            "All are nearly right: a small term is missing, or digits were lost on the way."
        )
    if abs(ratio + 1) < 1e-3:
        return phrase("Each is -1 times what it should be: the sign is flipped.")
    said = "Each is {ratio:.4g} times what it should be: a factor of {missing:.4g} is missing."
    return phrase(said, ratio=ratio, missing=1 / ratio)
