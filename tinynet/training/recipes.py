"""What a recipe says: everything that decides what a run computes.

A recipe names the data, the model (whose initial weights live with the model), how images are
prepared and disturbed, the optimiser and its schedule. Two runs of one recipe with one seed on one
machine give the same weights bit for bit. The recipes that have names are in `cookbook`.
"""

from __future__ import annotations

import dataclasses
import json
import typing
from collections.abc import Mapping
from typing import Any

from tinynet import models
from tinynet.core import backend
from tinynet.core.errors import DataError
from tinynet.data import is_folder
from tinynet.models.two_devices import device_pair
from tinynet.nn import Module
from tinynet.optim import SGD, Adam, Cosine, MultiStep, Optimizer, ReduceOnPlateau, Schedule

PLAIN_SIDE = 32  # of the pictures that the recipes were written for
UPDATES = ("sgd", "nesterov", "adam")
SCHEDULES = ("cosine", "plateau")  # beside drops at fractions of the run
HELD_OUT = 0.1  # of the training pictures, for a rate that waits for the validation error


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """The settings of one run.

    Attributes
    ----------
    schedule : pairs (fraction, factor): from that fraction of all steps on, lr is ``lr * factor``;
        or "cosine": up for a twentieth of the run, then down to nothing; or "plateau": divided by
        10 when the validation error stalls, as the paper did by hand (`optim.ReduceOnPlateau`)
    validation : share of the training pictures that nothing is learnt from, chosen by their bytes;
        a plateau is seen on them, and the best weights are chosen by them
    update : "sgd" by the paper's rule, "nesterov" or "adam"
    variant : of "alexnet"
    cross_at : of two towers, the convolution that sees all maps (`models.build`)
    bias_lr, bias_rate : how many times faster biases learn, or their own rate, which no schedule
        changes; they never decay
    weight_decay, linear_weight_decay, local_weight_decay : of convolutions, and of linear layers
        and layers with filters for every place where they differ
    preprocess : "mean-image" (0..255 minus the training set's mean picture) or
        "standardise" (each channel to mean 0 and deviation 1)
    input_scale : the normalised values are multiplied by this
    enlarge : each pixel becomes a square of this side before anything else
    size : instead of `enlarge`: each picture is brought to this side, whatever it was; of a picture
        in a file it is the shorter side, and the middle square is taken
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
    variant: str | None = None
    cross_at: str | None = None
    data: str = "cifar10"
    epochs: int
    batch: int = 128
    lr: float
    schedule: tuple[tuple[float, float], ...] | str = ()
    validation: float = 0.0
    update: str = "sgd"
    momentum: float = 0.9
    bias_lr: float = 1.0
    bias_rate: float | None = None
    weight_decay: float = 5e-4
    linear_weight_decay: float | None = None
    local_weight_decay: float | None = None
    preprocess: str = "standardise"
    input_scale: float = 1.0
    enlarge: int = 1
    size: int | None = None
    pad: int = 0
    crop: int | None = None
    mirror: bool = False
    colour: float = 0.0
    seed: int = 0
    init_from: str = ""
    freeze: str = ""


def schedule(recipe: Recipe) -> Schedule:
    """Return the learning-rate schedule of a recipe."""
    if recipe.schedule == "plateau":
        return ReduceOnPlateau(recipe.lr)
    if recipe.schedule == "cosine":
        return Cosine(recipe.lr, warmup=0.05)
    return MultiStep(recipe.lr, typing.cast("Any", recipe.schedule))


def suited(recipe: Recipe) -> Recipe:
    """Return the recipe as its network and its data set want it.

    Crops have the size that the network is made for. Mirrored digits are other signs. Pictures in
    files are read at the size that is asked for, and need not be enlarged.
    """
    recipe = _cropped(recipe)
    if recipe.size is not None or is_folder(recipe.data):
        size = recipe.size or PLAIN_SIDE * recipe.enlarge
        recipe = dataclasses.replace(recipe, size=size, enlarge=1)
    if recipe.data != "mnist":
        return recipe
    return dataclasses.replace(recipe, mirror=False, colour=0.0)


def _cropped(recipe: Recipe) -> Recipe:
    """Return a recipe that crops with the side of its network in place of its own.

    The pictures are enlarged until there is more of them than a crop; a network for pictures as
    small as they are sees them whole.
    """
    side = models.entry(recipe.model, recipe.variant).side
    if recipe.crop in (None, side):
        return recipe
    if side == PLAIN_SIDE:
        return dataclasses.replace(recipe, crop=None, enlarge=1)
    return dataclasses.replace(recipe, crop=side, enlarge=side // PLAIN_SIDE + 1)


def from_json(settings: dict[str, Any]) -> Recipe:
    """Return the recipe that `dataclasses.asdict` and JSON made `settings` of."""
    settings = _with_cross_at(settings)
    given = settings["schedule"]
    if given not in SCHEDULES:
        given = tuple((float(fraction), float(factor)) for fraction, factor in given)
    recipe = Recipe(**{**settings, "schedule": given})
    hints = typing.get_type_hints(Recipe)
    for name, value in settings.items():
        kinds = typing.get_args(hints[name]) or (hints[name],)
        if name != "schedule" and type(value) not in (*kinds, *((int,) if float in kinds else ())):
            raise TypeError(f"{name} cannot be {value!r}")
    if recipe.epochs < 1 or recipe.batch < 1 or not recipe.lr > 0 or not 0 <= recipe.seed < 2**64:
        raise ValueError("epochs, batch and lr must be above 0, seed in 0..2**64-1")
    if not 0 <= recipe.validation < 1 or (given == "plateau" and not recipe.validation):
        raise ValueError("validation is a share of the pictures, and a plateau needs one above 0")
    if recipe.update not in UPDATES:
        raise ValueError(f"update is one of {', '.join(UPDATES)}, not {recipe.update!r}")
    return recipe


def _with_cross_at(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings with `cross_at`; files of version 0.1 have it in `variant`."""
    entry = models.MODELS.get(settings.get("model", ""))
    if "cross_at" in settings or entry is None or not entry.cross_layers:
        return settings
    return {**settings, "variant": None, "cross_at": settings.get("variant")}


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


def optimizer(recipe: Recipe, model: Module) -> Optimizer:
    """Return what changes the weights, with biases at their own rate and without decay."""

    def decay(own: float | None) -> float:
        return recipe.weight_decay if own is None else own

    decays = {  # by the weight's number of axes
        2: decay(recipe.linear_weight_decay),
        4: recipe.weight_decay,
        6: decay(recipe.local_weight_decay),
    }
    members: dict[int, list[Any]] = {}
    for parameter in model.parameters():
        members.setdefault(len(parameter.shape), []).append(parameter)
    groups = [
        {
            "params": parameters,
            "lr_scale": 1.0 if axes in decays else recipe.bias_lr,
            "lr": None if axes in decays else recipe.bias_rate,
            "weight_decay": decays.get(axes, 0.0),
        }
        for axes, parameters in members.items()
    ]
    if recipe.update == "adam":
        return Adam(groups, lr=schedule(recipe))
    nesterov = recipe.update == "nesterov"
    return SGD(groups, lr=schedule(recipe), momentum=recipe.momentum, nesterov=nesterov)


def on_two_devices(recipe: Recipe, devices: str, cross_at: str | None) -> Recipe:
    """Return the recipe for the two-tower form of its network.

    Parameters
    ----------
    devices : two names with a comma between them, like "cuda:0,cuda:1"
    cross_at : the convolution that sees all maps (`models.CROSS_LAYERS`); None means conv3
    """
    device_pair(backend.devices(devices))
    model = models.two_tower_form(recipe.model)
    if model is None or recipe.variant is not None:
        raise DataError(
            f"{recipe.name}: this recipe has no two towers. small-alexnet and alexnet have."
        )
    return dataclasses.replace(recipe, model=model, cross_at=cross_at)
