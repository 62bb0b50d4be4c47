"""One training step: forward, loss, backward, update; on a GPU as a replayed graph."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinynet.core.backend import Array, Device, current, home, transfer
from tinynet.distributed.data_parallel import average
from tinynet.distributed.process_group import SINGLE, ProcessGroup
from tinynet.graph_capture import graph
from tinynet.nn import Module, forward_with_loss
from tinynet.optim import Optimizer
from tinynet.tensors import Tensor, tensor
from tinynet.training import non_finite
from tinynet.training.metrics import RunningMetrics, batch_sums


def train_step(
    model: Module,
    optimizer: Optimizer,
    images: Array,
    labels: Array,
    *,
    metrics: RunningMetrics,
    number: int = 0,
    ranks: ProcessGroup = SINGLE,
) -> None:
    """Do one update, and add loss and accuracy of the batch before the update to `metrics`.

    Parameters
    ----------
    model : Module
        In training mode.
    optimizer : Optimizer
    images : (N, C, H, W)
    labels : (N,) integers
    metrics : RunningMetrics
    number : int
        Of this step in the run, for messages.
    ranks : ProcessGroup
        Processes that share the batch; all of them do the same update.

    Raises
    ------
    FloatingPointError
        Where the loss is not finite; the message names the first layer that is not.
    """
    x = tensor(images, device=device_of(model))
    with np.errstate(over="ignore", invalid="ignore"):  # an overflow is reported below
        scores, loss, objective = forward_with_loss(model, x, labels)
        found = objective.item()
        if not math.isfinite(found):
            raise FloatingPointError(non_finite.explain_loss(found, model, x, number, optimizer.lr))
        # Not before the forward pass: activations would take the place of the old gradients, and
        # the new ones would need memory beside them (docs/decisions/0018).
        optimizer.zero_grad()
        objective.backward()
        if ranks.size == 1:
            optimizer.step()
            metrics.add(scores, loss, labels)
            return
        sums = average(model, batch_sums(scores, loss, labels), ranks)
        optimizer.step()
    metrics.add_async(sums, ranks.batch)
    metrics.synchronize()


class GpuSteps:
    """Training steps on a GPU: a captured graph; the loss is read a few times a second.

    Parameters
    ----------
    model : Module
    optimizer : Optimizer
    ranks : ProcessGroup
    """

    def __init__(self, model: Module, optimizer: Optimizer, ranks: ProcessGroup = SINGLE) -> None:
        self.model = model
        self.optimizer = optimizer
        self.ranks = ranks
        self.graph = graph(self.step)
        self.first: Any = None  # sizes of the batch of the graph
        self.one = len({p.device for p in model.parameters()}) == 1  # a graph runs on one device

    def step(self, x: Tensor, labels: Array) -> Array:
        """Do one update; return the `batch_sums` from before it."""
        self.optimizer.zero_grad()
        scores, loss, objective = forward_with_loss(self.model, x, labels)
        objective.backward()
        sums = average(self.model, batch_sums(scores, loss, labels), self.ranks)
        self.optimizer.step()
        return sums

    def run(
        self, images: Array, labels: Array, metrics: RunningMetrics, number: int, *, look: bool
    ) -> bool:
        """Do one update; with `look`, read the loss, and raise where it is not finite."""
        where = device_of(self.model)
        with current(where):
            x = on(images, where)
            y = on(labels, where)
            batch: Any = x.shape, self.ranks.images, self.ranks.batch
            self.first = self.first or batch
            same = self.one and batch == self.first  # a last batch may be smaller
            do = self.graph if same else self.step
            metrics.add_async(do(Tensor(x, where), y), self.ranks.batch or len(y))
        if look:
            metrics.synchronize()
            if not math.isfinite(metrics.loss):
                lr, x = self.optimizer.lr, Tensor(x, where)
                message = non_finite.explain_loss(metrics.loss, self.model, x, number, lr)
                raise FloatingPointError(message)
        return look


def on(x: Array, where: Device) -> Array:
    """Return an array on a device; the same array if it is there already."""
    return x if home(x) == where else transfer(x, where)


def device_of(model: Module) -> Device:
    """Return the device of the model's first parameter."""
    return next(iter(model.parameters())).device
