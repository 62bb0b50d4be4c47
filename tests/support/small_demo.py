"""Small networks and few images in place of those of a recipe, for quick commands."""

from tinynet import data, models, nn, reports
from tinynet.training import runs


def small_net(classes):
    """Return a network for images of 32x32 that has one convolution."""
    return nn.Sequential(
        nn.Conv2d(3, 4, 4, stride=4), nn.ReLU(), nn.Flatten(), nn.Linear(256, classes)
    )


def few_shapes(train=60, test=30):
    """Return the first images of the built-in data set: {True: training, False: test}."""
    return {True: data.Shapes()[:train], False: data.Shapes(train=False)[:test]}


def use_net(monkeypatch, network=small_net, name="demo"):
    """Build this network where a recipe names another one; draw no figures and no page of it."""
    monkeypatch.setitem(models.MODELS, name, models.Entry(network, 32, 10))
    monkeypatch.setattr(runs, "draw", lambda run: None)
    monkeypatch.setattr(reports, "write_for", lambda run, sets: None)


def use_sets(monkeypatch, sets):
    """Open these data sets, {True: training, False: test}, whatever a recipe names."""
    monkeypatch.setattr(data, "open_dataset", lambda name, root=None, train=True: sets[train])
