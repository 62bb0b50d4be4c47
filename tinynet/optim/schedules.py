"""Learning rates over a run: functions (step, steps of the run) -> rate, for `train.fit`.

None of them remembers anything, so a run that is resumed goes on with the right rate.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any


@dataclasses.dataclass(frozen=True)
class Stepwise:
    """lr, times `factor` from that fraction of the run on: drops = ((fraction, factor), ...)."""

    lr: float
    drops: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        fractions = [fraction for fraction, _ in self.drops]
        if fractions != sorted(fractions):
            raise ValueError(
                f"Stepwise: drops must be in the order of their fractions. Got {self.drops}."
            )

    def __call__(self, step: int, steps: int) -> float:
        """Return the rate of step 0, 1, ... of a run of `steps`."""
        factor = 1.0
        for fraction, later in self.drops:
            if step >= round(fraction * steps):
                factor = later
        return self.lr * factor


@dataclasses.dataclass(frozen=True)
class Cosine:
    """Up to lr in a straight line, then down to nothing along half a cosine.

    `warm` is the fraction of the run that goes up (Goyal et al. 2017; Loshchilov and Hutter 2017).
    """

    lr: float
    warm: float = 0.0

    def __call__(self, step: int, steps: int) -> float:
        """Return the rate of step 0, 1, ... of a run of `steps`."""
        rising = round(self.warm * steps)
        if step < rising:
            return self.lr * (step + 1) / rising
        return self.lr * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising))) / 2


def error_of(record: Any) -> float:
    """Return the error of a `train.Epoch`: on validation pictures, where there are any."""
    seen = getattr(record, "validation_accuracy", None)
    return 1.0 - float(record.test_accuracy if seen is None else seen)


@dataclasses.dataclass(frozen=True)
class Plateau:
    """lr, divided by 10 whenever the validation error stalls, `times` times: section 5.

    A stall is `patience` epochs in a row that are no better than the best one before them; after a
    drop the epochs are counted anew. Give `fit` pictures for `validation`, that are neither trained
    on nor those of the final test, and the list of records that it fills:

        state, (rest, held) = train.State(), data.hold_out(pictures, 0.1)
        fit(..., validation=..., learning_rate=schedules.Plateau(0.01, state.records), state=state)

    The records are part of a checkpoint, so a run that is resumed knows how long it has waited.
    """

    lr: float
    records: Sequence[Any]
    patience: int = 5
    times: int = 3
    factor: float = 0.1
    error: Callable[[Any], float] = error_of

    def __call__(self, step: int, steps: int) -> float:
        """Return the rate after the epochs that are on record."""
        best, waited, drops = math.inf, 0, 0
        for error in map(self.error, self.records):
            waited = 0 if error < best else waited + 1
            best = min(best, error)
            if waited >= self.patience and drops < self.times:
                waited, drops = 0, drops + 1
        return self.lr * self.factor**drops
