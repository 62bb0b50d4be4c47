"""AlexNet as it was trained in 2012: two towers, one a device, that meet in a few layers.

Section 3.5 and figure 2 of the paper. Each tower has half the maps of every convolution and half
the units of fc6 and fc7. conv1, conv2, conv4 and conv5 see the maps of their own tower, and so does
response normalization; conv3, fc6 and fc7 see both. The scores are made on the first device.

On one device the same network is a convolution with two groups (`alexnet.AlexNet`), where what both
towers see computes its gradient in halves, since that is how two devices add. Then all numbers are
the same, to the last bit. `split` and `join` carry the weights from one form to the other.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tinynet import kernels, nn
from tinynet.core.backend import Array, Device, array_module, devices, to_numpy
from tinynet.core.errors import DeviceError, ShapeError
from tinynet.distributed import model_parallel
from tinynet.distributed.model_parallel import Crossing
from tinynet.kernels.geometry import Padding
from tinynet.models.alexnet import PAPER, AlexNet
from tinynet.models.small import small_alexnet
from tinynet.nn import init
from tinynet.tensors import Tensor, tensor

LAYERS = ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7")  # of a tower
EXCHANGES = {
    "conv3": ("conv3", "fc6", "fc7"),  # the paper
    "conv4": ("conv4", "fc6", "fc7"),
    "nowhere": ("fc6", "fc7"),  # no convolution sees the maps of the other tower
}
"""Which layers see the maps of both towers, by where the convolutions exchange them."""

NAMES = {  # of these layers, and of the scores, on one device
    "alexnet": [f"features.{i}" for i in (0, 4, 8, 10, 12)]
    + [f"classifier.{i}" for i in (1, 4, 7)],
    "small-alexnet": ["0", "4", "8", "10", "12", "16", "19", "22"],
}
PARTS = ("weight", "bias")  # of a layer


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """One tower: what the paper's network and its small relative do not share.

    Attributes
    ----------
    widths : maps of the five convolutions
    kernel, stride, padding : of conv1
    side : of the maps behind conv5, when they are pooled
    hidden : units of fc6, and of fc7
    ceil_mode : whether pooling rounds up
    inverted_dropout : see `nn.Dropout`
    """

    image: int
    widths: tuple[int, int, int, int, int]
    kernel: int
    stride: int
    padding: int | Padding
    side: int
    hidden: int
    ceil_mode: bool
    inverted_dropout: bool

    @property
    def maps(self) -> int:
        """How many numbers one tower hands to the fully connected layers."""
        return self.side**2 * self.widths[-1]


LARGE = Plan(
    image=224,
    widths=(48, 128, 192, 192, 128),
    kernel=11,
    stride=4,
    padding=((0, 3), (0, 3)),
    side=6,
    hidden=2048,
    ceil_mode=False,
    inverted_dropout=False,
)
SMALL = Plan(
    image=32,
    widths=(32, 64, 96, 96, 64),
    kernel=5,
    stride=1,
    padding=2,
    side=4,
    hidden=256,
    ceil_mode=True,
    inverted_dropout=True,
)

HIDDEN = ("fc6", "fc7")  # dropout is behind them


def fully_connected(plan: Plan, inputs: int) -> nn.Sequential:
    """Return half of the units of a hidden layer."""
    return nn.Sequential(nn.Linear(inputs, plan.hidden), nn.ReLU())


class Tower(nn.Module):
    """One device's half. `sees` are the layers that get the maps of both towers."""

    def __init__(self, plan: Plan, sees: Sequence[str]) -> None:
        def inputs(layer: str, own: int) -> int:
            return 2 * own if layer in sees else own

        def pool() -> nn.Module:
            return nn.MaxPool2d(3, stride=2, ceil_mode=plan.ceil_mode)

        c1, c2, c3, c4, c5 = plan.widths
        first = nn.Conv2d(3, c1, plan.kernel, plan.stride, plan.padding)
        second = nn.Conv2d(inputs("conv2", c1), c2, 5, padding=2)
        third = nn.Conv2d(inputs("conv3", c2), c3, 3, padding=1)
        fourth = nn.Conv2d(inputs("conv4", c3), c4, 3, padding=1)
        fifth = nn.Conv2d(inputs("conv5", c4), c5, 3, padding=1)
        self.conv1 = nn.Sequential(first, nn.ReLU(), nn.LocalResponseNorm(), pool())
        self.conv2 = nn.Sequential(second, nn.ReLU(), nn.LocalResponseNorm(), pool())
        self.conv3 = nn.Sequential(third, nn.ReLU())
        self.conv4 = nn.Sequential(fourth, nn.ReLU())
        self.conv5 = nn.Sequential(fifth, nn.ReLU(), pool(), nn.Flatten())
        self.fc6 = fully_connected(plan, inputs("fc6", plan.maps))
        self.fc7 = fully_connected(plan, inputs("fc7", plan.hidden))


class TwoTowers(nn.Module):
    """Two towers on two devices, or both on one; x (N, 3, H, W) to scores (N, classes).

    Parameters
    ----------
    devices : one for each tower, e.g. ("cuda:0", "cuda:1"); the first also makes the scores.
        ("cpu", "cpu:1") are two pretend devices
    exchange_at : "conv3" as in the paper, "conv4" or "nowhere"
    """

    def __init__(
        self,
        plan: Plan,
        classes: int,
        devices: Sequence[str] = ("cpu", "cpu:1"),
        exchange_at: str = "conv3",
    ) -> None:
        check_exchange(exchange_at)
        self.plan, self.exchange_at = plan, exchange_at
        self.towers = [Tower(plan, EXCHANGES[exchange_at]) for _ in range(2)]
        self.dropout = nn.Dropout(0.5, inverted=plan.inverted_dropout)
        self.fc8 = nn.Linear(2 * plan.hidden, classes)
        self.to(",".join(devices))

    def forward(self, x: Tensor) -> Tensor:
        """Return scores (N, classes) on the first device, before softmax."""
        with model_parallel.into("picture"):
            hs = [x.to(where) for where in self.devices]
        for layer in LAYERS:
            if layer in EXCHANGES[self.exchange_at]:
                with model_parallel.into(layer):
                    hs = model_parallel.exchange(hs)
            hs = [self._half(layer, i, h) for i, h in enumerate(hs)]
            if layer in HIDDEN:
                hs = model_parallel.dropout(hs, self.dropout)
        with model_parallel.into("fc8"):
            h = model_parallel.gather_channels(hs, self.devices[0])
        return self.fc8(h)

    def _half(self, layer: str, i: int, h: Tensor) -> Tensor:
        """Return what a layer of tower i makes of h; if it fails, the message says whose it is."""
        try:
            return getattr(self.towers[i], layer)(h)
        except (ShapeError, DeviceError) as error:
            raise type(error)(f"tower {i} on {self.devices[i]}, {layer}: {error}") from error

    def to(self, target: str | Device | type | np.dtype[Any]) -> TwoTowers:
        """Move to two devices, "cuda:0,cuda:1", or to one; or change the float dtype, in place."""
        if not isinstance(target, str):
            super().to(target)
            return self
        self.devices = two_devices(target)
        for tower, where in zip(self.towers, self.devices, strict=True):
            tower.to(where)
        self.fc8.to(self.devices[0])
        return self

    def traffic(self) -> list[Crossing]:
        """Return everything that crosses in a step, counted while a batch of no picture does one.

        A batch of none has the shapes of any other, (0, ...), and costs nothing.
        """
        before = [p.grad for p in self.parameters()]
        was_training = self.training
        image = np.zeros((0, 3, self.plan.image, self.plan.image), np.float32)
        try:
            with model_parallel.crossings() as found, kernels.use("reference"):
                scores = self.eval()(tensor(image, self.devices[0]))
                scores.backward(array_module(scores.data).zeros_like(scores.data))
        finally:
            self.train(was_training)
            for p, grad in zip(self.parameters(), before, strict=True):
                p.grad = grad
        return found


def two_devices(named: str) -> tuple[Device, Device]:
    """Return two devices, or one twice, that are named "cuda:0,cuda:1", or "cpu"."""
    places = devices(named)
    if len(places) > 2:
        raise DeviceError(f"to: two towers live on one device or two, not on {named}.")
    return places[0], places[-1]


def check_exchange(where: str) -> None:
    """Raise ValueError unless there is a plan in which towers exchange their maps there."""
    if where not in EXCHANGES:
        raise ValueError(
            f"two towers: they exchange maps at {', '.join(EXCHANGES)}, not {where!r}."
        )


def alexnet_two_towers(classes: int = 1000, **where: Any) -> TwoTowers:
    """Return the paper's network: 28,434,112 parameters a tower, and fc8."""
    meeting = where.get("exchange_at", "conv3")
    settings = dataclasses.replace(PAPER, sees_all=meeting)
    return _built(LARGE, AlexNet(classes, settings), "alexnet", classes, where)


def small_alexnet_two_towers(classes: int = 10, **where: Any) -> TwoTowers:
    """Return the two towers for 32x32 pictures.

    They start with the weights of `small_alexnet`, and differ from it in one thing: the windows of
    the first normalization end at the border of the towers.
    """
    whole = small_alexnet(classes, where.get("exchange_at", "conv3"))
    return _built(SMALL, whole, "small-alexnet", classes, where)


def _built(plan: Plan, whole: nn.Module, of: str, classes: int, where: dict[str, Any]) -> TwoTowers:
    """Return towers with the weights that the network on one device was given."""
    with init.skip_init():
        model = TwoTowers(plan, classes, **where)
    model.load_state_dict(split(whole.state_dict(), of))
    return model


def split(state: Mapping[str, Array], of: str = "alexnet") -> dict[str, Array]:
    """Return the state of two towers from that of the network on one device.

    Half of the filters, or units, of each layer go to each tower; the scores stay whole.

    Parameters
    ----------
    state : as `state_dict` returns it
    of : "alexnet" or "small-alexnet"
    """
    *names, last = NAMES[of]
    halves = {
        f"towers.{i}.{layer}.0.{part}": half
        for layer, name in zip(LAYERS, names, strict=True)
        for part in PARTS
        for i, half in enumerate(np.split(to_numpy(state[f"{name}.{part}"]), 2))
    }
    return halves | {f"fc8.{part}": to_numpy(state[f"{last}.{part}"]) for part in PARTS}


def join(state: Mapping[str, Array], of: str = "alexnet") -> dict[str, Array]:
    """Return the state of the network on one device from that of two towers: `split` undone."""
    *names, last = NAMES[of]
    whole = {
        f"{name}.{part}": np.concatenate(
            [to_numpy(state[f"towers.{i}.{layer}.0.{part}"]) for i in (0, 1)]
        )
        for layer, name in zip(LAYERS, names, strict=True)
        for part in PARTS
    }
    return whole | {f"{last}.{part}": to_numpy(state[f"fc8.{part}"]) for part in PARTS}
