"""Data loader whose images stay on a GPU as uint8; each step sends six integers an image.

Random numbers are drawn by the loader on the host, from the same streams; `kernels.augment` does
the arithmetic. So the batches equal those of the host's loader bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tinynet.core.backend import Device, current, transfer
from tinynet.data.loader import Batch, DataLoader, Rows
from tinynet.data.transforms.device_plan import plan
from tinynet.kernels import augment


class DeviceLoader:
    """The batches of a `DataLoader`, computed on a device that keeps the data set.

    Parameters
    ----------
    loader : its transform must be one that `data.transforms.device_plan` can express
    where : the device

    Raises
    ------
    ValueError : if the transform or the images cannot be handled there; see `on_device`
    """

    def __init__(self, loader: DataLoader, where: Device) -> None:
        found = plan(loader.transform, loader.dataset.images)
        if found is None:
            raise ValueError(
                "DeviceLoader: only bytes in memory, and crops, flips, normalization and color "
                f"noise in their usual order, can be computed on {where}. Use on_device, which "
                "falls back to the host."
            )
        self.loader = loader
        self.where = where
        self.plan = found
        self.images = transfer(found.store(loader.dataset.images), where)
        self.labels = transfer(loader.dataset.labels, where)
        mean, std = found.constants(self.images.shape[1])
        self.mean = transfer(mean, where, np.float32)
        self.std = transfer(std, where, np.float32)

    @property
    def steps(self) -> int:
        """The number of batches in an epoch."""
        return self.loader.steps

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[Batch]:
        """Return the batches of the loader's next epoch."""
        return self.batches(self.loader.next_epoch())

    def batches(self, epoch: int, first: int = 0, rows: Rows = slice) -> Iterator[Batch]:
        """Yield the batches that the loader yields, see `DataLoader.batches`."""
        for step, indices in enumerate(self.loader.indices(epoch, first), first):
            params = self.loader.sample(epoch, step, len(indices))
            places, shift = self.plan.places(indices, params)
            mine = rows(len(places))
            with current(self.where, lambda: "a batch"):
                there = transfer(places[mine], self.where)
                colors = None if shift is None else transfer(shift[mine], self.where)
                x = augment(
                    self.images,
                    there,
                    self.mean,
                    self.std,
                    colors,
                    self.plan.size,
                    self.plan.pad,
                    self.plan.enlarge,
                )
                y = self.labels[transfer(places[:, 0].copy(), self.where)]
            yield x, y

    def __repr__(self) -> str:
        return f"<DeviceLoader on {self.where}: {self.loader!r}>"


def on_device(loader: Any, where: Device) -> Any:
    """Return a loader of batches on a device: a `DeviceLoader` for a GPU, else itself.

    Images in files, interpolated images and other kinds of transforms stay on the host, and every
    batch is copied.

    Parameters
    ----------
    loader : a `DataLoader`, or anything else with steps and batches
    where : the device of the model
    """
    if where.kind == "cpu" or not isinstance(loader, DataLoader):
        return loader
    if plan(loader.transform, loader.dataset.images) is None:
        return loader
    return DeviceLoader(loader, where)
