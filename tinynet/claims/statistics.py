"""Means over seeds, their 95 % intervals, and the verdict on a paired difference."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

STUDENT = (  # 97.5 % quantiles of Student's t distribution with 1, 2, ... degrees of freedom
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
)
NORMAL = 1.960  # the same quantile of the normal distribution, a little too small from 21 on

HOLDS = "holds here"
NOT_SHOWN = "does not show at this scale"
REVERSED = "reversed"
DIFFERS = "a difference shows here"
NO_DIFFERENCE = "no difference shows at this scale"


class Interval(NamedTuple):
    """A mean and its 95 % confidence interval; with one value the ends are infinite."""

    mean: float
    low: float
    high: float

    @property
    def half(self) -> float:
        """Half the width of the interval."""
        return (self.high - self.low) / 2


def interval(values: Sequence[float]) -> Interval:
    """Return the mean of independent values and its 95 % interval by Student's t.

    Parameters
    ----------
    values : sequence of float
        One per seed, at least one.

    Examples
    --------
    >>> mean, low, high = interval([1.0, 2.0, 3.0])
    >>> round(mean, 2), round(low, 2), round(high, 2)
    (2.0, -0.48, 4.48)
    """
    mean = statistics.fmean(values)
    if len(values) < 2:
        return Interval(mean, -math.inf, math.inf)
    freedom = len(values) - 1
    quantile = STUDENT[freedom - 1] if freedom <= len(STUDENT) else NORMAL
    half = quantile * statistics.stdev(values) / math.sqrt(len(values))
    return Interval(mean, mean - half, mean + half)


def paired(better: Sequence[float], worse: Sequence[float], *, ratio: bool = False) -> Interval:
    """Return the interval of ``worse - better`` seed by seed, or of ``worse / better``.

    Two runs of one seed begin with the same weights and see the same images in the same order, so
    a part of the randomness of both cancels in their difference.

    Parameters
    ----------
    better, worse : sequences of float
        A value per seed, in the same order; smaller is better.
    ratio : bool
        Compare by factors: the geometric mean of the quotients.

    Examples
    --------
    >>> round(paired([10.0, 20.0], [20.0, 40.0], ratio=True).mean, 6)
    2.0
    """
    if not ratio:
        return interval([b - a for a, b in zip(better, worse, strict=True)])
    logs = interval([math.log(b / a) for a, b in zip(better, worse, strict=True)])
    return Interval(*(math.exp(min(value, 700.0)) for value in logs))


def verdict(found: Interval, *, ratio: bool = False, neutral: bool = False) -> str:
    """Return in words whether a paired interval supports the claim.

    Parameters
    ----------
    found : Interval
        Of `paired`.
    ratio : bool
        It is of factors, which are compared with 1.
    neutral : bool
        The claim does not say which of the two is better.

    Examples
    --------
    >>> verdict(Interval(1.2, 0.4, 2.0))
    'holds here'
    >>> verdict(Interval(1.2, 0.4, 2.0), ratio=True)
    'does not show at this scale'
    """
    equal = 1.0 if ratio else 0.0
    if found.low > equal:
        return DIFFERS if neutral else HOLDS
    if found.high < equal:
        return DIFFERS if neutral else REVERSED
    return NO_DIFFERENCE if neutral else NOT_SHOWN
