"""Data sets of a recipe: for training, for the test, for validation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinynet import data
from tinynet.data import Dataset

if TYPE_CHECKING:
    from tinynet.training.recipes import Recipe

Sets = tuple[Dataset, ...]
"""The images of training, of the test and, where a recipe holds some out, of validation."""


def open_sets(recipe: Recipe, folder: Path | None = None, *, strict: bool = False) -> Sets:
    """Return the data sets of a recipe.

    Parameters
    ----------
    recipe : Recipe
    folder : Path, optional
        Folder of the files; None is the default one.
    strict : bool
        Refuse a folder in which an image file cannot be read; else such files are left out.

    Returns
    -------
    (train, test), or (train, test, validation) where the recipe holds images out
    """
    train = open_set(recipe, folder, train=True, strict=strict)
    test = open_set(recipe, folder, train=False, strict=strict)
    if not recipe.validation:
        return train, test
    if data.is_folder(recipe.data):
        held_out = open_set(recipe, folder, train=True, part="validation", strict=strict)
        return train, test, held_out
    rest, held_out = data.hold_out(train, recipe.validation)
    return rest, test, held_out


def open_set(
    recipe: Recipe, folder: Path | None, *, train: bool, part: str = "", strict: bool = False
) -> Dataset:
    """Return one data set of a recipe; images in files are read at the recipe's size.

    Parameters
    ----------
    recipe : Recipe
    folder : Path, optional
        Folder of the files; None is the default one.
    train : bool
        The training images, else those of the test.
    part : str
        In place of `train`, for images in files: "train", "validation" or "test".
    strict : bool
        See `open_sets`.
    """
    settings: dict[str, Any] = {}
    if data.is_folder(recipe.data):
        settings = {
            "side": recipe.size,
            "validation": recipe.validation,
            "part": part,
            "split": recipe.split,
            "strict": strict,
        }
    return data.open_dataset(recipe.data, folder, train=train, **settings)
