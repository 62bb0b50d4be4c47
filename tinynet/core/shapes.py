"""Shapes claimed by a file, checked before they are used."""

from __future__ import annotations

import math
from typing import Any

AXES = 32  # of an array; NumPy before 2.0 has no more
LARGEST = 1 << 48  # elements, also of an empty array by its other axes


def credible(shape: Any) -> bool:
    """Return whether this is a tuple of up to AXES lengths that an array can have."""
    return lengths(shape) and math.prod(n or 1 for n in shape) < LARGEST


def lengths(numbers: Any) -> bool:
    """Return whether this is a tuple of up to AXES integers, 0 <= n < LARGEST, not bools."""
    return (
        isinstance(numbers, tuple)
        and len(numbers) <= AXES
        and all(type(n) is int and 0 <= n < LARGEST for n in numbers)
    )
