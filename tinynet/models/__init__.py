"""Networks by name: ``tn.models.build("alexnet", classes=1000)``."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple, Never

from tinynet import nn
from tinynet.core import random
from tinynet.core.backend import Device
from tinynet.models import (
    alexnet,
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
from tinynet.models.alexnet_variants import VARIANTS
from tinynet.models.cross_layers import CROSS_LAYERS
from tinynet.models.densenet import DenseNet
from tinynet.models.googlenet import GoogLeNet
from tinynet.models.resnet import Bottleneck, ResNet
from tinynet.models.small import demo
from tinynet.words import sentence


class Entry(NamedTuple):
    """A network in the registry.

    Parameters
    ----------
    make : function from the number of classes to the network
    side : of the images for which it was published, in pixels
    classes : number of classes for which it was published
    variants : names of its variants
    on_two_devices : whether `make` takes ``devices=``
    cross_layers : names that `make` takes as ``cross_at=``: two towers
    one_device : name of the same network on one device
    """

    make: Callable[..., nn.Module]
    side: int = 224
    classes: int = 1000
    variants: tuple[str, ...] = ()
    on_two_devices: bool = False
    cross_layers: tuple[str, ...] = ()
    one_device: str = ""


_small = partial(Entry, side=32, classes=10)
_bottlenecks = partial(ResNet, block=Bottleneck, blocks=(3, 4, 6, 3))

MODELS: dict[str, Entry] = {
    "alexnet": Entry(AlexNet, variants=tuple(VARIANTS)),
    "alexnet-two-towers": Entry(
        two_towers.alexnet_two_towers,
        on_two_devices=True,
        cross_layers=tuple(CROSS_LAYERS),
        one_device="alexnet",
    ),
    "alexnet-one-weird-trick": Entry(
        one_weird_trick.alexnet_one_weird_trick, on_two_devices=True, one_device="alexnet"
    ),
    "zfnet": Entry(zfnet.zfnet),
    "vgg-11": Entry(partial(vgg.vgg, 11)),
    "vgg-13": Entry(partial(vgg.vgg, 13)),
    "vgg-16": Entry(partial(vgg.vgg, 16)),
    "vgg-19": Entry(partial(vgg.vgg, 19)),
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
    "small-alexnet-two-towers": _small(
        two_towers.small_alexnet_two_towers,
        on_two_devices=True,
        cross_layers=tuple(CROSS_LAYERS),
        one_device="small-alexnet",
    ),
    "small-alexnet-one-weird-trick": _small(
        one_weird_trick.small_alexnet_one_weird_trick,
        on_two_devices=True,
        one_device="small-alexnet",
    ),
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

INPUT_SHAPES: dict[str, tuple[int, int, int]] = {
    name: (3, entry.side, entry.side) for name, entry in MODELS.items()
}
"""Image shape (C, H, W) for which each network was published."""

TORCHVISION_ARGUMENTS = {
    "num_classes": "The number of classes is called classes.",
    "pretrained": "Build the network, then load a file of weights into it: tn.load(model, path).",
    "weights": "Build the network, then load a file of weights into it: tn.load(model, path).",
}
"""Arguments of torchvision's models, and what takes their place."""

__all__ = [
    "CROSS_LAYERS",
    "INPUT_SHAPES",
    "MODELS",
    "AlexNet",
    "DenseNet",
    "Entry",
    "GoogLeNet",
    "ResNet",
    "build",
    "demo",
    "entry",
    "names",
    "two_tower_form",
    "variants",
]


def names() -> list[str]:
    """Return the names that `build` takes.

    Examples
    --------
    >>> import tinynet as tn
    >>> tn.models.names()[:3]
    ['alexnet', 'alexnet-two-towers', 'alexnet-one-weird-trick']
    """
    return list(MODELS)


def variants() -> list[str]:
    """Return the variants of "alexnet".

    Examples
    --------
    >>> import tinynet as tn
    >>> tn.models.variants()[:3]
    ['paper', 'code2012', 'caffe']
    """
    return list(VARIANTS)


def two_tower_form(name: str) -> str | None:
    """Return the name of the two-tower form of a network, or None if there is none.

    Examples
    --------
    >>> import tinynet as tn
    >>> tn.models.two_tower_form("alexnet")
    'alexnet-two-towers'
    """
    for candidate, found in MODELS.items():
        if found.cross_layers and found.one_device == name:
            return candidate
    return None


def entry(name: str, variant: str | None = None) -> Entry:
    """Return the registry's entry of a network.

    Parameters
    ----------
    name : one of `names()`
    variant : one of `variants()`, for "alexnet" only

    Raises
    ------
    ValueError : if there is no such network or variant

    Examples
    --------
    >>> import tinynet as tn
    >>> caffe = tn.models.entry("alexnet", "caffe")
    >>> caffe.side, caffe.classes
    (227, 1000)
    """
    if name not in MODELS:
        said = "models.build: there is no model {name!r}. Known: {known}.{hint}"
        raise ValueError(sentence(said, name=name, known=", ".join(MODELS), hint=_hint(name)))
    found = MODELS[name]
    if variant is None:
        return found
    if not found.variants:
        way_out = f" Use cross_at={variant!r}." if variant in found.cross_layers else ""
        raise ValueError(
            f'models.build: only "alexnet" has variants, {name!r} has none. Got '
            f"variant={variant!r}.{way_out}"
        )
    chosen = alexnet_variants.find(variant)
    return found._replace(make=chosen.build, side=chosen.image, classes=chosen.classes)


def build(
    name: str,
    classes: int | None = None,
    seed: int = 0,
    variant: str | None = None,
    devices: Sequence[str | Device] | None = None,
    cross_at: str | None = None,
    **unknown: Any,
) -> nn.Module:
    """Return a new network; the same arguments give the same weights.

    The global random streams stay as they are. Inside `nn.init.skip_init()` all weights are zeros.

    Parameters
    ----------
    name : one of `names()`
    classes : number of scores; by default the number for which the network was published, 1000 for
        ImageNet and 10 for CIFAR-10
    seed : decides the initial weights
    variant : one of `variants()`, for "alexnet" only
    devices : for networks on two devices, e.g. ("cuda:0", "cuda:1"); by default ("cpu", "cpu:1")
    cross_at : for two towers, the convolution that sees all maps: "conv3" (default), "conv4" or
        "nowhere"

    Returns
    -------
    Module : images (N, 3, side, side) to scores (N, classes), before softmax

    Raises
    ------
    ValueError : for an unknown name, and for arguments that the network does not have
    TypeError : for other arguments, such as torchvision's ``num_classes``

    Examples
    --------
    >>> import tinynet as tn
    >>> model = tn.models.build("demo", classes=3)
    >>> model(tn.zeros(2, 3, 32, 32)).shape
    (2, 3)
    """
    if unknown:
        argument = next(iter(unknown))
        way_out = TORCHVISION_ARGUMENTS.get(argument, "See help(tn.models.build).")
        raise TypeError(f"models.build: there is no argument {argument!r}. {way_out}")
    found = entry(name, variant)
    classes = found.classes if classes is None else classes
    if classes < 1:
        raise ValueError(f"models.build: classes must be at least 1, got classes={classes}.")
    with random.fork(seed):
        return found.make(classes, **_placement(name, found, devices, cross_at))


def _placement(
    name: str, found: Entry, devices: Sequence[str | Device] | None, cross_at: str | None
) -> dict[str, Any]:
    """Return the arguments of `Entry.make` that only networks on two devices have."""
    placement: dict[str, Any] = {}
    if devices is not None:
        if not found.on_two_devices:
            raise ValueError(
                f"models.build: {name!r} lives on one device, so it has no devices=. Move it with "
                "model.to(device)."
            )
        placement["devices"] = devices
    if cross_at is not None:
        if not found.cross_layers:
            raise ValueError(f"models.build: {name!r} has no two towers, so it has no cross_at=.")
        placement["cross_at"] = cross_at
    return placement


def _hint(name: str) -> str:
    """Return a question that proposes a known name, or nothing."""
    near = _nearest(name)
    return sentence(" Did you mean {name!r}?", name=near) if near else ""


def _nearest(name: str) -> str:
    """Return the known name that is most like this one, "resnet-18" for "ResNet18", or ""."""
    plain = {known.replace("-", ""): known for known in MODELS}
    wanted = "".join(letter for letter in str(name).lower() if letter.isalnum())
    close = difflib.get_close_matches(wanted, plain, 1)
    return plain[close[0]] if close else ""


# ---- torchvision's way, tn.models.alexnet() or tn.models.resnet18(), is answered with ours


class _Called(ModuleType):
    """A file of networks that says, when it is called, how one of them is built."""

    def __call__(self, *_: Any, **__: Any) -> Never:
        family = self.__name__.rpartition(".")[2]
        known = [name for name in MODELS if name.startswith(family)]
        ways = " or ".join(f"tn.models.build({name!r})" for name in known[:2])
        raise TypeError(f"{self.__name__} is a file of networks. Write {ways}.")


for _file in (alexnet, densenet, googlenet, nin, resnet, vgg, zfnet):
    _file.__class__ = _Called


if not TYPE_CHECKING:  # a type checker knows the names

    def __getattr__(name: str) -> Any:
        """Say how the network of this name is built."""
        near = _nearest(name)
        way_out = f"write tn.models.build({near!r})" if near else "tn.models.names() has them"
        raise AttributeError(
            f"module {__name__!r} has no attribute {name!r}. Networks are built by name: {way_out}."
        )
