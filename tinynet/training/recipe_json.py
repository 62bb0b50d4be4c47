"""Recipes in files: reading them, in the current names and in those of version 0.1."""

from __future__ import annotations

import dataclasses
import json
import typing
from collections.abc import Mapping
from typing import Any

from tinynet import models
from tinynet.core.errors import DataError
from tinynet.kernels.gemm import PRECISIONS
from tinynet.training.recipes import OPTIMIZERS, SCHEDULES, SPLITS, Recipe

RENAMED = {  # in version 0.1: now
    "batch": "batch_size",
    "update": "optimizer",
    "bias_lr": "bias_lr_scale",
    "bias_rate": "fixed_bias_lr",
    "mirror": "horizontal_flip",
    "colour": "color_noise",
}
CHOICES = {"optimizer": OPTIMIZERS, "precision": PRECISIONS, "split": SPLITS}
INDEPENDENT = ((), "plateau")  # schedules whose rates do not depend on the number of epochs


def from_json(settings: dict[str, Any]) -> Recipe:
    """Return the recipe from its settings as JSON has them.

    Raises
    ------
    TypeError, ValueError, KeyError
        Where a setting is unknown, missing, or impossible.
    """
    settings = {"split": "hashed", **_renamed(_with_cross_at(settings))}
    given = settings["schedule"]
    if given not in SCHEDULES:
        given = tuple((float(fraction), float(factor)) for fraction, factor in given)
    recipe = Recipe(**{**settings, "schedule": given})
    hints = typing.get_type_hints(Recipe)
    for name, value in settings.items():
        kinds = typing.get_args(hints[name]) or (hints[name],)
        if name != "schedule" and type(value) not in (*kinds, *((int,) if float in kinds else ())):
            raise TypeError(f"{name} cannot be {value!r}")
    if (
        recipe.epochs < 1
        or recipe.batch_size < 1
        or not recipe.lr > 0
        or not 0 <= recipe.seed < 2**64
    ):
        raise ValueError("epochs, batch_size and lr must be above 0, seed in 0..2**64-1")
    if not 0 <= recipe.validation < 1 or (given == "plateau" and not recipe.validation):
        raise ValueError("validation is a fraction of the images, and a plateau needs one above 0")
    for name, known in CHOICES.items():
        if getattr(recipe, name) not in known:
            raise ValueError(f"{name} is one of {', '.join(known)}, not {getattr(recipe, name)!r}")
    return recipe


def _with_cross_at(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings with `cross_at`; files of version 0.1 have it in `variant`."""
    entry = models.MODELS.get(settings.get("model", ""))
    if "cross_at" in settings or entry is None or not entry.cross_layers:
        return settings
    return {**settings, "variant": None, "cross_at": settings.get("variant")}


def with_epochs(recipe: Recipe, epochs: int) -> Recipe:
    """Return the recipe of a run that is to have another number of epochs.

    Raises
    ------
    DataError
        Where the learning-rate schedule depends on the number of epochs, so that the run would not
        be the one that had this number from the start.
    """
    if epochs != recipe.epochs and recipe.schedule not in INDEPENDENT:
        raise DataError(
            f"epochs: the learning rates of this run are made for epochs={recipe.epochs} "
            f"(schedule {recipe.schedule!r}), so it cannot have {epochs}. Only a constant rate or "
            "a plateau allows that; otherwise start a new run from its weights."
        )
    return dataclasses.replace(recipe, epochs=epochs)


def refuse_changes(recipe: Recipe, metadata: Mapping[str, str], where: str) -> None:
    """Raise DataError if the recipe is not the one in a checkpoint's metadata.

    Parameters
    ----------
    recipe : Recipe
    metadata : mapping of str to str
        Of the checkpoint.
    where : str
        Name of the file with the recipe, for the message.
    """
    now = dataclasses.asdict(recipe)
    then = dataclasses.asdict(from_json(json.loads(metadata["recipe"])))
    free = {"epochs"} if recipe.schedule in INDEPENDENT else set()
    changed = [
        f"{name} is {now[name]!r}, was {then[name]!r}"
        for name in now
        if now[name] != then[name] and name not in free
    ]
    if changed:
        raise DataError(
            f"{where}: a run is resumed unchanged, but {'; '.join(changed)}. "
            "Put that back, or begin another run."
        )


def _renamed(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings in the current names."""
    current = {RENAMED.get(name, name): value for name, value in settings.items()}
    if current.get("preprocess") == "standardise":
        current["preprocess"] = "standardize"
    return current
