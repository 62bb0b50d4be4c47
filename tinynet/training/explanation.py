"""Explanation of the curves of a run: findings in words, each with its numbers and epochs.

`diagnosis` has the findings that a run prints by itself. Those here need a look at the whole curve,
and each has a threshold that the noise of an ordinary run does not reach.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Sequence

from tinynet.training import diagnosis
from tinynet.training.diagnosis import Diagnosis
from tinynet.training.loop import Epoch
from tinynet.words import Sentence, sentence

ROSE = 1.15  # the training loss over its minimum
ZIGZAG = 1.05  # a rise of the training loss from one epoch to the next that counts
LATE = 3  # epochs that show a trend
FALLS = 0.97  # of a loss from one epoch to the next, where it still falls
RESTS = 0.01  # relative change of a loss that no longer falls
LEARNED = 0.9  # training accuracy above which there is little left to learn
JITTER = 0.02  # standard deviation of an accuracy about its trend
BEYOND = 3.0  # times the deviation that the number of test images explains


def explain(
    records: Sequence[Epoch],
    classes: int,
    train_counts: Sequence[int] = (),
    test_counts: Sequence[int] = (),
) -> list[Diagnosis]:
    """Return what the curves of a run show, the most serious first.

    Parameters
    ----------
    records : sequence of Epoch
    classes : int
        Number of classes.
    train_counts, test_counts : sequence of int
        Number of images of each class, where they are known.

    Returns
    -------
    list of Diagnosis
        Empty where nothing stands out. Beside the kinds of `diagnosis`: "rate too high", "stalled",
        "still improving", "noisy".

    Examples
    --------
    >>> from tinynet.training.explanation import explain
    >>> from tinynet.training.loop import Epoch
    >>> losses = [(2.0, 1.9, 0.3), (1.5, 1.4, 0.5), (1.1, 1.0, 0.6), (0.8, 0.8, 0.7)]
    >>> records = [Epoch(i, train, a, test, a, lr=0.1, seconds=1.0, images_per_second=1.0)
    ...            for i, (train, test, a) in enumerate(losses, start=1)]
    >>> [found.kind for found in explain(records, classes=10)]
    ['still improving']
    """
    if not records:
        return []
    stuck = diagnosis.of_epoch(records[-1], classes)
    high = None if stuck else _rate_too_high(records, classes)
    found = [stuck, high]
    found += [
        finding
        for finding in diagnosis.of_run(records, train_counts, test_counts)
        if finding.kind != "chance" or not (stuck or high)
    ]
    kinds = {one.kind for one in found if one is not None}
    if not kinds & {"plateau", "explosion", "rate too high", "chance", "overfitting"}:
        found += [_still_improving(records) or _stalled(records)]
    if not kinds & {"plateau", "explosion", "rate too high"}:
        found.append(_noisy(records, sum(test_counts)))
    return [one for one in found if one is not None]


def nothing_found(records: Sequence[Epoch]) -> str:
    """Return the sentences for curves in which `explain` finds nothing: what was looked at.

    Parameters
    ----------
    records : sequence of Epoch
        At least one.
    """
    if len(records) < LATE:
        count = "1 epoch is" if len(records) == 1 else "{count} epochs are"
        return sentence(
            "Nothing unusual so far; a trend takes {wanted} epochs, and {there} there.",
            wanted=LATE,
            there=sentence(count, count=len(records)),
        )
    first, *_, last = records
    said = sentence(
        "Nothing unusual: no plateau, no rise of the training loss ({first:.4g} in "
        "epoch {begin}, {last:.4g} in epoch {end}), no overfitting.",
        first=first.train_loss,
        begin=first.epoch,
        last=last.train_loss,
        end=last.epoch,
    )
    measured = [(r.test_loss, r.epoch) for r in records if r.test_loss is not None]
    if not measured or last.test_loss is None:
        return said
    lowest, epoch = min(measured)
    if epoch == last.epoch:
        told = "{said} The test loss is lowest at the end, {lowest:.4g}."
        return sentence(told, said=said, lowest=lowest)
    return sentence(
        "{said} The test loss ends at {last:.4g}; its minimum was {lowest:.4g} (epoch {epoch}).",
        said=said,
        last=last.test_loss,
        lowest=lowest,
        epoch=epoch,
    )


def _rate_too_high(records: Sequence[Epoch], classes: int) -> Diagnosis | None:
    """Look for a training loss that rises: for good, above that of guessing, or in a zigzag."""
    losses = [record.train_loss for record in records]
    last = records[-1]
    equal = math.log(classes)
    if equal > 0 and last.train_loss > 1.05 * equal and len(records) > 1:
        return _high(
            sentence(
                "The training loss of epoch {epoch} is {loss:.4g}, above the "
                "{equal:.4g} of equal probabilities: what the network says is worse than a guess",
                epoch=last.epoch,
                loss=last.train_loss,
                equal=equal,
            )
        )
    best = min(records, key=lambda record: record.train_loss)
    if last.train_loss > ROSE * best.train_loss and last.train_loss - best.train_loss > 0.1:
        return _high(
            sentence(
                "The training loss rose from {best:.4g} (epoch {lowest}) to "
                "{last:.4g} (epoch {epoch})",
                best=best.train_loss,
                lowest=best.epoch,
                last=last.train_loss,
                epoch=last.epoch,
            )
        )
    rises = [
        (before, after)
        for before, after in itertools.pairwise(records)
        if after.train_loss > ZIGZAG * before.train_loss and after.train_loss > 0.1
    ]
    if len(rises) >= 3 and len(rises) * 3 >= len(losses) - 1:
        epochs = [str(after.epoch) for _, after in rises[:5]] + ["..."] * (len(rises) > 5)
        return _high(
            sentence(
                "The training loss goes up and down: it rose in {rises} of {all} epochs ({epochs})",
                rises=len(rises),
                all=len(losses) - 1,
                epochs=", ".join(epochs),
            )
        )
    return None


def _high(evidence: Sentence) -> Diagnosis:
    said = "{evidence}. The learning rate is probably too high. Try a third of it."
    return Diagnosis("rate too high", sentence(said, evidence=evidence))


def _held_out(record: Epoch) -> float:
    """Return the loss on the validation images, else on those of the test, else of training."""
    for loss in (record.validation_loss, record.test_loss):
        if loss is not None:
            return loss
    return record.train_loss


def _still_improving(records: Sequence[Epoch]) -> Diagnosis | None:
    """Look for a held-out loss that falls over the last epochs, and a last epoch that is best."""
    late = records[-LATE:]
    losses = [_held_out(record) for record in late]
    falls = all(after <= FALLS * before for before, after in itertools.pairwise(losses))
    if len(late) < LATE or not falls or late[-1].error > min(r.error for r in records):
        return None
    what = "held-out loss" if _has_held_out(late[-1]) else "training loss"
    said = sentence(
        "The {what} still fell over the last {late} epochs, from {first:.4g} (epoch "
        "{epoch}) to {last:.4g}, and the accuracy is the best so far. More epochs "
        "would probably help.",
        what=sentence(what),
        late=LATE,
        first=losses[0],
        epoch=late[0].epoch,
        last=losses[-1],
    )
    return Diagnosis("still improving", said)


def _has_held_out(record: Epoch) -> bool:
    return record.validation_loss is not None or record.test_loss is not None


def _stalled(records: Sequence[Epoch]) -> Diagnosis | None:
    """Look for a training loss that no longer falls although there is much left to learn."""
    late = records[-LATE - 1 :]
    last = late[-1]
    if len(late) <= LATE or last.train_accuracy > LEARNED:
        return None
    change = max(r.train_loss for r in late) - min(r.train_loss for r in late)
    if change > RESTS * last.train_loss:
        return None
    said = sentence(
        "The training loss has stayed at {loss:.4g} since epoch {epoch}, with "
        "{percent:.1f} % of the training images right: the network no longer "
        "learns at lr {lr:.3g}. Another rate, another schedule or a larger network may help.",
        loss=last.train_loss,
        epoch=late[0].epoch,
        percent=100 * last.train_accuracy,
        lr=last.lr,
    )
    return Diagnosis("stalled", said)


def _noisy(records: Sequence[Epoch], test_images: int) -> Diagnosis | None:
    """Look for an accuracy that jumps from epoch to epoch, more than sampling explains.

    Epochs before the last drop of the learning rate do not count, nor the first third of the run.
    The deviation about the trend is estimated from second differences, a - (before + after) / 2,
    whose standard deviation is sqrt(3/2) times that of an accuracy. Their median resists a jump.
    """
    first = max(len(records) // 3, _last_drop(records))
    late = [r.test_accuracy for r in records[first:] if r.test_accuracy is not None]
    if len(late) < 5:
        return None
    bends = [abs(b - (a + c) / 2) for a, b, c in zip(late, late[1:], late[2:], strict=False)]
    deviation = statistics.median(bends) / 0.6745 / math.sqrt(1.5)
    mean = statistics.fmean(late)
    explained = math.sqrt(mean * (1 - mean) / test_images) if test_images else 0.0
    if deviation < max(JITTER, BEYOND * explained):
        return None
    chance = "; the choice of {images:,} test images explains {points:.1f}"
    sampling = sentence(chance, images=test_images, points=100 * explained) if test_images else ""
    said = sentence(
        "The test accuracy jumps by about {points:.1f} points from epoch to epoch "
        "(between {least:.1f} and {most:.1f} % since epoch "
        "{epoch}{sampling}). A rate that falls at the end, or larger "
        "batches, make it steady; until then one epoch says little.",
        points=100 * deviation,
        least=100 * min(late),
        most=100 * max(late),
        epoch=records[first].epoch,
        sampling=sampling,
    )
    return Diagnosis("noisy", said)


def _last_drop(records: Sequence[Epoch]) -> int:
    """Return the index of the last record whose rate is half of the one before it, or less."""
    drops = [i for i in range(1, len(records)) if records[i].lr <= records[i - 1].lr / 2]
    return max(drops, default=0)
