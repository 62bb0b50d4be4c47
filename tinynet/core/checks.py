"""Kinds of numbers that a setting may be; True and False are no numbers here."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any


def is_whole(value: Any, least: int) -> bool:
    """Return whether a value is an integer from `least` on, of Python or NumPy.

    >>> is_whole(3, least=1), is_whole(0, least=1), is_whole(3.0, least=1), is_whole(True, least=1)
    (True, False, False, False)
    """
    integer = isinstance(value, Integral) and not isinstance(value, bool)
    return integer and bool(value >= least)


def check_counts(layer: str, **counts: int) -> None:
    """Raise ValueError at a setting that is not a whole number, at least 1.

    >>> check_counts("Linear", in_features=4, out_features=3)
    """
    for name, value in counts.items():
        if not is_whole(value, 1):
            raise ValueError(f"{layer}: {name} must be a whole number, at least 1, got {value!r}.")


def is_number(value: Any, least: float = -math.inf, most: float = math.inf) -> bool:
    """Return whether a value is a finite real number in least .. most.

    >>> is_number(0.5, 0, 1), is_number(2, 0, 1), is_number("0.5"), is_number(float("nan"))
    (True, False, False, False)
    """
    real = isinstance(value, Real) and not isinstance(value, bool)
    return real and math.isfinite(value) and bool(least <= value <= most)
