"""AlexNet, once: the plan of Krizhevsky et al. 2012, and the settings that its relatives change.

The paper's text, the code that computed its results, Caffe, torchvision and the posts that people
learn from mean different networks by the name. Each is a `Settings`; `alexnet_variants` lists them.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator

from tinynet import nn
from tinynet.kernels.geometry import Padding
from tinynet.nn import init
from tinynet.nn.layers import split_accumulation
from tinynet.nn.mistakes import KerasPostLRN
from tinynet.tensors import Tensor

KERNELS = (11, 5, 3, 3, 3)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What the networks called AlexNet disagree about. The defaults are the paper's text.

    Attributes
    ----------
    stages : what stands behind each of the five convolutions, in order
    groups : of the convolutions behind conv1, one per GPU of 2012
    sees_all : the convolution, "conv3" in the paper, that has no groups; or "nowhere"
    halves : whether a layer that sees both towers rounds as two GPUs do: it adds up the gradient of
        its input in two halves, and a fully connected one computes half of its units at a time.
        Then every number is that of `towers.TwoTowers`, to the last bit
    head : what stands before the scores
    hidden : units of each of its layers
    k, alpha, lrn_groups : constants of LRN; alpha multiplies the sum of squares
    inverted_dropout : whether the scale of dropout is corrected in training instead of in tests
    weights : the standard deviations of the weights, first layer first; "torch": the uniform
        values of PyTorch's layers, biases too; "glorot": those of Keras
    bias : where the biases of conv2, conv4, conv5 and the hidden layers start, the others at 0
    colour, schedule, biases, update : how it was trained, in words
    """

    about: str
    image: int = 224
    classes: int = 1000
    widths: tuple[int, ...] = (96, 256, 384, 384, 256)
    conv1_padding: Padding = ((0, 3), (0, 3))
    stages: tuple[str, ...] = ("relu lrn pool", "relu lrn pool", "relu", "relu", "relu pool")
    groups: int = 2
    sees_all: str = "conv3"
    halves: bool = False
    head: str = "flatten fc relu dropout fc relu dropout"
    hidden: int = 4096
    k: float = 2.0
    alpha: float = 1e-4
    lrn_groups: int = 2
    inverted_dropout: bool = False
    weights: tuple[float, ...] | str = (0.01,) * 8
    bias: float = 1.0
    colour: str = "adds p * alpha * lambda to every pixel"
    schedule: str = "0.01, divided by 10 when the validation error stalls, three times"
    biases: str = "learn and decay like the weights"
    update: str = "SGD, momentum 0.9, the rate inside the velocity"


PAPER = Settings(about="the paper's text", halves=True)


class AlexNet(nn.Module):
    """The network of section 3.5 of the paper: 60,965,224 parameters for 1000 classes.

    x is (N, 3, 224, 224). conv1 sees three more rows and columns of zeros on the far sides, which
    is how the code of 2012 came from 224 to 55: it rounded the number of windows up.
    """

    def __init__(self, classes: int = 1000, settings: Settings = PAPER) -> None:
        self.settings = settings
        with init.skip_init():  # they are drawn below
            self.features = nn.Sequential(*self._features())
            self.classifier = nn.Sequential(*self._classifier(classes))
        self.initialize()

    def forward(self, x: Tensor) -> Tensor:
        """Return scores (N, classes) for images x (N, 3, side, side), before softmax."""
        return self.classifier(self.features(x))

    def _features(self) -> Iterator[nn.Module]:
        """Yield five convolutions, each with what stands behind it."""
        s, inputs = self.settings, 3
        groups = (1, *(1 if f"conv{i}" == s.sees_all else s.groups for i in range(2, 6)))
        paddings = (s.conv1_padding, 2, 1, 1, 1)
        rows = zip(s.widths, KERNELS, (4, 1, 1, 1, 1), paddings, groups, s.stages, strict=True)
        for width, kernel, stride, padding, group, stage in rows:
            halves = s.halves and group == 1
            conv = nn.Conv2d(inputs, width, kernel, stride, padding, groups=group)
            yield split_accumulation(conv, halves)
            yield from (self._layer(word, width) for word in stage.split())
            inputs = width

    def _classifier(self, classes: int) -> Iterator[nn.Module]:
        """Yield the hidden layers and the scores."""
        inputs = 6 * 6 * self.settings.widths[-1]
        for word in self.settings.head.split():
            if word == "fc":
                units = nn.Linear(inputs, self.settings.hidden)
                yield split_accumulation(units, self.settings.halves)
                inputs = self.settings.hidden
            else:
                yield self._layer(word, inputs)
        yield nn.Linear(inputs, classes)

    def _layer(self, word: str, channels: int) -> nn.Module:
        """Return the layer that a word of `stages` or `head` stands for."""
        s = self.settings
        make: dict[str, Callable[[], nn.Module]] = {
            "relu": nn.ReLU,
            "pool": lambda: nn.MaxPool2d(3, stride=2),
            "lrn": lambda: nn.LocalResponseNorm(k=s.k, alpha=s.alpha, groups=s.lrn_groups),
            "map-norm": nn.SpatialResponseNorm,
            "post-lrn": KerasPostLRN,
            "batch-norm": lambda: nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01),  # Keras's
            "adaptive": lambda: nn.AdaptiveAvgPool2d(6),
            "dropout": lambda: nn.Dropout(0.5, inverted=s.inverted_dropout),
            "flatten": nn.Flatten,
        }
        return make[word]()

    def initialize(self) -> None:
        """Draw the weights and set the biases: section 5 of the paper."""
        found = dict(self.named_parameters())
        names = [n.removesuffix(".weight") for n, p in found.items() if len(p.shape) in (2, 4)]
        one = {1, 3, 4, *range(5, len(names) - 1)}  # conv2, conv4, conv5 and the hidden layers
        for i, name in enumerate(names):
            weight, bias = found[f"{name}.weight"], found[f"{name}.bias"]
            how, fan_in = self.settings.weights, math.prod(weight.shape[1:])
            if isinstance(how, tuple):
                init.set_normal(weight, how[i])
            elif how == "torch":
                init.set_uniform(weight, 1 / math.sqrt(fan_in))
            else:
                fan_out = weight.data.size // weight.shape[1]
                init.set_uniform(weight, math.sqrt(6 / (fan_in + fan_out)))
            if how == "torch":
                init.set_uniform(bias, 1 / math.sqrt(fan_in))
            else:
                init.set_constant(bias, self.settings.bias if i in one else 0.0)
