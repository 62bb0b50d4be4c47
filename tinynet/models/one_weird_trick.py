"""One weird trick for two devices (Krizhevsky 2014, arXiv:1404.5997).

Convolutions have most of the arithmetic and few weights; fully connected layers the reverse. So
each device does all convolutions for half of the images, and half of the units of fc6 and fc7 for
all images. The weights of the convolutions, their gradients, and the inputs of fc6, fc7 and fc8 go
from device to device.

The weights of the convolutions live on the first device. Their copies are ops like any other: the
gradients of both halves of the batch travel back and are added without further code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tinynet import nn
from tinynet.core.backend import Array, Device, to_numpy
from tinynet.distributed import model_parallel
from tinynet.models import two_towers
from tinynet.models.alexnet import AlexNet
from tinynet.models.small import small_alexnet
from tinynet.models.two_devices import TWO_CPUS, TwoDeviceModel
from tinynet.models.two_towers import (
    HIDDEN,
    LARGE,
    NAMES,
    PARTS,
    SMALL,
    TowerSizes,
    fully_connected,
)
from tinynet.nn import init
from tinynet.tensors import Tensor


class OneWeirdTrick(TwoDeviceModel):
    """Convolutions that divide the images, and hidden layers that divide the units.

    Parameters
    ----------
    sizes : of one tower of the same network
    classes : number of scores
    features : the convolutions, as on one device: (N, 3, H, W) to (N, 2 * sizes.maps)
    devices : two; the first also keeps the weights of the convolutions and computes the scores

    Raises
    ------
    DeviceError : if there are more than two devices, or one of them does not exist
    """

    def __init__(
        self,
        sizes: TowerSizes,
        classes: int,
        features: nn.Sequential,
        devices: Sequence[str | Device] = TWO_CPUS,
    ) -> None:
        self.features = features
        self.fc6 = [fully_connected(sizes, 2 * sizes.maps) for _ in range(2)]
        self.fc7 = [fully_connected(sizes, 2 * sizes.hidden) for _ in range(2)]
        self.dropout = nn.Dropout(0.5, inverted=sizes.inverted_dropout)
        self.fc8 = nn.Linear(2 * sizes.hidden, classes)
        self.place(devices)

    def forward(self, x: Tensor) -> Tensor:
        """Return scores (N, classes) on the first device, before softmax, for x (N, 3, H, W)."""
        with model_parallel.into("picture"):
            hs = model_parallel.scatter_images(x, self.devices)
        with model_parallel.into("weights"):
            copies = [model_parallel.replica(self.features, where) for where in self.devices]
        hs = [features(h) for features, h in zip(copies, hs, strict=True)]
        with model_parallel.into("fc6"):
            hs = model_parallel.all_gather_images(hs)
        hs = self._units(self.fc6, hs)
        with model_parallel.into("fc7"):
            hs = model_parallel.all_gather_channels(hs)
        hs = self._units(self.fc7, hs)
        with model_parallel.into("fc8"):
            h = model_parallel.gather_channels(hs, self.devices[0])
        return self.fc8(h)

    def _units(self, halves: Sequence[nn.Module], hs: Sequence[Tensor]) -> list[Tensor]:
        """Return each half of a hidden layer's units, for all images."""
        hs = [half(h) for half, h in zip(halves, hs, strict=True)]
        return model_parallel.dropout(hs, self.dropout)

    def _move(self) -> None:
        self.features.to(self.devices[0])
        self.fc8.to(self.devices[0])
        for halves in (self.fc6, self.fc7):
            for half, where in zip(halves, self.devices, strict=True):
                half.to(where)


def alexnet_one_weird_trick(
    classes: int = 1000, *, devices: Sequence[str | Device] = TWO_CPUS
) -> OneWeirdTrick:
    """Return the paper's network, divided between two devices as in 2014."""
    one_device = AlexNet(classes)
    state = split(one_device.state_dict(), "alexnet")
    features = nn.Sequential(*one_device.features, nn.Flatten())
    with init.skip_init():
        model = OneWeirdTrick(LARGE, classes, features, devices)
    model.load_state_dict(state)
    return model


def small_alexnet_one_weird_trick(
    classes: int = 10, *, devices: Sequence[str | Device] = TWO_CPUS
) -> OneWeirdTrick:
    """Return the small AlexNet, divided between two devices as in 2014."""
    one_device = small_alexnet(classes)
    state = split(one_device.state_dict(), "small-alexnet")
    features = nn.Sequential(*list(one_device)[:16])  # conv1 to Flatten
    with init.skip_init():
        model = OneWeirdTrick(SMALL, classes, features, devices)
    model.load_state_dict(state)
    return model


def split(state: Mapping[str, Array], of: str = "alexnet") -> dict[str, Array]:
    """Return the state of this network from that of the network on one device.

    Each device gets half of the units of fc6 and fc7; the other layers stay whole.

    Parameters
    ----------
    state : as `state_dict` returns it
    of : "alexnet" or "small-alexnet"
    """
    halves = two_towers.split(state, of)
    found = {}
    for name in NAMES[of][:5]:
        for part in PARTS:
            found[f"{_in_features(name)}.{part}"] = state[f"{name}.{part}"]
    for layer in HIDDEN:
        for i in (0, 1):
            for part in PARTS:
                found[f"{layer}.{i}.0.{part}"] = halves[f"towers.{i}.{layer}.0.{part}"]
    for part in PARTS:
        found[f"fc8.{part}"] = halves[f"fc8.{part}"]
    return found


def join(state: Mapping[str, Array], of: str = "alexnet") -> dict[str, Array]:
    """Return the state of the network on one device: `split` undone.

    Parameters
    ----------
    state : as `state_dict` returns it
    of : "alexnet" or "small-alexnet"
    """
    *names, last = NAMES[of]
    found = {}
    for name in names[:5]:
        for part in PARTS:
            found[f"{name}.{part}"] = state[f"{_in_features(name)}.{part}"]
    for layer, name in zip(HIDDEN, names[5:], strict=True):
        for part in PARTS:
            halves = [to_numpy(state[f"{layer}.{i}.0.{part}"]) for i in (0, 1)]
            found[f"{name}.{part}"] = np.concatenate(halves)
    for part in PARTS:
        found[f"{last}.{part}"] = state[f"fc8.{part}"]
    return found


def _in_features(name: str) -> str:
    """Return the name of a convolution in `OneWeirdTrick`, "features.4" for "4"."""
    return f"features.{name.removeprefix('features.')}"
