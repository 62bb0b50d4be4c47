"""Data sets of a recipe: for training, for the test, for validation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinynet import data
from tinynet.data import Dataset

if TYPE_CHECKING:
    from tinynet.training.recipes import Recipe

Sets = tuple[Dataset, ...]
"""The images to learn from, those of the test and, where a recipe holds some out, to validate."""


def open_sets(recipe: Recipe, folder: Path | None = None) -> Sets:
    """Return the data sets of a recipe.

    Parameters
    ----------
    folder : Path, optional
        Where the files lie; None is the default place.

    Returns
    -------
    (train, test), or (train, test, validation) where the recipe holds images out
    """
    train = open_set(recipe, folder, train=True)
    test = open_set(recipe, folder, train=False)
    if not recipe.validation:
        return train, test
    if data.is_folder(recipe.data):
        return train, test, open_set(recipe, folder, train=True, part="validation")
    rest, held_out = data.hold_out(train, recipe.validation)
    return rest, test, held_out


def open_set(recipe: Recipe, folder: Path | None, *, train: bool, part: str = "") -> Dataset:
    """Return one data set of a recipe; images in files are read at the recipe's size."""
    settings: dict[str, Any] = {}
    if data.is_folder(recipe.data):
        settings = {"side": recipe.size, "validation": recipe.validation, "part": part}
    return data.open_dataset(recipe.data, folder, train=train, **settings)
