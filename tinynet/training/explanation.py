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
        count = "1 epoch is" if len(records) == 1 else f"{len(records)} epochs are"
        return f"Nothing unusual so far; a trend takes {LATE} epochs, and {count} there."
    first, *_, last = records
    said = (
        f"Nothing unusual: no plateau, no rise of the training loss ({first.train_loss:.4g} in "
        f"epoch {first.epoch}, {last.train_loss:.4g} in epoch {last.epoch}), no overfitting."
    )
    measured = [(r.test_loss, r.epoch) for r in records if r.test_loss is not None]
    if not measured or last.test_loss is None:
        return said
    lowest, epoch = min(measured)
    if epoch == last.epoch:
        return f"{said} The test loss is lowest at the end, {lowest:.4g}."
    return (
        f"{said} The test loss ends at {last.test_loss:.4g}; its minimum was {lowest:.4g} "
        f"(epoch {epoch})."
    )


def _rate_too_high(records: Sequence[Epoch], classes: int) -> Diagnosis | None:
    """Look for a training loss that rises: for good, above that of guessing, or in a zigzag."""
    losses = [record.train_loss for record in records]
    last = records[-1]
    equal = math.log(classes)
    if equal > 0 and last.train_loss > 1.05 * equal and len(records) > 1:
        return _high(
            f"The training loss of epoch {last.epoch} is {last.train_loss:.4g}, above the "
            f"{equal:.4g} of equal probabilities: what the network says is worse than a guess"
        )
    best = min(records, key=lambda record: record.train_loss)
    if last.train_loss > ROSE * best.train_loss and last.train_loss - best.train_loss > 0.1:
        return _high(
            f"The training loss rose from {best.train_loss:.4g} (epoch {best.epoch}) to "
            f"{last.train_loss:.4g} (epoch {last.epoch})"
        )
    rises = [
        (before, after)
        for before, after in itertools.pairwise(records)
        if after.train_loss > ZIGZAG * before.train_loss and after.train_loss > 0.1
    ]
    if len(rises) >= 3 and len(rises) * 3 >= len(losses) - 1:
        epochs = ", ".join(str(after.epoch) for _, after in rises[:5])
        return _high(
            f"The training loss goes up and down: it rose in {len(rises)} of {len(losses) - 1} "
            f"epochs ({epochs}{', ...' if len(rises) > 5 else ''})"
        )
    return None


def _high(evidence: str) -> Diagnosis:
    return Diagnosis(
        "rate too high",
        f"{evidence}. The learning rate is probably too high. Try a third of it.",
    )


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
    return Diagnosis(
        "still improving",
        f"The {what} still fell over the last {LATE} epochs, from {losses[0]:.4g} (epoch "
        f"{late[0].epoch}) to {losses[-1]:.4g}, and the accuracy is the best so far. More epochs "
        "would probably help.",
    )


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
    return Diagnosis(
        "stalled",
        f"The training loss has stayed at {last.train_loss:.4g} since epoch {late[0].epoch}, with "
        f"{100 * last.train_accuracy:.1f} % of the training images right: the network no longer "
        f"learns at lr {last.lr:.3g}. Another rate, another schedule or a larger network may help.",
    )


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
    sampling = (
        f"; the choice of {test_images:,} test images explains {100 * explained:.1f}"
        if test_images
        else ""
    )
    return Diagnosis(
        "noisy",
        f"The test accuracy jumps by about {100 * deviation:.1f} points from epoch to epoch "
        f"(between {100 * min(late):.1f} and {100 * max(late):.1f} % since epoch "
        f"{records[first].epoch}{sampling}). A rate that falls at the end, or larger "
        "batches, make it steady; until then one epoch says little.",
    )


def _last_drop(records: Sequence[Epoch]) -> int:
    """Return the index of the last record whose rate is half of the one before it, or less."""
    drops = [i for i in range(1, len(records)) if records[i].lr <= records[i - 1].lr / 2]
    return max(drops, default=0)
