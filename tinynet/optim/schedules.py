"""Learning-rate schedules: the rate of every step of a run.

A schedule is given to an optimizer in the place of a number, and the optimizer follows it:

>>> from tinynet import nn, optim
>>> net = nn.Linear(4, 2)
>>> optimizer = optim.SGD(net.parameters(), lr=optim.Cosine(0.02, epochs=12), momentum=0.9)

A schedule is a pure function of the step, of the number of steps in the run and of the validation
errors so far. It keeps no state of its own, so a resumed run continues at the right rate.
"""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tinynet.core.checks import is_number, is_whole


@dataclasses.dataclass(frozen=True, repr=False)
class Schedule:
    """Base class of all schedules: write ``rate``.

    Parameters
    ----------
    lr : float
        The base learning rate.
    epochs : int, optional
        Length of the run in epochs. `tn.fit` knows how many steps an epoch has, and refuses a
        schedule for another number of epochs than it trains.
    total_steps : int, optional
        Length of the run in steps. A training loop of your own needs it: the optimizer then sets
        the rate in every ``step()``.

    Raises
    ------
    ValueError
        Where `lr` is negative or not finite, or a length is below 1.
    """

    lr: float
    epochs: int | None = dataclasses.field(default=None, kw_only=True)
    total_steps: int | None = dataclasses.field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if not is_number(self.lr, 0):
            raise ValueError(
                f"{type(self).__name__}: lr must be a number, at least 0 and finite. "
                f"Got {self.lr!r}."
            )
        for name in ("epochs", "total_steps"):
            value = getattr(self, name)
            if value is not None and not is_whole(value, 1):
                raise ValueError(
                    f"{type(self).__name__}: {name} must be a whole number, at least 1, "
                    f"got {value!r}."
                )

    def rate(self, step: int, steps: int, errors: Sequence[float] = ()) -> float:
        """Return the rate of step 0, 1, ... of a run of `steps`.

        Parameters
        ----------
        errors : sequence of float
            The validation errors of the epochs that are finished, in 0..1.
        """
        raise NotImplementedError(f"{type(self).__name__} must define rate(step, steps, errors).")

    def __repr__(self) -> str:
        changed = [
            f"{field.name}={getattr(self, field.name)!r}"
            for field in dataclasses.fields(self)
            if field.name != "lr" and getattr(self, field.name) != field.default
        ]
        return f"{type(self).__name__}({', '.join([repr(self.lr), *changed])})"

    def __call__(self, step: int, steps: int, errors: Sequence[float] = ()) -> float:
        """Return ``rate(step, steps, errors)``."""
        return self.rate(step, steps, errors)


@dataclasses.dataclass(frozen=True, repr=False)
class Constant(Schedule):
    """The same rate in every step.

    >>> Constant(0.1).rate(7, 10)
    0.1
    """

    def rate(self, step: int, steps: int, errors: Sequence[float] = ()) -> float:
        """Return lr."""
        return self.lr


@dataclasses.dataclass(frozen=True, repr=False)
class MultiStep(Schedule):
    """The rate lr, times a factor from given fractions of the run on.

    Parameters
    ----------
    lr : float
        The base learning rate.
    drops : pairs (fraction of the run, factor of lr), in order
        ``((0.5, 0.1), (0.75, 0.01))``: a tenth from the middle of the run on, a hundredth from
        three quarters on. Epoch 80 of 164 is the fraction 80 / 164.

    Raises
    ------
    ValueError
        Where `drops` are no pairs of such numbers, or not in the order of their fractions.

    Examples
    --------
    >>> schedule = MultiStep(0.5, ((0.5, 0.1),))
    >>> [schedule.rate(step, 4) for step in range(4)]
    [0.5, 0.5, 0.05, 0.05]
    """

    drops: Sequence[tuple[float, float]] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        pairs = isinstance(self.drops, (tuple, list)) and all(map(_is_drop, self.drops))
        if not pairs:
            raise ValueError(
                "MultiStep: drops are pairs (fraction of the run in 0..1, factor of lr), like "
                f"((0.5, 0.1), (0.75, 0.01)). Got {self.drops}. Epoch 80 of 164 is 80 / 164."
            )
        fractions = [fraction for fraction, _ in self.drops]
        if fractions != sorted(fractions):
            raise ValueError(
                f"MultiStep: drops must be in the order of their fractions. Got {self.drops}."
            )

    def rate(self, step: int, steps: int, errors: Sequence[float] = ()) -> float:
        """Return lr times the factor of the last drop that the step has reached."""
        factor = 1.0
        for fraction, later in self.drops:
            if step >= round(fraction * steps):
                factor = later
        return self.lr * factor


@dataclasses.dataclass(frozen=True, repr=False)
class Cosine(Schedule):
    """Half a cosine from lr down to 0 (Loshchilov and Hutter 2017), after an optional warmup.

    Parameters
    ----------
    lr : float
        The largest rate of the run.
    warmup : float
        Fraction of the run in which the rate rises from 0 to lr in a straight line (Goyal et al.
        2017).

    Examples
    --------
    >>> schedule = Cosine(1.0, warmup=0.25)
    >>> [round(schedule.rate(step, 8), 2) for step in range(8)]
    [0.5, 1.0, 1.0, 0.93, 0.75, 0.5, 0.25, 0.07]
    """

    warmup: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not is_number(self.warmup, 0, 1) or self.warmup == 1:
            raise ValueError(
                "Cosine: warmup is a fraction of the run, at least 0 and below 1. "
                f"Got {self.warmup!r}. The number of epochs is given by name: epochs=12."
            )

    def rate(self, step: int, steps: int, errors: Sequence[float] = ()) -> float:
        """Return lr * (step + 1) / rising in the warmup, then lr * (1 + cos(...)) / 2."""
        rising = round(self.warmup * steps)
        if step < rising:
            return self.lr * (step + 1) / rising
        return self.lr * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising))) / 2


@dataclasses.dataclass(frozen=True, repr=False)
class ReduceOnPlateau(Schedule):
    """The rate lr, divided by 10 whenever the validation error stalls: section 5 of the paper.

    A stall is `patience` epochs in a row that are no better than the best one before them. After a
    drop the epochs are counted anew. `tn.fit` hands over the errors; give it images for
    `validation` that are neither trained on nor part of the final test.

    Parameters
    ----------
    lr : float
        The rate at the beginning.
    patience : int
        Epochs without an improvement before the rate drops.
    times : int
        Number of drops, at most.
    factor : float
        Factor of a drop, between 0 and 1.

    Raises
    ------
    ValueError
        Where `patience` is not a whole number from 1 on, `times` not one from 0 on, or `factor`
        not between 0 and 1.

    Examples
    --------
    >>> schedule = ReduceOnPlateau(1.0, patience=2)
    >>> schedule.rate(0, 1, errors=[0.9, 0.5, 0.6]), schedule.rate(0, 1, errors=[0.5, 0.6, 0.6])
    (1.0, 0.1)
    """

    patience: int = 5
    times: int = 3
    factor: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if not is_whole(self.patience, 1) or not is_whole(self.times, 0):
            raise ValueError(
                "ReduceOnPlateau: patience is a whole number of epochs, at least 1, and times one "
                f"of drops, at least 0. Got patience={self.patience!r}, times={self.times!r}."
            )
        if not is_number(self.factor, 0, 1) or self.factor in (0, 1):
            raise ValueError(
                f"ReduceOnPlateau: factor is a number between 0 and 1, got {self.factor!r}."
            )

    def rate(self, step: int, steps: int, errors: Sequence[float] = ()) -> float:
        """Return the rate after epochs with these validation errors."""
        best = math.inf
        waited = 0
        drops = 0
        for error in errors:
            waited = 0 if error < best else waited + 1
            best = min(best, error)
            if waited >= self.patience and drops < self.times:
                waited = 0
                drops += 1
        return self.lr * self.factor**drops


def _is_drop(pair: Any) -> bool:
    """Return whether a value is a pair of a fraction in 0..1 and a factor from 0 on."""
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        return False
    fraction, factor = pair
    return is_number(fraction, 0, 1) and is_number(factor, 0)


ELSEWHERE = {  # a name of another library or of an earlier version: what to type here
    "Stepwise": "MultiStep(lr, ((fraction of the run, factor), ...))",
    "StepLR": "MultiStep(lr, ((fraction of the run, factor), ...))",
    "MultiStepLR": "MultiStep(lr, ((fraction of the run, factor), ...))",
    "CosineAnnealingLR": "Cosine(lr, epochs=...)",
    "CosineDecay": "Cosine(lr, epochs=...)",
    "ReduceLROnPlateau": "ReduceOnPlateau(lr, patience=...)",
    "Plateau": "ReduceOnPlateau(lr, patience=...)",
    "LambdaLR": "a subclass of Schedule with rate(step, steps, errors)",
}


if not TYPE_CHECKING:  # a type checker knows the names

    def __getattr__(name: str) -> object:
        """Say what to type for a schedule's name in another library, or before 0.2."""
        if name == "Stepwise":
            warnings.warn("optim: Stepwise is called MultiStep now.", FutureWarning, stacklevel=2)
            return MultiStep
        if name in ELSEWHERE:
            raise AttributeError(
                f"optim.schedules: {name} is {ELSEWHERE[name]} here. The optimizer takes it as "
                "its lr."
            )
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
