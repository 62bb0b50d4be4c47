"""One network on several devices: four verbs on plain lists, one tensor a device.

The list is the architecture: ``[a, b]`` are the maps of tower a and those of tower b, each on its
own device. The verbs are made of slices, `.to` and `concatenate`, so what they do backwards comes
by itself:

    verb                              from                 to                   backwards
    scatter_channels(x, devices)      (N, C, H, W)         [(N, C/G, H, W)]     gather_channels
    gather_channels(xs, device)       [(N, C/G, H, W)]     (N, C, H, W)         scatter_channels
    exchange(xs)                      [(N, C/G, H, W)]     [(N, C, H, W)]       slices, summed over
                                                                                the towers
    dropout(xs, layer)                [(N, C/G)]           [(N, C/G)]           the same mask

Axis 1 is cut and joined; there may be none behind it. One thread of Python drives all devices: on
GPUs what is launched on one runs while the next one gets its work.

Where devices share the images instead, `scatter_images` cuts axis 0, `exchange_images` joins it
again, and `replica` copies the weights.
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
    "crossings",
    "dropout",
    "exchange",
    "exchange_images",
    "gather_channels",
    "into",
    "replica",
    "scatter_channels",
    "scatter_images",
]


def scatter_channels(x: Tensor, devices: Sequence[str | Device]) -> list[Tensor]:
    """Return the channels of x (N, C, ...) in equal parts, (N, C/G, ...), one for each device."""
    G, C = len(devices), x.shape[1] if len(x.shape) > 1 else 0
    if not G or not C or C % G:
        raise ShapeError(
            f"scatter_channels: x must be (N, C, ...), C a multiple of the {G} devices; x is "
            f"{x.shape}."
        )
    part = C // G
    return [x[:, i * part : (i + 1) * part].to(device) for i, device in enumerate(devices)]


def gather_channels(xs: Sequence[Tensor], device: str | Device) -> Tensor:
    """Return all channels (N, C, ...) on one device, in the order of the list."""
    _check("gather_channels", xs)
    return F.concatenate([x.to(device) for x in xs], axis=1)


def exchange(xs: Sequence[Tensor]) -> list[Tensor]:
    """Return all channels (N, C, ...) on every device: each tower sees all."""
    _check("exchange", xs)
    return [gather_channels(xs, x.device) for x in xs]


def dropout(xs: Sequence[Tensor], layer: Dropout) -> list[Tensor]:
    """Do what the layer does on one device that has all units (N, C): one mask, cut in parts.

    Each tower draws the mask of all C, and keeps its own columns.
    """
    _check("dropout", xs)
    C, begin, found = sum(x.shape[1] for x in xs), 0, []
    key = random.next_draw(C) if layer.training else None
    for x in xs:
        end = begin + x.shape[1]
        if key is not None:
            wide = F.pad(x, [(0, 0), (begin, C - end)])
            x = Mask(layer.p, key)(wide)[:, begin:end]
        found.append(x if layer.inverted else x * (1 - layer.p))
        begin = end
    return found


def scatter_images(x: Tensor, devices: Sequence[str | Device]) -> list[Tensor]:
    """Return the images of x (N, ...) in parts, as equal as can be, one for each device."""
    G, N = len(devices), x.shape[0]
    ends = [i * N // G for i in range(G + 1)]
    parts = zip(ends, ends[1:], devices, strict=False)
    return [x[begin:end].to(device) for begin, end, device in parts]


def exchange_images(xs: Sequence[Tensor]) -> list[Tensor]:
    """Return the images of all, (N, ...), on every device."""
    return [F.concatenate([x.to(home.device) for x in xs], axis=0) for home in xs]


def replica(module: Module, device: str | Device) -> Module:
    """Return a module that computes on `device` with copies of the weights of this one.

    The copies are ops: their gradients travel back and are added to those of the weights. Where
    all weights live on that device it is the module itself.
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


def _check(verb: str, xs: Sequence[Tensor]) -> None:
    """Raise unless there are tensors, (N, C, ...), that differ in C at most."""
    rests = [x.shape[:1] + x.shape[2:] for x in xs]
    if not xs or any(
        rest != rests[0] or len(x.shape) < 2 for rest, x in zip(rests, xs, strict=True)
    ):
        towers = ", ".join(f"tower {i} on {x.device} has {x.shape}" for i, x in enumerate(xs))
        raise ShapeError(
            f"{verb}: every tower gives (N, C, ...), alike but for C; {towers or 'there is none'}."
        )
