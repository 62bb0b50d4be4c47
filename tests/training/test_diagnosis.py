"""Diagnosis of a run from the numbers of its epochs, and the interval of an accuracy."""

import math

import pytest

from tinynet.training import diagnosis
from tinynet.training.loop import Epoch
from tinynet.training.metrics import wilson_interval


def epoch(number, train_loss, train_accuracy, test_loss, test_accuracy):
    return Epoch(
        number,
        train_loss,
        train_accuracy,
        test_loss,
        test_accuracy,
        lr=0.1,
        seconds=1.0,
        images_per_second=1.0,
    )


def kinds(found):
    return [one.kind for one in found]


@pytest.mark.parametrize(
    ("loss", "kind"),
    [(2.3021, "plateau"), (2.2, None), (100.0, None), (2e15, "explosion"), (4e9, "explosion")],
)
def test_the_loss_of_an_epoch(loss, kind):
    found = diagnosis.of_epoch(epoch(1, loss, 0.1, None, None), 10)
    assert (found and found.kind) == kind


def test_an_explosion_names_both_numbers_and_the_way_out():
    found = diagnosis.of_epoch(epoch(3, 2e15, 0.1, None, None), 10)
    assert "of epoch 3 is 2e+15" in str(found)
    assert "ln(10) = 2.3026" in str(found)
    assert "smaller learning rate" in str(found)
    assert "--" not in str(found), "a library does not speak of flags"


MANY = [100] * 10


@pytest.mark.parametrize(
    ("accuracy", "counts", "words"),
    [
        (0.10, [100] * 10, "not above the 10.0 %"),
        (0.11, [100] * 10, "not measurably above the 10.0 %"),
        (0.13, [100] * 10, None),
        (0.60, [5, 5], "not measurably above the 50.0 %"),
        (0.90, [90, 10], "not above the 90.0 %"),
        (0.99, [90, 10], None),
    ],
)
def test_an_accuracy_of_guessing(accuracy, counts, words):
    found = diagnosis.of_run([epoch(1, 1.0, 0.5, 1.0, accuracy)], MANY, counts)
    assert bool(found) == bool(words)
    if words:
        assert found[0].kind == "chance"
        assert words in str(found[0])


def test_images_known_by_heart_and_a_test_of_guessing_are_overfitting():
    found = diagnosis.of_run([epoch(1, 0.3, 0.97, 1.2, 0.4)], MANY, [5, 5, 5])
    assert kinds(found) == ["overfitting"]
    assert "97.0 % are right at the end, of the 15 test images 40.0 %, which" in str(found[0])
    rising = [epoch(1, 1.0, 0.4, 1.0, 0.4), epoch(2, 0.1, 1.0, 3.0, 0.4)]
    assert kinds(diagnosis.of_run(rising, MANY, [5, 5, 5])) == ["overfitting"]


def test_one_class_alone_is_no_guess():
    assert diagnosis.of_run([epoch(1, 0.0, 1.0, 0.0, 1.0)], [100], [100]) == []


def test_a_test_loss_that_rises_while_the_training_loss_falls_is_overfitting():
    records = [
        epoch(1, 1.0, 0.6, 1.1, 0.6),
        epoch(2, 0.5, 0.8, 1.0, 0.65),
        epoch(3, 0.1, 0.98, 1.6, 0.64),
    ]
    found = diagnosis.of_run(records, MANY, MANY)
    assert kinds(found) == ["overfitting"]
    assert "from 1 (epoch 2) to 1.6 while the training loss fell to 0.1" in str(found[0])
    assert diagnosis.of_run(records[:2], MANY, MANY) == []


@pytest.mark.parametrize(
    "last",
    [(0.6, 0.8, 1.6, 0.64), (0.1, 0.70, 1.6, 0.64), (0.1, 0.98, 1.1, 0.64)],
    ids=["training loss rose too", "accuracies are near", "test loss hardly rose"],
)
def test_other_curves_are_no_overfitting(last):
    records = [epoch(1, 0.5, 0.8, 1.0, 0.65), epoch(2, *last)]
    assert diagnosis.of_run(records, MANY, MANY) == []


def test_classes_of_few_images_are_counted():
    found = diagnosis.of_run([epoch(1, 0.5, 0.9, 0.5, 0.9)], [100, 19, 7], MANY)
    assert kinds(found) == ["few images"]
    assert "2 of 3 classes have fewer than 20 training images (the fewest: 7)" in str(found[0])


def test_a_run_without_a_test_has_no_finding():
    assert diagnosis.of_run([epoch(1, 0.5, 0.9, None, None)], MANY, [0, 0]) == []
    assert diagnosis.of_run([], MANY, MANY) == []


# the interval


@pytest.mark.parametrize(
    ("correct", "n", "low", "high"),
    # Brown, Cai, DasGupta 2001 for 0 of 10; newcombe 1998 for 81 of 263 and 15 of 148
    [(0, 10, 0.0, 0.2775), (81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605)],
)
def test_wilsons_interval_has_published_values(correct, n, low, high):
    found = wilson_interval(correct, n)
    assert found == pytest.approx((low, high), abs=1e-4)


def test_wilsons_interval_solves_its_equation():
    """Its ends are the p whose distance from k/n is z standard deviations of p."""
    for p in wilson_interval(37, 50):
        assert abs(37 / 50 - p) == pytest.approx(1.96 * math.sqrt(p * (1 - p) / 50))


def test_all_right_is_not_certain():
    low, high = wilson_interval(10, 10)
    assert 0.7 < low < 0.75
    assert high == 1.0
