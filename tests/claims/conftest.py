"""A claim about two linear networks on drawn images, whose runs take a moment."""

import concurrent.futures
import dataclasses

import pytest

from support import small_demo
from tinynet import nn
from tinynet.claims import catalog, measure, networks
from tinynet.claims.claim import Arm, Claim, Comparison
from tinynet.claims.trial import Trial


def linear(classes, *, layers=1):
    widths = [3 * 32 * 32, *[8] * (layers - 1)]
    return nn.Sequential(
        nn.Flatten(),
        *(nn.Linear(n, 8) for n in widths[:-1]),
        nn.Linear(widths[-1], classes),
    )


LINEAR = Claim(
    name="linear",
    title="One layer is <enough>",
    statement="One layer has a lower test error than two.",
    source="nobody, section 0",
    published="none",
    about="For tests.",
    base=Trial(network="linear"),
    arms={"one": Arm(), "two": Arm(options={"layers": 2})},
    measures=("test_error", "train_error"),
    comparisons=(Comparison(better="one", worse="two"),),
    data=("shapes",),
)


@pytest.fixture
def few(monkeypatch):
    """Make the drawn data set small, and register the networks."""
    sets = tuple(small_demo.few_shapes(60, 60)[train] for train in (True, False))
    monkeypatch.setattr(measure, "_opened", lambda *_: sets)
    monkeypatch.setitem(networks.NETWORKS, "linear", linear)


@pytest.fixture
def claim(monkeypatch, few):
    """Return the claim, which is in the catalog."""
    monkeypatch.setitem(catalog.CLAIMS, "linear", LINEAR)
    return LINEAR


@pytest.fixture
def tuned(monkeypatch, few):
    """Return the claim with two learning rates to choose from."""
    found = dataclasses.replace(LINEAR, rates=(0.01, 0.1), chosen_by="train_error")
    monkeypatch.setitem(catalog.CLAIMS, "linear", found)
    return found


class Here:
    """Executor that runs a job in this process, and counts."""

    def __init__(self):
        self.jobs = []

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None

    def submit(self, function, *arguments):
        self.jobs.append(arguments)
        done = concurrent.futures.Future()
        done.set_result(function(*arguments))
        return done


@pytest.fixture
def here(monkeypatch):
    """Run the jobs in this process; return the executor."""
    found = Here()
    monkeypatch.setattr("tinynet.claims.workers.pool", lambda jobs: found)
    return found
