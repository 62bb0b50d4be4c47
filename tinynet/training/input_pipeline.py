"""From a data set to batches: what a recipe does with pictures before the model sees them.

In this order: made to fit (three channels, the recipe's size), crop, mirror, normalise, pad and
crop, colour noise; all of it a batch at a time, so nothing enlarged is ever stored. What is random
depends on the seed, the epoch and the step alone. The normaliser is measured on the training
pictures and kept in every checkpoint: a trained net treats any picture as it was taught.
"""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from tinynet import data
from tinynet.core.backend import Array
from tinynet.core.random import generator
from tinynet.data import Dataset, Normaliser
from tinynet.data.loader import pictures_of
from tinynet.kernels.augment import PLACES
from tinynet.training.loop import Batch
from tinynet.training.recipes import Recipe

Sets = tuple[Dataset, ...]
"""The pictures to learn from, those to test with and, where a recipe asks for it, to validate."""

TEST_BATCH = 250
MEASURED = 10_000  # pictures in files that are read for their mean, at most
SIDE = 32  # of the pictures that the recipes are made for; digits get a border


Rows = Callable[[int], slice]
"""Which images of a batch of n are wanted: slice(n) is all; a rank prepares its own alone."""


def chosen(dataset: Dataset, numbers: Iterable[Array], rows: Rows) -> Iterator[Batch]:
    """Yield the images in these rows, and all labels, of each batch of pictures' numbers."""
    batches = list(numbers)
    images = pictures_of(dataset.images, [batch[rows(len(batch))] for batch in batches])
    for batch, found in zip(batches, images, strict=True):
        yield found, dataset.labels[batch]


class Draws:
    """Random numbers for a batch of n images, of which those of some rows are handed out.

    As much of NumPy's generator as `data.augment` asks for, which says the size for its rows.
    """

    def __init__(self, rng: np.random.Generator, n: int, rows: Rows) -> None:
        self.rng, self.n, self.rows = rng, n, rows(n)

    def integers(self, low: int, high: int, _: int, *, endpoint: bool) -> Array:
        """Return whole numbers."""
        return self.rng.integers(low, high, self.n, endpoint=endpoint)[self.rows]

    def random(self, _: int) -> Array:
        """Return numbers between 0 and 1."""
        return self.rng.random(self.n)[self.rows]

    def normal(self, mean: float, deviation: float, size: tuple[int, int]) -> Array:
        """Return normally distributed numbers."""
        return self.rng.normal(mean, deviation, (self.n, size[1]))[self.rows]


@dataclasses.dataclass(frozen=True)
class TrainFeed:
    """Shuffled, disturbed batches; see `train.Feed`."""

    dataset: Dataset
    recipe: Recipe
    normaliser: Normaliser
    colours: Array | None = None  # see `principal_colours`

    @property
    def steps(self) -> int:
        """How many batches an epoch has; the last one may be smaller."""
        return data.steps_per_epoch(len(self.dataset.labels), self.recipe.batch)

    def batches(self, epoch: int, first: int = 0, rows: Rows = slice) -> Iterator[Batch]:
        """Yield the batches of an epoch from number `first` on: some rows of images, all labels."""
        recipe = self.recipe
        order = data.epoch_order(len(self.dataset.labels), recipe.seed, epoch)
        numbers = data.batch_indices(order, recipe.batch, first)
        for step, (images, labels) in enumerate(chosen(self.dataset, numbers, rows), first):
            rng = generator("disturb", epoch, step, seed=recipe.seed)
            yield self._disturbed(images, Draws(rng, len(labels), rows)), labels

    def places(self, epoch: int, first: int = 0) -> Iterator[tuple[Array, Array | None]]:
        """Yield what is random in each batch: places (N, 6) and shifts (N, C) of `kernels.augment`.

        They are drawn in the order of `_disturbed`, from the same stream.
        """
        recipe, (_, C, H, W) = (
            self.recipe,
            fitted(self.dataset.images[:1], self.recipe.enlarge).shape,
        )
        order = data.epoch_order(len(self.dataset.labels), recipe.seed, epoch)
        for step, chosen in enumerate(data.batch_indices(order, recipe.batch, first), first):
            rng, N = generator("disturb", epoch, step, seed=recipe.seed), len(chosen)
            places = np.zeros((N, PLACES), np.int32)
            places[:, 0], places[:, 4:] = chosen, recipe.pad
            if recipe.crop:
                places[:, 1] = rng.integers(0, H - recipe.crop, N, endpoint=True)
                places[:, 2] = rng.integers(0, W - recipe.crop, N, endpoint=True)
            if recipe.mirror:
                places[:, 3] = rng.random(N) < 0.5
            if recipe.pad:
                places[:, 4] = rng.integers(0, 2 * recipe.pad, N, endpoint=True)
                places[:, 5] = rng.integers(0, 2 * recipe.pad, N, endpoint=True)
            shift = None
            if self.colours is not None:
                alpha = rng.normal(0, recipe.colour, (N, C))
                shift = (alpha @ self.colours.T).astype(np.float32)
            yield places, shift

    def _disturbed(self, images: Array, rng: Any) -> Array:
        """Return what the model is trained on, (N, C, side, side), for bytes (N, C, H, W)."""
        recipe = self.recipe
        x = fitted(images, recipe.enlarge, recipe.size)
        if recipe.crop:  # bytes are cheap to move: floats come last
            x = data.random_crop(x, recipe.crop, rng)
        if recipe.mirror:
            x = data.mirror(x, rng)
        x = self.normaliser(x)
        if recipe.pad:  # after normalising, the zeros of the border are the mean
            x = data.random_crop(x, x.shape[-1], rng, padding=recipe.pad)
        if self.colours is not None:
            basis = np.ones(len(self.colours)), self.colours
            x = data.colour_noise(x, basis, rng, strength=recipe.colour)
        return x


@dataclasses.dataclass(frozen=True)
class TestFeed:
    """Batches in the stored order, undisturbed: the middle of each picture, normalised."""

    __test__ = False  # pytest: not a test, though it is called so

    dataset: Dataset
    recipe: Recipe
    normaliser: Normaliser

    @property
    def steps(self) -> int:
        """How many batches there are."""
        return data.steps_per_epoch(len(self.dataset.labels), TEST_BATCH)

    def batches(self, epoch: int = 0, first: int = 0, rows: Rows = slice) -> Iterator[Batch]:
        """Yield the batches from number `first` on, the same in every epoch."""
        order = np.arange(len(self.dataset.labels))
        numbers = data.batch_indices(order, TEST_BATCH, first)
        for images, labels in chosen(self.dataset, numbers, rows):
            yield prepared(images, self.recipe, self.normaliser), labels

    def places(self, epoch: int = 0, first: int = 0) -> Iterator[tuple[Array, Array | None]]:
        """Yield the middle of each picture, as `TrainFeed.places` yields other parts."""
        H, W = fitted(self.dataset.images[:1], self.recipe.enlarge).shape[2:]
        size = self.recipe.crop or H
        for chosen in data.batch_indices(np.arange(len(self.dataset.labels)), TEST_BATCH, first):
            places = np.zeros((len(chosen), PLACES), np.int32)
            places[:, 0], places[:, 1], places[:, 2] = chosen, (H - size) // 2, (W - size) // 2
            yield places, None


def feeds(recipe: Recipe, train: Dataset, *others: Dataset) -> tuple[Any, ...]:
    """Return a feed to train on, and one of each other set; everything is measured on the first."""
    pictures = sample(train.images) if is_lazy(train) else fitted(train.images, 1)
    normaliser = Normaliser.fit(recipe.preprocess, pictures)
    mean = normaliser.mean
    if mean.shape[-1] > 1:
        mean = fitted(mean[None], recipe.enlarge, recipe.size)[0]
    normaliser = Normaliser(mean, normaliser.deviation / np.float32(recipe.input_scale))
    colours = principal_colours(pictures, normaliser) if recipe.colour else None
    tests = (TestFeed(other, recipe, normaliser) for other in others)
    return TrainFeed(train, recipe, normaliser, colours), *tests


def prepared(images: Array, recipe: Recipe, normaliser: Normaliser) -> Array:
    """Return what a trained model is asked, (N, C, side, side) float32, for bytes (N, C, H, W)."""
    x = fitted(images, recipe.enlarge, recipe.size)
    return normaliser(data.centre_crop(x, recipe.crop) if recipe.crop else x)


def is_lazy(dataset: Dataset) -> bool:
    """Return whether the pictures are read from files when they are needed."""
    return isinstance(dataset.images, data.Pictures)


def sample(images: data.Pictures) -> data.Pictures:
    """Return all pictures, or every second, third ... of many: enough to measure their mean."""
    return images.take(np.arange(0, len(images), -(-len(images) // MEASURED)))


def fitted(images: Array, enlarge: int, size: int | None = None) -> Array:
    """Return pictures with three channels, at least 32 pixels wide, then enlarged, or of a size.

    Digits (1x28x28) get a black border and the same value in each channel; enlarging repeats
    pixels, bringing to a size interpolates. Pictures that fit already are returned as they are.
    """
    border = SIDE - images.shape[-1]
    if border > 0:
        low, high = border // 2, border - border // 2
        images = np.pad(images, ((0, 0), (0, 0), (low, high), (low, high)))
    if images.shape[1] == 1:
        images = np.repeat(images, 3, axis=1)
    if enlarge > 1:
        images = images.repeat(enlarge, axis=2).repeat(enlarge, axis=3)
    if size is not None and images.shape[2:] != (size, size):
        images = data.resize(images, size)
    return images


def principal_colours(images: Array, normaliser: Normaliser) -> Array:
    """Return the paper's colour directions times their deviations, one a column, (C, C).

    They are measured on bytes and divided by what the normaliser divides by.
    """
    deviations, vectors = data.colour_basis(images)
    return deviations * vectors / normaliser.deviation.reshape(-1, 1)


def fingerprint(*sets: Dataset) -> str:
    """Return a checksum of all pictures and labels: a run resumes on the data it began with.

    Of pictures in files, it is one of their names: a damaged file may be fetched again.
    """
    total = 0
    for each in sets:
        images = each.images
        if is_lazy(each):
            images = np.frombuffer(images.identity, np.uint8)
        for array in (images, each.labels):
            flat: Array = np.ascontiguousarray(array).reshape(-1)
            total = zlib.crc32(flat.view(np.uint8), total)
    return f"{total:08x}"
