"""Learning-rate range test (Smith 2017): the loss while the rate rises from step to step."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from tinynet.core import random
from tinynet.core.backend import Array
from tinynet.core.checks import is_number, is_whole
from tinynet.nn import Module
from tinynet.optim import Optimizer
from tinynet.training.device_loader import on_device
from tinynet.training.metrics import RunningMetrics
from tinynet.training.steps import device_of, train_step
from tinynet.words import Sentence, sentence

WIDTH = 0.03  # of the smoothing: its standard deviation, as a share of the steps
MARGIN = 10.0  # between the rate with the smallest loss and the suggested one
EXPLODED = 4.0  # times the first losses: the test stops there
RECENT = 3  # losses whose median must be that high


@dataclasses.dataclass(frozen=True)
class RateTest:
    """The result of `lr_find`.

    Attributes
    ----------
    rates : array of shape (steps,)
        Learning rates, each larger than the one before by the same factor.
    losses, smoothed : arrays of shape (steps,)
        Loss of each batch before its update, in nats, and its average over the neighboring steps.
    exploded : bool
        Whether the test stopped early since the loss exploded.
    """

    rates: Array
    losses: Array
    smoothed: Array
    exploded: bool

    @property
    def lowest(self) -> float:
        """The rate with the smallest smoothed loss: from here on learning breaks."""
        return float(self.rates[int(np.argmin(self.smoothed))])

    @property
    def suggestion(self) -> float | None:
        """A tenth of the rate with the smallest smoothed loss; None where the loss never fell.

        At the smallest loss the rate is already too high for a whole run: a tenth is the customary
        margin.
        """
        suggested = self.lowest / MARGIN
        return suggested if suggested > self.rates[0] else None

    def __str__(self) -> str:
        return str(self.in_words())

    def in_words(self) -> Sentence:
        """Return the result in sentences."""
        said = "{count} steps from {first:.2g} to {last:.2g}{end}"
        end = sentence("; the loss exploded there") if self.exploded else ""
        fields = {"count": len(self.rates), "first": self.rates[0], "last": self.rates[-1]}
        steps = sentence(said, **fields, end=end)
        if self.suggestion is None:
            return sentence("{steps}. The loss never fell: begin with a smaller rate.", steps=steps)
        return sentence(
            "{steps}. The loss is smallest at {lowest:.2g}. Suggested: a tenth of it, "
            "{suggestion:.2g}.",
            steps=steps,
            lowest=self.lowest,
            suggestion=self.suggestion,
        )


def lr_find(
    model: Module,
    optimizer: Optimizer,
    train: Any,
    *,
    low: float = 1e-6,
    high: float = 10.0,
    steps: int = 100,
) -> RateTest:
    """Train for some steps while the learning rate rises exponentially; then restore everything.

        rate[i] = low * (high / low) ** (i / (steps - 1))

    Weights, running statistics, the optimizer's state and rate, and the random streams are
    afterwards as before. The test ends early where the loss explodes.

    Parameters
    ----------
    model : Module
    optimizer : Optimizer
        Its momentum and decay are used; its rate is not.
    train : DataLoader
        Begun anew where it is shorter than the test.
    low, high : float
        First and last rate.
    steps : int
        At least 10.

    Returns
    -------
    RateTest
        `.suggestion` is the suggested rate; ``tn.plot.learning_rates`` draws the test.

    Raises
    ------
    ValueError
        The rates are not 0 < low < high, or there are fewer than 10 steps.

    Examples
    --------
    >>> import numpy as np
    >>> import tinynet as tn
    >>> from tinynet import data, nn, optim
    >>> images = np.eye(8, dtype=np.float32)
    >>> loader = data.DataLoader((images, np.arange(8) % 2), batch_size=4)
    >>> model = nn.Linear(8, 2)
    >>> found = tn.lr_find(model, optim.SGD(model.parameters(), lr=0.1), loader, steps=20)
    >>> len(found.rates), float(found.rates[0])
    (20, 1e-06)
    """
    if not is_number(low) or not is_number(high) or not 0 < low < high:
        raise ValueError(f"lr_find: the rates are 0 < low < high, got {low!r} and {high!r}.")
    if not is_whole(steps, least=10):
        raise ValueError(f"lr_find: steps is an integer from 10 on, got {steps!r}.")
    weights = model.state_dict()
    moments = optimizer.state_dict()
    schedule = optimizer.schedule
    rate = optimizer.lr
    modes = [(module, module.training) for module in model.modules()]
    try:
        with random.fork(0):
            return _rise(
                model.train(), optimizer, train, low * (high / low) ** np.linspace(0, 1, steps)
            )
    finally:
        model.load_state_dict(weights)
        optimizer.zero_grad()
        optimizer.load_state_dict(moments)
        optimizer.schedule = None
        optimizer.lr = rate
        optimizer.schedule = schedule
        for module, mode in modes:
            module.training = mode


def _rise(model: Module, optimizer: Optimizer, train: Any, rates: Array) -> RateTest:
    """Do a step at each rate, until the loss explodes."""
    optimizer.schedule = None
    losses: list[float] = []
    exploded = False
    batches = _endless(on_device(train, device_of(model)))
    for i, rate in enumerate(rates):
        optimizer.lr = float(rate)
        metrics = RunningMetrics()
        try:
            train_step(model, optimizer, *next(batches), metrics=metrics, number=i)
        except FloatingPointError:
            exploded = True
            break
        losses.append(metrics.means[0])
        exploded = bool(np.median(losses[-RECENT:]) > EXPLODED * np.median(losses[:RECENT]))
        if exploded:
            break
    if not losses:
        raise FloatingPointError(
            "lr_find: the loss of the first batch is not finite, before any rate was tried. Look "
            "at the images and the initial weights."
        )
    count = len(losses)
    return RateTest(rates[:count], np.array(losses), _smoothed(losses, len(rates)), exploded)


def _smoothed(losses: list[float], steps: int) -> Array:
    """Return the average of each loss with its neighbors on both sides, which does not lag behind.

    Losses far above the first ones count as the limit: else one would outweigh all others.
    """
    capped = np.minimum(losses, EXPLODED * np.median(losses[:RECENT]))
    places = np.arange(len(losses))
    weights = np.exp(-0.5 * ((places[:, None] - places) / max(1.0, WIDTH * steps)) ** 2)
    average: Array = weights @ capped / weights.sum(axis=1)
    return average


def _endless(train: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the batches of one epoch after another."""
    epoch = 0
    while True:
        found = False
        for batch in train.batches(epoch):
            found = True
            yield batch
        if not found:
            raise ValueError("lr_find: the loader has no batch.")
        epoch += 1


def rounded(rate: float) -> float:
    """Return a rate with one significant digit, as one would type it.

    >>> from tinynet.training.lr_find import rounded
    >>> rounded(0.0234), rounded(0.97)
    (0.02, 1.0)
    """
    return float(f"{rate:.1g}") if math.isfinite(rate) else rate
