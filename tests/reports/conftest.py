"""A stopped run of three epochs, in a folder."""

import pytest

from support import reported_run
from tinynet import models
from tinynet.reports import measure
from tinynet.training import recipe_data


@pytest.fixture(autouse=True)
def _one_measurement(monkeypatch):
    """Time each layer once more, not for as long as a page does."""
    monkeypatch.setattr(measure, "SECONDS", 0.0)


@pytest.fixture
def sets(monkeypatch):
    """Register the network and the images; return the training and the test images."""
    monkeypatch.setitem(models.MODELS, "grouped", models.Entry(reported_run.grouped_net, 32, 3))
    found = (reported_run.images(24), reported_run.images(15))
    opened = {True: found[0], False: found[1]}
    monkeypatch.setattr(recipe_data, "open_set", lambda recipe, root, train: opened[train])
    return found


@pytest.fixture
def folder(tmp_path, sets):
    """Return the folder of a stopped run of three epochs."""
    return reported_run.save(tmp_path / "run", sets)
