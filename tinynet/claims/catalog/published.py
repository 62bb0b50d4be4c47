"""Networks with published errors on CIFAR-10, trained with their own settings to the end."""

import dataclasses

from tinynet.claims.claim import Arm, Claim
from tinynet.claims.trial import Trial
from tinynet.training import presets

TOP = ("name", "about", "model", "data", "epochs", "seed")  # fields that a trial has elsewhere


CUDA_CONVNET = "cuda-convnet's project page and layer files"


def _network(
    recipe: str,
    title: str,
    source: str,
    error: float | None,
    published: str,
    *,
    extra: tuple[str, ...] = (),
) -> Claim:
    """Return the claim that a recipe reaches its published test error, in per cent."""
    preset = presets.find(recipe)
    settings = {k: v for k, v in dataclasses.asdict(preset).items() if k not in TOP}
    statement = f"The network reaches {published}."
    if error is None:
        statement = "The recipe's accuracy with its whole schedule."
    measures = ("ten_view_error", "test_error", "train_error")
    return Claim(
        name=recipe,
        title=title,
        statement=statement,
        source=source,
        published=published,
        about=f"The recipe `{recipe}` as it is: all 50,000 images, {preset.epochs} epochs.",
        base=Trial(network=preset.model, settings=settings, extra=extra),
        arms={preset.model: Arm()},
        measures=measures if "ten-views" in extra else measures[1:],
        target=error,
        schedule=preset.epochs,
        data=("cifar10",),
        budgets=("full",),
    )


CLAIMS = (
    _network(
        "cifar-quick",
        "The 80-second network",
        CUDA_CONVNET,
        26.0,
        "26 % test error after 80 seconds on a GPU of 2011, without augmentation",
    ),
    _network(
        "cifar-18pct",
        "The 18 % network",
        CUDA_CONVNET,
        18.0,
        "18 % test error after 20 minutes, without augmentation",
    ),
    _network(
        "cifar-13pct",
        "The 13 % network",
        CUDA_CONVNET,
        13.0,
        "13 % test error after 25 minutes, with crops, mirrors and ten views",
        extra=("ten-views",),
    ),
    _network(
        "cifar-11pct",
        "The 11 % network",
        CUDA_CONVNET,
        11.0,
        "11 % test error after 75 minutes, with crops, mirrors and ten views",
        extra=("ten-views",),
    ),
    _network(
        "small-alexnet",
        "The small AlexNet",
        "this project",
        None,
        "no published number: this project's",
    ),
    _network(
        "resnet-20",
        "ResNet-20",
        "He et al. 2016, Table 6",
        8.75,
        "8.75 % test error with crops and mirrors",
    ),
)
