"""DenseNet (Huang et al. 2017): every layer of a block sees the outputs of all layers before it.

A layer adds a few channels (the growth) to its input, so the channels of a block grow linearly. All
networks here are DenseNet-BC: a 1x1 bottleneck before each 3x3 convolution (B), and transitions
that halve the channels (compression, C). Names are torchvision's.
"""

from __future__ import annotations

from collections.abc import Mapping

from tinynet import functions as F
from tinynet import nn
from tinynet.tensors import Tensor


class DenseLayer(nn.Module):
    """Concatenation of x and `growth` new channels: BN, ReLU, 1x1, BN, ReLU, 3x3.

    Parameters
    ----------
    inputs : channels of x
    growth : new channels
    """

    def __init__(self, inputs: int, growth: int) -> None:
        self.norm1 = nn.BatchNorm2d(inputs)
        self.relu = nn.ReLU()
        self.conv1 = nn.Conv2d(inputs, 4 * growth, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(4 * growth)
        self.conv2 = nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, inputs + growth, H, W) for x (N, inputs, H, W)."""
        y = nn.run_sequential(x, self.norm1, self.relu, self.conv1)
        y = nn.run_sequential(y, self.norm2, self.relu, self.conv2)
        return F.concatenate([x, y], axis=1)


class Transition(nn.Module):
    """Half of the channels and half of the side: BN, ReLU, 1x1, average pool.

    Parameters
    ----------
    inputs : channels of x
    """

    def __init__(self, inputs: int) -> None:
        self.norm = nn.BatchNorm2d(inputs)
        self.relu = nn.ReLU()
        self.conv = nn.Conv2d(inputs, inputs // 2, 1, bias=False)
        self.pool = nn.AvgPool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, inputs // 2, H // 2, W // 2) for x (N, inputs, H, W)."""
        return nn.run_sequential(x, self.norm, self.relu, self.conv, self.pool)


class DenseNet(nn.Module):
    """Blocks of dense layers with transitions between them.

    Parameters
    ----------
    classes : number of scores
    blocks : layers of each block
    growth : channels that each layer adds
    stem : channels of the first convolution
    small : for images (N, 3, 32, 32): a stem of 3x3 at stride 1, instead of 7x7 at stride 2 and a
        pool for (N, 3, 224, 224)

    Examples
    --------
    >>> import tinynet as tn
    >>> model = tn.models.DenseNet(classes=10, blocks=(2, 2), growth=8, stem=16, small=True)
    >>> model(tn.zeros(1, 3, 32, 32)).shape
    (1, 10)
    """

    def __init__(
        self,
        classes: int = 1000,
        *,
        blocks: tuple[int, ...] = (6, 12, 24, 16),
        growth: int = 32,
        stem: int = 64,
        small: bool = False,
    ) -> None:
        layers: dict[str, nn.Module] = {}
        if small:
            layers["conv0"] = nn.Conv2d(3, stem, 3, padding=1, bias=False)
        else:
            layers["conv0"] = nn.Conv2d(3, stem, 7, stride=2, padding=3, bias=False)
            layers["norm0"] = nn.BatchNorm2d(stem)
            layers["relu0"] = nn.ReLU()
            layers["pool0"] = nn.MaxPool2d(3, stride=2, padding=1)
        channels = stem
        for b, count in enumerate(blocks, 1):
            layers[f"denseblock{b}"] = _dense_block(channels, count, growth)
            channels += count * growth
            if b < len(blocks):
                layers[f"transition{b}"] = Transition(channels)
                channels //= 2
        layers["norm5"] = nn.BatchNorm2d(channels)
        layers["relu5"] = nn.ReLU()
        self.features = _named_sequential(layers)
        self.classifier = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return scores (N, classes) for images x (N, 3, side, side)."""
        return self.classifier(F.global_avg_pool2d(self.features(x)))


def _dense_block(channels: int, count: int, growth: int) -> nn.Sequential:
    """Return `count` dense layers, the first of which sees `channels`."""
    layers = {}
    for i in range(count):
        layers[f"denselayer{i + 1}"] = DenseLayer(channels + i * growth, growth)
    return _named_sequential(layers)


def _named_sequential(layers: Mapping[str, nn.Module]) -> nn.Sequential:
    """Return a Sequential whose layers have names instead of numbers."""
    chain = nn.Sequential()
    vars(chain).update(layers)
    return chain


def densenet_bc_100(classes: int = 10) -> DenseNet:
    """Return DenseNet-BC with 100 layers and growth 12 for CIFAR-10: 769,162 parameters."""
    return DenseNet(classes, blocks=(16, 16, 16), growth=12, stem=24, small=True)


def small_densenet(classes: int = 10) -> DenseNet:
    """Return three blocks of two layers for (N, 3, 32, 32)."""
    return DenseNet(classes, blocks=(2, 2, 2), growth=8, stem=16, small=True)
