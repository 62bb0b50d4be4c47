"""Whole networks by name: ``tn.models.build("alexnet", classes=1000)``."""

from __future__ import annotations

from collections.abc import Callable

from tinynet import nn, random
from tinynet.models.alexnet import AlexNet, small_alexnet
from tinynet.models.cuda_convnet import cifar_18pct, cifar_quick
from tinynet.models.demo import demo

_BUILDERS: dict[str, Callable[[int], nn.Module]] = {
    "alexnet": AlexNet,
    "small-alexnet": small_alexnet,
    "cifar-quick": cifar_quick,
    "cifar-18pct": cifar_18pct,
    "demo": demo,
}

INPUT_SHAPES: dict[str, tuple[int, int, int]] = {
    name: (3, 224, 224) if name == "alexnet" else (3, 32, 32) for name in _BUILDERS
}
"""(C, H, W) of the images that each network is made for."""

__all__ = ["INPUT_SHAPES", "AlexNet", "build", "names"]


def names() -> list[str]:
    """Return the names that `build` knows."""
    return list(_BUILDERS)


def build(name: str, classes: int = 10, seed: int = 0) -> nn.Module:
    """Return a new network; the same name, classes and seed give the same weights.

    The global random streams are left as they were.
    """
    if name not in _BUILDERS:
        raise ValueError(f"models.build: there is no {name!r}. Known: {', '.join(_BUILDERS)}.")
    with random.fork(seed):
        return _BUILDERS[name](classes)
