"""Data loader: batches in a shuffled order that depends on (seed, epoch) alone.

There is no iterator to save: a run that stopped after batch 70 of epoch 3 asks for
``loader.batches(3, first=70)`` and gets what it would have got. What a transform draws depends on
(seed, epoch, batch) alone too.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from tinynet.core.backend import Array
from tinynet.core.checks import is_whole
from tinynet.core.random import generator
from tinynet.data.dataset import Labeled, as_dataset
from tinynet.data.lazy_images import read_chunks
from tinynet.data.transforms.base import Transform, compose, take_rows

Batch = tuple[Array, Array]
"""Images (N, C, H, W), ready for a model, and labels (N,)."""

Rows = Callable[[int], slice]
"""The rows of a batch of n images that are prepared; `slice` itself: all of them."""

NOT_HERE = {
    "num_workers": "Images in memory need no workers; `ImageFolder(workers=)` sets the threads "
    "that read files. Leave it out.",
    "pin_memory": "On a GPU, training keeps the data set itself there. Leave it out.",
    "collate_fn": "A batch is cut from the arrays of the data set. Change batches by transform=.",
    "persistent_workers": "There are no worker processes. Leave it out.",
    "prefetch_factor": "Files are read one batch ahead. Leave it out.",
    "worker_init_fn": "There are no worker processes; seed= decides all that is random.",
    "generator": "The order depends on seed= and the epoch alone. Pass seed=.",
    "sampler": "Choose and order images with data.Subset(dataset, indices).",
    "batch_sampler": "Choose and order images with data.Subset(dataset, indices).",
    "timeout": "There are no worker processes. Leave it out.",
    "epoch": "Pass shuffle=True, and ask for one epoch by loader.batches(epoch).",
    "start": "Ask for the rest of an epoch by loader.batches(epoch, first).",
}


def epoch_order(n: int, seed: int, epoch: int) -> Array:
    """Return the indices 0..n-1 in the order of this epoch, (n,) int64."""
    return generator("shuffle", epoch, seed=seed).permutation(n)


def steps_per_epoch(n: int, batch_size: int) -> int:
    """Return the number of batches that hold n images; the last one may be smaller."""
    if batch_size < 1:
        raise ValueError(f"batches: a batch holds at least 1 image. Got batch_size={batch_size}.")
    return -(-n // batch_size)


def batch_indices(order: Array, batch_size: int, start: int = 0) -> Iterator[Array]:
    """Cut an order into batches and yield them from number `start` on."""
    for step in range(start, steps_per_epoch(len(order), batch_size)):
        yield order[step * batch_size : (step + 1) * batch_size]


class DataLoader:
    """Batches (images, labels) of a data set, for any number of epochs.

    Each walk is the next epoch: with ``shuffle`` it comes in another order, with a random transform
    the images are transformed anew. ``next(iter(loader))`` begins a walk too. The same seed gives
    the same epochs on every machine.

    Images come as float32. **Nothing is scaled unless a transform does it**: without `Normalize`,
    bytes become the numbers 0.0 to 255.0, with which few networks learn. Images that are floats
    keep their dtype.

    Parameters
    ----------
    dataset : a data set, or a tuple (images (N, C, H, W), labels (N,))
    batch_size : images in a batch; the last one of an epoch may be smaller
    shuffle : draw a new order for each epoch; else the stored order
    transform : a `Transform`, a list of them, or a function from a batch (n, C, H, W) to a batch
    seed : decides the orders and what transforms draw
    drop_last : leave out the last batch of an epoch if it is smaller

    Attributes
    ----------
    epoch : the number of the epoch that the next walk yields; it may be set
    steps : the number of batches in an epoch, also ``len(loader)``

    Raises
    ------
    ValueError : for a batch size below 1, a data set without a batch, a seed that is no integer, or
        a seed without anything random
    TypeError : for something that is no data set or no transform, an unknown argument, or a
        `shuffle` that is neither True nor False
    DataError : if images and labels do not pair, or if the labels are not class numbers
    ShapeError : if the transform cannot work on such images

    Examples
    --------
    >>> from tinynet import data
    >>> train = data.Shapes()
    >>> prepare = data.Normalize.fit("standardize", train.images)
    >>> loader = data.DataLoader(train, batch_size=128, shuffle=True, transform=prepare)
    >>> len(loader)
    24
    >>> for epoch in range(2):
    ...     for images, labels in loader:
    ...         pass
    >>> images.shape, images.dtype, labels.shape
    ((56, 3, 32, 32), dtype('float32'), (56,))
    >>> rest = list(loader.batches(epoch=1, first=20))  # the last four batches of the second epoch
    >>> len(rest), bool((rest[-1][0] == images).all())
    (4, True)
    """

    def __init__(
        self,
        dataset: Labeled | tuple[Array, Array],
        batch_size: int,
        *,
        shuffle: bool = False,
        transform: Transform | Callable[[Array], Array] | Sequence[Any] | None = None,
        seed: int = 0,
        drop_last: bool = False,
        **unknown: Any,
    ) -> None:
        _refuse_unknown(unknown)
        if not is_whole(batch_size, 1):
            raise ValueError(
                "DataLoader: a batch holds a whole number of images, at least 1. "
                f"Got batch_size={batch_size!r}."
            )
        if not is_whole(seed, 0) or seed >= 2**64:
            raise ValueError(f"DataLoader: a seed is an integer in 0..2**64-1, got {seed!r}.")
        for name, value in (("shuffle", shuffle), ("drop_last", drop_last)):
            if not isinstance(value, (bool, np.bool_)):
                raise TypeError(f"DataLoader: {name} is True or False, got {value!r}.")
        self.dataset = as_dataset(dataset, "DataLoader")
        self.batch_size = int(batch_size)
        self.shuffle = bool(shuffle)
        self.seed = int(seed)
        self.drop_last = bool(drop_last)
        self.epoch = 0
        images = self.dataset.images
        example = np.zeros((1, *images.shape[1:]), images.dtype)
        self.transform = compose(transform).bind(example)
        if seed != 0 and not self.shuffle and not self.transform.random:
            raise ValueError(
                f"DataLoader: seed={seed} changes nothing, since nothing is random. Pass "
                "shuffle=True, or leave seed out."
            )
        if not self.steps:
            raise ValueError(
                f"DataLoader: there is no batch. The data set has {len(self.dataset.labels):,} "
                f"images, batch_size={batch_size}, drop_last={drop_last}."
            )

    @property
    def steps(self) -> int:
        """The number of batches in an epoch."""
        n = len(self.dataset.labels)
        return n // self.batch_size if self.drop_last else steps_per_epoch(n, self.batch_size)

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[Batch]:
        """Return the batches of the next epoch; `epoch` is counted up as the walk begins."""
        return self.batches(self.next_epoch())

    def next_epoch(self) -> int:
        """Return the number of the epoch that a new walk yields, and count it."""
        epoch = self.epoch
        self.epoch = epoch + 1
        return epoch

    def batches(self, epoch: int, first: int = 0, rows: Rows = slice) -> Iterator[Batch]:
        """Yield the batches of an epoch from number `first` on; the same whenever they are asked.

        Parameters
        ----------
        epoch, first : 0, 1, ...
        rows : n -> the rows of a batch of n images that are prepared; the labels come whole.
            What is random is drawn for the whole batch, so the rows are those of one process.

        Raises
        ------
        ValueError : if there is no such epoch, or if `first` is above the number of batches
        """
        indices = list(self.indices(epoch, first))
        wanted = [batch[rows(len(batch))] for batch in indices]
        found = read_chunks(self.dataset.images, wanted)
        for step, (batch, images) in enumerate(zip(indices, found, strict=True), first):
            n = len(batch)
            params = take_rows(self.sample(epoch, step, n), rows(n))
            yield _as_floats(self.transform.apply(images, params)), self.dataset.labels[batch]

    def indices(self, epoch: int, first: int = 0) -> Iterator[Array]:
        """Yield the indices of the images of each batch, from number `first` on."""
        if not is_whole(epoch, 0):
            raise ValueError(f"DataLoader: epochs are counted from 0. Got epoch={epoch!r}.")
        if not is_whole(first, 0) or first > self.steps:
            raise ValueError(
                f"DataLoader: batches are counted from 0, and an epoch has {self.steps:,}. "
                f"Got first={first!r}."
            )
        n = len(self.dataset.labels)
        order = epoch_order(n, self.seed, epoch) if self.shuffle else np.arange(n)
        whole = order[: self.steps * self.batch_size]
        return batch_indices(whole, self.batch_size, first)

    def sample(self, epoch: int, step: int, n: int) -> Any:
        """Return what the transform draws for the n images of a batch, see `Transform.sample`."""
        rng = generator("disturb", epoch, step, seed=self.seed)
        return self.transform.sample(rng, n)

    def __repr__(self) -> str:
        settings = [f"batch_size={self.batch_size}"]
        if self.shuffle:
            settings.append("shuffle=True")
        if self.shuffle or self.transform.random:
            settings.append(f"seed={self.seed}")
        if self.drop_last:
            settings.append("drop_last=True")
        if len(self.transform):
            settings.append(f"transform={self.transform!r}")
        return f"<DataLoader of {self.steps:,} batches: {self.dataset!r}, {', '.join(settings)}>"


def _promised(signature: inspect.Signature) -> inspect.Signature:
    """Return the signature without `unknown`, which is there only to be refused in a sentence."""
    kept = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    return signature.replace(parameters=kept)


DataLoader.__signature__ = _promised(inspect.signature(DataLoader))  # type: ignore[attr-defined]


def batches(dataset: Labeled | tuple[Array, Array], batch_size: int, **settings: Any) -> DataLoader:
    """Return `DataLoader(dataset, batch_size, ...)`, whose arguments it takes."""
    return DataLoader(dataset, batch_size, **settings)


def _as_floats(images: Array) -> Array:
    """Return floats as they are, and bytes as float32 of the same values."""
    return images if images.dtype.kind == "f" else images.astype(np.float32)


def _refuse_unknown(arguments: dict[str, Any]) -> None:
    for name in arguments:
        if name in NOT_HERE:
            raise TypeError(f"DataLoader: there is no {name} here. {NOT_HERE[name]}")
        raise TypeError(
            f"DataLoader: unexpected argument {name!r}. It takes batch_size, shuffle, transform, "
            "seed and drop_last."
        )
