"""Base class of the models that live on two devices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from tinynet import nn
from tinynet.core import backend
from tinynet.core.backend import Device
from tinynet.core.errors import DeviceError

TWO_CPUS = ("cpu", "cpu:1")
"""Two simulated devices that share one memory."""


class TwoDeviceModel(nn.Module):
    """A model whose layers are divided between two devices.

    Attributes
    ----------
    devices : the two devices; images start, and scores end, on the first one
    """

    devices: tuple[Device, Device]

    def place(self, devices: Sequence[str | Device]) -> Self:
        """Move to two devices, e.g. ("cuda:0", "cuda:1"), or to one, ("cpu",); return the model.

        Raises
        ------
        DeviceError : if there are more than two, or one of them does not exist
        """
        self.devices = device_pair(devices)
        self._move()
        return self

    def _move(self) -> None:
        """Move every layer to its one of `self.devices`."""
        raise NotImplementedError

    def to(self, target: str | Device | type | np.dtype[Any]) -> Self:
        """Move to the named devices, "cuda:0,cuda:1" or "cpu"; or change the float dtype.

        Raises
        ------
        DeviceError : if there are more than two, or one of them does not exist
        """
        if isinstance(target, str):
            return self.place(backend.devices(target))
        super().to(target)
        return self


def device_pair(devices: Sequence[str | Device]) -> tuple[Device, Device]:
    """Return two devices, or one twice.

    Raises
    ------
    DeviceError : if there are none or more than two, or one of them does not exist

    Examples
    --------
    >>> from tinynet.models.two_devices import device_pair
    >>> device_pair(["cpu", "cpu:1"])
    ('cpu', 'cpu:1')
    >>> device_pair(["cpu:1"])
    ('cpu:1', 'cpu:1')
    """
    found = [backend.device(name) for name in devices]
    if not 1 <= len(found) <= 2:
        raise DeviceError(
            f"two-device model: it lives on one device or two, not on {','.join(found) or 'none'}."
        )
    return found[0], found[-1]
