"""Training settings that were published with the networks called AlexNet, as typed values.

`str` of each value gives its description.
"""

from __future__ import annotations

import dataclasses
import enum

from tinynet.words import phrase, sentence, spoken


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
        scale = self.scale.value
        words = sentence("adds p * alpha * {scale} to every pixel", scale=scale)
        if self.divisor != 1:
            said = "adds p * alpha * {scale}, then divides by {divisor:g}"
            words = sentence(said, scale=scale, divisor=self.divisor)
        if self.last_epoch is None:
            return words
        return sentence("{words}; off near epoch {epoch}", words=words, epoch=self.last_epoch)


@dataclasses.dataclass(frozen=True)
class Constant:
    """One learning rate throughout."""

    lr: float

    def __str__(self) -> str:
        return sentence("{lr:g} throughout", lr=self.lr)


@dataclasses.dataclass(frozen=True)
class OnPlateau:
    """A learning rate that is divided when the validation error stops falling."""

    lr: float
    divisor: float
    times: int

    def __str__(self) -> str:
        said = "{lr:g}, divided by {divisor:g} when the validation error stalls, {times} times"
        return sentence(said, lr=self.lr, divisor=self.divisor, times=self.times)


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
        said = "{first}, then by hand {then}; conv1 frozen near epoch {epoch}"
        return sentence(said, first=first, then=then, epoch=self.conv1_frozen)


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
        rate = {"lr": self.lr, "divisor": self.divisor}
        if self.every is None:
            return sentence("{lr:g}, divided by {divisor:g} in steps", **rate)
        said = "{lr:g}, divided by {divisor:g} after every {every:,} batches of {batch}"
        return sentence(said, **rate, every=self.every, batch=self.batch)


@dataclasses.dataclass(frozen=True)
class InverseTimeDecay:
    """lr / (1 + decay * step): the `decay` of Keras's SGD, which the post took for weight decay."""

    lr: float
    decay: float

    def __str__(self) -> str:
        return sentence(
            "{lr:g}, a little less after every batch (decay={decay:g}, taken for weight decay)",
            lr=self.lr,
            decay=self.decay,
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
        decay = sentence("decay like the weights" if self.decay else "no decay")
        if self.lr is not None:
            said = "a learning rate of their own, {lr:g} throughout, {decay}"
            return sentence(said, lr=self.lr, decay=decay)
        if self.lr_scale == 1:
            return sentence("the rate of the weights, {decay}", decay=decay)
        said = "{times:g} times the rate of the weights, {decay}"
        return sentence(said, times=self.lr_scale, decay=decay)


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
        inside = "SGD, momentum {momentum:g}, the rate inside the velocity"
        outside = "SGD, momentum {momentum:g}, the rate outside the velocity"
        said = inside if self.rate_in_velocity else outside
        return sentence(said, momentum=self.momentum)


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
    """Return the value of a field in words, in the reader's language.

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
        return phrase("none")
    return phrase("yes") if value is True else spoken(str(value))
