"""Trial: the settings of one training run of a claim, except its seed."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any

from tinynet.training.recipes import Recipe

RATE_DROP = ((0.75, 0.1),)  # the last quarter at a tenth of the rate


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trial:
    """Everything that decides a run, but for its seed.

    Attributes
    ----------
    network : str
        A network of `claims.networks`, or of `tn.models`.
    options : dict
        Keyword arguments of that network.
    settings : dict
        Fields of `training.recipes.Recipe`: epochs, lr, batch_size, data, crop and so on.
    images : int or None
        The number of training images, the first of the set; None is all.
    rule : "paper" or "torch"
        Of momentum, see `optim.SGD`.
    until_error : float or None
        Stop when the error on the training images, measured while learning, is at most this share.
    flips : sequence of sequences of int
        Axes that are flipped in training, see `measure.RandomFlips`.
    extra : names in `measure.EXTRA`
        What is measured beside the errors.

    Examples
    --------
    >>> trial = Trial(network="four-layers", settings={"epochs": 2})
    >>> trial.change(lr=0.1).settings
    {'epochs': 2, 'lr': 0.1}
    """

    network: str
    options: dict[str, Any] = dataclasses.field(default_factory=dict)
    settings: dict[str, Any] = dataclasses.field(default_factory=dict)
    images: int | None = None
    rule: str = "paper"
    until_error: float | None = None
    flips: tuple[tuple[int, ...], ...] = ()
    extra: tuple[str, ...] = ()

    def change(self, **settings: Any) -> Trial:
        """Return the trial with other settings of the recipe."""
        return dataclasses.replace(self, settings={**self.settings, **settings})

    def recipe(self, seed: int) -> Recipe:
        """Return the recipe of a run with this seed."""
        defaults = {
            "name": "claim",
            "about": "",
            "batch_size": 50,
            "lr": 0.005,
            "schedule": RATE_DROP,
        }
        return Recipe(**{**defaults, "model": self.network, **self.settings, "seed": seed})

    def digest(self) -> str:
        """Return a name of the settings; results are kept under it."""
        text = json.dumps(dataclasses.asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]
