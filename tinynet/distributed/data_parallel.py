"""Data parallelism: several processes train one network, each on its slice of every batch.

    mpiexec -n 2 tinynet train small-alexnet --data cifar10

Every rank holds all weights. It computes the gradients of its n[r] of the N images of a batch, and
one sum over all ranks, of one flat buffer, makes them those of the whole batch:

    g = (sum over r of  n[r] * g[r]) / N        g[r] = gradient of the mean loss of rank r's images

All ranks apply the same update, so the weights equal those of a single process up to floating-point
summation order. Crops, mirrors and dropout are drawn as one process draws them. Batch normalization
is the exception, as elsewhere: a rank normalizes with the mean and variance of its own images; the
running values are averaged over the ranks.

`process_group` has the communication.
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
from tinynet.distributed.process_group import ProcessGroup
from tinynet.nn import Buffer, Module

SHOWN = 3  # differences in a message


class DistributedLoader:
    """The slice of one rank in the batches of a loader.

    Random numbers are drawn for the whole batch; the rank reads and augments only its own images. A
    rank without any image, in a batch of fewer images than ranks, takes the first one, so that it
    does what the others do; that image does not count.

    Parameters
    ----------
    loader : has `steps` and `batches(epoch, first, rows)`; see `data.loader.Rows`
    group : the ranks; its `batch` and `images` are set for every batch
    """

    def __init__(self, loader: Any, group: ProcessGroup) -> None:
        self.loader = loader
        self.group = group

    @property
    def steps(self) -> int:
        """Number of batches in an epoch."""
        return int(self.loader.steps)

    def batches(self, epoch: int = 0, first: int = 0) -> Iterator[tuple[Array, Array]]:
        """Yield this rank's slice of the batches from number `first` on."""
        for images, labels in self.loader.batches(epoch, first, self.rows):
            own = rank_slice(len(labels), self.group.rank, self.group.size)
            self.group.batch = len(labels)
            self.group.images = own.stop - own.start
            random.at_row(own.start)
            yield images, labels[self.rows(len(labels))]

    def rows(self, n: int) -> slice:
        """Return the slice of n images that this rank computes; it has at least one."""
        own = rank_slice(n, self.group.rank, self.group.size)
        return own if own.stop > own.start else slice(0, 1)


def rank_slice(n: int, rank: int, size: int) -> slice:
    """Return the slice of n images that belongs to a rank; sizes differ by 1 at most.

    Examples
    --------
    >>> from tinynet.distributed.data_parallel import rank_slice
    >>> [rank_slice(5, rank, 2) for rank in (0, 1)]
    [slice(0, 2, None), slice(2, 5, None)]
    """
    return slice(rank * n // size, (rank + 1) * n // size)


def sharded(loader: Any, group: ProcessGroup) -> Any:
    """Return a rank's `DistributedLoader`, or the loader itself for a single process."""
    return loader if group.size == 1 else DistributedLoader(loader, group)


def average(model: Module, sums: Array, group: ProcessGroup) -> Array:
    """Make gradients and running values those of the whole batch; return the sums over all ranks.

    Parameters
    ----------
    model : its gradients are those of the mean loss of this rank's images
    sums : over this rank's images, like (loss * n, number of correct answers)

    Raises
    ------
    DeviceError : if the parameters are not on one device and in one dtype
    """
    if group.size == 1:
        return sums
    learnt = [p for p in model.parameters() if p.requires_grad]
    inside = (t for _, m in model.named_modules() if m.training for t in vars(m).values())
    running = [t for t in inside if type(t) is Buffer]
    where, dtype = _one_kind([*learnt, *running])
    with_gradient = {id(p) for p in learnt if p.grad is not None}
    with current(where):
        flat = _pack(learnt, running, sums, group.images, dtype)
        group.all_reduce(flat)
        images = flat[-1:]
        values = flat[: -1 - len(sums)]
        sums = flat[-1 - len(sums) : -1]
        values /= images
        for t, part in _parts((*learnt, *running), values):
            if type(t) is Buffer:
                t.data[...] = part.reshape(t.shape)
            elif id(t) in with_gradient:
                t.grad = part.reshape(t.shape)
    return sums


def _pack(learnt: list[Any], running: list[Any], sums: Array, n: int, dtype: Any) -> Array:
    """Return one buffer: n times the gradients and running values, then the sums, then n.

    A packed gradient is released, so the buffer needs no memory beside that of the gradients.
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
            "several ranks: each rank needs all its parameters on one device and in one dtype, and "
            f"this one has {found}. Towers on two devices train in one process."
        )
    where, dtype = kinds[0]
    return where, dtype


def fingerprints(settings: dict[str, Any], arrays: dict[str, dict[str, Array]]) -> dict[str, Any]:
    """Return facts for `assert_equal_on_all_ranks`: settings, shapes, and checksums of arrays.

    Parameters
    ----------
    settings : by name
    arrays : {kind: {name: array}}; each kind gets one checksum

    Examples
    --------
    >>> import numpy as np
    >>> from tinynet.distributed.data_parallel import fingerprints
    >>> fingerprints({"seed": 3}, {"weights": {"w": np.zeros(2)}})["the shape of weights w"]
    (2,)
    """
    found: dict[str, Any] = {f"its {name}": value for name, value in settings.items()}
    for kind, named in arrays.items():
        total = 0
        for name, array in named.items():
            found[f"the shape of {kind} {name}"] = array.shape
            total = zlib.crc32(np.ascontiguousarray(to_numpy(array)).tobytes(), total)
        found[f"the checksum of its {kind}"] = total
    return found


def assert_equal_on_all_ranks(group: ProcessGroup, facts: dict[str, Any]) -> None:
    """Compare the facts of every rank with those of rank 0.

    Raises
    ------
    DataError : on every rank whose facts differ; the other ranks wait until it has ended them
    """
    expected = group.all_gather(facts)[0]
    differences = [
        f"{what} is {facts.get(what)!r}, not {expected.get(what)!r}"
        for what in {**expected, **facts}
        if facts.get(what) != expected.get(what)
    ]
    if differences:
        listed = first_names(differences, SHOWN, separator="; ")
        raise DataError(
            f"{group} does not do the same as rank 0: {listed}. Start all ranks with the same "
            "command."
        )
    group.all_gather(None)  # a rank that differs ends all ranks before this returns
