"""Every network by name, whole: is its backward the derivative of its forward?

Narrow relatives of the same definitions at the smallest images that leave something to compute
(batch normalization over two or three values is nearly a sign), in float64, along one direction of
the images and all parameters at once. Weights start with the deviation of He et al. 2015 and
biases off zero, so that every layer has a say in the output and no dead pixel lies on a kink.
"""

import dataclasses
import math

import numpy as np
import pytest

from support.grouped import TINY, narrow, one_device
from tinynet import functions as F
from tinynet import models, nn
from tinynet.models import alexnet_variants, inception_v4, nin, resnet, vgg, zfnet
from tinynet.models.one_weird_trick import OneWeirdTrick
from tinynet.models.two_towers import LARGE, TwoTowers
from tinynet.testing import check_gradient

CLASSES, IMAGES = 3, 3


def alexnet(variant):
    return lambda: narrow(alexnet_variants.find(variant).build(CLASSES))


def narrow_vgg(layers):
    widths = {"widths": (2, 3, 4, 4, 4), "side": 2, "hidden": 6}
    return lambda: vgg.VGG(CLASSES, convolutions=vgg.CONVOLUTIONS[layers], **widths)


def narrow_resnet(*blocks, **kind):
    return lambda: models.ResNet(CLASSES, blocks=blocks, width=4, **kind)


def named(name):
    return lambda: models.build(name, CLASSES)


def weird_trick(plan, features):
    return lambda: OneWeirdTrick(plan, CLASSES, nn.Sequential(*features(), nn.Flatten()))


THIN_TOWERS = dataclasses.replace(LARGE, widths=(2, 2, 3, 3, 2), hidden=3)
BOTTLENECK = {"block": resnet.Bottleneck}
NETWORKS = {  # what makes it, the side of its images, and how many
    **{f"alexnet, {v}": (alexnet(v), s.image, 1) for v, s in alexnet_variants.VARIANTS.items()},
    "alexnet-two-towers": (lambda: TwoTowers(THIN_TOWERS, CLASSES), 224, 1),
    "alexnet-one-weird-trick": (
        weird_trick(THIN_TOWERS, lambda: alexnet("paper")().features),
        224,
        2,
    ),
    "zfnet": (lambda: zfnet.zfnet(CLASSES, widths=(4, 4, 6, 6, 4), side=2, hidden=6), 93, 2),
    **{f"vgg-{n}": (narrow_vgg(n), 64, 2) for n in vgg.CONVOLUTIONS},
    "googlenet": (named("googlenet"), 48, 1),
    "googlenet-torchvision": (named("googlenet-torchvision"), 64, 2),
    "resnet-18": (narrow_resnet(2, 2, 2, 2), 64, IMAGES),
    "resnet-34": (narrow_resnet(3, 4, 6, 3), 64, IMAGES),
    "resnet-50": (narrow_resnet(3, 4, 6, 3, **BOTTLENECK), 64, IMAGES),
    "se-resnet-50": (narrow_resnet(3, 4, 6, 3, **BOTTLENECK, squeeze=True), 64, IMAGES),
    "densenet-121": (lambda: models.DenseNet(CLASSES, growth=2, stem=4), 64, IMAGES),
    "densenet-bc-100": (
        lambda: models.DenseNet(CLASSES, blocks=(16, 16, 16), growth=2, stem=4, small=True),
        8,
        IMAGES,
    ),
    "inception-v4": (lambda: inception_v4.inception_v4(CLASSES, shrink=16), 107, IMAGES),
    "cifar-quick": (named("cifar-quick"), 32, 1),
    "cifar-18pct": (named("cifar-18pct"), 32, 1),
    "cifar-18pct-lrn": (named("cifar-18pct-lrn"), 32, 1),
    "cifar-13pct": (named("cifar-13pct"), 24, 1),
    "cifar-11pct": (named("cifar-11pct"), 24, 1),
    "nin": (lambda: nin.nin(CLASSES, first=(4, 4, 3), second=(4, 4, 4)), 12, IMAGES),
    "resnet-20": (lambda: resnet.cifar_resnet(20, CLASSES, width=2), 8, IMAGES),
    "resnet-56": (lambda: resnet.cifar_resnet(56, CLASSES, width=2), 8, IMAGES),
    "small-alexnet": (named("small-alexnet"), 32, 1),
    "small-alexnet-two-towers": (lambda: TwoTowers(TINY, CLASSES), TINY.image, 2),
    "small-alexnet-one-weird-trick": (
        weird_trick(TINY, lambda: list(one_device(CLASSES))[:15]),
        TINY.image,
        2,
    ),
    "small-zfnet": (named("small-zfnet"), 32, 1),
    "small-vgg": (named("small-vgg"), 16, 1),
    "small-googlenet": (named("small-googlenet"), 12, 2),
    "small-googlenet-head": (named("small-googlenet-head"), 28, 2),
    "small-nin": (named("small-nin"), 12, IMAGES),
    "small-resnet": (named("small-resnet"), 8, IMAGES),
    "small-densenet": (named("small-densenet"), 8, IMAGES),
    "small-inception-v4": (named("small-inception-v4"), 28, IMAGES),
    "small-se-resnet": (named("small-se-resnet"), 8, IMAGES),
    "demo": (named("demo"), 32, 1),
}
QUICK = {
    "alexnet, paper",
    "zfnet",
    "vgg-11",
    "vgg-13",
    "vgg-16",
    "vgg-19",
    "resnet-18",
    "resnet-20",
    "resnet-56",
    "densenet-bc-100",
    "nin",
    "small-alexnet-two-towers",
    "small-vgg",
    "small-alexnet-one-weird-trick",
    "small-googlenet",
    "small-nin",
    "small-resnet",
    "small-densenet",
    "small-inception-v4",
    "small-se-resnet",
}


class Scores(nn.Module):
    """All that a network says: its scores, and in training those of its heads, side by side."""

    def __init__(self, net):
        self.net = net

    def forward(self, x):
        y = self.net(x)
        return F.concatenate(list(y), axis=1) if isinstance(y, tuple) else y


def lively(net, rng):
    """Give every layer a say: weights of deviation sqrt(2 / fan_in), biases around zero."""
    for p in net.parameters():
        if p.data.ndim > 1:
            places = 2 if p.data.ndim == 6 else 0  # filters of their own for every place
            fan_in = math.prod(p.shape[1 + places :])
            p.data[...] = rng.standard_normal(p.shape) * math.sqrt(2 / fan_in)
        else:
            p.data += rng.uniform(-0.3, 0.3, p.shape).astype("f")
    return net


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[] if n in QUICK else [pytest.mark.slow]) for n in NETWORKS]
)
def test_a_network_sends_the_slope_of_its_scores_to_its_images_and_all_its_parameters(name):
    make, side, images = NETWORKS[name]
    rng = np.random.default_rng(0)
    with nn.init.skip_init():
        net = make()
    x = rng.standard_normal((images, 3, side, side))
    check_gradient(Scores(lively(net, rng)), x, together=True)


def test_no_network_is_left_out():
    variants = {f"alexnet, {variant}" for variant in models.variants()}
    assert set(NETWORKS) == set(models.names()) - {"alexnet"} | variants
