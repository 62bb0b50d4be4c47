"""One network on several devices: three verbs on plain lists, one tensor a device.

The list is the architecture: ``[a, b]`` are the maps of tower a and those of tower b, each on its
own device. The verbs are made of slices, `.to` and `concatenate`, so what they do backwards comes
by itself:

    verb                              from                 to                   backwards
    scatter_channels(x, devices)      (N, C, H, W)         [(N, C/G, H, W)]     gather_channels
    gather_channels(xs, device)       [(N, C/G, H, W)]     (N, C, H, W)         scatter_channels
    exchange(xs)                      [(N, C/G, H, W)]     [(N, C, H, W)]       slices, summed over
                                                                                the towers

Axis 1 is cut and joined; there may be none behind it. One thread of Python drives all devices: on
GPUs what is launched on one runs while the next one gets its work.
"""

from __future__ import annotations

from collections.abc import Sequence

from tinynet import functions as F
from tinynet.backend import Device
from tinynet.errors import ShapeError
from tinynet.functions.transfer import Crossing, crossings, into
from tinynet.tensor import Tensor

__all__ = ["Crossing", "crossings", "exchange", "gather_channels", "into", "scatter_channels"]


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
