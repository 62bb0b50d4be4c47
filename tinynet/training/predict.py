"""A trained net, taken from its run folder: asked about test sets and about single pictures."""

from __future__ import annotations

import dataclasses
import json
import warnings
from pathlib import Path

import numpy as np

from tinynet import data
from tinynet import functions as F
from tinynet.core.backend import Array
from tinynet.core.errors import DataError, printable
from tinynet.core.grad_mode import no_grad
from tinynet.core.table import first_names
from tinynet.data import Dataset, Normalize, average_views, batch_indices, ten_crop
from tinynet.data.lazy_images import read_chunks
from tinynet.nn import Module
from tinynet.tensors import tensor
from tinynet.training import run_dir
from tinynet.training.device_loader import on_device
from tinynet.training.input_pipeline import PLAIN_SIDE, evaluation_transform, sizing, test_loader
from tinynet.training.loop import Loader
from tinynet.training.metrics import RunningMetrics
from tinynet.training.recipes import Recipe
from tinynet.training.steps import device_of
from tinynet.weights import checkpoint

VIEWED = 50  # pictures at a time; each becomes ten


@dataclasses.dataclass(frozen=True)
class Net:
    """A trained model and all that it needs to be asked properly."""

    model: Module
    recipe: Recipe
    normalize: Normalize
    classes: tuple[str, ...]

    def feed(self, dataset: Dataset) -> Loader:
        """Return the batches on which the run measured its test accuracy."""
        loader = test_loader(self.recipe, self.normalize, dataset)
        return on_device(loader, device_of(self.model))

    def probabilities(self, images: Array) -> Array:
        """Return (N, classes) for pictures (N, C, H, W) uint8."""
        x = evaluation_transform(self.recipe, self.normalize)(images)
        with no_grad():
            return F.softmax(self.model(tensor(x, device=device_of(self.model)))).numpy()

    def ten_view_probabilities(self, images: Array) -> Array:
        """Return the mean of what the net says of ten crops and mirrors, (N, classes)."""
        x = sizing(self.recipe)(images)
        size = x.shape[-1]
        if self.recipe.crop:
            views = [self.normalize(view) for view in ten_crop(x, self.recipe.crop)]
        else:
            around = (self.recipe.pad, self.recipe.pad)
            x = np.pad(self.normalize(x), ((0, 0), (0, 0), around, around))
            views = list(ten_crop(x, size))
        with no_grad():
            where = device_of(self.model)
            scores = [self.model(tensor(view, device=where)).numpy() for view in views]
        return average_views(np.stack(scores))


def open_net(folder: Path, device: str | None = None) -> tuple[Net, str]:
    """Return the net that a run folder holds now, and a sentence if that took a detour.

    It works on `device`; None: on the one it was trained on.
    """
    recipe, facts = run_dir.read_config(folder)
    found, damage = checkpoint.load_latest(folder / run_dir.LAST, checkpoint.load_model)
    classes = tuple(json.loads(found.metadata["classes"]))
    model = recipe.build_model(len(classes))
    checkpoint.restore(found, model)
    model.eval().to(device or facts.get("device", "cpu"))
    net = Net(model, recipe, Normalize.from_arrays(found.preprocessing), classes)
    return net, str(damage) if damage else ""


def refuse_other_classes(net: Net, dataset: Dataset) -> None:
    """Raise DataError unless the labels of a data set mean what the net was taught."""
    then = net.classes
    now = tuple(dataset.classes)
    if then == now:
        return
    lists = {
        "new": [name for name in now if name not in then],
        "missing": [name for name in then if name not in now],
    }
    changes = [f"{_some(names)} {what}" for what, names in lists.items() if names]
    raise DataError(
        f"eval: the classes of {net.recipe.data} must be the {len(then)} that the net was trained "
        f"on, in their order; now they differ: {'; '.join(changes) or 'another order'}. "
        "Put the folders back, or train again."
    )


def measure_ten_views(net: Net, dataset: Dataset) -> tuple[float, float]:
    """Return mean loss and accuracy when each picture is seen ten times."""
    if not (net.recipe.crop or net.recipe.pad):
        raise DataError(
            f"ten views: the recipe {net.recipe.name} shows whole pictures, so there are no crops "
            "to average. small-alexnet and alexnet crop."
        )
    metrics = RunningMetrics()
    chunks = list(batch_indices(np.arange(len(dataset.labels)), VIEWED))
    for chunk, images in zip(chunks, read_chunks(dataset.images, chunks), strict=True):
        labels = dataset.labels[chunk]
        shares = net.ten_view_probabilities(images)
        metrics.loss -= float(np.log(shares[np.arange(len(labels)), labels]).sum())
        metrics.correct += int((shares.argmax(axis=1) == labels).sum())
        metrics.images += len(labels)
    return metrics.means


def _some(names: list[str]) -> str:
    return first_names(names, 5)


def guesses(net: Net, path: Path) -> list[tuple[str, float]]:
    """Return (class, probability) for the picture in a file, the most probable first.

    Names of classes were names of folders once: they are `printable` here.
    """
    shares = net.probabilities(as_taught(net.recipe, path)[None])[0]
    order = np.argsort(-shares, kind="stable")
    return [(printable(net.classes[i]), float(shares[i])) for i in order]


def as_taught(recipe: Recipe, path: Path) -> Array:
    """Return the picture in a file, (C, side, side) uint8, as large as those of the data set."""
    if recipe.data == "mnist":
        grey = True
        side = 28
    else:
        grey = False
        side = (recipe.size if data.is_folder(recipe.data) else None) or PLAIN_SIDE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # that it is large is not wrong
        return data.read_picture(path, side, grey=grey)
