"""The training loop: plain functions over a model, an optimiser and batches.

`fit` is a generator: it yields after every batch, and whoever drives it decides what to show, when
to save and when to stop. There is nothing to call back and nothing to subclass:

    for event in fit(model, optimizer, train, test, epochs=10):
        print(event)

Nothing random is carried along. What a step draws depends on the seed, the epoch and the step
alone, so a run that stopped after any step goes on from `State` to the very weights that it would
have reached without the stop.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import numpy as np

from tinynet import functions as F
from tinynet.core import random
from tinynet.core.autograd import no_grad
from tinynet.core.backend import Array, current
from tinynet.distributed.process_group import SINGLE, ProcessGroup
from tinynet.nn import Module
from tinynet.optim import Optimizer
from tinynet.tensors import Tensor, tensor
from tinynet.training.steps import GpuSteps, Tally, device_of, on, sums_of, train_step

Batch = tuple[Array, Array]
"""Images (N, C, H, W), ready for the model, and labels (N,)."""


LOOK_EVERY = 0.25  # seconds between two looks at what a GPU has added up


class Feed(Protocol):
    """What `fit` trains on: the batches of an epoch, from any of them on."""

    @property
    def steps(self) -> int:
        """How many batches an epoch has."""

    def batches(self, epoch: int, first: int = 0) -> Iterable[Batch]:
        """Yield batch `first`, `first` + 1, ... of an epoch; the same every time they are asked."""


@dataclasses.dataclass(frozen=True)
class Step:
    """A batch is done. Loss and accuracy are means over this epoch's batches so far."""

    phase: str  # "train", "test" or "validation"
    epoch: int  # 1, 2, ...
    step: int
    steps: int
    loss: float
    accuracy: float
    lr: float
    images_per_second: float = 0.0


@dataclasses.dataclass(frozen=True)
class Epoch:
    """An epoch is done: a line of log.jsonl. The training means were taken while learning."""

    epoch: int
    train_loss: float
    train_accuracy: float
    test_loss: float
    test_accuracy: float
    lr: float
    seconds: float
    images_per_second: float
    validation_loss: float | None = None  # where pictures are held out
    validation_accuracy: float | None = None


@dataclasses.dataclass
class State:
    """Where a run stands: with the weights and the optimiser, all that is needed to go on."""

    epoch: int = 0  # epochs finished
    step: int = 0  # steps finished in the epoch after them
    tally: Tally = dataclasses.field(default_factory=Tally)  # over those steps
    seconds: float = 0.0  # spent on those steps
    total_seconds: float = 0.0  # spent on the finished epochs
    records: list[Epoch] = dataclasses.field(default_factory=list)  # of the finished epochs

    @classmethod
    def from_json(cls, text: str) -> State:
        """Return the state that `dataclasses.asdict` and JSON made a text of."""
        values = json.loads(text)
        values["tally"] = Tally(**values["tally"])
        values["records"] = [Epoch(**record) for record in values["records"]]
        return cls(**values)


def fit(
    model: Module,
    optimizer: Optimizer,
    train: Feed,
    test: Feed,
    *,
    epochs: int,
    learning_rate: Callable[[int, int], float] | None = None,
    state: State | None = None,
    ranks: ProcessGroup = SINGLE,
    validation: Feed | None = None,
) -> Iterator[Step | Epoch]:
    """Train from `state` to the end; yield a Step after each batch, an Epoch after each epoch.

    `state` is kept up to date: stop asking whenever you like, keep it with the weights, and a new
    ``fit(..., state=state)`` goes on from there.

    Parameters
    ----------
    learning_rate : (step of the run, steps of the run) -> rate; None leaves the optimiser's alone
    ranks : who shares the work; the feeds yield this rank's part of it
    validation : pictures that are neither learnt from nor those of the final test: what a rate or a
        choice of weights may depend on
    """
    state, gpu = State() if state is None else state, GpuSteps(model, optimizer, ranks)
    settings: dict[str, Any] = {"epochs": epochs, "learning_rate": learning_rate, "ranks": ranks}
    while state.epoch < epochs:
        yield from train_one_epoch(model, optimizer, train, state=state, gpu=gpu, **settings)
        if learning_rate is not None:  # a run that goes on here has not set it yet
            done = state.epoch * train.steps + state.step
            optimizer.lr = learning_rate(max(0, done - 1), epochs * train.steps)
        started, tally, held = time.perf_counter(), Tally(), Tally()
        if validation is not None:
            where = state.epoch + 1, optimizer.lr, ranks, "validation"
            yield from _test(model, validation, held, *where)
        yield from _test(model, test, tally, state.epoch + 1, optimizer.lr, ranks)
        yield _finish_epoch(state, tally, optimizer.lr, time.perf_counter() - started, held)


def train_one_epoch(
    model: Module,
    optimizer: Optimizer,
    train: Feed,
    *,
    epochs: int = 1,
    learning_rate: Callable[[int, int], float] | None = None,
    state: State | None = None,
    gpu: GpuSteps | None = None,
    ranks: ProcessGroup = SINGLE,
) -> Iterator[Step]:
    """Train on what is left of the epoch that `state` is in, yielding a Step after each batch."""
    state = State() if state is None else state
    model.train()
    gpu = gpu or GpuSteps(model, optimizer, ranks)
    before = looked = time.perf_counter()
    for images, labels in train.batches(state.epoch, state.step):
        number = state.epoch * train.steps + state.step
        random.at_step(number)
        if learning_rate is not None:
            optimizer.lr = learning_rate(number, epochs * train.steps)
        now = time.perf_counter()
        if device_of(model).kind == "cpu":
            how: dict[str, Any] = {"tally": state.tally, "number": number, "ranks": ranks}
            train_step(model, optimizer, images, labels, **how)
        else:
            last = state.step + 1 == train.steps
            if gpu.run(images, labels, state.tally, number, look=last or now > looked + LOOK_EVERY):
                looked = now
        now = time.perf_counter()
        state.step += 1
        state.seconds, before = state.seconds + now - before, now
        yield Step(
            "train",
            state.epoch + 1,
            state.step,
            train.steps,
            *state.tally.means,
            lr=optimizer.lr,
            images_per_second=state.tally.images / max(1e-9, state.seconds),
        )


def evaluate(model: Module, test: Feed) -> tuple[float, float]:
    """Return mean loss and accuracy; dropout is off and nothing is learnt."""
    tally = Tally()
    for _ in _test(model, test, tally, 0, 0.0):
        pass
    return tally.means


def _test(
    model: Module,
    test: Feed,
    tally: Tally,
    epoch: int,
    lr: float,
    ranks: ProcessGroup = SINGLE,
    phase: str = "test",
) -> Iterator[Step]:
    where, was_training = device_of(model), model.training
    model.eval()
    try:
        for step, (images, labels) in enumerate(test.batches(0), start=1):
            with no_grad(), np.errstate(over="ignore", invalid="ignore"), current(where):
                if ranks.size > 1 and not ranks.images:
                    pass  # too few images for all ranks
                elif where.kind == "cpu":
                    scores = model(tensor(images, device=where))
                    tally.add(scores, F.cross_entropy(scores, labels), labels)
                else:
                    y = on(labels, where)
                    scores = model(Tensor(on(images, where), where))
                    tally.put(sums_of(scores, F.cross_entropy(scores, y), y), len(y))
            if step == test.steps:
                tally.share(ranks)
            yield Step(phase, epoch, step, test.steps, *tally.means, lr=lr)
    finally:
        if was_training:
            model.train()


def _finish_epoch(
    state: State, test: Tally, lr: float, test_seconds: float, validation: Tally
) -> Epoch:
    """Move `state` to the start of the next epoch and return the record of this one."""
    record = Epoch(
        state.epoch + 1,
        *state.tally.means,
        *test.means,
        lr=lr,
        seconds=round(state.seconds + test_seconds, 3),
        images_per_second=round(state.tally.images / max(1e-9, state.seconds), 1),
    )
    if validation.images:
        loss, accuracy = validation.means
        record = dataclasses.replace(record, validation_loss=loss, validation_accuracy=accuracy)
    state.total_seconds += state.seconds + test_seconds
    state.epoch, state.step, state.tally, state.seconds = state.epoch + 1, 0, Tally(), 0.0
    state.records.append(record)
    return record
