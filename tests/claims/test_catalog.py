"""All claims: their trials, their networks, and the names that they use."""

import doctest
import importlib
import pkgutil

import numpy as np
import pytest

from tinynet import claims, kernels, tensor
from tinynet.claims import catalog, networks, trial
from tinynet.claims.claim import BUDGETS, LABELS
from tinynet.claims.measure import EXTRA
from tinynet.words import table

EVERY = pytest.mark.parametrize("claim", catalog.CLAIMS.values(), ids=lambda claim: claim.name)


@EVERY
def test_the_trials_of_each_budget_can_be_made(claim):
    for budget in claim.budgets:
        for data in claim.data:
            for each in claim.trials(BUDGETS[budget], data).values():
                recipe = each.recipe(seed=3)
                assert (recipe.seed, recipe.data) == (3, data)
                assert recipe.epochs >= 1
                assert set(each.extra) <= set(EXTRA)


def networks_of(claims):
    """Return each network once, as (name, options, side of its images)."""
    found = {}
    for claim in claims:
        for each in claim.trials(
            BUDGETS["tiny" if "tiny" in claim.budgets else "full"], ""
        ).values():
            side = each.settings.get("crop") or 32
            found[str((each.network, each.options))] = (each.network, each.options, side)
    return found.values()


@pytest.mark.parametrize(("name", "options", "side"), networks_of(catalog.CLAIMS.values()))
def test_every_network_answers(name, options, side):
    net = networks.build(name, options, 10, seed=0)
    with kernels.use("reference"):
        scores = net(tensor(np.zeros((2, 3, side, side), np.float32)))
    assert scores.shape == (2, 10)
    assert np.isfinite(scores.data).all()


@EVERY
def test_the_arms_and_measures_of_a_claim_are_known(claim):
    for each in claim.comparisons:
        assert {each.better, each.worse} <= set(claim.arms)
        assert {each.measure, each.worse_measure or each.measure} <= set(LABELS)
    assert set(claim.measures) <= set(LABELS)
    assert claim.comparisons or claim.schedule
    assert claim.chosen_by in LABELS
    assert not claim.rates or "test" not in claim.chosen_by


@EVERY
def test_the_table_of_claims_is_there_in_korean(claim):
    known = table("ko")
    assert claim.title in known or (claim.title.isascii() and " " not in claim.title)
    assert claim.published in known


def test_two_trials_have_two_names():
    one = trial.Trial(network="deep", settings={"epochs": 1})
    assert one.digest() == trial.Trial(network="deep", settings={"epochs": 1}).digest()
    assert one.digest() != one.change(lr=0.5).digest()


@pytest.mark.parametrize("module", [each.name for each in pkgutil.walk_packages(claims.__path__)])
def test_the_examples_in_docstrings_run(module):
    found = importlib.import_module(f"tinynet.claims.{module}")
    assert doctest.testmod(found, optionflags=doctest.NORMALIZE_WHITESPACE).failed == 0
