"""Command line that repeats a run, from its recipe, as it was or with changes."""

from __future__ import annotations

import dataclasses
import shlex
from typing import Any

from tinynet import models
from tinynet.training import presets, recipes
from tinynet.training.recipes import Recipe

OPTIONS = (  # settings that `tinynet train` has an option for, in this order
    "model",
    "variant",
    "data",
    "size",
    "epochs",
    "batch_size",
    "lr",
    "schedule",
    "optimizer",
    "precision",
    "validation",
    "seed",
    "init_from",
    "freeze",
)


def command(recipe: Recipe, facts: dict[str, Any]) -> str | None:
    """Return the command that repeats a run; None where a setting has no option.

    Parameters
    ----------
    recipe : Recipe
    facts : dict
        The other facts of config.json: `device`, `data_dir` and `ranks` are used.

    Examples
    --------
    >>> import dataclasses
    >>> from tinynet.training import presets
    >>> from tinynet.training.repeat import command
    >>> command(dataclasses.replace(presets.find("demo"), epochs=3, seed=7), {"device": "cpu"})
    'tinynet train demo --epochs 3 --seed 7'
    """
    device = str(facts.get("device") or "cpu")
    try:
        preset = presets.find(recipe.name)
        changes = _changes(preset, _on_one_device(recipe) if "," in device else recipe)
    except ValueError:  # a recipe or a network that is not one of tinynet's
        return None
    if changes is None:
        return None
    words = _options(changes)
    if words is None:
        return None
    if "," in device and recipe.cross_at is not None:
        words += ["--cross-at", recipe.cross_at]
    if device != "cpu":
        words += ["--devices" if "," in device else "--device", device]
    if facts.get("data_dir"):
        words += ["--data-dir", str(facts["data_dir"])]
    ranks = facts.get("ranks")
    several = ["mpiexec", "-n", str(ranks)] if isinstance(ranks, int) and ranks > 1 else []
    return shlex.join([*several, "tinynet", "train", recipe.name, *words])


def changed(recipe: Recipe, facts: dict[str, Any], **changes: Any) -> str:
    """Return the command of a run with some settings changed.

    Where another setting has no option, the command has the data and the changes alone.

    Examples
    --------
    >>> from tinynet.training import presets, repeat
    >>> repeat.changed(presets.find("demo"), {"device": "cpu"}, lr=0.01)
    'tinynet train demo --lr 0.01'
    """
    whole = command(dataclasses.replace(recipe, **changes), facts)
    if whole is not None:
        return whole
    words = _options({"data": recipe.data, **changes}) or []
    return shlex.join(["tinynet", "train", recipe.name, *words])


def _on_one_device(recipe: Recipe) -> Recipe:
    """Return the recipe from which `recipes.on_two_devices` makes this one."""
    entry = models.MODELS.get(recipe.model)
    name = recipe.model if entry is None or not entry.one_device else entry.one_device
    return dataclasses.replace(recipe, model=name, cross_at=None)


def _changes(preset: Recipe, wanted: Recipe) -> dict[str, Any] | None:
    """Return the settings that make the preset the wanted recipe; None where none do."""
    changes = {n: getattr(wanted, n) for n in OPTIONS if getattr(wanted, n) != getattr(preset, n)}
    if recipes.suited(dataclasses.replace(preset, **changes)) != wanted:
        return None
    for name in list(changes):  # those that follow from the others
        fewer = {key: value for key, value in changes.items() if key != name}
        if recipes.suited(dataclasses.replace(preset, **fewer)) == wanted:
            changes = fewer
    return changes


def _options(changes: dict[str, Any]) -> list[str] | None:
    """Return the options for these settings; None where a value has none."""
    words = []
    for name, value in changes.items():
        shown = value
        if name == "schedule":
            shown = "constant" if value == () else value
        if shown is None or not isinstance(shown, str | int | float):
            return None
        words += [f"--{name.replace('_', '-')}", str(shown)]
    return words
