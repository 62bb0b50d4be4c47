"""Training settings that were published with the networks called AlexNet, as typed values.

`str` of each value gives its description.
"""

from __future__ import annotations

import dataclasses
import enum


class ColorScale(enum.Enum):
    """Factor of each principal component in PCA color noise."""

    EIGENVALUE = "lambda"  # the paper's text, section 4.1
    STANDARD_DEVIATION = "deviation"  # the code of 2012


@dataclasses.dataclass(frozen=True)
class ColorNoise:
    """PCA color noise: every pixel gets the sum of p * alpha * scale, alpha from N(0, 0.1**2).

    Parameters
    ----------
    scale : eigenvalues, or their square roots
    divisor : of the picture afterwards
    last_epoch : about where it was switched off; None means never
    """

    scale: ColorScale
    divisor: float = 1.0
    last_epoch: int | None = None

    def __str__(self) -> str:
        if self.divisor == 1:
            words = f"adds p * alpha * {self.scale.value} to every pixel"
        else:
            words = f"adds p * alpha * {self.scale.value}, then divides by {self.divisor:g}"
        return words if self.last_epoch is None else f"{words}; off near epoch {self.last_epoch}"


@dataclasses.dataclass(frozen=True)
class Constant:
    """One learning rate throughout."""

    lr: float

    def __str__(self) -> str:
        return f"{self.lr:g} throughout"


@dataclasses.dataclass(frozen=True)
class OnPlateau:
    """A learning rate that is divided when the validation error stops falling."""

    lr: float
    divisor: float
    times: int

    def __str__(self) -> str:
        return (
            f"{self.lr:g}, divided by {self.divisor:g} when the validation error stalls, "
            f"{self.times} times"
        )


@dataclasses.dataclass(frozen=True)
class ByHand:
    """Learning rates that were changed by hand; conv1 was frozen near the end.

    Parameters
    ----------
    rates : one after the other
    conv1_frozen : epoch, about
    """

    rates: tuple[float, ...]
    conv1_frozen: int

    def __str__(self) -> str:
        first, *others = (f"{rate:f}".rstrip("0") for rate in self.rates)
        then = ", ".join(others)
        return f"{first}, then by hand {then}; conv1 frozen near epoch {self.conv1_frozen}"


@dataclasses.dataclass(frozen=True)
class Steps:
    """A learning rate that is divided at fixed steps.

    Parameters
    ----------
    every : number of batches between two divisions; None if it was not published
    batch : number of images in a batch
    """

    lr: float
    divisor: float
    every: int | None = None
    batch: int = 256

    def __str__(self) -> str:
        words = f"{self.lr:g}, divided by {self.divisor:g}"
        if self.every is None:
            return f"{words} in steps"
        return f"{words} after every {self.every:,} batches of {self.batch}"


@dataclasses.dataclass(frozen=True)
class InverseTimeDecay:
    """lr / (1 + decay * step): the `decay` of Keras's SGD, which the post took for weight decay."""

    lr: float
    decay: float

    def __str__(self) -> str:
        return (
            f"{self.lr:g}, a little less after every batch (decay={self.decay:g}, taken for weight "
            "decay)"
        )


Schedule = Constant | OnPlateau | ByHand | Steps | InverseTimeDecay


@dataclasses.dataclass(frozen=True)
class Biases:
    """Learning rate and weight decay of the biases.

    Parameters
    ----------
    lr_scale : factor of the weights' learning rate
    lr : constant learning rate of their own, instead
    decay : whether they decay like the weights
    """

    lr_scale: float = 1.0
    lr: float | None = None
    decay: bool = True

    def __str__(self) -> str:
        decay = "decay like the weights" if self.decay else "no decay"
        if self.lr is not None:
            return f"a learning rate of their own, {self.lr:g} throughout, {decay}"
        rate = "the rate" if self.lr_scale == 1 else f"{self.lr_scale:g} times the rate"
        return f"{rate} of the weights, {decay}"


@dataclasses.dataclass(frozen=True)
class MomentumSGD:
    """SGD with momentum.

    Parameters
    ----------
    rate_in_velocity : True multiplies the gradient by the learning rate before it enters the
        velocity (the paper); False multiplies the velocity (PyTorch)
    """

    momentum: float = 0.9
    rate_in_velocity: bool = True

    def __str__(self) -> str:
        place = "inside" if self.rate_in_velocity else "outside"
        return f"SGD, momentum {self.momentum:g}, the rate {place} the velocity"


@dataclasses.dataclass(frozen=True)
class Adam:
    """Adam (Kingma and Ba 2015)."""

    def __str__(self) -> str:
        return "Adam"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Training:
    """Settings of a published training run. The defaults are the paper's text, section 5.

    Parameters
    ----------
    color_noise : None means none
    weight_decay : whether the weights decay
    """

    color_noise: ColorNoise | None = ColorNoise(ColorScale.EIGENVALUE)
    schedule: Schedule = OnPlateau(lr=0.01, divisor=10, times=3)
    biases: Biases = Biases()
    weight_decay: bool = True
    optimizer: MomentumSGD | Adam = MomentumSGD()


LABELS = {
    "color_noise": "colour noise",
    "schedule": "learning rate",
    "biases": "biases",
    "weight_decay": "weight decay",
    "optimizer": "optimizer",
}
"""Name of each field in a printed table."""


def differences(first: Training, second: Training) -> list[str]:
    """Return the names of the fields that differ.

    Examples
    --------
    >>> from tinynet.models.published_training import Adam, Constant, Training, differences
    >>> differences(Training(), Training(schedule=Constant(1e-4), optimizer=Adam()))
    ['schedule', 'optimizer']
    """
    return [name for name in LABELS if getattr(first, name) != getattr(second, name)]


def describe(training: Training, field: str) -> str:
    """Return the value of a field in words.

    Examples
    --------
    >>> from tinynet.models.published_training import Training, describe
    >>> describe(Training(color_noise=None), "color_noise")
    'none'
    >>> describe(Training(), "schedule")
    '0.01, divided by 10 when the validation error stalls, 3 times'
    """
    value = getattr(training, field)
    if value is None or value is False:
        return "none"
    return "yes" if value is True else str(value)
