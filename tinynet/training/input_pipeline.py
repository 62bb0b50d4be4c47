"""Input pipeline of a recipe: its data loaders and their transforms.

The order of the transforms: sizing (three channels, the recipe's size), crop, flip, normalization,
padded crop, color noise. The normalization is measured on the training images and stored in every
checkpoint, so that prediction uses the same one.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet import data
from tinynet.core.backend import Array
from tinynet.data import Compose, DataLoader, Dataset, LazyImages, Normalize

if TYPE_CHECKING:
    from tinynet.training.recipes import Recipe

PLAIN_SIDE = 32  # pixels: the side of the images that the recipes were written for

Sets = tuple[Dataset, ...]
"""The images of training, of the test and, where a recipe holds some out, of validation."""

TEST_BATCH = 250
MEASURED = 10_000  # images in files that are read for their mean, at most


def loaders(recipe: Recipe, train: Dataset, *others: Dataset) -> tuple[DataLoader, ...]:
    """Return a loader to train with, and one of each other set; the first set is measured.

    Parameters
    ----------
    recipe : Recipe
    train : the images to train on
    others : for tests and validation
    """
    measured = _measured(train.images)
    normalize = Normalize.fit(recipe.preprocess, measured)
    mean = normalize.mean
    if mean.shape[-1] > 1:
        mean = sizing(recipe)(mean[None])[0]
    normalize = Normalize(mean, normalize.std / np.float32(recipe.input_scale), scale=1)
    side = sizing(recipe)(np.zeros((1, *train.images.shape[1:]), np.uint8)).shape[-1]
    random: list[Any] = list(sizing(recipe).transforms)
    if recipe.crop:  # before the conversion to floats, since bytes are cheaper to move
        random.append(data.RandomCrop(recipe.crop))
    if recipe.horizontal_flip:
        random.append(data.RandomHorizontalFlip())
    random.append(normalize)
    if recipe.pad:  # after the normalization, the zeros of the border are the mean
        random.append(data.RandomCrop(recipe.crop or side, padding=recipe.pad))
    if recipe.color_noise:
        random.append(data.PCAColorNoise(recipe.color_noise, _color_basis(measured, normalize)))
    first = DataLoader(train, recipe.batch_size, shuffle=True, transform=random, seed=recipe.seed)
    return first, *(test_loader(recipe, normalize, other) for other in others)


def test_loader(recipe: Recipe, normalize: Normalize, dataset: Dataset) -> DataLoader:
    """Return a loader for the test of a model of this recipe, in the stored order."""
    return DataLoader(dataset, TEST_BATCH, transform=evaluation_transform(recipe, normalize))


def evaluation_transform(recipe: Recipe, normalize: Normalize) -> Compose:
    """Return the transform from images (N, C, H, W) uint8 to inputs of a trained model."""
    crop = [data.CenterCrop(recipe.crop)] if recipe.crop else []
    return Compose([sizing(recipe), *crop, normalize])


def sizing(recipe: Recipe) -> Compose:
    """Return the transform that gives images three channels and the recipe's size.

    Digits (1x28x28) get a black border and the same value in each channel; enlarging repeats
    pixels, resizing interpolates.
    """
    members: list[Any] = [data.PadTo(PLAIN_SIDE), data.ToThreeChannels()]
    if recipe.enlarge > 1:
        members.append(data.Enlarge(recipe.enlarge))
    if recipe.size is not None:
        members.append(data.Resize(recipe.size))
    return Compose(members)


def normalization(loader: DataLoader) -> Normalize:
    """Return the normalization among the transforms of a loader."""
    return next(t for t in loader.transform.transforms if isinstance(t, Normalize))


def _measured(images: Array) -> Array:
    """Return the training images to measure: all in memory, at most `MEASURED` in files."""
    if not isinstance(images, LazyImages):
        return data.ToThreeChannels()(data.PadTo(PLAIN_SIDE)(images))
    return images.take(np.arange(0, len(images), -(-len(images) // MEASURED)))


def _color_basis(images: Array, normalize: Normalize) -> tuple[Array, Array]:
    """Return the PCA basis of the colors, divided by the deviations of the normalization."""
    deviations, vectors = data.pca_color_basis(images)
    scaled = deviations * vectors / normalize.std.reshape(-1, 1)
    return np.ones(len(scaled)), scaled


def fingerprint(*sets: Dataset) -> str:
    """Return a checksum of all images and labels, by which a resumed run recognizes its data.

    For images in files it covers their names, not their bytes, so that a damaged file can be
    replaced.
    """
    total = 0
    for each in sets:
        images = each.images
        if isinstance(images, LazyImages):
            images = np.frombuffer(images.identity, np.uint8)
        for array in (images, each.labels):
            flat: Array = np.ascontiguousarray(array).reshape(-1)
            total = zlib.crc32(flat.view(np.uint8), total)
    return f"{total:08x}"
