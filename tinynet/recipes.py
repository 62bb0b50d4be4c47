"""Recipes: named, frozen, tested settings. Everything that decides what a run computes is here.

A recipe names the data, the model (whose initial weights live with the model), how images are
prepared and disturbed, the optimiser and its schedule. Two runs of one recipe with one seed on one
machine give the same weights bit for bit. What `demo` reaches is asserted by a slow test.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import typing
from collections.abc import Mapping
from typing import Any

from tinynet.errors import DataError
from tinynet.nn import Module
from tinynet.optim import SGD


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """The settings of one run.

    Attributes
    ----------
    schedule : pairs (fraction, factor): from that fraction of all steps on, lr is ``lr * factor``
    bias_lr : how many times faster biases learn; they never decay
    weight_decay, linear_weight_decay : of convolutions, and of linear layers where they differ
    preprocess : "mean-image" (0..255 minus the training set's mean picture) or
        "standardise" (each channel to mean 0 and deviation 1)
    input_scale : the normalised values are multiplied by this
    enlarge : each pixel becomes a square of this side before anything else
    crop : side of the window that is cut out: at random in training, in the middle for tests
    pad : instead of `crop`: so many zeros on all sides, and a window of the picture's own size is
        cut out at random in training
    mirror : flip each picture with probability one half
    colour : standard deviation of the paper's PCA colour noise; 0 is none
    init_from : a file of weights to begin with, instead of drawn ones
    freeze : layers that do not learn, with commas between them
    """

    name: str
    about: str
    model: str
    data: str = "cifar10"
    epochs: int
    batch: int = 128
    lr: float
    schedule: tuple[tuple[float, float], ...] = ()
    momentum: float = 0.9
    bias_lr: float = 1.0
    weight_decay: float = 5e-4
    linear_weight_decay: float | None = None
    preprocess: str = "standardise"
    input_scale: float = 1.0
    enlarge: int = 1
    pad: int = 0
    crop: int | None = None
    mirror: bool = False
    colour: float = 0.0
    seed: int = 0
    init_from: str = ""
    freeze: str = ""

    def learning_rate(self, step: int, steps: int) -> float:
        """Return the learning rate of step 0, 1, ... of a run of `steps`."""
        factor = 1.0
        for fraction, later in self.schedule:
            if step >= round(fraction * steps):
                factor = later
        return self.lr * factor


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="demo",
            about="ten drawn shapes, no download, under a minute",
            model="demo",
            data="shapes",
            epochs=8,
            batch=50,
            lr=0.02,
            schedule=((0.75, 0.1),),
        ),
        Recipe(
            name="cifar-quick",
            about="cuda-convnet's 80-second net: 26 % error without augmentation",
            model="cifar-quick",
            epochs=9,
            lr=0.001,
            bias_lr=2.0,
            schedule=((8 / 9, 0.1),),
            weight_decay=0.004,
            linear_weight_decay=0.03,
            preprocess="mean-image",
        ),
        Recipe(
            name="cifar-18pct",
            about="after cuda-convnet's 18 % net: response normalization, 140 epochs",
            model="cifar-18pct",
            epochs=140,
            lr=0.001,
            bias_lr=2.0,
            schedule=((120 / 140, 0.1), (130 / 140, 0.01)),
            weight_decay=0.004,
            linear_weight_decay=1.0,
            preprocess="mean-image",
        ),
        Recipe(
            name="small-alexnet",
            about="AlexNet's order and grouping for 32x32 images, with crops and mirrors",
            model="small-alexnet",
            epochs=12,
            lr=0.01,
            schedule=((0.75, 0.1), (0.92, 0.01)),
            pad=4,
            mirror=True,
        ),
        Recipe(
            name="alexnet",
            about="the paper's network and protocol on pictures enlarged to 256x256",
            model="alexnet",
            epochs=90,
            lr=0.01,
            schedule=((25 / 90, 0.1), (51 / 90, 0.01), (72 / 90, 0.001)),
            preprocess="mean-image",
            enlarge=8,
            crop=224,
            mirror=True,
            colour=0.1,
        ),
    )
}


def find(name: str) -> Recipe:
    """Return the recipe of this name."""
    if name not in RECIPES:
        close = difflib.get_close_matches(name, RECIPES, 1)
        hint = f" Did you mean {close[0]}?" if close else ""
        raise ValueError(
            f"recipe: there is none called {name!r}. Known: {', '.join(RECIPES)}.{hint}"
        )
    return RECIPES[name]


def suited(recipe: Recipe) -> Recipe:
    """Return the recipe without what its data set forbids: mirrored digits are other signs."""
    if recipe.data != "mnist":
        return recipe
    return dataclasses.replace(recipe, mirror=False, colour=0.0)


def from_json(settings: dict[str, Any]) -> Recipe:
    """Return the recipe that `dataclasses.asdict` and JSON made `settings` of."""
    schedule = tuple((float(fraction), float(factor)) for fraction, factor in settings["schedule"])
    recipe = Recipe(**{**settings, "schedule": schedule})
    hints = typing.get_type_hints(Recipe)
    for name, value in settings.items():
        kinds = typing.get_args(hints[name]) or (hints[name],)
        if name != "schedule" and type(value) not in (*kinds, *((int,) if float in kinds else ())):
            raise TypeError(f"{name} cannot be {value!r}")
    if recipe.epochs < 1 or recipe.batch < 1 or not recipe.lr > 0 or not 0 <= recipe.seed < 2**64:
        raise ValueError("epochs, batch and lr must be above 0, seed in 0..2**64-1")
    return recipe


def refuse_changes(recipe: Recipe, metadata: Mapping[str, str], where: str) -> None:
    """Raise DataError if a run that goes on is not the one that its checkpoint speaks of."""
    now = dataclasses.asdict(recipe)
    then = dataclasses.asdict(from_json(json.loads(metadata["recipe"])))
    changed = [
        f"{name} is {now[name]!r}, was {then[name]!r}" for name in now if now[name] != then[name]
    ]
    if changed:
        raise DataError(
            f"{where}: a run goes on as it was begun, but {'; '.join(changed)}. "
            "Put that back, or begin another run."
        )


def optimizer(recipe: Recipe, model: Module) -> SGD:
    """Return SGD by the paper's rule, with biases at their own rate and without decay."""
    linear = (
        recipe.weight_decay if recipe.linear_weight_decay is None else recipe.linear_weight_decay
    )
    decay = {4: recipe.weight_decay, 2: linear}  # by the weight's number of axes
    groups: dict[int, list[Any]] = {}
    for parameter in model.parameters():
        groups.setdefault(len(parameter.shape), []).append(parameter)
    return SGD(
        [
            {
                "parameters": parameters,
                "lr_scale": 1.0 if axes in decay else recipe.bias_lr,
                "weight_decay": decay.get(axes, 0.0),
            }
            for axes, parameters in groups.items()
        ],
        lr=recipe.lr,
        momentum=recipe.momentum,
    )
