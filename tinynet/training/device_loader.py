"""Feeds whose data set lies on a GPU, in bytes: six small integers a picture are all that travels.

What is random is drawn by the feed on the host, from the same streams; the arithmetic is that of
`kernels.augment`. So the batches are those of the host's feed, bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tinynet import data
from tinynet.core.backend import Device, current, transfer
from tinynet.kernels import augment
from tinynet.training.input_pipeline import Rows, TestFeed, TrainFeed, fitted
from tinynet.training.loop import Batch


class Resident:
    """The batches of a feed, made on a device; see `train.Feed`."""

    def __init__(self, feed: TrainFeed | TestFeed, where: Device) -> None:
        self.feed, self.where = feed, where
        self.images = transfer(fitted(feed.dataset.images, 1), where)
        self.labels = transfer(feed.dataset.labels, where)
        self.side = self.images.shape[-1] * feed.recipe.enlarge
        self.size = feed.recipe.crop or self.side
        mean = feed.normaliser.mean
        if mean.shape[-1] > 1:
            mean = data.centre_crop(mean, self.size)
        self.mean = transfer(mean, where, np.float32)
        self.deviation = transfer(feed.normaliser.deviation, where, np.float32)

    @property
    def steps(self) -> int:
        """How many batches an epoch has."""
        return self.feed.steps

    def batches(self, epoch: int = 0, first: int = 0, rows: Rows = slice) -> Iterator[Batch]:
        """Yield the batches from number `first` on, as the feed does."""
        pad = self.feed.recipe.pad if isinstance(self.feed, TrainFeed) else 0
        for places, shift in self.feed.places(epoch, first):
            with current(self.where, lambda: "a batch"):
                mine = rows(len(places))
                there = transfer(places[mine], self.where)
                colours = None if shift is None else transfer(shift[mine], self.where)
                x = augment(
                    self.images, there, self.mean, self.deviation, colours, self.size, pad,
                    self.feed.recipe.enlarge,
                )  # fmt: skip
                y = self.labels[transfer(places[:, 0].copy(), self.where)]
            yield x, y


def moved(feed: Any, where: Device) -> Any:
    """Return a feed of batches on a device: itself for a CPU, a `Resident` for a GPU.

    Pictures in files, and pictures that are interpolated, are made by the host: the feed itself.
    """
    on_host = where.kind == "cpu" or feed.recipe.size is not None
    return feed if on_host else Resident(feed, where)
