"""Several processes train one network, each on its share of every batch.

    mpiexec -n 2 tinynet train small-alexnet --data cifar10

Every rank holds all weights. It computes the gradients of its n[r] of the N images of a batch, and
one sum over all ranks, of one flat buffer, makes them those of the whole batch:

    g = (sum over r of  n[r] * g[r]) / N        g[r] = gradient of the mean loss of rank r's images

So all ranks do the same update, and come to the weights to which one process comes, but for the
rounding of sums in another order. Crops, mirrors and dropout are drawn as one process draws them.
Batch normalization is the exception, as elsewhere: a rank normalizes with the mean and variance
of its own images; the running values are averaged over the ranks.

How the ranks speak to each other is said in `ranks.py`.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tinynet.core import random
from tinynet.core.backend import Array, Device, array_module, current, to_numpy
from tinynet.core.errors import DataError, DeviceError
from tinynet.core.table import first_names
from tinynet.distributed.process_group import Ranks
from tinynet.nn import Buffer, Module


class Shard:
    """The share of one rank in the batches of a loader; see `data.loader.Rows`.

    What is random is drawn for the whole batch, and the rank reads and disturbs its own images
    alone. Where a batch has fewer images than there are ranks, a rank without any takes the first
    one, so that it does what the others do; it counts for nothing.
    """

    def __init__(self, feed: Any, ranks: Ranks) -> None:
        self.feed, self.ranks = feed, ranks

    @property
    def steps(self) -> int:
        """How many batches an epoch has."""
        return int(self.feed.steps)

    def batches(self, epoch: int = 0, first: int = 0) -> Iterator[tuple[Array, Array]]:
        """Yield this rank's part of the batches from number `first` on."""
        for images, labels in self.feed.batches(epoch, first, self.rows):
            lo, hi = share(len(labels), self.ranks.rank, self.ranks.size)
            self.ranks.batch, self.ranks.images = len(labels), hi - lo
            random.at_row(lo)
            yield images, labels[self.rows(len(labels))]

    def rows(self, n: int) -> slice:
        """Return which of n images this rank looks at."""
        lo, hi = share(n, self.ranks.rank, self.ranks.size)
        return slice(lo, hi) if hi > lo else slice(0, 1)


def share(n: int, rank: int, size: int) -> tuple[int, int]:
    """Return which of n images are those of a rank: from the first number to before the second."""
    return rank * n // size, (rank + 1) * n // size


def shared(feed: Any, ranks: Ranks) -> Any:
    """Return a rank's share of a feed: the feed itself for a process that is alone."""
    return feed if ranks.size == 1 else Shard(feed, ranks)


def average(model: Module, sums: Array, ranks: Ranks) -> Array:
    """Make gradients and running values those of the whole batch; return the sums over all ranks.

    `sums` are counted over this rank's images, like (loss * n, right answers).
    """
    if ranks.size == 1:
        return sums
    learnt = [p for p in model.parameters() if p.requires_grad]
    inside = (t for _, m in model.named_modules() if m.training for t in vars(m).values())
    running = [t for t in inside if type(t) is Buffer]
    where, dtype = _one_kind([*learnt, *running])
    with_gradient = {id(p) for p in learnt if p.grad is not None}
    with current(where):
        flat = _pack(learnt, running, sums, ranks.images, dtype)
        ranks.all_reduce(flat)
        images, sums, values = flat[-1:], flat[-1 - len(sums) : -1], flat[: -1 - len(sums)]
        values /= images
        for t, part in _parts((*learnt, *running), values):
            if type(t) is Buffer:
                t.data[...] = part.reshape(t.shape)
            elif id(t) in with_gradient:
                t.grad = part.reshape(t.shape)
    return sums


def _pack(learnt: list[Any], running: list[Any], sums: Array, n: int, dtype: Any) -> Array:
    """Return n times the gradients and running values, one after another, then the sums, then n.

    A gradient that is in the buffer is forgotten, so that both need no more memory than one.
    """
    size = sum(t.data.size for t in (*learnt, *running))
    xp = array_module(sums)
    flat = xp.empty(size + len(sums) + 1, dtype)
    for t, part in _parts((*learnt, *running), flat):
        value = t.data if type(t) is Buffer else t.grad
        if value is None:
            part.fill(0)
        else:
            xp.multiply(value.reshape(-1), n, out=part)
        t.grad = None
    flat[size:-1] = sums if n else 0
    flat[-1:].fill(n)
    return flat


def _parts(tensors: Sequence[Any], flat: Array) -> Iterator[tuple[Any, Array]]:
    """Yield each tensor with its part of a buffer."""
    begin = 0
    for t in tensors:
        yield t, flat[begin : begin + t.data.size]
        begin += t.data.size


def _one_kind(tensors: list[Any]) -> tuple[Device, Any]:
    """Return the device and the dtype of all tensors: one buffer holds them."""
    kinds = list(dict.fromkeys((t.device, t.dtype) for t in tensors))
    if len(kinds) > 1:
        found = " and ".join(f"{dtype} on {where}" for where, dtype in kinds)
        raise DeviceError(
            "several ranks: a rank has all its parameters on one device and in one dtype, and this "
            f"one has {found}. Towers on two devices train in one process."
        )
    where, dtype = kinds[0]
    return where, dtype


def fingerprints(settings: dict[str, Any], arrays: dict[str, dict[str, Array]]) -> dict[str, Any]:
    """Return facts for `agree`: settings, shapes, and a checksum for each kind of arrays."""
    found: dict[str, Any] = {f"its {name}": value for name, value in settings.items()}
    for kind, named in arrays.items():
        found |= {f"the shape of {kind} {name}": array.shape for name, array in named.items()}
        total = 0
        for array in named.values():
            total = zlib.crc32(np.ascontiguousarray(to_numpy(array)).tobytes(), total)
        found[f"the checksum of its {kind}"] = total
    return found


def agree(ranks: Ranks, facts: dict[str, Any]) -> None:
    """Raise DataError on every rank whose facts are not those of rank 0; the others wait."""
    told = ranks.all_gather(facts)[0]
    differences = [
        f"{what} is {facts.get(what)!r}, not {told.get(what)!r}"
        for what in {**told, **facts}
        if facts.get(what) != told.get(what)
    ]
    if differences:
        listed = first_names(differences, 3, separator="; ")
        raise DataError(
            f"{ranks} does not do the same as rank 0: {listed}. All ranks are started alike."
        )
    ranks.all_gather(None)  # whoever differs has ended all ranks before this is through
