"""The three networks that are timed, in tinynet and, layer by layer the same, in PyTorch.

S is cuda-convnet's `cifar-18pct`, A the small AlexNet for 32x32 images, L the AlexNet of 2012.
"""

from __future__ import annotations

from typing import Any

import tinynet as tn

MODELS = {"S": "cifar-18pct", "A": "small-alexnet", "L": "alexnet"}
BATCH = {"S": 128, "A": 128, "L": 16}
CLASSES = {"S": 10, "A": 10, "L": 1000}


def shape(net: str) -> tuple[int, int, int, int]:
    """Return (N, C, H, W) of the batch that is timed."""
    return (BATCH[net], *tn.models.INPUT_SHAPES[MODELS[net]])


def ours(net: str) -> tn.nn.Module:
    """Return the network in tinynet."""
    return tn.models.build(MODELS[net], CLASSES[net])


def layers(model: tn.nn.Module) -> list[tn.nn.Module]:
    """Return the layers of a network in order, groups of layers unpacked."""
    return [m for _, m in model.named_modules() if not list(m.named_modules())[1:]]


def theirs(net: str) -> Any:
    """Return the same network in PyTorch, built from the settings of our layers."""
    import torch

    return torch.nn.Sequential(*[_twin(layer) for layer in layers(ours(net))])


def _twin(layer: Any) -> Any:
    """Return PyTorch's version of one layer."""
    from torch import nn

    class LocalResponseNorm(nn.LocalResponseNorm):
        """PyTorch's, whose alpha is n times ours; it knows no groups and sees all channels."""

    match type(layer).__name__:
        case "Conv2d":
            (top, bottom), (left, right) = layer.padding
            conv = nn.Conv2d(
                layer.weight.shape[1] * layer.groups,
                layer.weight.shape[0],
                layer.weight.shape[2:],
                layer.stride,
                (top, left),
                groups=layer.groups,
            )
            if (top, left) == (bottom, right):
                return conv
            return nn.Sequential(nn.ZeroPad2d((0, right - left, 0, bottom - top)), conv)
        case "Linear":
            return nn.Linear(*layer.weight.shape[::-1])
        case "ReLU":
            return nn.ReLU(inplace=True)
        case "MaxPool2d":
            return nn.MaxPool2d(layer.kernel_size, layer.stride, ceil_mode=layer.ceil_mode)
        case "AvgPool2d":
            return nn.AvgPool2d(layer.kernel_size, layer.stride, ceil_mode=layer.ceil_mode)
        case "LocalResponseNorm":
            return LocalResponseNorm(layer.n, layer.alpha * layer.n, layer.beta, layer.k)
        case "Dropout":
            return nn.Dropout(layer.p)
        case "Flatten":
            return nn.Flatten()
    raise TypeError(f"there is no twin for {type(layer).__name__}.")
