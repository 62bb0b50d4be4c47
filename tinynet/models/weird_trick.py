"""One weird trick for two devices (Krizhevsky 2014, arXiv:1404.5997).

Convolutions have most of the arithmetic and few weights; fully connected layers the reverse. So
each device does all convolutions for half of the images, and half of the units of fc6 and fc7 for
all images. What crosses are the weights of the convolutions and their gradients, and what goes into
fc6, fc7 and fc8.

The weights of the convolutions live on the first device. Their copies are ops like any other: the
gradients of both halves of the batch travel back and are added without another word.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinynet import nn, parallel
from tinynet.models.alexnet import AlexNet
from tinynet.models.small import small_alexnet
from tinynet.models.towers import PAPERS, SMALL, Plan, fully_connected
from tinynet.tensor import Tensor


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
        self.devices = tuple(devices)
        self.features = features
        self.fc6 = [fully_connected(plan, 2 * plan.maps) for _ in devices]
        self.fc7 = [fully_connected(plan, 2 * plan.hidden) for _ in devices]
        self.dropout = nn.Dropout(0.5, plan.inverted_dropout)
        self.fc8 = nn.Linear(2 * plan.hidden, classes)
        for module in (self.features, self.fc8):
            module.to(self.devices[0])
        for halves in (self.fc6, self.fc7):
            for half, where in zip(halves, self.devices, strict=True):
                half.to(where)

    def forward(self, x: Tensor) -> Tensor:
        """Return scores (N, classes) on the first device, before softmax."""
        with parallel.into("picture"):
            hs = parallel.scatter_images(x, self.devices)
        with parallel.into("weights"):
            copies = [parallel.replica(self.features, where) for where in self.devices]
        hs = [features(h) for features, h in zip(copies, hs, strict=True)]
        with parallel.into("fc6"):
            hs = parallel.exchange_images(hs)
        hs = self._units(self.fc6, hs)
        with parallel.into("fc7"):
            hs = parallel.exchange(hs)
        hs = self._units(self.fc7, hs)
        with parallel.into("fc8"):
            h = parallel.gather_channels(hs, self.devices[0])
        return self.fc8(h)

    def _units(self, halves: Sequence[nn.Module], hs: Sequence[Tensor]) -> list[Tensor]:
        """Return each half of a hidden layer's units, for all images."""
        hs = [half(h) for half, h in zip(halves, hs, strict=True)]
        return parallel.dropout(hs, self.dropout)


def alexnet_one_weird_trick(classes: int = 1000, **where: Any) -> OneWeirdTrick:
    """Return the paper's network, shared out as in 2014."""
    features = AlexNet(classes).features
    return OneWeirdTrick(PAPERS, classes, nn.Sequential(*features, nn.Flatten()), **where)


def small_alexnet_one_weird_trick(classes: int = 10, **where: Any) -> OneWeirdTrick:
    """Return the small relative, shared out as in 2014."""
    features = list(small_alexnet(classes))[:16]  # up to Flatten
    return OneWeirdTrick(SMALL, classes, nn.Sequential(*features), **where)
