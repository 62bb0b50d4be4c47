"""Whole networks by name: ``tn.models.build("alexnet", classes=1000)``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from tinynet import nn
from tinynet.core import random
from tinynet.models import (
    alexnet_variants,
    cuda_convnet,
    densenet,
    googlenet,
    inception_v4,
    nin,
    one_weird_trick,
    resnet,
    small,
    two_towers,
    vgg,
    zfnet,
)
from tinynet.models.alexnet import AlexNet
from tinynet.models.densenet import DenseNet
from tinynet.models.googlenet import GoogLeNet
from tinynet.models.resnet import Bottleneck, ResNet
from tinynet.models.small import demo


class Entry(NamedTuple):
    """A network: what makes it, and the images and classes that it was published for."""

    make: Callable[..., nn.Module]  # (classes) -> network
    side: int = 224
    classes: int = 1000


_small = partial(Entry, side=32, classes=10)
_bottlenecks = partial(ResNet, block=Bottleneck, blocks=(3, 4, 6, 3))

MODELS: dict[str, Entry] = {
    "alexnet": Entry(AlexNet),
    "alexnet-two-towers": Entry(two_towers.alexnet_two_towers),
    "alexnet-one-weird-trick": Entry(one_weird_trick.alexnet_one_weird_trick),
    "zfnet": Entry(zfnet.zfnet),
    **{f"vgg-{layers}": Entry(partial(vgg.vgg, layers)) for layers in vgg.CONVOLUTIONS},
    "googlenet": Entry(GoogLeNet),
    "googlenet-torchvision": Entry(partial(GoogLeNet, torchvision=True)),
    "resnet-18": Entry(ResNet),
    "resnet-34": Entry(partial(ResNet, blocks=(3, 4, 6, 3))),
    "resnet-50": Entry(_bottlenecks),
    "densenet-121": Entry(DenseNet),
    "inception-v4": Entry(inception_v4.inception_v4, side=299),
    "se-resnet-50": Entry(partial(_bottlenecks, squeeze=True)),
    "cifar-quick": _small(cuda_convnet.cifar_quick),
    "cifar-18pct": _small(cuda_convnet.cifar_18pct),
    "cifar-18pct-lrn": _small(partial(cuda_convnet.cifar_18pct, across_maps=True)),
    "cifar-13pct": _small(cuda_convnet.cifar_13pct, side=24),
    "cifar-11pct": _small(cuda_convnet.cifar_11pct, side=24),
    "nin": _small(nin.nin),
    "resnet-20": _small(partial(resnet.cifar_resnet, 20)),
    "resnet-56": _small(partial(resnet.cifar_resnet, 56)),
    "densenet-bc-100": _small(densenet.densenet_bc_100),
    "small-alexnet": _small(small.small_alexnet),
    "small-alexnet-two-towers": _small(two_towers.small_alexnet_two_towers),
    "small-alexnet-one-weird-trick": _small(one_weird_trick.small_alexnet_one_weird_trick),
    "small-zfnet": _small(zfnet.small_zfnet),
    "small-vgg": _small(vgg.small_vgg),
    "small-googlenet": _small(googlenet.small_googlenet),
    "small-googlenet-head": _small(googlenet.small_googlenet_with_head),
    "small-nin": _small(nin.small_nin),
    "small-resnet": _small(partial(resnet.cifar_resnet, 8)),
    "small-densenet": _small(densenet.small_densenet),
    "small-inception-v4": _small(inception_v4.small_inception_v4),
    "small-se-resnet": _small(partial(resnet.cifar_resnet, 8, squeeze=True)),
    "demo": _small(demo),
}

TOWERS = "-two-towers"  # how their names end
ON_DEVICES = (TOWERS, "-one-weird-trick")  # and those of all that live on two devices

INPUT_SHAPES: dict[str, tuple[int, int, int]] = {
    name: (3, entry.side, entry.side) for name, entry in MODELS.items()
}
"""(C, H, W) of the images that each network is made for."""

__all__ = [
    "INPUT_SHAPES",
    "MODELS",
    "AlexNet",
    "DenseNet",
    "GoogLeNet",
    "ResNet",
    "build",
    "demo",
    "entry",
    "names",
    "variants",
]


def names() -> list[str]:
    """Return the names that `build` knows."""
    return list(MODELS)


def variants() -> list[str]:
    """Return the variants of "alexnet"."""
    return list(alexnet_variants.VARIANTS)


def entry(name: str, variant: str | None = None) -> Entry:
    """Return the network of this name.

    "alexnet" has variants; those of two towers say where the convolutions exchange their maps.
    """
    if name not in MODELS:
        raise ValueError(f"models.build: there is no model {name!r}. Known: {', '.join(MODELS)}.")
    found = MODELS[name]
    if variant is None:
        return found
    if name == "alexnet":
        settings = alexnet_variants.find(variant)
        return Entry(partial(AlexNet, settings=settings), settings.image, settings.classes)
    if not name.endswith(TOWERS):
        raise ValueError(
            f'models.build: "alexnet" and those of two towers have variants, {name!r} has none.'
        )
    two_towers.check_exchange(variant)
    return found._replace(make=partial(found.make, exchange_at=variant))


def build(
    name: str,
    classes: int | None = None,
    seed: int = 0,
    variant: str | None = None,
    devices: Sequence[str] | None = None,
) -> nn.Module:
    """Return a new network; the same name, classes and seed give the same weights.

    The global random streams are left as they were; inside `nn.init.skip_init()` nothing
    is drawn at all.

    Parameters
    ----------
    classes : how many; None means 10 for a network on one device, and for a network on two
        devices the number that it was published for: 1000, and 10 if it is small
    variant : one of `variants()`, of "alexnet"; "conv3", "conv4" or "nowhere", of two towers
    devices : of a network on two devices, ("cpu", "cpu:1") if nothing is said
    """
    found = entry(name, variant)
    if devices is not None and not name.endswith(ON_DEVICES):
        raise ValueError(f"models.build: {name!r} has no two towers. {name}.to(device) moves it.")
    where = {} if devices is None else {"devices": devices}
    if classes is None:
        classes = found.classes if name.endswith(ON_DEVICES) else 10
    if classes < 1:
        raise ValueError(f"models.build: a network tells at least 1 class. Got classes={classes}.")
    with random.fork(seed):
        return found.make(classes, **where)
