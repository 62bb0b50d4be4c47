"""Every kind of figure of tinynet on one page: those of `look`, and those of other commands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import tinynet as tn
from tinynet import functions as F
from tinynet import inspection, nn, plot
from tinynet.analysis import communication
from tinynet.analysis.look import Drawn, Subject
from tinynet.analysis.profile import profile
from tinynet.core.errors import DataError
from tinynet.models.two_towers import TwoTowers
from tinynet.training import lr_find, run_list

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PREDICTED = 24  # images of the contact sheet
STEPS = 60  # of the range test


def extras(s: Subject, run: Path) -> Iterator[Drawn]:
    """Yield the figures that other commands draw, for the network of a run folder.

    Parameters
    ----------
    s : Subject
    run : Path
    """
    drawings: dict[str, Callable[[], Figure]] = {
        "curves": lambda: _curves(s, run),
        "confusion": lambda: _confusion(s),
        "predictions": lambda: _predictions(s),
        "one_prediction": lambda: _one_prediction(s),
        "learning_rates": lambda: _learning_rates(s),
        "roofline": lambda: _roofline(s),
        "graph": graph,
        "towers": towers,
        "architecture_of_alexnet": alexnet,
    }
    for name, draw in drawings.items():
        try:
            yield Drawn(name, draw())
        except DataError as error:
            yield Drawn(name, None, str(error))


def _curves(s: Subject, run: Path) -> Figure:
    return plot.curves(run_list.read_log(run), title=s.trained.recipe.name)


def _confusion(s: Subject) -> Figure:
    images, labels = s.test
    shares = inspection.probabilities(s.model, images, prepare=s.trained.normalize)
    count = len(s.trained.classes)
    matrix = np.zeros((count, count), np.int64)
    np.add.at(matrix, (labels, shares.argmax(axis=1)), 1)
    return plot.confusion(matrix, s.trained.classes, title=s.trained.recipe.name)


def _predictions(s: Subject) -> Figure:
    images = s.test[0][:PREDICTED]
    shares = inspection.probabilities(s.model, images, prepare=s.trained.normalize)
    return plot.predictions(images, shares, s.trained.classes)


def _one_prediction(s: Subject) -> Figure:
    shares = inspection.probabilities(s.model, s.images[:1], prepare=s.trained.normalize)
    return plot.predictions(s.images[:1], shares, s.trained.classes)


def _parts(s: Subject) -> Any:
    return s.trained.recipe.build(s.trained.data_dir)


def _learning_rates(s: Subject) -> Figure:
    parts = _parts(s)
    found = lr_find.lr_find(parts.model, parts.optimizer, parts.train, low=1e-5, steps=STEPS)
    return plot.learning_rates(found, title=s.trained.recipe.name)


def _roofline(s: Subject) -> Figure:
    parts = _parts(s)
    images, labels = next(iter(parts.train.batches(0)))
    found = profile(parts.model, parts.optimizer, images, labels)
    return plot.roofline(found, title=s.trained.recipe.name)


def graph() -> Figure:
    """Draw the autograd graph of one neuron with a squared error."""
    w = tn.tensor([0.5, -0.25], requires_grad=True)
    b = tn.tensor(0.25, requires_grad=True)
    x = tn.tensor([2.0, 3.0])
    loss = (F.tanh((w * x).sum() + b) - 1.0) ** 2
    loss.backward(keep_graph=True)
    return plot.graph(loss, names={"w": w, "b": b, "x": x, "loss": loss})


def towers() -> Figure:
    """Draw AlexNet on two devices."""
    with nn.init.skip_init():
        model = tn.models.build("alexnet-two-towers")
    assert isinstance(model, TwoTowers)
    return communication.draw(model, title="AlexNet on two devices: what crosses for one image")


def alexnet() -> Figure:
    """Draw the layers of AlexNet with areas by cost."""
    with nn.init.skip_init(), tn.default_device("cpu"):
        return plot.architecture(tn.models.build("alexnet"), (3, 224, 224), title="AlexNet")
