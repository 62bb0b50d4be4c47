"""One run of a trial: train, then measure once on the test images."""

from __future__ import annotations

import collections
import functools
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinynet import data, nn
from tinynet.claims import networks
from tinynet.claims.trial import Trial
from tinynet.core import random
from tinynet.core.atomic_file import previous
from tinynet.core.backend import Array
from tinynet.optim import SGD, Optimizer
from tinynet.training import input_pipeline
from tinynet.training.evaluation import evaluate, predict
from tinynet.training.loop import Epoch, State, fit
from tinynet.training.recipe_data import open_sets
from tinynet.training.recipes import Recipe
from tinynet.training.resumption import load_checkpoint, save_checkpoint

CROP = 24  # pixels, of 32: the crops of cuda-convnet's networks
LOOK_BACK = 1000  # images: the error while learning is measured on the last ones
SAVE_EVERY = 120.0  # seconds between two checkpoints of a long run
MEASURED = 5_000  # training images on which the error after training is measured, at most

Measures = dict[str, Any]
"""Numbers of one run by name. Errors are in per cent; smaller is better in all of them."""


def run(
    trial: Trial, seed: int, data_dir: Path | None = None, checkpoint: Path | None = None
) -> Measures:
    """Train with one seed; return what was measured.

    Parameters
    ----------
    trial : Trial
    seed : int
    data_dir : Path or None
        Folder of the images; None is the default place.
    checkpoint : Path or None
        A long run is saved there every few minutes, and continues from there.

    Returns
    -------
    dict
        `test_error`, `train_error` (after training, without augmentation) and `gap`, in per cent;
        `test_loss`; `class_errors`; `epochs`, until the wanted error if the trial has one;
        `curve`, a pair of training loss and error an epoch; `seconds`. What `Trial.extra` names
        comes with it. A run whose loss is not finite has `diverged`, and the errors of guessing.
    """
    train, *held_out = sets(trial, data_dir)
    parts = _build(trial, seed, train, *held_out)
    state = State()
    if checkpoint is not None and checkpoint.exists():
        state = load_checkpoint(checkpoint, parts.model, parts.optimizer)
    found: Measures = {}
    try:
        found["epochs"] = _train(parts, trial, state, checkpoint)
    except FloatingPointError:
        found["epochs"] = trial.settings["epochs"]
        found["diverged"] = True
    found["seconds"] = round(state.total_seconds + state.seconds, 1)
    found["curve"] = curve(state.records)
    if found.get("diverged"):
        found |= _guessing(len(train.classes), parts.loaders)
    else:
        found |= errors(trial, parts.model, train, parts.loaders)
    if checkpoint is not None:
        for path in (checkpoint, previous(checkpoint)):
            path.unlink(missing_ok=True)
    return found


def curve(records: Sequence[Epoch]) -> list[tuple[float, float]]:
    """Return pairs of the loss and the error in per cent while learning, one an epoch."""
    return [(round(r.train_loss, 4), round(100 * (1 - r.train_accuracy), 2)) for r in records]


class Parts(NamedTuple):
    """What a run is made of; the loaders are of training, test and, if any, validation."""

    model: nn.Module
    optimizer: Optimizer
    loaders: list[data.DataLoader]


def _build(trial: Trial, seed: int, *sets: data.Dataset) -> Parts:
    recipe = trial.recipe(seed)
    model = networks.build(trial.network, trial.options, len(sets[0].classes), seed)
    optimizer = _optimizer(trial, recipe, model)
    loaders = _loaders(trial, recipe, *sets)
    random.seed(seed)
    return Parts(model, optimizer, loaders)


def time_of_training(trial: Trial, data_dir: Path | None = None) -> float:
    """Return the seconds of the training of a trial, without tests."""
    parts = _build(trial, 0, *sets(trial, data_dir))
    begun = time.perf_counter()
    for _ in fit(parts.model, parts.optimizer, parts.loaders[0], epochs=trial.settings["epochs"]):
        pass
    return time.perf_counter() - begun


@functools.lru_cache(maxsize=2)
def _opened(name: str, data_dir: Path | None, validation: float) -> tuple[data.Dataset, ...]:
    plain = Recipe(name="", about="", model="", data=name, epochs=1, lr=1, validation=validation)
    return open_sets(plain, data_dir)


def whole(name: str, data_dir: Path | None) -> tuple[data.Dataset, ...]:
    """Return the training and test images of a data set, all of them."""
    return _opened(name, data_dir, 0.0)


def sets(trial: Trial, data_dir: Path | None) -> tuple[data.Dataset, ...]:
    """Return the data sets: training, test and, where images are held out, validation."""
    recipe = trial.recipe(seed=0)
    train, *others = _opened(recipe.data, data_dir, recipe.validation)
    return (train if trial.images is None else train[: trial.images], *others)


def _loaders(trial: Trial, recipe: Recipe, *sets: data.Dataset) -> list[data.DataLoader]:
    first, *others = input_pipeline.loaders(recipe, *sets)
    if trial.flips:
        transform = [*first.transform.transforms, RandomFlips(trial.flips)]
        first = data.DataLoader(
            sets[0], recipe.batch_size, shuffle=True, transform=transform, seed=recipe.seed
        )
    return [first, *others]


class RandomFlips(data.Transform):
    """Flips over groups of axes, each with probability one half.

    Parameters
    ----------
    axes : sequence of sequences of int
        [[3]] mirrors; [[3], [2]] mirrors and turns upside down, independently; [[2, 3]] is a half
        turn.

    Examples
    --------
    >>> import numpy as np
    >>> RandomFlips([[2, 3]]).apply(np.arange(4).reshape(1, 1, 2, 2), np.array([[True]])).tolist()
    [[[[3, 2], [1, 0]]]]
    """

    def __init__(self, axes: Any) -> None:
        self.axes = [tuple(group) for group in axes]

    def sample(self, rng: np.random.Generator, n: int) -> Array:
        """Draw which images are flipped, (n, groups) bool."""
        return rng.random((n, len(self.axes))) < 0.5

    def apply(self, images: Array, params: Array) -> Array:
        """Return the images, flipped where params say so."""
        for group, chosen in zip(self.axes, params.T, strict=True):
            images = np.where(chosen[:, None, None, None], np.flip(images, group), images)
        return images


def _optimizer(trial: Trial, recipe: Recipe, model: nn.Module) -> Optimizer:
    optimizer = recipe.build_optimizer(model)
    if isinstance(optimizer, SGD):
        optimizer.rule = trial.rule
    return optimizer


def _train(parts: Parts, trial: Trial, state: State, checkpoint: Path | None) -> float:
    """Train; return the number of epochs, which is no whole number where the trial ends early."""
    model, optimizer, (loader, *_) = parts
    epochs = trial.settings["epochs"]
    wrong: collections.deque[float] = collections.deque(
        maxlen=max(1, LOOK_BACK // loader.batch_size)
    )
    before = 0.0  # wrong answers in this epoch so far
    saved = time.monotonic()
    for event in fit(model, optimizer, loader, epochs=epochs, state=state, every_step=True):
        if isinstance(event, Epoch):
            before = 0.0
            if checkpoint is not None and time.monotonic() > saved + SAVE_EVERY:
                checkpoint.parent.mkdir(parents=True, exist_ok=True)
                save_checkpoint(checkpoint, model, optimizer, state)
                saved = time.monotonic()
        elif trial.until_error is not None:
            now = state.metrics.images - state.metrics.correct
            wrong.append((now - before) / loader.batch_size)
            before = now
            if len(wrong) == wrong.maxlen and sum(wrong) <= trial.until_error * len(wrong):
                return round(state.epoch + event.step / event.steps, 3)
    return float(epochs)


def _guessing(classes: int, loaders: list[data.DataLoader]) -> Measures:
    """Return the errors of a network that guesses, in per cent."""
    error = 100 * (1 - 1 / classes)
    held_out = {"validation_error": error} if len(loaders) > 2 else {}
    return {"test_error": error, "train_error": error, "gap": 0.0, **held_out}


def errors(
    trial: Trial, model: nn.Module, train: data.Dataset, loaders: list[data.DataLoader]
) -> Measures:
    """Return the errors on test, training and validation images, in per cent."""
    test = loaders[1]
    found: Measures = {}
    probabilities = predict(model, test)
    answers = probabilities.argmax(axis=1)
    labels = test.dataset.labels
    found["test_error"] = _percent(answers != labels)
    found["test_loss"] = _loss(probabilities, labels)
    found["class_errors"] = [_percent(answers[labels == c] != c) for c in range(len(train.classes))]
    known = data.DataLoader(train[:MEASURED], test.batch_size, transform=test.transform)
    found["train_error"] = round(100 * (1 - evaluate(model, known).accuracy), 2)
    found["gap"] = round(found["test_error"] - found["train_error"], 2)
    if len(loaders) > 2:
        found["validation_error"] = round(100 * (1 - evaluate(model, loaders[2]).accuracy), 2)
    for name in trial.extra:
        found |= EXTRA[name](model, test)
    return found


def _percent(wrong: Array) -> float:
    return round(100 * float(np.mean(wrong)), 2)


def _loss(probabilities: Array, labels: Array) -> float:
    """Return the mean cross-entropy; a probability of 0 counts as the smallest float32."""
    right = probabilities[np.arange(len(labels)), labels]
    return round(-float(np.mean(np.log(np.maximum(right, np.finfo(np.float32).tiny)))), 4)


def ten_views(model: nn.Module, test: data.DataLoader) -> Measures:
    """Return the test error by ten views of 24x24, averaged after the softmax (section 4.1)."""
    images = test.dataset.images
    normalize = test.transform.transforms[-1]
    views = data.ten_crop(images, CROP)
    mean = sum(predict(model, normalize(view), transform=None) for view in views) / len(views)
    return {"ten_view_error": _percent(mean.argmax(axis=1) != test.dataset.labels)}


def dropout_factors(model: nn.Module, test: data.DataLoader) -> Measures:
    """Return test error and loss with units multiplied by p and by 1, in place of 1 - p."""
    layers = [m for m in model.modules() if isinstance(m, nn.Dropout)]
    p = layers[0].p
    found = {}
    for name, factor in (("times_p", p), ("times_1", 1.0)):
        for layer in layers:
            layer.p = 1 - factor
        loss, accuracy = evaluate(model, test)
        found[f"error_{name}"] = round(100 * (1 - accuracy), 2)
        found[f"loss_{name}"] = round(loss, 4)
    for layer in layers:
        layer.p = p
    return found


def confusions(model: nn.Module, test: data.DataLoader) -> Measures:
    """Return how often a 6 is called a 9 and so on, in per cent of the first digit."""
    answers = predict(model, test).argmax(axis=1)
    labels = test.dataset.labels
    return {
        f"{true}_called_{said}": _percent(answers[labels == true] == said)
        for true, said in ((6, 9), (9, 6), (2, 5), (5, 2))
    }


EXTRA: dict[str, Callable[[nn.Module, data.DataLoader], Measures]] = {
    "ten-views": ten_views,
    "dropout-factors": dropout_factors,
    "confusions": confusions,
}
