"""Networks and batch sizes of the benchmarks, in tinynet and, layer by layer, in PyTorch.

Six networks have a letter: S is cuda-convnet's `cifar-18pct` with the paper's LRN, A the small
AlexNet for 32x32 images, A-no-lrn the same without its two normalizations, L the AlexNet of 2012, R
resnet-20 and V small-vgg. The others have their names in `tinynet.models`. "A@1" is A with batches
of one image.
"""

from __future__ import annotations

from typing import Any

import tinynet as tn

MODELS = {
    "S": "cifar-18pct-lrn",
    "A": "small-alexnet",
    "A-no-lrn": "small-alexnet",
    "L": "alexnet",
    "R": "resnet-20",
    "V": "small-vgg",
}
CHAINS = ("S", "A", "A-no-lrn", "L")  # whose layers follow each other
BATCH = {"S": 128, "A": 128, "L": 16}
CLASSES = {"S": 10, "A": 10, "L": 1000}
REDUCED_BATCH = {"densenet-bc-100": 64}  # three implementations must fit in memory at once


def shape(net: str) -> tuple[int, int, int, int]:
    """Return the shape (N, C, H, W) of a batch."""
    name, _, images = net.partition("@")
    batch = int(images or BATCH.get(name, REDUCED_BATCH.get(name, 128)))
    return (batch, *tn.models.INPUT_SHAPES[MODELS.get(name, name)])


def classes(net: str) -> int:
    """Return the number of classes."""
    return CLASSES.get(net.partition("@")[0], 10)


def is_chain(net: str) -> bool:
    """Return whether the layers of a network follow each other: then `conv` finds them."""
    return net.partition("@")[0] in CHAINS


def ours(net: str) -> tn.nn.Module:
    """Return the network in tinynet."""
    name = net.partition("@")[0]
    model = tn.models.build(MODELS.get(name, name), classes(net))
    if name != "A-no-lrn":
        return model
    kept = [m for m in layers(model) if not isinstance(m, tn.nn.LocalResponseNorm)]
    return tn.nn.Sequential(*kept)


def layers(model: tn.nn.Module) -> list[tn.nn.Module]:
    """Return the layers of a network in order, with containers unpacked."""
    return [m for _, m in model.named_modules() if not list(m.named_modules())[1:]]


def theirs(net: str) -> Any:
    """Return the same network in PyTorch, built from the settings of tinynet's layers."""
    import torch

    from benchmarks.torch_models import to_torch

    model = ours(net)
    if is_chain(net):  # flat, so that the case `conv` finds the convolutions
        return torch.nn.Sequential(*map(to_torch, layers(model)))
    return to_torch(model)
