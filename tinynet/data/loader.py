"""Batches in a shuffled order that depends on (seed, epoch) alone.

There is no iterator to save: a run that stopped after batch 70 of epoch 3 asks for epoch 3 from
batch 70 on and gets what it would have got.
"""

from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np

from tinynet.core.backend import Array
from tinynet.core.random import generator
from tinynet.data.pictures import Pictures


class _Labelled(Protocol):
    images: Array
    labels: Array


def epoch_order(n: int, seed: int, epoch: int) -> Array:
    """Return the numbers 0..n-1 in the order of this epoch, (n,) int64."""
    return generator("shuffle", epoch, seed=seed).permutation(n)


def steps_per_epoch(n: int, batch_size: int) -> int:
    """Return the number of batches that hold n pictures; the last one may be smaller."""
    if batch_size < 1:
        raise ValueError(f"batches: a batch holds at least 1 picture. Got batch_size={batch_size}.")
    return -(-n // batch_size)


def batch_indices(order: Array, batch_size: int, start: int = 0) -> Iterator[Array]:
    """Cut an order into batches and yield them from number `start` on."""
    for step in range(start, steps_per_epoch(len(order), batch_size)):
        yield order[step * batch_size : (step + 1) * batch_size]


def batches(
    dataset: _Labelled,
    batch_size: int,
    *,
    seed: int = 0,
    epoch: int | None = None,
    start: int = 0,
) -> Iterator[tuple[Array, Array]]:
    """Yield (images (B, C, H, W), labels (B,)) of an epoch, from batch `start` on.

    `epoch` None keeps the stored order, as a test wants it.
    """
    n = len(dataset.labels)
    order = np.arange(n) if epoch is None else epoch_order(n, seed, epoch)
    chunks = list(batch_indices(order, batch_size, start))
    for indices, images in zip(chunks, pictures_of(dataset.images, chunks), strict=True):
        yield images, dataset.labels[indices]


def pictures_of(images: Array, chunks: Iterable[Array]) -> Iterator[Array]:
    """Yield the pictures of each chunk of numbers; files are read a chunk ahead."""
    if isinstance(images, Pictures):
        yield from images.batches(chunks)
    else:
        yield from (images[indices] for indices in chunks)
