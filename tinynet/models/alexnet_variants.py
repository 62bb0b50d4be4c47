"""The networks called AlexNet: what each changes, and the same in words."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from tinynet.models.alexnet import PAPER, Settings

POOL_FIRST = ("relu pool lrn", "relu pool lrn", "relu", "relu", "relu pool")
PLAIN = ("relu pool", "relu pool", "relu", "relu", "relu pool")
NO_PADDING = ((0, 0), (0, 0))
TWO_AROUND = ((2, 2), (2, 2))
NO_COLOUR = "none"
STEPS = "0.01, divided by 10 after every 100,000 batches of 256"
BIASES_TWICE = "twice the rate of the weights, no decay"

CAFFE = Settings(
    about="Caffe's bvlc_alexnet",
    image=227,
    conv1_padding=NO_PADDING,
    k=1.0,
    alpha=1e-4 / 5,
    lrn_groups=1,
    inverted_dropout=True,
    weights=(0.01,) * 5 + (0.005, 0.005, 0.01),
    bias=0.1,
    colour=NO_COLOUR,
    schedule=STEPS,
    biases=BIASES_TWICE,
)

VARIANTS = {
    "paper": PAPER,
    "code2012": Settings(
        about="the layer file that computed the paper's tables, published in 2025",
        halves=True,
        stages=("lrn pool relu", "relu lrn map-norm pool", "relu", "relu", "pool relu"),
        alpha=1e-4 / 5,
        weights=(0.01, 0.01, 0.03, 0.03, 0.03, 0.01, 0.01, 0.01),
        colour="adds p * alpha * deviation, then divides the picture by 1.1; off near epoch 67",
        schedule="0.01, then by hand 0.001, 0.0001, 0.00001; conv1 frozen near epoch 72",
        biases="a rate of their own, 0.02 from beginning to end, no decay",
    ),
    "caffe": CAFFE,
    "caffenet": dataclasses.replace(
        CAFFE,
        about="Caffe's reference net: pooling before normalization",
        stages=POOL_FIRST,
        bias=1.0,
    ),
    "torchvision": Settings(
        about="torchvision's alexnet, the tower of One Weird Trick (2014)",
        widths=(64, 192, 384, 256, 256),
        conv1_padding=TWO_AROUND,
        stages=(*PLAIN[:4], "relu pool adaptive flatten"),
        groups=1,
        head="dropout fc relu dropout fc relu",
        inverted_dropout=True,
        weights="torch",
        colour=NO_COLOUR,
        schedule="0.01, divided by 10 in steps",
        update="SGD, momentum 0.9, the rate outside the velocity",
    ),
    "one-tower": Settings(
        about="the paper's widths without the two GPUs", groups=1, lrn_groups=1
    ),
    "keras-same": Settings(
        about="a Keras post: padding 'same', no pool after conv1, its own (wrong) LRN",
        conv1_padding=((3, 4), (3, 4)),
        stages=("", "relu post-lrn pool", "relu post-lrn pool", "relu", "relu pool"),
        groups=1,
        inverted_dropout=True,
        weights="glorot",
        bias=0.0,
        colour=NO_COLOUR,
        schedule="0.01, a little less after every batch (decay=5e-5, taken for weight decay)",
        biases="learn like the weights; nothing decays",
    ),
    "batchnorm-227": Settings(
        about="a Keras post for CIFAR-10 enlarged to 227: batch normalization",
        image=227,
        classes=10,
        conv1_padding=NO_PADDING,
        stages=(
            "relu batch-norm pool", "relu batch-norm pool", "relu", "relu", "relu batch-norm pool"
        ),
        groups=1,
        inverted_dropout=True,
        weights="glorot",
        bias=0.0,
        colour=NO_COLOUR,
        schedule="0.0001 throughout",
        biases="learn like the weights; nothing decays",
        update="Adam",
    ),
    "pool-first": Settings(
        about="a post's table: pooling before normalization, one hidden layer",
        stages=POOL_FIRST,
        head="flatten fc relu dropout",
        weights=(0.01,) * 7,
    ),
    "half": Settings(
        about="the net of one GPU that the paper compares with",
        widths=(48, 128, 192, 192, 256),
        groups=1,
        lrn_groups=1,
    ),
}  # fmt: skip


def find(name: str) -> Settings:
    """Return the variant of this name."""
    if name not in VARIANTS:
        raise ValueError(f"alexnet: no variant {name!r}. Known: {', '.join(VARIANTS)}.")
    return VARIANTS[name]


def forks(s: Settings) -> dict[str, str]:
    """Return what a variant decided, in words, by what there was to decide."""
    return dict(_input(s)) | dict(_normalization(s)) | {
        "dropout": "divides by 0.5 in training"
        if s.inverted_dropout
        else "multiplies by 0.5 in tests",
        "initial weights": _weights(s.weights),
        "initial biases": _biases(s),
        "colour noise": s.colour,
        "learning rate": s.schedule,
        "biases": s.biases,
        "update": s.update,
    }  # fmt: skip


def _input(s: Settings) -> Iterator[tuple[str, str]]:
    (top, bottom), _ = s.conv1_padding
    maps = (s.image + top + bottom - 11) // 4 + 1
    sides = (
        f"{top} zeros around" if top == bottom else f"{top} zeros above and left, {bottom} beyond"
    )
    yield "input", f"{s.image}x{s.image}, {sides if top or bottom else 'no padding'}: {maps}x{maps}"
    yield "filters", "-".join(map(str, s.widths))
    yield (
        "towers",
        "two: conv2, conv4, conv5 see their own half" if s.groups == 2 else "one: all see all",
    )
    yield (
        "the last digits of a number",
        "as two GPUs round it, which add up conv3, fc6 and fc7 by halves"
        if s.halves
        else "as one device rounds it, which adds up everything in one go",
    )
    for i, stage in enumerate(s.stages, 1):
        yield f"order, layer {i}", ", ".join(["conv", *stage.split()])
    yield "order, head", ", ".join([*s.head.split(), "fc"])


def _normalization(s: Settings) -> Iterator[tuple[str, str]]:
    words = " ".join(s.stages)
    if "post-lrn" in words:
        yield "LRN", "wrong: the mean of the squares in a window, summed over all channels"
        yield "LRN's windows", "5x5 pixels of a map, instead of 5 channels at a pixel"
    elif "lrn" in words:
        yield "LRN", f"k = {s.k:g}, {s.alpha:g} times the sum of squares"
        across = "end at the border of the towers" if s.lrn_groups == 2 else "run over all channels"
        yield "LRN's windows", across
    else:
        yield "LRN", "none, batch normalization instead" if "batch-norm" in words else "none"
    if "map-norm" in words:
        yield "another normalization", "within each map, 5x5 pixels, after the LRN of layer 2"


def _biases(s: Settings) -> str:
    if s.weights == "torch":
        return "drawn like the weights"
    return f"{s.bias:g} in conv2, conv4, conv5 and the hidden layers, else 0" if s.bias else "0"


def _weights(weights: tuple[float, ...] | str) -> str:
    if isinstance(weights, str):
        return {"torch": "uniform, PyTorch's", "glorot": "uniform, Glorot's"}[weights]
    if len(set(weights)) == 1:
        return f"deviation {weights[0]:g}"
    return "deviations " + ", ".join(f"{std:g}" for std in weights)
