"""The networks that are timed, in tinynet and, layer by layer the same, in PyTorch.

Three of them have a letter: S is cuda-convnet's `cifar-18pct` with the paper's LRN, A the small
AlexNet for 32x32 images, L the AlexNet of 2012. The others go by the names of `tinynet.models`.
"""

from __future__ import annotations

from typing import Any

import tinynet as tn

MODELS = {"S": "cifar-18pct-lrn", "A": "small-alexnet", "L": "alexnet"}
BATCH = {"S": 128, "A": 128, "L": 16}
CLASSES = {"S": 10, "A": 10, "L": 1000}
HUNGRY = {"densenet-bc-100": 64}  # three rivals at a time have to find room in memory


def shape(net: str) -> tuple[int, int, int, int]:
    """Return (N, C, H, W) of the batch that is timed."""
    batch = BATCH.get(net, HUNGRY.get(net, 128))
    return (batch, *tn.models.INPUT_SHAPES[MODELS.get(net, net)])


def classes(net: str) -> int:
    """Return how many classes are told apart."""
    return CLASSES.get(net, 10)


def ours(net: str) -> tn.nn.Module:
    """Return the network in tinynet."""
    return tn.models.build(MODELS.get(net, net), classes(net))


def layers(model: tn.nn.Module) -> list[tn.nn.Module]:
    """Return the layers of a network in order, groups of layers unpacked."""
    return [m for _, m in model.named_modules() if not list(m.named_modules())[1:]]


def theirs(net: str) -> Any:
    """Return the same network in PyTorch, built from the settings of our layers."""
    import torch

    from benchmarks.twins import twin

    model = ours(net)
    if net in MODELS:  # flat, so that the case `conv` finds the convolutions
        return torch.nn.Sequential(*map(twin, layers(model)))
    return twin(model)
