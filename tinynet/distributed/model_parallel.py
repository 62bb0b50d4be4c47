"""Model parallelism: one network on several devices, as operations on lists of tensors.

In a list ``[a, b]`` each tensor is on its own device: the maps of tower a and those of tower b. The
operations are made of slices, `.to` and `concatenate`, which define their gradients:

    operation                         from                 to                   gradient
    scatter_channels(x, devices)      (N, C, H, W)         [(N, C/G, H, W)]     gather_channels
    gather_channels(xs, device)       [(N, C/G, H, W)]     (N, C, H, W)         scatter_channels
    all_gather_channels(xs)           [(N, C/G, H, W)]     [(N, C, H, W)]       slices, summed over
                                                                                the towers
    dropout(xs, layer)                [(N, C/G)]           [(N, C/G)]           the same mask

They split and join axis 1; the axes behind it are optional. One Python thread drives all devices:
GPUs run what was launched while the next one gets its work.

Where devices divide the images instead, `scatter_images` splits axis 0, `all_gather_images` joins
it again, and `replica` copies the weights.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

from tinynet import functions as F
from tinynet.core import random
from tinynet.core.backend import Device
from tinynet.core.errors import ShapeError
from tinynet.functions.dropout import Dropout as Mask
from tinynet.functions.transfer import Crossing, crossings, into
from tinynet.nn import Dropout, Module, Parameter
from tinynet.tensors import Tensor

__all__ = [
    "Crossing",
    "all_gather_channels",
    "all_gather_images",
    "crossings",
    "dropout",
    "gather_channels",
    "into",
    "replica",
    "scatter_channels",
    "scatter_images",
]


def scatter_channels(x: Tensor, devices: Sequence[str | Device]) -> list[Tensor]:
    """Return equal parts of the channels, (N, C/G, ...), one on each of G devices.

    Parameters
    ----------
    x : (N, C, ...)
    devices : G of them, where G divides C

    Raises
    ------
    ShapeError : if x has no channels, or G does not divide C

    Examples
    --------
    >>> import tinynet as tn
    >>> from tinynet.distributed.model_parallel import scatter_channels
    >>> [part.shape for part in scatter_channels(tn.zeros(2, 6), ["cpu", "cpu:1"])]
    [(2, 3), (2, 3)]
    """
    G = len(devices)
    C = x.shape[1] if len(x.shape) > 1 else 0
    if not G or not C or C % G:
        raise ShapeError(
            f"scatter_channels: x must be (N, C, ...), C a multiple of the {G} devices; x is "
            f"{x.shape}."
        )
    part = C // G
    return [x[:, i * part : (i + 1) * part].to(device) for i, device in enumerate(devices)]


def gather_channels(xs: Sequence[Tensor], device: str | Device) -> Tensor:
    """Return all channels, (N, C, ...), on one device.

    Parameters
    ----------
    xs : parts (N, C/G, ...), in the order of the channels
    device : of the result

    Raises
    ------
    ShapeError : if the parts differ in more than their channels

    Examples
    --------
    >>> import tinynet as tn
    >>> from tinynet.distributed.model_parallel import gather_channels
    >>> gather_channels([tn.zeros(2, 3), tn.ones(2, 3, device="cpu:1")], "cpu").shape
    (2, 6)
    """
    _check("gather_channels", xs)
    return F.concatenate([x.to(device) for x in xs], axis=1)


def all_gather_channels(xs: Sequence[Tensor]) -> list[Tensor]:
    """Return all channels, (N, C, ...), on every device: each tower sees all maps."""
    _check("all_gather_channels", xs)
    return [gather_channels(xs, x.device) for x in xs]


def dropout(xs: Sequence[Tensor], layer: Dropout) -> list[Tensor]:
    """Return the parts after dropout with one mask, as if all units were on one device.

    Each tower draws the mask of all C units and takes its own columns.

    Parameters
    ----------
    xs : parts (N, C/G), in the order of the units
    layer : gives the probability, the kind of scaling, and whether it is training

    Raises
    ------
    ShapeError : if the parts differ in more than their units
    """
    _check("dropout", xs)
    C = sum(x.shape[1] for x in xs)
    key = random.next_draw(C) if layer.training else None
    found = []
    begin = 0
    for x in xs:
        end = begin + x.shape[1]
        if key is not None:
            wide = F.pad(x, [(0, 0), (begin, C - end)])
            x = Mask(layer.p, key)(wide)[:, begin:end]
        found.append(x if layer.inverted else x * (1 - layer.p))
        begin = end
    return found


def scatter_images(x: Tensor, devices: Sequence[str | Device]) -> list[Tensor]:
    """Return parts of the images (N, ...), one on each device, whose sizes differ by 1 at most.

    Examples
    --------
    >>> import tinynet as tn
    >>> from tinynet.distributed.model_parallel import scatter_images
    >>> [part.shape for part in scatter_images(tn.zeros(5, 3), ["cpu", "cpu:1"])]
    [(2, 3), (3, 3)]
    """
    G = len(devices)
    N = x.shape[0]
    ends = [i * N // G for i in range(G + 1)]
    parts = zip(ends, ends[1:], devices, strict=False)
    return [x[begin:end].to(device) for begin, end, device in parts]


def all_gather_images(xs: Sequence[Tensor]) -> list[Tensor]:
    """Return all images, (N, ...), on every device."""
    return [F.concatenate([x.to(own.device) for x in xs], axis=0) for own in xs]


def replica(module: Module, device: str | Device) -> Module:
    """Return a module that computes on `device` with copies of the weights.

    The copies are ops: their gradients travel back and are added to those of the weights. It is the
    module itself if all weights are on that device.

    Examples
    --------
    >>> from tinynet.distributed.model_parallel import replica
    >>> from tinynet import nn
    >>> replica(nn.Linear(3, 2), "cpu:1").weight.device
    'cpu:1'
    """
    learnt = module.parameters()
    if learnt and all(p.device == device for p in learnt):
        return module
    twin = copy.copy(module)
    for name, value in vars(module).items():
        if isinstance(value, Parameter):
            vars(twin)[name] = value.to(device)
        elif isinstance(value, Module):
            vars(twin)[name] = replica(value, device)
    return twin


def _check(operation: str, xs: Sequence[Tensor]) -> None:
    """Raise ShapeError unless there are tensors, (N, C, ...), that differ in C at most."""
    rests = [x.shape[:1] + x.shape[2:] for x in xs]
    if not xs or any(
        rest != rests[0] or len(x.shape) < 2 for rest, x in zip(rests, xs, strict=True)
    ):
        towers = ", ".join(f"tower {i} on {x.device} has {x.shape}" for i, x in enumerate(xs))
        raise ShapeError(
            f"{operation}: all towers must give (N, C, ...) that differ in C at most; "
            f"{towers or 'there is none'}."
        )
