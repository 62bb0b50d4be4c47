"""ResNet (He et al. 2016), and SE-ResNet, whose blocks weigh their channels (Hu et al. 2018).

Names are torchvision's, and so is the place of the stride in a bottleneck: at its 3x3, where the
paper has it at the first 1x1.

Residual blocks are written in two ways. Those of the large networks are classes, so that their
parameters have torchvision's names. Those for CIFAR-10, for which torchvision has no weights, are
chains of layers in an `nn.Residual`.
"""

from __future__ import annotations

from tinynet import functions as F
from tinynet import nn
from tinynet.tensors import Tensor


class SqueezeExcitation(nn.Module):
    """Each channel times a number between 0 and 1 that depends on all channels.

    Parameters
    ----------
    channels : of x
    reduction : divisor of the hidden layer's width
    """

    def __init__(self, channels: int, reduction: int = 16) -> None:
        self.fc1 = nn.Linear(channels, channels // reduction)
        self.fc2 = nn.Linear(channels // reduction, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return x (N, C, H, W), reweighted."""
        hidden = F.relu(self.fc1(F.global_avg_pool2d(x)))
        return x * F.sigmoid(self.fc2(hidden)).reshape(*x.shape[:2], 1, 1)


class Block(nn.Module):
    """y = relu(branch(x) + shortcut(x)); a subclass has the branch.

    The shortcut is x itself or, where the shape changes, a 1x1 convolution.
    """

    expansion = 1

    def _add_shortcut(self, inputs: int, width: int, stride: int, squeeze: bool) -> None:
        """Make the layers beside and behind the branch; last, for torchvision's parameter order."""
        outputs = width * self.expansion
        self.relu = nn.ReLU()
        self.downsample = None
        if stride != 1 or inputs != outputs:
            projection = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.downsample = nn.Sequential(projection, nn.BatchNorm2d(outputs))
        self.se = SqueezeExcitation(outputs) if squeeze else None

    def _join(self, y: Tensor, norm: nn.Module, x: Tensor) -> Tensor:
        """Return relu(norm(y) + shortcut(x)) for the last convolution y of the branch."""
        if self.se is not None:
            y = self.se(norm(y))
            return self.relu(y + self._shortcut(x))
        return nn.normalized_sum_relu(y, norm, self._shortcut(x), self.relu)

    def _shortcut(self, x: Tensor) -> Tensor:
        return x if self.downsample is None else self.downsample(x)


class BasicBlock(Block):
    """A branch of two 3x3 convolutions.

    Parameters
    ----------
    inputs : channels of x
    width : channels of the output
    stride : of the first convolution
    squeeze : whether the block weighs its channels
    """

    def __init__(self, inputs: int, width: int, stride: int, squeeze: bool) -> None:
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self._add_shortcut(inputs, width, stride, squeeze)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, width, OH, OW) for x (N, inputs, H, W)."""
        y = nn.run_sequential(x, self.conv1, self.bn1, self.relu, self.conv2)
        return self._join(y, self.bn2, x)


class Bottleneck(Block):
    """A branch of 1x1 to fewer channels, 3x3, and 1x1 to four times as many.

    Parameters
    ----------
    inputs : channels of x
    width : channels inside; the output has four times as many
    stride : of the 3x3 convolution
    squeeze : whether the block weighs its channels
    """

    expansion = 4

    def __init__(self, inputs: int, width: int, stride: int, squeeze: bool) -> None:
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self._add_shortcut(inputs, width, stride, squeeze)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, 4 * width, OH, OW) for x (N, inputs, H, W)."""
        y = nn.run_sequential(x, self.conv1, self.bn1, self.relu)
        y = nn.run_sequential(y, self.conv2, self.bn2, self.relu)
        return self._join(self.conv3(y), self.bn3, x)


class ResNet(nn.Module):
    """A stem, four stages of blocks, a mean and a linear layer, for images (N, 3, 224, 224).

    Parameters
    ----------
    classes : number of scores
    block : class of the blocks
    blocks : number of blocks of each stage
    width : channels of the stem and of the first stage; each later stage has twice as many. A
        bottleneck's output has four times these
    squeeze : whether each block weighs its channels: SE-ResNet

    Examples
    --------
    >>> import tinynet as tn
    >>> model = tn.models.ResNet(classes=10, blocks=(1, 1, 1, 1), width=8)
    >>> model(tn.zeros(1, 3, 64, 64)).shape
    (1, 10)
    """

    def __init__(
        self,
        classes: int = 1000,
        *,
        block: type[BasicBlock | Bottleneck] = BasicBlock,
        blocks: tuple[int, int, int, int] = (2, 2, 2, 2),
        width: int = 64,
        squeeze: bool = False,
    ) -> None:
        def stage(inputs: int, width: int, count: int, stride: int) -> nn.Sequential:
            first = block(inputs, width, stride, squeeze)
            outputs = width * block.expansion
            others = [block(outputs, width, 1, squeeze) for _ in range(count - 1)]
            return nn.Sequential(first, *others)

        e = block.expansion
        self.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)  # (N, 64, 112, 112)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)  # (N, 64, 56, 56)
        self.layer1 = stage(width, width, blocks[0], stride=1)  # (N, e * 64, 56, 56)
        self.layer2 = stage(e * width, 2 * width, blocks[1], stride=2)  # (N, e * 128, 28, 28)
        self.layer3 = stage(2 * e * width, 4 * width, blocks[2], stride=2)  # (N, e * 256, 14, 14)
        self.layer4 = stage(4 * e * width, 8 * width, blocks[3], stride=2)  # (N, e * 512, 7, 7)
        self.fc = nn.Linear(8 * e * width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return scores (N, classes) for images x (N, 3, side, side)."""
        x = nn.run_sequential(x, self.conv1, self.bn1, self.relu, self.maxpool)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(F.global_avg_pool2d(x))


def cifar_resnet(
    layers: int, classes: int = 10, width: int = 16, squeeze: bool = False
) -> nn.Sequential:
    """Return ResNet-20, 32, 44, 56, 110 for (N, 3, 32, 32): section 4.2 of the paper.

    Three stages of (layers - 2) / 6 blocks each; shortcuts without weights (option A).

    Parameters
    ----------
    layers : number of layers with weights, 6n + 2
    classes : number of scores
    width : channels of the first stage; each later stage has twice as many
    squeeze : whether each block weighs its channels

    Raises
    ------
    ValueError : if layers is not 6n + 2

    Examples
    --------
    >>> import tinynet as tn
    >>> from tinynet.models.resnet import cifar_resnet
    >>> cifar_resnet(8, width=4)(tn.zeros(1, 3, 32, 32)).shape
    (1, 10)
    """
    if layers % 6 != 2:
        raise ValueError(f"cifar_resnet: layers must be 6n + 2, like 20 or 56. Got {layers}.")
    net: list[nn.Module] = [*_conv_bn(3, width, 1), nn.ReLU()]
    inputs = width
    for stage in range(3):
        outputs = width * 2**stage
        for block in range((layers - 2) // 6):
            stride = 2 if stage and not block else 1
            body = [*_conv_bn(inputs, outputs, stride), nn.ReLU(), *_conv_bn(outputs, outputs, 1)]
            if squeeze:
                body.append(SqueezeExcitation(outputs, 4))
            shortcut = nn.Subsample(2, outputs - inputs) if stride == 2 else None
            net += [nn.Residual(nn.Sequential(*body), shortcut), nn.ReLU()]
            inputs = outputs
    return nn.Sequential(*net, nn.GlobalAvgPool2d(), nn.Linear(inputs, classes))


def _conv_bn(inputs: int, outputs: int, stride: int) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)
