"""GoogLeNet (Szegedy et al. 2015), as the paper has it and as torchvision has it.

The paper's has biases, LRN and 5x5 filters. torchvision's has batch normalization instead of
both, and in the third branch 3x3 filters where 5x5 were meant, which it keeps for the sake of its
weights. The names are torchvision's.

Training may have auxiliary heads: small classifiers half-way up, whose losses count 0.3 each
(section 5). They bring gradients to the middle; nobody asks them in tests.
"""

from __future__ import annotations

from collections.abc import Sequence

from tinynet import functions as F
from tinynet import nn
from tinynet.core.backend import Array
from tinynet.models.conv_unit import ConvUnit
from tinynet.tensors import Tensor

Widths = tuple[int, int, int, int, int, int]
"""Of a module: 1x1; 3x3 reduced, 3x3; 5x5 reduced, 5x5; behind the pool (table 1)."""

MODULES: dict[str, Widths] = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


class Inception(nn.Concatenate):
    """Four ways of looking at x side by side: 1x1, 3x3, 5x5 and a pool.

    (N, inputs, H, W) to (N, outputs, H, W). Every layer that is an attribute is a branch.
    """

    def __init__(self, inputs: int, widths: Widths, torchvision: bool) -> None:
        one, three_in, three, five_in, five, pool = widths
        self.outputs = one + three + five + pool

        def unit(inputs: int, outputs: int, kernel: int) -> ConvUnit:
            return ConvUnit(inputs, outputs, kernel, batch_norm=torchvision)

        self.branch1 = unit(inputs, one, 1)
        self.branch2 = nn.Sequential(unit(inputs, three_in, 1), unit(three_in, three, 3))
        large = 3 if torchvision else 5
        self.branch3 = nn.Sequential(unit(inputs, five_in, 1), unit(five_in, five, large))
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, 1, padding=1), unit(inputs, pool, 1))


class Auxiliary(nn.Module):
    """A head: a second opinion on maps from half-way up, of 14x14 to 16x16 pixels."""

    def __init__(
        self,
        inputs: int,
        classes: int,
        torchvision: bool = False,
        channels: int = 128,
        hidden: int = 1024,
    ) -> None:
        self.pool = nn.AdaptiveAvgPool2d(4) if torchvision else nn.AvgPool2d(5, stride=3)
        self.conv = ConvUnit(inputs, channels, 1, batch_norm=torchvision)
        self.fc1, self.fc2 = nn.Linear(4 * 4 * channels, hidden), nn.Linear(hidden, classes)
        self.dropout = nn.Dropout(0.7)

    def forward(self, x: Tensor) -> Tensor:
        """Return scores (N, classes) for x (N, inputs, 14, 14)."""
        hidden = F.relu(self.fc1(F.flatten(self.conv(self.pool(x)))))
        return self.fc2(self.dropout(hidden))


class Headed(nn.Module):
    """A network that may return (scores, scores of a head, ...) in training."""

    def loss(self, outputs: Sequence[Tensor], labels: Array) -> Tensor:
        """Return the loss of the scores, and 0.3 of the loss of each head (section 5)."""
        main, *others = (F.cross_entropy(scores, labels) for scores in outputs)
        return sum((0.3 * other for other in others), start=main)


class GoogLeNet(Headed):
    """Nine inception modules and one linear layer: 6,998,552 parameters for 1000 classes.

    `auxiliary` adds two heads, behind modules 4a and 4d: 13,378,280 parameters in training.
    """

    def __init__(
        self, classes: int = 1000, *, torchvision: bool = False, auxiliary: bool = False
    ) -> None:
        self.conv1 = ConvUnit(3, 64, 7, stride=2, batch_norm=torchvision)
        self.conv2 = ConvUnit(64, 64, 1, batch_norm=torchvision)
        self.conv3 = ConvUnit(64, 192, 3, batch_norm=torchvision)
        self.pool = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.last_pool = nn.MaxPool2d(2, ceil_mode=True) if torchvision else self.pool
        self.norm = None if torchvision else nn.LocalResponseNorm(k=1.0, alpha=1e-4 / 5)
        inputs = 192
        for name, widths in MODULES.items():
            module = Inception(inputs, widths, torchvision)
            setattr(self, f"inception{name}", module)
            inputs = module.outputs
        self.aux1 = Auxiliary(512, classes, torchvision) if auxiliary else None
        self.aux2 = Auxiliary(528, classes, torchvision) if auxiliary else None
        self.dropout = nn.Dropout(0.2 if torchvision else 0.4)
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Return scores (N, classes) for images x (N, 3, 224, 224)."""
        seen = self._inception(self._stem(x))
        scores = self.fc(self.dropout(F.global_avg_pool2d(seen["5b"])))
        if self.aux1 is None or self.aux2 is None or not self.training:
            return scores
        return scores, self.aux1(seen["4a"]), self.aux2(seen["4d"])

    def _stem(self, x: Tensor) -> Tensor:
        """Return (N, 192, 28, 28)."""
        x = self.pool(self.conv1(x))
        x = self.conv3(self.conv2(x if self.norm is None else self.norm(x)))
        return self.pool(x if self.norm is None else self.norm(x))

    def _inception(self, x: Tensor) -> dict[str, Tensor]:
        """Return what each module makes of the maps before it."""
        seen = {}
        for name in MODULES:
            if name == "4a":
                x = self.pool(x)
            elif name == "5a":
                x = self.last_pool(x)
            x = seen[name] = getattr(self, f"inception{name}")(x)
        return seen


class HalfWay(Headed):
    """Two chains of layers, one behind the other, and a head where they meet."""

    def __init__(self, lower: nn.Sequential, upper: nn.Sequential, head: Auxiliary) -> None:
        self.lower, self.upper, self.aux1 = lower, upper, head

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Return scores (N, classes), in training with those of the head."""
        middle = self.lower(x)
        scores = self.upper(middle)
        return (scores, self.aux1(middle)) if self.training else scores


def small_googlenet(classes: int = 10) -> nn.Sequential:
    """Return a stem and three modules for (N, 3, 32, 32)."""
    first = Inception(32, (16, 16, 24, 4, 8, 8), torchvision=False)
    second = Inception(first.outputs, (24, 24, 40, 8, 16, 16), torchvision=False)
    third = Inception(second.outputs, (32, 32, 64, 8, 16, 16), torchvision=False)
    return nn.Sequential(
        ConvUnit(3, 32, 5, batch_norm=False),
        nn.MaxPool2d(3, stride=2, ceil_mode=True),  # (N, 32, 16, 16)
        nn.LocalResponseNorm(k=1.0, alpha=1e-4 / 5),
        first,
        second,
        nn.MaxPool2d(3, stride=2, ceil_mode=True),  # (N, 96, 8, 8)
        third,
        nn.GlobalAvgPool2d(),
        nn.Dropout(0.2),
        nn.Linear(third.outputs, classes),
    )


def small_googlenet_with_head(classes: int = 10) -> HalfWay:
    """Return the same network with a head behind its second module, on 16x16 maps."""
    layers = list(small_googlenet(classes))
    lower, upper = nn.Sequential(*layers[:5]), nn.Sequential(*layers[5:])
    return HalfWay(lower, upper, Auxiliary(96, classes, channels=16, hidden=64))
