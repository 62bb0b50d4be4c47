"""One weird trick for two devices (Krizhevsky 2014, arXiv:1404.5997).

Convolutions have most of the arithmetic and few weights; fully connected layers the reverse. So
each device does all convolutions for half of the images, and half of the units of fc6 and fc7 for
all images. What crosses are the weights of the convolutions and their gradients, and what goes into
fc6, fc7 and fc8.

The weights of the convolutions live on the first device. Their copies are ops like any other: the
gradients of both halves of the batch travel back and are added without another word.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tinynet import nn
from tinynet.core.backend import Array, Device, to_numpy
from tinynet.distributed import model_parallel
from tinynet.models import two_towers
from tinynet.models.alexnet import AlexNet
from tinynet.models.small import small_alexnet
from tinynet.models.two_towers import (
    HIDDEN,
    LARGE,
    NAMES,
    PARTS,
    SMALL,
    Plan,
    fully_connected,
    two_devices,
)
from tinynet.nn import init
from tinynet.tensors import Tensor


class OneWeirdTrick(nn.Module):
    """Convolutions with shared images, hidden layers with shared units; x to scores (N, classes).

    Parameters
    ----------
    features : the convolutions, as on one device: (N, 3, H, W) to (N, 2 * plan.maps)
    devices : two; the first also keeps the weights of the convolutions and makes the scores
    """

    def __init__(
        self,
        plan: Plan,
        classes: int,
        features: nn.Sequential,
        devices: Sequence[str] = ("cpu", "cpu:1"),
    ) -> None:
        self.features = features
        self.fc6 = [fully_connected(plan, 2 * plan.maps) for _ in range(2)]
        self.fc7 = [fully_connected(plan, 2 * plan.hidden) for _ in range(2)]
        self.dropout = nn.Dropout(0.5, inverted=plan.inverted_dropout)
        self.fc8 = nn.Linear(2 * plan.hidden, classes)
        self.to(",".join(devices))

    def forward(self, x: Tensor) -> Tensor:
        """Return scores (N, classes) on the first device, before softmax."""
        with model_parallel.into("picture"):
            hs = model_parallel.scatter_images(x, self.devices)
        with model_parallel.into("weights"):
            copies = [model_parallel.replica(self.features, where) for where in self.devices]
        hs = [features(h) for features, h in zip(copies, hs, strict=True)]
        with model_parallel.into("fc6"):
            hs = model_parallel.exchange_images(hs)
        hs = self._units(self.fc6, hs)
        with model_parallel.into("fc7"):
            hs = model_parallel.exchange(hs)
        hs = self._units(self.fc7, hs)
        with model_parallel.into("fc8"):
            h = model_parallel.gather_channels(hs, self.devices[0])
        return self.fc8(h)

    def to(self, target: str | Device | type | np.dtype[Any]) -> OneWeirdTrick:
        """Move to two devices, "cuda:0,cuda:1", or to one; or change the float dtype, in place."""
        if not isinstance(target, str):
            super().to(target)
            return self
        self.devices = two_devices(target)
        for module in (self.features, self.fc8):
            module.to(self.devices[0])
        for halves in (self.fc6, self.fc7):
            for half, where in zip(halves, self.devices, strict=True):
                half.to(where)
        return self

    def _units(self, halves: Sequence[nn.Module], hs: Sequence[Tensor]) -> list[Tensor]:
        """Return each half of a hidden layer's units, for all images."""
        hs = [half(h) for half, h in zip(halves, hs, strict=True)]
        return model_parallel.dropout(hs, self.dropout)


def alexnet_one_weird_trick(classes: int = 1000, **where: Any) -> OneWeirdTrick:
    """Return the paper's network, shared out as in 2014."""
    whole = AlexNet(classes)
    features = nn.Sequential(*whole.features, nn.Flatten())
    return _built(LARGE, features, whole, "alexnet", classes, where)


def small_alexnet_one_weird_trick(classes: int = 10, **where: Any) -> OneWeirdTrick:
    """Return the small relative, shared out as in 2014."""
    whole = small_alexnet(classes)
    features = nn.Sequential(*list(whole)[:16])  # up to Flatten
    return _built(SMALL, features, whole, "small-alexnet", classes, where)


def _built(
    plan: Plan, features: nn.Sequential, whole: nn.Module, of: str, classes: int,
    where: dict[str, Any],
) -> OneWeirdTrick:  # fmt: skip
    """Return the network with the weights that the one on one device was given."""
    state = split(whole.state_dict(), of)
    with init.skip_init():
        model = OneWeirdTrick(plan, classes, features, **where)
    model.load_state_dict(state)
    return model


def split(state: Mapping[str, Array], of: str = "alexnet") -> dict[str, Array]:
    """Return the state of this network from that of the network on one device.

    Half of the units of fc6 and fc7 go to each device; all else stays whole.
    """
    halves = two_towers.split(state, of)
    found = {
        f"features.{NAMES[of][i].removeprefix('features.')}.{part}": state[f"{NAMES[of][i]}.{part}"]
        for i in range(5)
        for part in PARTS
    }
    for layer, i, part in itertools.product(HIDDEN, (0, 1), PARTS):
        found[f"{layer}.{i}.0.{part}"] = halves[f"towers.{i}.{layer}.0.{part}"]
    return found | {f"fc8.{part}": halves[f"fc8.{part}"] for part in PARTS}


def join(state: Mapping[str, Array], of: str = "alexnet") -> dict[str, Array]:
    """Return the state of the network on one device: `split` undone."""
    names = NAMES[of]
    found = {
        f"{name}.{part}": state[f"features.{name.removeprefix('features.')}.{part}"]
        for name in names[:5]
        for part in PARTS
    }
    for (layer, name), part in itertools.product(zip(HIDDEN, names[5:7], strict=True), PARTS):
        halves = [to_numpy(state[f"{layer}.{i}.0.{part}"]) for i in (0, 1)]
        found[f"{name}.{part}"] = np.concatenate(halves)
    return found | {f"{names[7]}.{part}": state[f"fc8.{part}"] for part in PARTS}
