"""Explanation of curves: made curves for every verdict, and others at which none may ring."""

import dataclasses
import math

import numpy as np
import pytest

from tinynet.training.explanation import explain, nothing_found
from tinynet.training.loop import Epoch

TEN = [100] * 10


def run(train, test=None, accuracy=None, *, train_accuracy=None, lr=0.1):
    """Return the records of a run with these losses; accuracies follow the losses by default."""
    records = []
    for i, loss in enumerate(train):
        held_out = None if test is None else test[i]
        records.append(
            Epoch(
                i + 1,
                loss,
                math.exp(-loss) if train_accuracy is None else train_accuracy[i],
                held_out,
                accuracy[i] if accuracy else None if test is None else math.exp(-held_out),
                lr=lr,
                seconds=1.0,
                images_per_second=1.0,
            )
        )
    return records


def kinds(records, classes=10, train=TEN, test=TEN):
    return [found.kind for found in explain(records, classes, train, test)]


FALLING = [2.0, 1.4, 1.0, 0.7, 0.5]
RESTING = [2.0, 1.0, 0.6, 0.52, 0.51, 0.505]
LONG = [2.0, 1.0, 0.3, 0.1, 0.05, 0.05, 0.05, 0.05]
JUMPING = [0.5, 0.6, 0.7, 0.6, 0.71, 0.59, 0.7, 0.61]


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        pytest.param(run([2.3026] * 3, [2.3026] * 3, [0.1] * 3), ["plateau"], id="stuck"),
        pytest.param(run([9.0, 4e5], [9.0, 5e5], [0.1, 0.1]), ["explosion"], id="explosion"),
        pytest.param(run([1.0, 0.5, 0.9], [1.0] * 3), ["rate too high"], id="rises"),
        pytest.param(run([1.3, 1.12, 1.15, 1.33], [1.2] * 4), ["rate too high"], id="rises slowly"),
        pytest.param(run([2.0, 3.0, 4.1], [3.0] * 3), ["rate too high"], id="above guessing"),
        pytest.param(
            run([1.0, 0.8, 1.0, 0.7, 0.9, 0.6, 0.8, 0.6], [0.9] * 8), ["rate too high"], id="zigzag"
        ),
        pytest.param(
            run([1.0, 0.5, 0.1], [1.1, 1.0, 1.6], [0.6, 0.65, 0.64], train_accuracy=[0.6, 0.8, 1]),
            ["overfitting"],
            id="overfitting",
        ),
        pytest.param(run(FALLING, FALLING), ["still improving"], id="still improving"),
        pytest.param(run(FALLING), ["still improving"], id="without a test"),
        pytest.param(run([1.5, 1.2, 1.2, 1.195, 1.2, 1.2], [1.3] * 6), ["stalled"], id="stalled"),
        pytest.param(run(LONG, LONG, JUMPING), ["noisy"], id="noisy"),
    ],
)
def test_each_verdict(records, expected):
    assert kinds(records) == expected


@pytest.mark.parametrize(
    "records",
    [
        pytest.param([], id="no epoch"),
        pytest.param(run([1.0], [1.0]), id="one epoch"),
        pytest.param(run([2.2, 1.0], [2.2, 1.0]), id="two epochs"),
        pytest.param(run(RESTING, RESTING), id="a curve that came to rest"),
        pytest.param(run([0.02, 0.03, 0.02, 0.03, 0.02, 0.03], [0.1] * 6), id="noise near zero"),
        pytest.param(run([3.0, 1.0, 0.5, 0.49, 0.49, 0.49], [0.5] * 6), id="one bad first epoch"),
        pytest.param(
            run(RESTING, RESTING, [0.5, 0.6, 0.7, 0.71, 0.705, 0.71]), id="an accuracy at rest"
        ),
        pytest.param(
            run([0.6, 0.3, 0.2, 0.2, 0.2], [0.7, 0.5, 0.45, 0.46, 0.45]), id="a small gap"
        ),
    ],
)
def test_curves_at_which_nothing_rings(records):
    assert kinds(records) == []


@pytest.mark.parametrize("seed", range(20))
def test_noise_of_few_test_images_is_not_taken_for_a_noisy_run(seed):
    """Every epoch draws its own 100 images: more noise than one fixed set of them has."""
    rng = np.random.default_rng(seed)
    accuracy = (rng.binomial(100, 0.8, 12) / 100).tolist()
    train = [1.0, *[0.5] * 11]
    records = run(train, [1.0, *[0.6] * 11], accuracy, train_accuracy=[0.95] * 12)
    assert kinds(records, test=[10] * 10) == []


@pytest.mark.parametrize("seed", range(20))
def test_an_ordinary_run_with_small_noise_is_only_still_improving_or_nothing(seed):
    rng = np.random.default_rng(seed)
    epochs = np.arange(1, 21)
    noise = rng.normal(1, 0.01, (2, 20))
    train = (2.0 / epochs * noise[0]).tolist()
    test = ((2.0 / epochs + 0.1) * noise[1]).tolist()
    assert set(kinds(run(train, test))) <= {"still improving"}


def test_the_evidence_has_numbers_and_epochs():
    (found,) = explain(run([1.0, 0.5, 0.9], [1.0] * 3), 10)
    assert "rose from 0.5 (epoch 2) to 0.9 (epoch 3)" in str(found)
    (found,) = explain(run(FALLING, FALLING), 10)
    assert "from 1 (epoch 3) to 0.5" in str(found)
    (noisy,) = explain(run(LONG, LONG, JUMPING), 10, TEN, TEN)
    assert "between 59.0 and 71.0 % since epoch 3" in str(noisy)
    assert "1,000 test images explains 1.5" in str(noisy)
    for one in (found, noisy):
        assert "--" not in str(one), "a library does not speak of flags"


def test_numbers_that_are_not_finite_are_survived():
    nothing = float("nan")
    assert explain(run([1.0, 0.9, 0.8], [1.0, math.inf, nothing], [0.5, 0.5, 0.5]), 10) == []


def test_jumps_before_the_last_drop_of_the_rate_are_over():
    records = run(LONG, LONG, JUMPING)
    quiet = [dataclasses.replace(r, lr=0.01) if r.epoch > 6 else r for r in records]
    assert kinds(quiet) == []


def test_a_rate_that_is_too_high_is_not_called_chance_as_well():
    records = run([2.0, 3.0, 4.1], [9.0] * 3, [0.1] * 3)
    assert kinds(records) == ["rate too high"]


def test_nothing_unusual_comes_with_its_evidence():
    assert nothing_found(run(RESTING, [2.1, 1.1, 0.7, 0.62, 0.61, 0.6])) == (
        "Nothing unusual: no plateau, no rise of the training loss (2 in epoch 1, 0.505 in epoch "
        "6), no overfitting. The test loss is lowest at the end, 0.6."
    )
    ends = "The test loss ends at 0.63; its minimum was 0.62 (epoch 4)."
    assert nothing_found(run(RESTING, [2.1, 1.1, 0.7, 0.62, 0.64, 0.63])).endswith(ends)
    assert nothing_found(run(RESTING)).endswith("no overfitting.")
    assert nothing_found(run([2.0, 1.5])).endswith(
        "a trend takes 3 epochs, and 2 epochs are there."
    )
