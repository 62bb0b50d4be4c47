"""Two-tower AlexNet: the paper's network on two devices, as in section 3.5 and figure 2.

Each tower has half of the maps of every convolution and half of the units of fc6 and fc7. conv1,
conv2, conv4 and conv5 see the maps of their own tower, and so does response normalization; the
cross layers conv3, fc6 and fc7 see both. The first device computes the scores.

On one device the same network is a convolution with two groups (`alexnet.AlexNet`). Its cross
layers split their accumulation (`split_accumulation`), so all numbers are the same bit for bit.
`split` and `join` convert the weights between the two forms.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from tinynet import kernels, nn
from tinynet.core.backend import Array, Device, array_module, to_numpy
from tinynet.core.errors import DeviceError, ShapeError
from tinynet.distributed import model_parallel
from tinynet.distributed.model_parallel import Crossing
from tinynet.kernels.geometry import Padding
from tinynet.models.alexnet import AlexNet
from tinynet.models.cross_layers import CROSS_LAYERS, check_cross_at
from tinynet.models.small import small_alexnet
from tinynet.models.two_devices import TWO_CPUS, TwoDeviceModel
from tinynet.nn import init
from tinynet.tensors import Tensor, tensor

LAYERS = ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7")  # of a tower
HIDDEN = ("fc6", "fc7")  # dropout follows them

NAMES = {  # of these layers, and of fc8, on one device
    "alexnet": (
        "features.0",
        "features.4",
        "features.8",
        "features.10",
        "features.12",
        "classifier.1",
        "classifier.4",
        "classifier.7",
    ),
    "small-alexnet": ("0", "4", "8", "10", "12", "16", "19", "22"),
}
PARTS = ("weight", "bias")  # of a layer


@dataclasses.dataclass(frozen=True, kw_only=True)
class TowerSizes:
    """Sizes and settings of one tower.

    Parameters
    ----------
    image : side of the images, in pixels
    widths : maps of the five convolutions
    kernel, stride, padding : of conv1
    side : of the pooled maps of conv5
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
        """Number of values that one tower gives to fc6, for an image."""
        return self.side**2 * self.widths[-1]


LARGE = TowerSizes(
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
SMALL = TowerSizes(
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


def fully_connected(sizes: TowerSizes, inputs: int) -> nn.Sequential:
    """Return half of the units of a hidden layer."""
    return nn.Sequential(nn.Linear(inputs, sizes.hidden), nn.ReLU())


class Tower(nn.Module):
    """The half of the network that lives on one device.

    Parameters
    ----------
    cross_layers : names of the layers that get the maps of both towers
    """

    def __init__(self, sizes: TowerSizes, cross_layers: Sequence[str]) -> None:
        def inputs(layer: str, own: int) -> int:
            return 2 * own if layer in cross_layers else own

        def pool() -> nn.Module:
            return nn.MaxPool2d(3, stride=2, ceil_mode=sizes.ceil_mode)

        c1, c2, c3, c4, c5 = sizes.widths
        first = nn.Conv2d(3, c1, sizes.kernel, sizes.stride, sizes.padding)
        second = nn.Conv2d(inputs("conv2", c1), c2, 5, padding=2)
        third = nn.Conv2d(inputs("conv3", c2), c3, 3, padding=1)
        fourth = nn.Conv2d(inputs("conv4", c3), c4, 3, padding=1)
        fifth = nn.Conv2d(inputs("conv5", c4), c5, 3, padding=1)
        self.conv1 = nn.Sequential(first, nn.ReLU(), nn.LocalResponseNorm(), pool())
        self.conv2 = nn.Sequential(second, nn.ReLU(), nn.LocalResponseNorm(), pool())
        self.conv3 = nn.Sequential(third, nn.ReLU())
        self.conv4 = nn.Sequential(fourth, nn.ReLU())
        self.conv5 = nn.Sequential(fifth, nn.ReLU(), pool(), nn.Flatten())
        self.fc6 = fully_connected(sizes, inputs("fc6", sizes.maps))
        self.fc7 = fully_connected(sizes, inputs("fc7", sizes.hidden))


class TwoTowers(TwoDeviceModel):
    """Two towers on two devices, or both on one.

    Parameters
    ----------
    sizes : of one tower
    classes : number of scores
    devices : one for each tower, e.g. ("cuda:0", "cuda:1"); the first also computes the scores.
        ("cpu", "cpu:1") are two simulated devices
    cross_at : "conv3" as in the paper, "conv4" or "nowhere"

    Raises
    ------
    ValueError : if `cross_at` is another name
    DeviceError : if there are more than two devices, or one of them does not exist

    Examples
    --------
    >>> import tinynet as tn
    >>> model = tn.models.build("small-alexnet-two-towers")
    >>> model.devices
    ('cpu', 'cpu:1')
    >>> model(tn.zeros(2, 3, 32, 32)).shape
    (2, 10)
    """

    def __init__(
        self,
        sizes: TowerSizes,
        classes: int,
        devices: Sequence[str | Device] = TWO_CPUS,
        cross_at: str = "conv3",
    ) -> None:
        check_cross_at(cross_at)
        self.sizes = sizes
        self.cross_at = cross_at
        self.towers = [Tower(sizes, CROSS_LAYERS[cross_at]) for _ in range(2)]
        self.dropout = nn.Dropout(0.5, inverted=sizes.inverted_dropout)
        self.fc8 = nn.Linear(2 * sizes.hidden, classes)
        self.place(devices)

    def forward(self, x: Tensor) -> Tensor:
        """Return scores (N, classes) on the first device, before softmax, for x (N, 3, H, W)."""
        with model_parallel.into("picture"):
            hs = [x.to(where) for where in self.devices]
        for layer in LAYERS:
            if layer in CROSS_LAYERS[self.cross_at]:
                with model_parallel.into(layer):
                    hs = model_parallel.all_gather_channels(hs)
            hs = [self._half(layer, i, h) for i, h in enumerate(hs)]
            if layer in HIDDEN:
                hs = model_parallel.dropout(hs, self.dropout)
        with model_parallel.into("fc8"):
            h = model_parallel.gather_channels(hs, self.devices[0])
        return self.fc8(h)

    def _half(self, layer: str, i: int, h: Tensor) -> Tensor:
        """Return the output of a layer of tower i; an error message names the tower."""
        try:
            return getattr(self.towers[i], layer)(h)
        except (ShapeError, DeviceError) as error:
            raise type(error)(f"tower {i} on {self.devices[i]}, {layer}: {error}") from error

    def _move(self) -> None:
        for tower, where in zip(self.towers, self.devices, strict=True):
            tower.to(where)
        self.fc8.to(self.devices[0])

    def traffic(self) -> list[Crossing]:
        """Return every copy between the devices in a training step, from a batch of 0 images.

        Such a batch has the shapes of any other, (0, ...), and costs nothing.
        """
        gradients = [p.grad for p in self.parameters()]
        was_training = self.training
        image = np.zeros((0, 3, self.sizes.image, self.sizes.image), np.float32)
        try:
            with model_parallel.crossings() as found, kernels.use("reference"):
                scores = self.eval()(tensor(image, self.devices[0]))
                scores.backward(array_module(scores.data).zeros_like(scores.data))
        finally:
            self.train(was_training)
            for p, grad in zip(self.parameters(), gradients, strict=True):
                p.grad = grad
        return found


def alexnet_two_towers(
    classes: int = 1000, *, devices: Sequence[str | Device] = TWO_CPUS, cross_at: str = "conv3"
) -> TwoTowers:
    """Return the paper's network: 28,434,112 parameters a tower, and fc8."""
    one_device = AlexNet(classes, cross_at=cross_at)
    with init.skip_init():
        model = TwoTowers(LARGE, classes, devices, cross_at)
    model.load_state_dict(split(one_device.state_dict(), "alexnet"))
    return model


def small_alexnet_two_towers(
    classes: int = 10, *, devices: Sequence[str | Device] = TWO_CPUS, cross_at: str = "conv3"
) -> TwoTowers:
    """Return the two towers for 32x32 images.

    They start with the weights of `small_alexnet`, and differ from it in one thing: the windows of
    the first normalization end at the border of the towers.
    """
    one_device = small_alexnet(classes, cross_at)
    with init.skip_init():
        model = TwoTowers(SMALL, classes, devices, cross_at)
    model.load_state_dict(split(one_device.state_dict(), "small-alexnet"))
    return model


def split(state: Mapping[str, Array], of: str = "alexnet") -> dict[str, Array]:
    """Return the state of two towers from that of the network on one device.

    Each tower gets half of the filters, or units, of each layer; fc8 stays whole.

    Parameters
    ----------
    state : as `state_dict` returns it
    of : "alexnet" or "small-alexnet"
    """
    *names, last = NAMES[of]
    halves = {}
    for layer, name in zip(LAYERS, names, strict=True):
        for part in PARTS:
            for i, half in enumerate(np.split(to_numpy(state[f"{name}.{part}"]), 2)):
                halves[f"towers.{i}.{layer}.0.{part}"] = half
    for part in PARTS:
        halves[f"fc8.{part}"] = to_numpy(state[f"{last}.{part}"])
    return halves


def join(state: Mapping[str, Array], of: str = "alexnet") -> dict[str, Array]:
    """Return the state of the network on one device from that of two towers: `split` undone.

    Parameters
    ----------
    state : as `state_dict` returns it
    of : "alexnet" or "small-alexnet"
    """
    *names, last = NAMES[of]
    whole = {}
    for layer, name in zip(LAYERS, names, strict=True):
        for part in PARTS:
            halves = [to_numpy(state[f"towers.{i}.{layer}.0.{part}"]) for i in (0, 1)]
            whole[f"{name}.{part}"] = np.concatenate(halves)
    for part in PARTS:
        whole[f"{last}.{part}"] = to_numpy(state[f"fc8.{part}"])
    return whole
