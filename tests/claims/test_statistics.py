"""Intervals by hand, the direction of a verdict, and lower bounds."""

import dataclasses
import math

import pytest

from tinynet.claims import catalog, outcome, statistics
from tinynet.claims.claim import Comparison
from tinynet.claims.results import Results
from tinynet.claims.statistics import Interval

# by hand: mean 4, deviation 2, t(2) = 4.303, half = 4.303 * 2 / sqrt(3)
HALF = 4.303 * 2 / math.sqrt(3)


def test_an_interval_is_that_of_student():
    found = statistics.interval([2.0, 4.0, 6.0])
    assert found == pytest.approx((4.0, 4 - HALF, 4 + HALF))
    assert found.half == pytest.approx(HALF)


def test_many_values_use_the_normal_distribution():
    values = [0.0, 1.0] * 20
    half = 1.96 * math.sqrt(0.25 * 40 / 39) / math.sqrt(40)
    assert statistics.interval(values) == pytest.approx((0.5, 0.5 - half, 0.5 + half))


def test_one_value_has_no_interval():
    assert statistics.interval([3.0]) == (3.0, -math.inf, math.inf)


def test_a_difference_is_the_worse_arm_minus_the_better_one():
    found = statistics.paired([10.0, 20.0, 30.0], [12.0, 24.0, 36.0])
    assert found == pytest.approx((4.0, 4 - HALF, 4 + HALF))


def test_a_factor_is_the_worse_arm_divided_by_the_better_one():
    found = statistics.paired([1.0, 1.0], [2.0, 8.0], ratio=True)
    half = 12.706 * math.log(2)  # logs are ln 4 -+ ln 2, whose deviation is sqrt(2) ln 2
    assert found.mean == pytest.approx(4.0)
    assert math.log(found.high / 4) == pytest.approx(half)
    assert math.log(4 / found.low) == pytest.approx(half)


@pytest.mark.parametrize(
    ("interval", "ratio", "words", "neutral"),
    [
        ((2, 1, 3), False, "holds here", "a difference shows here"),
        ((-2, -3, -1), False, "reversed", "a difference shows here"),
        ((2, -1, 5), False, "does not show at this scale", "no difference shows at this scale"),
        ((3, 2, 4), True, "holds here", "a difference shows here"),
        ((0.5, 0.2, 0.9), True, "reversed", "a difference shows here"),
        ((2, 0.5, 8), True, "does not show at this scale", "no difference shows at this scale"),
    ],
)
def test_a_verdict_follows_from_the_interval(interval, ratio, words, neutral):
    assert statistics.verdict(Interval(*interval), ratio=ratio) == words
    assert statistics.verdict(Interval(*interval), ratio=ratio, neutral=True) == neutral


# outcomes


def made(claim, values, measure="test_error", **where):
    """Return results with a value for each seed of each arm."""
    found = Results(claim.name, claim.data[0], "quick")
    for arm, numbers in values.items():
        found.settings[arm] = {"until_error": None, "settings": {"epochs": 8}, **where}
        found.runs[arm] = [{"seed": s, measure: v} for s, v in enumerate(numbers)]
    return found


OVERLAP = catalog.find("overlap")
GOOD = {"3x3, overlapping": [40.0, 42.0, 41.0], "2x2": [43.0, 45.5, 44.0]}


def test_the_smaller_error_supports_the_claim():
    assert outcome.verdict(OVERLAP, made(OVERLAP, GOOD)) == "holds here"


def test_swapped_arms_reverse_the_claim():
    one, other = GOOD
    swapped = {one: GOOD[other], other: GOOD[one]}
    assert outcome.verdict(OVERLAP, made(OVERLAP, swapped)) == "reversed"


def test_a_swapped_comparison_reverses_the_claim():
    found = made(OVERLAP, GOOD)
    swapped = Comparison(better="2x2", worse="3x3, overlapping")
    assert outcome.compare(OVERLAP, found, swapped).verdict == "reversed"


def test_only_seeds_that_both_arms_have_are_compared():
    found = made(OVERLAP, {**GOOD, "2x2": [43.0]})
    first = outcome.compare(OVERLAP, found, OVERLAP.comparisons[0])
    assert (first.seeds, first.verdict) == (1, "one seed: no interval")


def test_a_missing_arm_is_not_measured():
    found = made(OVERLAP, {"2x2": [43.0, 44.0]})
    assert outcome.verdict(OVERLAP, found) == "not measured"
    assert outcome.here(OVERLAP, found) == "–"


def test_runs_that_did_not_arrive_give_a_bound():
    relu = catalog.find("relu")
    values = {"ReLU": [2.0, 2.0], "tanh": [8.0, 7.0]}
    found = made(relu, values, "epochs", until_error=0.25)
    assert str(outcome.mean(found, "tanh", "epochs")).startswith("at least 7.50")
    assert not outcome.mean(found, "ReLU", "epochs").at_least
    assert outcome.compare(relu, found, relu.comparisons[0]).value == "at least 3.74 times"
    turned = made(relu, {"ReLU": [8.0, 8.0], "tanh": [2.0, 2.0]}, "epochs", until_error=0.25)
    assert outcome.compare(relu, turned, relu.comparisons[0]).value == "at most 0.25 times"


def test_epochs_without_a_goal_are_no_bound():
    found = made(catalog.find("relu"), {"ReLU": [8.0, 8.0]}, "epochs")
    assert not outcome.mean(found, "ReLU", "epochs").at_least


@pytest.mark.parametrize(
    ("errors", "verdict"),
    [
        ([26.5, 27.0], "within 1 point"),
        ([25.1, 25.1], "within 1 point"),
        ([28.0, 29.0], "2.5 points above"),
        ([24.0, 24.0], "2.0 points below"),
    ],
)
def test_a_published_error_is_reached_or_not(errors, verdict):
    claim = catalog.find("cifar-quick")
    assert outcome.verdict(claim, made(claim, {"cifar-quick": errors})) == verdict


def test_a_network_without_a_published_error_has_no_verdict():
    claim = dataclasses.replace(catalog.find("cifar-quick"), target=None)
    assert outcome.verdict(claim, made(claim, {"cifar-quick": [20.0]})) == "no published number"
