"""Networks and batch sizes of the benchmarks, in tinynet and, layer by layer, in PyTorch.

Three networks have a letter: S is cuda-convnet's `cifar-18pct` with the paper's LRN, A the small
AlexNet for 32x32 images, L the AlexNet of 2012. The others have their names in `tinynet.models`.
"""

from __future__ import annotations

from typing import Any

import tinynet as tn

MODELS = {"S": "cifar-18pct-lrn", "A": "small-alexnet", "L": "alexnet"}
BATCH = {"S": 128, "A": 128, "L": 16}
CLASSES = {"S": 10, "A": 10, "L": 1000}
REDUCED_BATCH = {"densenet-bc-100": 64}  # three implementations must fit in memory at once


def shape(net: str) -> tuple[int, int, int, int]:
    """Return the shape (N, C, H, W) of a batch."""
    batch = BATCH.get(net, REDUCED_BATCH.get(net, 128))
    return (batch, *tn.models.INPUT_SHAPES[MODELS.get(net, net)])


def classes(net: str) -> int:
    """Return the number of classes."""
    return CLASSES.get(net, 10)


def ours(net: str) -> tn.nn.Module:
    """Return the network in tinynet."""
    return tn.models.build(MODELS.get(net, net), classes(net))


def layers(model: tn.nn.Module) -> list[tn.nn.Module]:
    """Return the layers of a network in order, with containers unpacked."""
    return [m for _, m in model.named_modules() if not list(m.named_modules())[1:]]


def theirs(net: str) -> Any:
    """Return the same network in PyTorch, built from the settings of tinynet's layers."""
    import torch

    from benchmarks.torch_models import to_torch

    model = ours(net)
    if net in MODELS:  # a flat chain, so that the case `conv` finds the convolutions
        return torch.nn.Sequential(*map(to_torch, layers(model)))
    return to_torch(model)
