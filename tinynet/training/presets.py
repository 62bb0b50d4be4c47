"""Named recipes: tested settings for `tinynet train`."""

from __future__ import annotations

import dataclasses
import difflib

from tinynet.models import alexnet_variants, published_training
from tinynet.training.recipes import Recipe
from tinynet.words import sentence

TUNING = "fine-tune"  # the recipe that starts from pretrained weights


def _small(model: str, about: str, *, lr: float, epochs: int = 6, batch_size: int = 50) -> Recipe:
    """Return a recipe for the data set `shapes` that takes a minute or less."""
    return Recipe(
        name=model,
        about=about,
        model=model,
        data="shapes",
        epochs=epochs,
        batch_size=batch_size,
        lr=lr,
        schedule="cosine",
    )


def _residual_or_dense(
    model: str, about: str, *, epochs: int, batch_size: int = 128, optimizer: str = "sgd"
) -> Recipe:
    """Return the settings of the papers on residual and dense nets for CIFAR-10 (sections 4.2).

    He et al. subtract the mean of each pixel; here each channel is standardized.
    """
    return Recipe(
        name=model,
        about=about,
        model=model,
        epochs=epochs,
        batch_size=batch_size,
        optimizer=optimizer,
        lr=0.1,
        schedule=((0.5, 0.1), (0.75, 0.01)),
        weight_decay=1e-4,
        pad=4,
        horizontal_flip=True,
    )


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="demo",
            about="ten drawn shapes, no download, under a minute",
            model="demo",
            data="shapes",
            epochs=8,
            batch_size=50,
            lr=0.02,
            schedule="cosine",
        ),
        Recipe(
            name="cifar-quick",
            about="cuda-convnet's 80-second net: 26 % error without augmentation",
            model="cifar-quick",
            epochs=9,
            lr=0.001,
            bias_lr_scale=2.0,
            schedule=((8 / 9, 0.1),),
            weight_decay=0.004,
            linear_weight_decay=0.03,
            preprocess="mean-image",
        ),
        Recipe(
            name="cifar-18pct",
            about="cuda-convnet's 18 % net: normalization within maps, 140 epochs",
            model="cifar-18pct",
            epochs=140,
            lr=0.001,
            bias_lr_scale=2.0,
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
            horizontal_flip=True,
        ),
        Recipe(
            name="cifar-13pct",
            about="cuda-convnet's 13 % net: filters for every place, 24x24 crops, 160 epochs",
            model="cifar-13pct",
            epochs=160,  # there, the first 100 had four fifths of the images
            lr=0.001,
            bias_lr_scale=2.0,
            schedule=((140 / 160, 0.1), (150 / 160, 0.01)),
            weight_decay=0.0,
            linear_weight_decay=0.004,
            local_weight_decay=0.004,
            preprocess="mean-image",
            crop=24,
            horizontal_flip=True,
        ),
        Recipe(
            name="cifar-11pct",
            about="cuda-convnet's 11 % net: the same with normalization across maps, 520 epochs",
            model="cifar-11pct",
            epochs=520,
            lr=0.001,
            bias_lr_scale=2.0,
            schedule=((500 / 520, 0.1), (510 / 520, 0.01)),
            weight_decay=0.0,
            linear_weight_decay=0.01,
            local_weight_decay=0.004,
            preprocess="mean-image",
            crop=24,
            horizontal_flip=True,
        ),
        Recipe(  # a rate at which it learns from He's initial weights: at 0.01 it did not
            name="nin",
            about="network in network; the paper does not say its rates",
            model="nin",
            epochs=200,
            lr=0.005,
            schedule=((0.75, 0.1), (0.9, 0.01)),
            weight_decay=1e-4,
        ),
        _residual_or_dense(
            "resnet-20", "a residual net of 20 layers, as in its paper: 64,000 steps", epochs=164
        ),
        _residual_or_dense(
            "resnet-56", "a residual net of 56 layers, as in its paper: 64,000 steps", epochs=164
        ),
        _residual_or_dense(
            "densenet-bc-100",
            "a dense net of 100 layers, as in its paper: 300 epochs",
            epochs=300,
            batch_size=64,
            optimizer="nesterov",
        ),
        _small(
            "small-zfnet",
            "ZFNet's plan: 7x7 and 5x5 filters",
            lr=0.01,
            epochs=12,
            batch_size=25,
        ),
        _small("small-vgg", "VGG's plan: only 3x3 filters", lr=0.05),
        _small("small-nin", "network in network: a small network at every pixel", lr=0.1),
        _small("small-googlenet", "three inception modules", lr=0.03, epochs=8, batch_size=25),
        _small(
            "small-googlenet-head",
            "the same with an auxiliary head in training",
            lr=0.03,
            epochs=8,
            batch_size=25,
        ),
        _small("small-resnet", "a residual net of eight layers", lr=0.1, epochs=5),
        _small("small-densenet", "three blocks of dense layers", lr=0.1, epochs=6, batch_size=25),
        _small("small-inception-v4", "one module of each kind of Inception-v4", lr=0.05, epochs=5),
        _small("small-se-resnet", "a residual net that weighs its channels", lr=0.1),
        Recipe(
            name=TUNING,
            about="torchvision's AlexNet from pretrained weights; choose which layers stay frozen",
            model="alexnet",
            variant="torchvision",
            epochs=5,
            batch_size=32,
            lr=0.002,
            schedule="cosine",
            enlarge=8,
            crop=224,
            horizontal_flip=True,
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
            horizontal_flip=True,
            color_noise=0.1,
        ),
        Recipe(
            name="alexnet-code2012",
            about="the network and the rates of the code that computed the paper's tables",
            model="alexnet",
            variant="code2012",
            epochs=93,
            lr=0.01,
            schedule=((23 / 93, 0.1), (51 / 93, 0.01), (78 / 93, 0.001)),
            fixed_bias_lr=0.02,
            preprocess="mean-image",
            input_scale=1 / 1.1,
            enlarge=8,
            crop=224,
            horizontal_flip=True,
            color_noise=0.1,
        ),
    )
}


def find(name: str) -> Recipe:
    """Return the recipe of this name.

    Raises
    ------
    ValueError : if there is none

    Examples
    --------
    >>> from tinynet.training.presets import find
    >>> find("small-alexnet").epochs
    12
    """
    if name not in RECIPES:
        close = difflib.get_close_matches(name, RECIPES, 1)
        hint = sentence(" Did you mean {name}?", name=close[0]) if close else ""
        said = "recipe: there is no {name!r}. Known: {known}.{hint}"
        raise ValueError(sentence(said, name=name, known=", ".join(RECIPES), hint=hint))
    return RECIPES[name]


@dataclasses.dataclass(frozen=True)
class PublishedDifferences:
    """Settings with which a variant of AlexNet was published, and which a recipe does not have.

    Parameters
    ----------
    variant, recipe : str
        Their names.
    settings : dict of str to str
        The published settings, by what they set.
    """

    variant: str
    recipe: str
    settings: dict[str, str]

    def __str__(self) -> str:
        listed = ", ".join(f"{name} ({value})" for name, value in self.settings.items())
        return sentence(
            "As published, {variant} has other settings than the recipe {recipe}: "
            "{listed}. This run uses the recipe's.",
            variant=self.variant,
            recipe=self.recipe,
            listed=listed,
        )


def published_differences(recipe: Recipe) -> PublishedDifferences | None:
    """Return how the recipe's variant of AlexNet was trained, where that differs.

    Returns
    -------
    PublishedDifferences or None
        None where nothing differs, where the recipe starts from a weight file, and where either the
        recipe or the preset of its name is of another network.

    Examples
    --------
    >>> import dataclasses
    >>> from tinynet.training.presets import find, published_differences
    >>> published_differences(dataclasses.replace(find("alexnet"), variant="pool-first"))
    >>> print(published_differences(dataclasses.replace(find("alexnet"), variant="torchvision")))
    As published, torchvision has other settings than the recipe alexnet: colour noise (none), \
learning rate (0.01, divided by 10 in steps), optimizer (SGD, momentum 0.9, the rate outside the \
velocity). This run uses the recipe's.
    """
    named = RECIPES.get(recipe.name, recipe)
    if recipe.init_from or named.model != "alexnet" or recipe.model != "alexnet":
        return None
    variant = recipe.variant or "paper"
    ours = alexnet_variants.find(named.variant or "paper").training
    theirs = alexnet_variants.find(variant).training
    settings = {
        published_training.LABELS[field]: published_training.describe(theirs, field)
        for field in published_training.differences(ours, theirs)
    }
    return PublishedDifferences(variant, recipe.name, settings) if settings else None
