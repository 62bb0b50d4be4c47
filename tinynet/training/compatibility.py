"""Compatibility of a recipe: its network, its weights, its frozen layers and its images."""

from __future__ import annotations

import numpy as np

from tinynet import kernels, models, nn
from tinynet.core.errors import ShapeError
from tinynet.core.grad_mode import no_grad
from tinynet.tensors import tensor
from tinynet.training import finetune
from tinynet.training.input_pipeline import PLAIN_SIDE
from tinynet.training.recipes import Recipe
from tinynet.words import sentence

ANY_SIDE = "small-resnet"


def check(recipe: Recipe, classes: int) -> None:
    """Raise if the network cannot take the recipe's weights, frozen layers or images.

    Nothing is computed: no weights are initialized, and no image is read.

    Parameters
    ----------
    recipe : Recipe
    classes : int
        Number of classes of the data set.

    Raises
    ------
    ShapeError
        Where the images are too small or too large for the network.
    DataError
        Where the file of weights does not fit, or a frozen layer does not exist.
    """
    with nn.init.skip_init():
        model = recipe.build_model(classes)
    finetune.begin(model, recipe)
    made_for = models.entry(recipe.model, recipe.variant).side
    shown = recipe.size or PLAIN_SIDE * recipe.enlarge
    side = recipe.crop or shown
    if side > shown or (side != made_for and not accepts(model, side)):
        name = f"{recipe.model}, {recipe.variant}," if recipe.variant else recipe.model
        said = (
            "train: {name} is made for images of {side}x{side}; these would be {shown}x{shown}. "
            "Give them a size of {side}.{other}"
        )
        if recipe.crop:
            said = (
                "train: {name} is made for images of {side}x{side}; these would be "
                "{shown}x{shown}. Give them a size of {side} or more.{other}"
            )
        other = _another_network(shown)
        raise ShapeError(sentence(said, name=name, side=made_for, shown=shown, other=other))


def _another_network(side: int) -> str:
    """Return which network takes images of this side, as a sentence, or nothing."""
    with nn.init.skip_init():
        if not accepts(models.build(ANY_SIDE, 2), side):
            return ""
    said = " Networks that end in global average pooling, such as {name}, take this size."
    return sentence(said, name=ANY_SIDE)


def accepts(model: nn.Module, side: int) -> bool:
    """Return whether a network takes images (N, 3, side, side)."""
    try:
        with no_grad(), kernels.use("reference"):
            model.eval()(tensor(np.zeros((0, 3, side, side), np.float32)))
    except ShapeError:
        return False
    return True
