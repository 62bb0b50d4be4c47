"""Claim: a statement, what was published about it, and the runs that test it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from tinynet.claims.trial import Trial

LABELS = {  # of the measures, in tables and figures
    "test_error": "test error, %",
    "test_loss": "test loss",
    "train_error": "error on training images, %",
    "gap": "test minus training error, points",
    "validation_error": "error on held-out images, %",
    "epochs": "epochs",
    "ten_view_error": "test error by ten views, %",
    "error_times_p": "test error, units times p, %",
    "error_times_1": "test error, units times 1, %",
    "loss_times_p": "test loss, units times p",
    "loss_times_1": "test loss, units times 1",
    "6_called_9": "6 called 9, %",
    "9_called_6": "9 called 6, %",
    "2_called_5": "2 called 5, %",
    "5_called_2": "5 called 2, %",
}


@dataclasses.dataclass(frozen=True)
class Budget:
    """Amount of computation.

    Attributes
    ----------
    name : str
    images : int or None
        The number of training images; None is all.
    epochs, seeds : int
    """

    name: str
    images: int | None
    epochs: int
    seeds: int


BUDGETS = {
    budget.name: budget
    for budget in (
        Budget("tiny", images=200, epochs=1, seeds=2),  # shows that it runs, nothing else
        Budget("quick", images=5_000, epochs=8, seeds=5),
        Budget("full", images=None, epochs=30, seeds=5),
    )
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arm:
    """One way of a claim: what it changes in the claim's base.

    Attributes
    ----------
    options : dict
        Of the network.
    settings : dict
        Of the recipe.
    other : dict
        Other fields of `Trial`: network, rule, flips.
    times : float
        Factor of the number of epochs.
    """

    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    other: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    times: float = 1.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two arms, compared seed by seed.

    Attributes
    ----------
    better : str
        Name of the arm that has the smaller value, if the claim is true.
    worse : str
        Name of the other arm.
    measure : str
        Of both, or of the better arm.
    worse_measure : str
        Of the worse arm, where it is another.
    ratio : bool
        Compare by factors instead of differences.
    """

    better: str
    worse: str
    measure: str = "test_error"
    worse_measure: str = ""
    ratio: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Claim:
    """A claim and the experiment that tests it.

    Attributes
    ----------
    name, title : str
        For the command line, and for people.
    statement : str
        What is claimed, in one sentence.
    source : str
        Who claims it, and where.
    published : str
        The number of the source.
    lab_note : str
        What the author's configuration files and run logs of 2012 add.
    about : str
        What is measured here, and what to beware of.
    base : Trial
        What all arms share.
    arms : dict of str to Arm
    rates : sequence of float
        Learning rates, of which each arm has its best; empty means the base's. All arms have the
        same ones, each is tried with the first seed, and `chosen_by` decides.
    chosen_by : str
        A measure; never of the test images.
    measures : sequence of str
        Shown in the table.
    comparisons : sequence of Comparison
        The first one gives the verdict.
    target : float or None
        A published test error in per cent that a single network should reach; in place of
        comparisons.
    schedule : int or None
        Epochs of the published schedule, for the budget full; None means the budget's.
    data : sequence of str
        The data sets it can be run on, the usual one first.
    times : float
        Factor of the budget's number of epochs.
    limit : dict of str to int
        Fewer images than the budget has, by its name.
    most_seeds : int or None
        For effects that are large, fewer seeds than the budget quick has.
    budgets : sequence of str
        That make sense.
    neutral : bool
        The claim is that the arms differ, not which of them is better.
    classes : bool
        Show the error of each class.
    """

    name: str
    title: str
    statement: str
    source: str
    published: str
    lab_note: str = ""
    about: str
    base: Trial
    arms: Mapping[str, Arm]
    rates: Sequence[float] = ()
    chosen_by: str = "validation_error"
    measures: Sequence[str] = ("test_error",)
    comparisons: Sequence[Comparison] = ()
    target: float | None = None
    schedule: int | None = None
    data: Sequence[str] = ("cifar10", "shapes")
    times: float = 1.0
    limit: Mapping[str, int] = dataclasses.field(default_factory=dict)
    most_seeds: int | None = None
    budgets: Sequence[str] = ("quick", "full", "tiny")
    neutral: bool = False
    classes: bool = False

    def seeds(self, budget: Budget) -> int:
        """Return the number of seeds."""
        if self.most_seeds is None or budget.images is None:
            return budget.seeds
        return min(budget.seeds, self.most_seeds)

    def trials(self, budget: Budget, data: str) -> dict[str, Trial]:
        """Return the trial of each arm; where there are `rates`, their rate is not yet chosen.

        Examples
        --------
        >>> from tinynet.claims import catalog
        >>> from tinynet.claims.claim import BUDGETS
        >>> trials = catalog.find("overlap").trials(BUDGETS["quick"], "cifar10")
        >>> [trial.images for trial in trials.values()]
        [5000, 5000]
        """
        return {name: self._trial(arm, budget, data) for name, arm in self.arms.items()}

    def _trial(self, arm: Arm, budget: Budget, data: str) -> Trial:
        epochs = max(1, round(budget.epochs * self.times * arm.times))
        if self.schedule is not None and budget.images is None:
            epochs = self.schedule
        limit = self.limit.get(budget.name)
        images = budget.images if limit is None else limit
        base = self.base
        return dataclasses.replace(
            base,
            options={**base.options, **arm.options},
            settings={**base.settings, "data": data, "epochs": epochs, **arm.settings},
            images=images,
            **arm.other,
        )
