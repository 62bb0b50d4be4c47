"""Prediction: a trained model from a run folder, applied to test sets and to image files."""

from __future__ import annotations

import dataclasses
import json
import os
import warnings
from pathlib import Path

import numpy as np

from tinynet import data
from tinynet import functions as F
from tinynet.core import backend
from tinynet.core.backend import Array
from tinynet.core.errors import DataError, printable
from tinynet.core.grad_mode import no_grad
from tinynet.core.table import first_names
from tinynet.data import Dataset, Normalize, average_views, batch_indices, ten_crop
from tinynet.data.folder import SUFFIXES
from tinynet.data.lazy_images import read_chunks
from tinynet.data.transforms.crop import center_crop
from tinynet.nn import Module
from tinynet.tensors import tensor
from tinynet.training import recipe_json, run_dir
from tinynet.training.device_loader import on_device
from tinynet.training.evaluation import Evaluation
from tinynet.training.input_pipeline import PLAIN_SIDE, evaluation_transform, sizing, test_loader
from tinynet.training.loop import Loader
from tinynet.training.metrics import RunningMetrics
from tinynet.training.recipes import Recipe, place_model
from tinynet.training.steps import device_of
from tinynet.weights import checkpoint
from tinynet.weights.checkpoint import Checkpoint, Damage, LatestCheckpoint
from tinynet.words import sentence

VIEWED = 50  # images at a time; each becomes ten


@dataclasses.dataclass(frozen=True)
class TrainedModel:
    """A trained model, and how its images are prepared.

    Parameters
    ----------
    model : Module
        In evaluation mode.
    recipe : Recipe
        Of its training.
    normalize : Normalize
        As measured on the training images.
    classes : tuple of str
        Names, in the order of the scores.
    data_dir : Path or None
        Folder of the data set in training; None is the default one.
    damage : Damage or None
        Set if the last checkpoint was damaged and the one before it was used.
    """

    model: Module
    recipe: Recipe
    normalize: Normalize
    classes: tuple[str, ...]
    data_dir: Path | None = None
    damage: Damage | None = None

    def loader(self, dataset: Dataset) -> Loader:
        """Return the batches of a data set, prepared as in the test of the run."""
        loader = test_loader(self.recipe, self.normalize, dataset)
        return on_device(loader, device_of(self.model))

    def seen(self, images: Array) -> Array:
        """Return the part of images (N, C, H, W) uint8 that the network sees, before `normalize`.

        Resized and cropped to the input of the network, with three channels, uint8.
        """
        x: Array = sizing(self.recipe)(images)
        return center_crop(x, self.recipe.crop) if self.recipe.crop else x

    def prepare(self, images: Array) -> Array:
        """Return the inputs of the model for images (N, C, H, W) uint8."""
        return evaluation_transform(self.recipe, self.normalize)(images)

    def probabilities(self, images: Array) -> Array:
        """Return the probabilities (N, classes) of images (N, C, H, W) uint8."""
        x = self.prepare(images)
        with no_grad():
            return F.softmax(self.model(tensor(x, device=device_of(self.model)))).numpy()

    def ten_view_probabilities(self, images: Array) -> Array:
        """Return the probabilities (N, classes), averaged over ten crops and mirrors (section 4.1).

        Parameters
        ----------
        images : (N, C, H, W) uint8
        """
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


def open_run(path: str | Path, device: str | None = None, *, best: bool = False) -> TrainedModel:
    """Return the model of a run.

    Parameters
    ----------
    path : str or Path
        A run folder, or one of its checkpoint files.
    device : str, optional
        None is the device of its training.
    best : bool
        The weights of the best epoch, instead of the last ones.

    Returns
    -------
    TrainedModel
        Its `damage` is set if an earlier checkpoint had to be used.

    Raises
    ------
    DataError
        Where there is no run, or its checkpoint cannot be read.
    ValueError
        Where `best` is given with a checkpoint file.
    """
    path = Path(path)
    is_file = path.is_file()
    if is_file and best:
        raise ValueError(f"open_run: {path} is a checkpoint itself; best is for a run folder.")
    folder = path.parent if is_file else path
    if is_file or best:
        file = path if is_file else _best_of(folder)
        latest = LatestCheckpoint(checkpoint.load_model(file), None)
    else:
        run_dir.read_config(folder)  # raises where this is no run folder
        latest = checkpoint.load_latest(folder / run_dir.LAST, checkpoint.load_model)
    found, damage = latest
    if (folder / run_dir.CONFIG).is_file():
        recipe, facts = run_dir.read_config(folder)
    else:
        recipe = _recipe_of(path, found)
        facts = {}
    classes = tuple(json.loads(found.metadata["classes"]))
    model = recipe.build_model(len(classes))
    checkpoint.restore(found, model)
    devices = backend.devices(device or facts.get("device") or "cpu")
    place_model(model.eval(), devices)
    named = facts.get("data_dir")
    return TrainedModel(
        model,
        recipe,
        Normalize.from_arrays(found.preprocessing),
        classes,
        None if named is None else Path(named),
        damage,
    )


def _best_of(folder: Path) -> Path:
    run_dir.read_config(folder)
    file = folder / run_dir.BEST
    if not file.exists():
        said = "{folder}: it has no {name} before the end of its first epoch."
        raise DataError(sentence(said, folder=folder, name=run_dir.BEST))
    return file


def _recipe_of(path: Path, found: Checkpoint) -> Recipe:
    """Return the recipe that a checkpoint holds; `tn.save_checkpoint` writes none."""
    try:
        return recipe_json.from_json(json.loads(found.metadata["recipe"]))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(f"{path}: not a checkpoint of tinynet train ({error}).") from error


def refuse_other_classes(trained: TrainedModel, dataset: Dataset) -> None:
    """Raise DataError unless a data set has the classes of the training, in their order."""
    then = trained.classes
    now = tuple(dataset.classes)
    if then == now:
        return
    lists = {
        "new": [name for name in now if name not in then],
        "missing": [name for name in then if name not in now],
    }
    changes = [f"{_some(names)} {what}" for what, names in lists.items() if names]
    raise DataError(
        sentence(
            "eval: the classes of {data} must be the {count} that the net was trained on, in their "
            "order; now they differ: {changes}. Put the folders back, or train again.",
            data=trained.recipe.data,
            count=len(then),
            changes="; ".join(changes) or sentence("another order"),
        )
    )


def measure_ten_views(trained: TrainedModel, dataset: Dataset) -> Evaluation:
    """Return mean loss and accuracy, with probabilities averaged over ten crops and mirrors.

    Raises
    ------
    DataError
        Where the recipe does not crop.
    """
    recipe = trained.recipe
    if not (recipe.crop or recipe.pad):
        raise DataError(
            sentence(
                "ten views: the recipe {recipe} shows whole pictures, so there are no crops to "
                "average. small-alexnet and alexnet crop.",
                recipe=recipe.name,
            )
        )
    metrics = RunningMetrics()
    chunks = list(batch_indices(np.arange(len(dataset.labels)), VIEWED))
    for chunk, images in zip(chunks, read_chunks(dataset.images, chunks), strict=True):
        labels = dataset.labels[chunk]
        shares = trained.ten_view_probabilities(images)
        metrics.loss -= float(np.log(shares[np.arange(len(labels)), labels]).sum())
        metrics.correct += int((shares.argmax(axis=1) == labels).sum())
        metrics.images += len(labels)
    return Evaluation(*metrics.means)


def classify(trained: TrainedModel, path: str | Path) -> list[tuple[str, float]]:
    """Return (class, probability) for an image file, the most probable class first.

    Class names come from folder names, so control characters are escaped.

    Raises
    ------
    DataError
        Where the file is not an image that can be read.
    """
    image = read_image(trained.recipe, Path(path))
    return ranked(trained, trained.probabilities(image[None])[0])


def ranked(trained: TrainedModel, shares: Array) -> list[tuple[str, float]]:
    """Return (class, probability) for the probabilities (classes,) of an image, the best first."""
    order = np.argsort(-shares, kind="stable")
    return [(printable(trained.classes[i]), float(shares[i])) for i in order]


def read_image(recipe: Recipe, path: Path) -> Array:
    """Return an image file as (C, side, side) uint8, with the size of the recipe's data set."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # about a large image
        return data.read_picture(path, image_side(recipe), grey=recipe.data == "mnist")


def image_side(recipe: Recipe) -> int:
    """Return the side of the images of a recipe's data set, in pixels."""
    if recipe.data == "mnist":
        return 28
    return (recipe.size if data.is_folder(recipe.data) else None) or PLAIN_SIDE


def image_files(path: Path) -> list[Path]:
    """Return the image files below a folder, by name; of anything else, the path itself.

    Hidden files and folders are left out.

    Raises
    ------
    DataError
        Where the folder has no image file.
    """
    if not path.is_dir():
        return [path]
    found = [
        Path(folder, name)
        for folder, _, names in _visible(path)
        for name in names
        if not name.startswith(".") and name.lower().endswith(SUFFIXES["stratified"])
    ]
    if not found:
        listed = ", ".join(SUFFIXES["stratified"])
        said = "{path}: the folder has no image file ({listed})."
        raise DataError(sentence(said, path=path, listed=listed))
    return sorted(found)


def _visible(path: Path) -> list[tuple[str, list[str], list[str]]]:
    """Return what `os.walk` finds, without hidden folders."""
    walked = []
    for folder, inside, names in os.walk(path):
        inside[:] = [name for name in inside if not name.startswith(".")]
        walked.append((folder, inside, names))
    return walked


def _some(names: list[str]) -> str:
    return first_names(names, 5)
