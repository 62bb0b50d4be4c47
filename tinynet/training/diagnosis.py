"""Diagnosis of a run from its epochs: a plateau, an explosion, chance level, overfitting."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Literal

from tinynet.training.loop import Epoch
from tinynet.training.metrics import wilson_interval
from tinynet.training.non_finite import ADVICE
from tinynet.words import sentence

EXPLODED = 50  # times the loss of equal probabilities
RISE = 1.2  # of the test loss over its minimum
GAP = 0.1  # between the accuracies of training and test
MEMORIZED = 0.5  # the same gap, where the test accuracy is that of guessing
FEW = 20  # training images of a class

Kind = Literal[
    "plateau",
    "explosion",
    "chance",
    "overfitting",
    "few images",
    "rate too high",
    "stalled",
    "still improving",
    "noisy",
]


@dataclasses.dataclass(frozen=True)
class Diagnosis:
    """One finding about a run.

    Parameters
    ----------
    kind : str
        "plateau": the loss stays at that of equal probabilities; "explosion": it is finite, but far
        above that; "chance": the test accuracy is that of guessing; "overfitting": the test loss
        rises while the training loss falls, or that accuracy is of guessing while most training
        images are right; "few images": a class has hardly any to learn from.
        `explanation.explain` finds the others.
    message : str
        The finding and the way out, which `str` returns.
    """

    kind: Kind
    message: str

    def __str__(self) -> str:
        return self.message


def of_epoch(record: Epoch, classes: int) -> Diagnosis | None:
    """Return what is wrong with the training loss of an epoch.

    Parameters
    ----------
    record : Epoch
    classes : int
        Number of classes.

    Returns
    -------
    Diagnosis or None
        Of kind "plateau" or "explosion".

    Examples
    --------
    >>> from tinynet.training import diagnosis
    >>> from tinynet.training.loop import Epoch
    >>> exploded = Epoch(1, 2e15, 0.1, 3e15, 0.1, lr=50.0, seconds=1.0, images_per_second=1.0)
    >>> print(diagnosis.of_epoch(exploded, classes=10))
    The mean loss of epoch 1 is 2e+15, and equal probabilities have ln(10) = 2.3026: the updates \
are too large. Try a smaller learning rate.
    """
    loss = record.train_loss
    equal = math.log(classes)
    if abs(loss - equal) <= 0.005 * equal:
        return Diagnosis(
            "plateau",
            sentence(
                "The loss stays at ln({classes}) = {equal:.4f}: the net still gives every class "
                "the same chance. Usually the initial weights are too small for the scale of the "
                "inputs, the learning rate is far off, or the labels do not belong to the images.",
                classes=classes,
                equal=equal,
            ),
        )
    if loss > EXPLODED * equal > 0:
        return Diagnosis(
            "explosion",
            sentence(
                "The mean loss of epoch {epoch} is {loss:.4g}, and equal probabilities have "
                "ln({classes}) = {equal:.4f}: the updates are too large. {advice}",
                epoch=record.epoch,
                loss=loss,
                classes=classes,
                equal=equal,
                advice=ADVICE,
            ),
        )
    return None


def of_run(
    records: Sequence[Epoch], train_counts: Sequence[int], test_counts: Sequence[int]
) -> list[Diagnosis]:
    """Return what is wrong with a finished run.

    Parameters
    ----------
    records : sequence of Epoch
    train_counts, test_counts : sequence of int
        Number of images of each class.

    Returns
    -------
    list of Diagnosis
        Of kinds "chance", "overfitting" and "few images".

    Examples
    --------
    >>> from tinynet.training import diagnosis
    >>> from tinynet.training.loop import Epoch
    >>> last = Epoch(1, 2.2, 0.1, 2.3, 0.1, lr=0.1, seconds=1.0, images_per_second=1.0)
    >>> print(*diagnosis.of_run([last], [50, 50], [100, 100]))
    The test accuracy, 10.0 % of 200 images, is not above the 50.0 % of always answering the most \
frequent class. Try another learning rate or more epochs, and check the labels.
    """
    chance = _of_chance(records, test_counts)
    rising = None if chance and chance.kind == "overfitting" else _of_overfitting(records)
    found = [chance, rising, _of_counts(train_counts)]
    return [one for one in found if one is not None]


def _of_chance(records: Sequence[Epoch], counts: Sequence[int]) -> Diagnosis | None:
    """Compare the last test accuracy with that of the most frequent class."""
    n = sum(counts)
    accuracy = records[-1].test_accuracy if records else None
    if accuracy is None or not n:
        return None
    share = max(counts) / n
    low, _ = wilson_interval(round(accuracy * n), n)
    if low > share or share == 1.0:
        return None
    said = (
        "The test accuracy, {percent:.1f} % of {count:,} images, is not above the {guess:.1f} % of "
        "always answering the most frequent class. Try another learning rate or more epochs, and "
        "check the labels."
    )
    if accuracy > share:
        said = (
            "The test accuracy, {percent:.1f} % of {count:,} images, is not measurably above the "
            "{guess:.1f} % of always answering the most frequent class. More test images are "
            "needed."
        )
    learned = records[-1].train_accuracy
    kind: Kind = "overfitting" if learned - accuracy >= MEMORIZED else "chance"
    if kind == "overfitting":
        said = (
            "Of the training images {learned:.1f} % are right at the end, of the {count:,} test "
            "images {percent:.1f} %, which is not measurably above the {guess:.1f} % of always "
            "answering the most frequent class: overfitting, or labels that do not belong to the "
            "images. More images, random crops and flips, fewer epochs, or pretrained weights "
            "with frozen layers help."
        )
    values = {"percent": 100 * accuracy, "count": n, "guess": 100 * share, "learned": 100 * learned}
    return Diagnosis(kind, sentence(said, **values))


def _of_overfitting(records: Sequence[Epoch]) -> Diagnosis | None:
    """Compare the last test loss with the smallest one."""
    measured = [r for r in records if r.test_loss is not None]
    if len(measured) < 2:
        return None
    last = measured[-1]
    best = min(measured, key=_test_loss)
    rose = _test_loss(last) > RISE * _test_loss(best)
    gap = last.train_accuracy - (last.test_accuracy or 0.0)
    if not rose or last.train_loss >= best.train_loss or gap < GAP:
        return None
    return Diagnosis(
        "overfitting",
        sentence(
            "The test loss rose from {best:.4g} (epoch {epoch}) to {last:.4g} while the training "
            "loss fell to {training:.4g}: overfitting. More images, random crops and flips, fewer "
            "epochs, or pretrained weights with frozen layers help.",
            best=_test_loss(best),
            epoch=best.epoch,
            last=_test_loss(last),
            training=last.train_loss,
        ),
    )


def _of_counts(counts: Sequence[int]) -> Diagnosis | None:
    """Return whether a class has too few training images."""
    few = [count for count in counts if count < FEW]
    if not few:
        return None
    return Diagnosis(
        "few images",
        sentence(
            "{few:,} of {count:,} classes have fewer than {limit} training images (the fewest: "
            "{least:,}), so the result depends on which ones they are. More images, or pretrained "
            "weights with frozen layers, help.",
            few=len(few),
            count=len(counts),
            limit=FEW,
            least=min(few),
        ),
    )


def _test_loss(record: Epoch) -> float:
    return math.inf if record.test_loss is None else record.test_loss
