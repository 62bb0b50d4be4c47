"""One training step: on a CPU, with a look at its loss; on a GPU, launched and left to itself."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from tinynet.core.backend import Array, Device, array_module, current, home, to_numpy, transfer
from tinynet.distributed.data_parallel import average
from tinynet.distributed.process_group import SINGLE, ProcessGroup
from tinynet.graph_capture import graph
from tinynet.nn import Module, answer
from tinynet.optim import Optimizer
from tinynet.tensors import Tensor, tensor
from tinynet.training import diagnosis


@dataclasses.dataclass
class Tally:
    """Sums over the batches seen so far."""

    loss: float = 0.0
    correct: int = 0
    images: int = 0

    waiting = None  # sums on a GPU at which nobody has looked yet: no field, and never saved
    waiting_images = 0

    def put(self, sums: Array, images: int) -> None:
        """Count a batch whose sums, see `sums_of`, stay on a GPU until `settle`."""
        with current(home(sums)):
            self.waiting = sums if self.waiting is None else self.waiting + sums
        self.waiting_images += images

    def settle(self) -> None:
        """Look at what was put; that waits for the GPU."""
        if self.waiting is None:
            return
        loss, correct = to_numpy(self.waiting).tolist()
        self.loss, self.correct = self.loss + loss, self.correct + int(correct)
        self.images += self.waiting_images
        self.waiting, self.waiting_images = None, 0

    def share(self, ranks: ProcessGroup) -> None:
        """Add up what all ranks have seen."""
        self.settle()
        sums = np.array([self.loss, self.correct, self.images], np.float64)
        ranks.all_reduce(sums)
        self.loss, self.correct, self.images = float(sums[0]), int(sums[1]), int(sums[2])

    def add(self, scores: Tensor, loss: Tensor, labels: Array) -> None:
        """Count a batch: `loss` is its mean, `scores` (N, classes)."""
        self.loss += loss.item() * len(labels)
        self.correct += int((to_numpy(scores.data).argmax(axis=1) == labels).sum())
        self.images += len(labels)

    @property
    def means(self) -> tuple[float, float]:
        """Mean loss and share of correct answers."""
        return self.loss / max(1, self.images), self.correct / max(1, self.images)


def train_step(
    model: Module,
    optimizer: Optimizer,
    images: Array,
    labels: Array,
    *,
    tally: Tally,
    number: int = 0,
    ranks: ProcessGroup = SINGLE,
) -> None:
    """Do one update, and count the batch in `tally` as it was answered before the update.

    Parameters
    ----------
    images : (N, C, H, W)
    labels : (N,) integers
    number : of this step in the run, for messages
    ranks : among which the batch is shared; all of them do the same update
    """
    optimizer.zero_grad()  # first, so that old gradients and new activations never meet in memory
    x = tensor(images, device=device_of(model))
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is looked for, and named
        scores, loss, objective = answer(model, x, labels)
        found = objective.item()
        if not math.isfinite(found):
            raise FloatingPointError(diagnosis.of_loss(found, model, x, number, optimizer.lr))
        objective.backward()
        if ranks.size == 1:
            optimizer.step()
            tally.add(scores, loss, labels)
            return
        sums = average(model, sums_of(scores, loss, labels), ranks)
        optimizer.step()
    tally.put(sums, ranks.batch)
    tally.settle()


def sums_of(scores: Tensor, loss: Tensor, labels: Array) -> Array:
    """Return (loss * N, how many answers are right), (2,) float64, where the scores are."""
    xp, N = array_module(scores.data), len(labels)
    right = (scores.data.argmax(axis=1) == labels).sum()
    return xp.stack([loss.data * N, right]).astype(np.float64)


class GpuSteps:
    """Training steps on a GPU: a graph that is launched, and looked at a few times a second."""

    def __init__(self, model: Module, optimizer: Optimizer, ranks: ProcessGroup = SINGLE) -> None:
        self.model, self.optimizer, self.ranks = model, optimizer, ranks
        self.graph = graph(self.step)
        self.first: Any = None  # what the graph's batch is like
        self.one = len({p.device for p in model.parameters()}) == 1  # a graph is of one device

    def step(self, x: Tensor, labels: Array) -> Array:
        """Do one update; return the sums of the batch as it was answered before."""
        self.optimizer.zero_grad()
        scores, loss, objective = answer(self.model, x, labels)
        objective.backward()
        sums = average(self.model, sums_of(scores, loss, labels), self.ranks)
        self.optimizer.step()
        return sums

    def run(self, images: Array, labels: Array, tally: Tally, number: int, *, look: bool) -> bool:
        """Do one update. Look at the loss if asked to, and stop where it is not finite."""
        where = device_of(self.model)
        with current(where):
            x, y = on(images, where), on(labels, where)
            batch: Any = x.shape, self.ranks.images, self.ranks.batch
            self.first = self.first or batch
            same = self.one and batch == self.first  # a last batch may be smaller
            do = self.graph if same else self.step
            tally.put(do(Tensor(x, where), y), self.ranks.batch or len(y))
        if look:
            tally.settle()
            if not math.isfinite(tally.loss):
                lr, x = self.optimizer.lr, Tensor(x, where)
                raise FloatingPointError(diagnosis.of_loss(tally.loss, self.model, x, number, lr))
        return look


def on(x: Array, where: Device) -> Array:
    """Return an array on a device: itself if it lies there."""
    return x if home(x) == where else transfer(x, where)


def device_of(model: Module) -> Device:
    """Return where the model's first parameter lives."""
    return next(iter(model.parameters())).device
