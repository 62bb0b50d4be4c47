"""GoogLeNet (Szegedy et al. 2015), as in the paper and as in torchvision.

The paper's network has biases, LRN and 5x5 filters. torchvision's has batch normalization instead
of biases and LRN, and 3x3 filters in the third branch of a module where 5x5 were meant; it keeps
them because its pretrained weights have them. Names are torchvision's.

In training there may be auxiliary heads: small classifiers on maps of the middle, whose losses
count 0.3 each (section 5). They bring gradients to the middle; in evaluation they are not computed.
"""

from __future__ import annotations

from collections.abc import Sequence

from tinynet import functions as F
from tinynet import nn
from tinynet.core.backend import Array
from tinynet.models.conv_bn_relu import ConvBNReLU
from tinynet.tensors import Tensor

Widths = tuple[int, int, int, int, int, int]
"""Channels of a module: 1x1; 3x3 reduced, 3x3; 5x5 reduced, 5x5; after the pool (table 1)."""


class Inception(nn.Concatenate):
    """Four branches side by side: 1x1, 3x3, 5x5 and a pool. Every attribute layer is a branch.

    (N, inputs, H, W) to (N, outputs, H, W).

    Parameters
    ----------
    inputs : channels of x
    widths : see `Widths`
    torchvision : batch normalization, and 3x3 in the place of 5x5
    """

    def __init__(self, inputs: int, widths: Widths, torchvision: bool) -> None:
        one, three_in, three, five_in, five, pool = widths
        large = 3 if torchvision else 5
        self.outputs = one + three + five + pool

        def conv(inputs: int, outputs: int, kernel: int) -> ConvBNReLU:
            return ConvBNReLU(inputs, outputs, kernel, batch_norm=torchvision)

        self.branch1 = conv(inputs, one, 1)
        self.branch2 = nn.Sequential(conv(inputs, three_in, 1), conv(three_in, three, 3))
        self.branch3 = nn.Sequential(conv(inputs, five_in, 1), conv(five_in, five, large))
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, 1, padding=1), conv(inputs, pool, 1))


class AuxiliaryHead(nn.Module):
    """A classifier on maps of 14x14 to 16x16 pixels.

    Parameters
    ----------
    inputs : channels of the maps
    classes : number of scores
    torchvision : batch normalization, and an adaptive pool
    channels : of its convolution
    hidden : units of its hidden layer
    """

    def __init__(
        self,
        inputs: int,
        classes: int,
        torchvision: bool = False,
        channels: int = 128,
        hidden: int = 1024,
    ) -> None:
        self.pool = nn.AdaptiveAvgPool2d(4) if torchvision else nn.AvgPool2d(5, stride=3)
        self.conv = ConvBNReLU(inputs, channels, 1, batch_norm=torchvision)
        self.fc1 = nn.Linear(4 * 4 * channels, hidden)
        self.fc2 = nn.Linear(hidden, classes)
        self.dropout = nn.Dropout(0.7)

    def forward(self, x: Tensor) -> Tensor:
        """Return scores (N, classes) for x (N, inputs, 14, 14)."""
        hidden = F.relu(self.fc1(F.flatten(self.conv(self.pool(x)))))
        return self.fc2(self.dropout(hidden))


class WithAuxiliaryHeads(nn.Module):
    """A network that may return (scores, scores of a head, ...) in training."""

    def loss(self, outputs: Sequence[Tensor], labels: Array) -> Tensor:
        """Return the loss of the scores, plus 0.3 of the loss of each head (section 5).

        Parameters
        ----------
        outputs : scores (N, classes) of the network, then of each head
        labels : (N,)
        """
        main, *others = (F.cross_entropy(scores, labels) for scores in outputs)
        return sum((0.3 * other for other in others), start=main)


class GoogLeNet(WithAuxiliaryHeads):
    """Nine inception modules and one linear layer: 6,998,552 parameters for 1000 classes.

    Parameters
    ----------
    classes : number of scores
    torchvision : torchvision's network instead of the paper's
    auxiliary : two heads, after modules 4a and 4d: 13,378,280 parameters in training

    Examples
    --------
    >>> import tinynet as tn
    >>> model = tn.models.build("googlenet", classes=10)
    >>> model(tn.zeros(1, 3, 64, 64)).shape
    (1, 10)
    """

    def __init__(
        self, classes: int = 1000, *, torchvision: bool = False, auxiliary: bool = False
    ) -> None:
        def norm() -> nn.Module | None:
            return None if torchvision else nn.LocalResponseNorm(k=1.0, alpha=1e-4 / 5)

        def module(inputs: int, widths: Widths) -> Inception:
            return Inception(inputs, widths, torchvision)

        self.conv1 = ConvBNReLU(3, 64, 7, stride=2, batch_norm=torchvision)  # (N, 64, 112, 112)
        self.maxpool1 = _pool()  # (N, 64, 56, 56)
        self.norm1 = norm()
        self.conv2 = ConvBNReLU(64, 64, 1, batch_norm=torchvision)  # (N, 64, 56, 56)
        self.conv3 = ConvBNReLU(64, 192, 3, batch_norm=torchvision)  # (N, 192, 56, 56)
        self.norm2 = norm()
        self.maxpool2 = _pool()  # (N, 192, 28, 28)
        self.inception3a = module(192, (64, 96, 128, 16, 32, 32))  # (N, 256, 28, 28)
        self.inception3b = module(256, (128, 128, 192, 32, 96, 64))  # (N, 480, 28, 28)
        self.maxpool3 = _pool()  # (N, 480, 14, 14)
        self.inception4a = module(480, (192, 96, 208, 16, 48, 64))  # (N, 512, 14, 14)
        self.inception4b = module(512, (160, 112, 224, 24, 64, 64))  # (N, 512, 14, 14)
        self.inception4c = module(512, (128, 128, 256, 24, 64, 64))  # (N, 512, 14, 14)
        self.inception4d = module(512, (112, 144, 288, 32, 64, 64))  # (N, 528, 14, 14)
        self.inception4e = module(528, (256, 160, 320, 32, 128, 128))  # (N, 832, 14, 14)
        self.maxpool4 = nn.MaxPool2d(2, ceil_mode=True) if torchvision else _pool()
        self.inception5a = module(832, (256, 160, 320, 32, 128, 128))  # (N, 832, 7, 7)
        self.inception5b = module(832, (384, 192, 384, 48, 128, 128))  # (N, 1024, 7, 7)
        self.aux1 = AuxiliaryHead(512, classes, torchvision) if auxiliary else None
        self.aux2 = AuxiliaryHead(528, classes, torchvision) if auxiliary else None
        self.dropout = nn.Dropout(0.2 if torchvision else 0.4)
        self.fc = nn.Linear(1024, classes)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Return scores (N, classes) for images x (N, 3, 224, 224), with heads also theirs."""
        x = self.inception3b(self.inception3a(self._stem(x)))
        middle = self.inception4a(self.maxpool3(x))
        late = self.inception4d(self.inception4c(self.inception4b(middle)))
        x = self.maxpool4(self.inception4e(late))
        x = self.inception5b(self.inception5a(x))
        scores = self.fc(self.dropout(F.global_avg_pool2d(x)))
        if self.aux1 is None or self.aux2 is None or not self.training:
            return scores
        return scores, self.aux1(middle), self.aux2(late)

    def _stem(self, x: Tensor) -> Tensor:
        """Return (N, 192, 28, 28)."""
        x = self.maxpool1(self.conv1(x))
        if self.norm1 is not None:
            x = self.norm1(x)
        x = self.conv3(self.conv2(x))
        if self.norm2 is not None:
            x = self.norm2(x)
        return self.maxpool2(x)


def _pool() -> nn.Module:
    return nn.MaxPool2d(3, stride=2, ceil_mode=True)


class SequentialWithHead(WithAuxiliaryHeads):
    """Two chains of layers, and a head on the maps between them.

    Parameters
    ----------
    lower, upper : the chains
    head : sees the output of `lower`
    """

    def __init__(self, lower: nn.Sequential, upper: nn.Sequential, head: AuxiliaryHead) -> None:
        self.lower = lower
        self.upper = upper
        self.aux1 = head

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Return scores (N, classes), in training with those of the head."""
        middle = self.lower(x)
        scores = self.upper(middle)
        return (scores, self.aux1(middle)) if self.training else scores


def small_googlenet(classes: int = 10) -> nn.Sequential:
    """Return a stem and three modules for (N, 3, 32, 32)."""
    # made before the other layers, because the order decides the random numbers
    first = Inception(32, (16, 16, 24, 4, 8, 8), torchvision=False)
    second = Inception(56, (24, 24, 40, 8, 16, 16), torchvision=False)
    third = Inception(96, (32, 32, 64, 8, 16, 16), torchvision=False)
    return nn.Sequential(
        ConvBNReLU(3, 32, 5, batch_norm=False),  # (N, 32, 32, 32)
        nn.MaxPool2d(3, stride=2, ceil_mode=True),  # (N, 32, 16, 16)
        nn.LocalResponseNorm(k=1.0, alpha=1e-4 / 5),
        first,  # (N, 56, 16, 16)
        second,  # (N, 96, 16, 16)
        nn.MaxPool2d(3, stride=2, ceil_mode=True),  # (N, 96, 8, 8)
        third,  # (N, 128, 8, 8)
        nn.GlobalAvgPool2d(),
        nn.Dropout(0.2),
        nn.Linear(128, classes),
    )


def small_googlenet_with_head(classes: int = 10) -> SequentialWithHead:
    """Return the same network with a head after its second module, on maps (N, 96, 16, 16)."""
    layers = list(small_googlenet(classes))
    lower = nn.Sequential(*layers[:5])
    upper = nn.Sequential(*layers[5:])
    return SequentialWithHead(lower, upper, AuxiliaryHead(96, classes, channels=16, hidden=64))
