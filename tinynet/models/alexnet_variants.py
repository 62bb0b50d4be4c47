"""Ten networks called AlexNet: the layers, initial weights and published training of each.

The five stages of each network stand one below the other, so that their order can be compared.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from tinynet import nn
from tinynet.kernels.geometry import Padding
from tinynet.models.alexnet import INITIAL_WEIGHTS, AlexNet
from tinynet.models.initial_weights import GlorotUniform, InitialWeights, Normal, PyTorchUniform
from tinynet.models.published_training import (
    Adam,
    Biases,
    ByHand,
    ColorNoise,
    ColorScale,
    Constant,
    InverseTimeDecay,
    MomentumSGD,
    Steps,
    Training,
)
from tinynet.models.split_accumulation import split_where_towers_meet
from tinynet.nn import init
from tinynet.nn.mistakes import KerasPostLRN

Widths = tuple[int, int, int, int, int]
Stage = list[nn.Module]

PAPER_WIDTHS: Widths = (96, 256, 384, 384, 256)
PAPER_PADDING = ((0, 3), (0, 3))  # of conv1; see `AlexNet`
ALPHA_PER_CHANNEL = 1e-4 / 5  # where alpha is divided by the 5 channels of a window


class AlexNetVariant(AlexNet):
    """A relative of AlexNet, made of five stages and a classifier.

    Parameters
    ----------
    stages : each begins with a convolution
    classifier : the layers behind them
    """

    def __init__(self, stages: Sequence[Stage], classifier: Sequence[nn.Module]) -> None:
        self.features = nn.Sequential(*[layer for stage in stages for layer in stage])
        self.classifier = nn.Sequential(*classifier)


# ---- parts that several networks share


def convolutions(
    groups: int, conv1_padding: int | Padding = PAPER_PADDING, widths: Widths = PAPER_WIDTHS
) -> list[nn.Conv2d]:
    """Return conv1 to conv5; `groups` is that of conv2, conv4 and conv5."""
    c1, c2, c3, c4, c5 = widths
    return [
        nn.Conv2d(3, c1, 11, stride=4, padding=conv1_padding),
        nn.Conv2d(c1, c2, 5, padding=2, groups=groups),
        nn.Conv2d(c2, c3, 3, padding=1),
        nn.Conv2d(c3, c4, 3, padding=1, groups=groups),
        nn.Conv2d(c4, c5, 3, padding=1, groups=groups),
    ]


def pool() -> nn.MaxPool2d:
    """Return the pooling of every AlexNet: 3x3 windows, 2 pixels apart."""
    return nn.MaxPool2d(3, stride=2)


def classifier(classes: int, *, inverted_dropout: bool) -> list[nn.Module]:
    """Return fc6, fc7 and fc8 with dropout: maps (N, 256, 6, 6) to scores (N, classes)."""
    return [
        nn.Flatten(),
        nn.Linear(256 * 6 * 6, 4096),
        nn.ReLU(),
        nn.Dropout(0.5, inverted=inverted_dropout),
        nn.Linear(4096, 4096),
        nn.ReLU(),
        nn.Dropout(0.5, inverted=inverted_dropout),
        nn.Linear(4096, classes),
    ]


# ---- the networks


def code2012(classes: int) -> AlexNet:
    """Return the network of the layer file that computed the paper's tables."""

    def lrn() -> nn.Module:
        return nn.LocalResponseNorm(k=2.0, alpha=ALPHA_PER_CHANNEL, groups=2)

    conv1, conv2, conv3, conv4, conv5 = convolutions(groups=2)
    model = AlexNetVariant(
        [
            [conv1, lrn(), pool(), nn.ReLU()],
            [conv2, nn.ReLU(), lrn(), nn.SpatialResponseNorm(), pool()],
            [conv3, nn.ReLU()],
            [conv4, nn.ReLU()],
            [conv5, pool(), nn.ReLU()],
        ],
        classifier(classes, inverted_dropout=False),
    )
    split_where_towers_meet(model)
    return model


def caffe_lrn() -> nn.Module:
    """Return Caffe's LRN: k is 1, and the windows run over all channels."""
    return nn.LocalResponseNorm(k=1.0, alpha=ALPHA_PER_CHANNEL)


def caffe(classes: int) -> AlexNet:
    """Return Caffe's bvlc_alexnet, for images (N, 3, 227, 227)."""
    conv1, conv2, conv3, conv4, conv5 = convolutions(groups=2, conv1_padding=0)
    return AlexNetVariant(
        [
            [conv1, nn.ReLU(), caffe_lrn(), pool()],
            [conv2, nn.ReLU(), caffe_lrn(), pool()],
            [conv3, nn.ReLU()],
            [conv4, nn.ReLU()],
            [conv5, nn.ReLU(), pool()],
        ],
        classifier(classes, inverted_dropout=True),
    )


def caffenet(classes: int) -> AlexNet:
    """Return Caffe's reference net: it pools before it normalizes."""
    conv1, conv2, conv3, conv4, conv5 = convolutions(groups=2, conv1_padding=0)
    return AlexNetVariant(
        [
            [conv1, nn.ReLU(), pool(), caffe_lrn()],
            [conv2, nn.ReLU(), pool(), caffe_lrn()],
            [conv3, nn.ReLU()],
            [conv4, nn.ReLU()],
            [conv5, nn.ReLU(), pool()],
        ],
        classifier(classes, inverted_dropout=True),
    )


def torchvision(classes: int) -> AlexNet:
    """Return torchvision's alexnet: the widths of Krizhevsky 2014, and no normalization."""
    conv1, conv2, conv3, conv4, conv5 = convolutions(
        groups=1, conv1_padding=2, widths=(64, 192, 384, 256, 256)
    )
    return AlexNetVariant(
        [
            [conv1, nn.ReLU(), pool()],
            [conv2, nn.ReLU(), pool()],
            [conv3, nn.ReLU()],
            [conv4, nn.ReLU()],
            [conv5, nn.ReLU(), pool(), nn.AdaptiveAvgPool2d(6), nn.Flatten()],
        ],
        [
            nn.Dropout(0.5),
            nn.Linear(256 * 6 * 6, 4096),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(4096, 4096),
            nn.ReLU(),
            nn.Linear(4096, classes),
        ],
    )


def one_tower(classes: int, widths: Widths = PAPER_WIDTHS) -> AlexNet:
    """Return the paper's network without groups."""
    conv1, conv2, conv3, conv4, conv5 = convolutions(groups=1, widths=widths)
    return AlexNetVariant(
        [
            [conv1, nn.ReLU(), nn.LocalResponseNorm(), pool()],
            [conv2, nn.ReLU(), nn.LocalResponseNorm(), pool()],
            [conv3, nn.ReLU()],
            [conv4, nn.ReLU()],
            [conv5, nn.ReLU(), pool()],
        ],
        classifier(classes, inverted_dropout=False),
    )


def half(classes: int) -> AlexNet:
    """Return the net of one GPU: half of the maps, but for conv5 (section 3.2)."""
    return one_tower(classes, widths=(48, 128, 192, 192, 256))


def keras_same(classes: int) -> AlexNet:
    """Return the network of a Keras post: its LRN is wrong, and conv1 is not pooled."""
    conv1, conv2, conv3, conv4, conv5 = convolutions(groups=1, conv1_padding=((3, 4), (3, 4)))
    return AlexNetVariant(
        [
            [conv1],
            [conv2, nn.ReLU(), KerasPostLRN(), pool()],
            [conv3, nn.ReLU(), KerasPostLRN(), pool()],
            [conv4, nn.ReLU()],
            [conv5, nn.ReLU(), pool()],
        ],
        classifier(classes, inverted_dropout=True),
    )


def batchnorm_227(classes: int) -> AlexNet:
    """Return the network of a Keras post: batch normalization in place of LRN."""

    def batch_norm(channels: int) -> nn.Module:
        return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)  # Keras's

    conv1, conv2, conv3, conv4, conv5 = convolutions(groups=1, conv1_padding=0)
    return AlexNetVariant(
        [
            [conv1, nn.ReLU(), batch_norm(96), pool()],
            [conv2, nn.ReLU(), batch_norm(256), pool()],
            [conv3, nn.ReLU()],
            [conv4, nn.ReLU()],
            [conv5, nn.ReLU(), batch_norm(256), pool()],
        ],
        classifier(classes, inverted_dropout=True),
    )


def pool_first(classes: int) -> AlexNet:
    """Return the network of a post's table: pooling before LRN, and one hidden layer."""
    conv1, conv2, conv3, conv4, conv5 = convolutions(groups=2)
    return AlexNetVariant(
        [
            [conv1, nn.ReLU(), pool(), nn.LocalResponseNorm(groups=2)],
            [conv2, nn.ReLU(), pool(), nn.LocalResponseNorm(groups=2)],
            [conv3, nn.ReLU()],
            [conv4, nn.ReLU()],
            [conv5, nn.ReLU(), pool()],
        ],
        [
            nn.Flatten(),
            nn.Linear(256 * 6 * 6, 4096),
            nn.ReLU(),
            nn.Dropout(0.5, inverted=False),
            nn.Linear(4096, classes),
        ],
    )


# ---- the table

PAPER_TRAINING = Training()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Variant:
    """A network called AlexNet.

    Parameters
    ----------
    about : its source
    layers : function from the number of classes to the network
    initial : initial weights
    training : settings with which it was trained
    image : side of its images, in pixels
    classes : number of classes for which it was published
    """

    about: str
    layers: Callable[[int], AlexNet]
    initial: InitialWeights = INITIAL_WEIGHTS
    training: Training = PAPER_TRAINING
    image: int = 224
    classes: int = 1000

    def build(self, classes: int) -> AlexNet:
        """Return the network with its initial weights."""
        with init.skip_init():  # drawn once, below
            model = self.layers(classes)
        self.initial.draw(model)
        return model


CAFFE_TRAINING = Training(
    color_noise=None,
    schedule=Steps(lr=0.01, divisor=10, every=100_000),
    biases=Biases(lr_scale=2, decay=False),
)
CAFFE_STDS = (0.01, 0.01, 0.01, 0.01, 0.01, 0.005, 0.005, 0.01)

VARIANTS = {
    "paper": Variant(about="the paper's text", layers=AlexNet),
    "code2012": Variant(
        about="the layer file that computed the paper's tables, published in 2025",
        layers=code2012,
        initial=Normal(stds=(0.01, 0.01, 0.03, 0.03, 0.03, 0.01, 0.01, 0.01), bias=1.0),
        training=Training(
            color_noise=ColorNoise(ColorScale.STANDARD_DEVIATION, divisor=1.1, last_epoch=67),
            schedule=ByHand(rates=(0.01, 0.001, 0.0001, 0.00001), conv1_frozen=72),
            biases=Biases(lr=0.02, decay=False),
        ),
    ),
    "caffe": Variant(
        about="Caffe's bvlc_alexnet",
        layers=caffe,
        initial=Normal(stds=CAFFE_STDS, bias=0.1),
        training=CAFFE_TRAINING,
        image=227,
    ),
    "caffenet": Variant(
        about="Caffe's reference net: pooling before normalization",
        layers=caffenet,
        initial=Normal(stds=CAFFE_STDS, bias=1.0),
        training=CAFFE_TRAINING,
        image=227,
    ),
    "torchvision": Variant(
        about="torchvision's alexnet, the tower of One Weird Trick (2014)",
        layers=torchvision,
        initial=PyTorchUniform(),
        training=Training(
            color_noise=None,
            schedule=Steps(lr=0.01, divisor=10),
            optimizer=MomentumSGD(rate_in_velocity=False),
        ),
    ),
    "one-tower": Variant(about="the paper's widths without the two GPUs", layers=one_tower),
    "keras-same": Variant(
        about="a Keras post: padding 'same', no pool after conv1, its own (wrong) LRN",
        layers=keras_same,
        initial=GlorotUniform(),
        training=Training(
            color_noise=None,
            schedule=InverseTimeDecay(lr=0.01, decay=5e-5),
            weight_decay=False,
        ),
    ),
    "batchnorm-227": Variant(
        about="a Keras post for CIFAR-10 enlarged to 227: batch normalization",
        layers=batchnorm_227,
        initial=GlorotUniform(),
        training=Training(
            color_noise=None,
            schedule=Constant(0.0001),
            weight_decay=False,
            optimizer=Adam(),
        ),
        image=227,
        classes=10,
    ),
    "pool-first": Variant(
        about="a post's table: pooling before normalization, one hidden layer",
        layers=pool_first,
        initial=Normal(stds=(0.01,) * 7, bias=1.0),
    ),
    "half": Variant(about="the net of one GPU that the paper compares with", layers=half),
}


def find(name: str) -> Variant:
    """Return the variant of this name.

    Raises
    ------
    ValueError : if there is none
    """
    if name not in VARIANTS:
        raise ValueError(f"alexnet: no variant {name!r}. Known: {', '.join(VARIANTS)}.")
    return VARIANTS[name]
