"""Training loop: plain functions over a model, an optimizer and batches.

`fit` is a generator. It yields a record after every epoch, and its caller decides what to show,
when to save and when to stop. There are no callbacks, and nothing to subclass:

    for epoch in tn.fit(model, optimizer, train, test, epochs=10):
        print(epoch)

There is no state of a random generator to save. The random numbers of a step depend on the seed,
the epoch and the step alone, so a run that stopped after any step continues from its `State` to the
weights that it would have reached without the stop, bit for bit.
"""

from __future__ import annotations

import dataclasses
import json
import time
import warnings
from collections.abc import Iterable, Iterator
from typing import Any, Literal, Protocol, overload

from tinynet.core import random
from tinynet.core.backend import Array
from tinynet.core.checks import is_whole
from tinynet.distributed.process_group import SINGLE, ProcessGroup
from tinynet.nn import Module, Sequential, Softmax
from tinynet.optim import Optimizer
from tinynet.training.batch_check import check_batch, check_images, refuse_single_values
from tinynet.training.device_loader import on_device
from tinynet.training.evaluation import (
    evaluation_loader,
    refuse_other_preparation,
    remember_preprocessing,
    run_epoch,
)
from tinynet.training.metrics import RunningMetrics
from tinynet.training.steps import GpuSteps, device_of, train_step
from tinynet.words import Sentence, sentence

Batch = tuple[Array, Array]
"""Images (N, C, H, W), ready for the model, and labels (N,)."""

READ_INTERVAL = 0.25  # seconds between two reads of the loss from a GPU


class Loader(Protocol):
    """The batches that `fit` trains on: `data.DataLoader`, or any object with these two."""

    @property
    def steps(self) -> int:
        """Number of batches in an epoch."""

    def batches(self, epoch: int, first: int = 0) -> Iterable[Batch]:
        """Yield batch `first`, `first` + 1, ... of an epoch; the same in every call."""


@dataclasses.dataclass(frozen=True)
class Step:
    """Record of one batch. Loss and accuracy are means over the batches of this epoch so far.

    On a GPU they are read a few times a second, so a record may repeat older means; that of the
    last batch of an epoch is up to date. ``state.metrics.synchronize()`` waits for the GPU, and
    ``state.metrics.means`` then has those of all batches so far.
    """

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
    """Record of one epoch: a line of log.jsonl. The training means were taken while learning."""

    epoch: int
    train_loss: float
    train_accuracy: float
    test_loss: float | None  # None without test images
    test_accuracy: float | None
    lr: float
    seconds: float
    images_per_second: float
    validation_loss: float | None = None  # None where no images are held out
    validation_accuracy: float | None = None

    @property
    def error(self) -> float:
        """Share of wrong answers: on the validation images, else on test, else on training."""
        for accuracy in (self.validation_accuracy, self.test_accuracy):
            if accuracy is not None:
                return 1.0 - accuracy
        return 1.0 - self.train_accuracy

    def __str__(self) -> str:
        return "  ".join(self.parts())

    def parts(self, epochs: int | None = None) -> list[Sentence]:
        """Return the numbers in words, one part each; with `epochs`, how many there will be."""
        number = self.epoch if epochs is None else f"{self.epoch}/{epochs}"
        found = [
            sentence("epoch {number}", number=number),
            sentence("loss {loss:.4f}", loss=self.train_loss),
            sentence("accuracy {percent:.1f} %", percent=100 * self.train_accuracy),
        ]
        if self.validation_loss is not None:
            percent = 100 * (self.validation_accuracy or 0.0)
            found.append(sentence("validation accuracy {percent:.1f} %", percent=percent))
        if self.test_loss is not None:
            percent = 100 * (self.test_accuracy or 0.0)
            found.append(sentence("test loss {loss:.4f}", loss=self.test_loss))
            found.append(sentence("test accuracy {percent:.1f} %", percent=percent))
        speed = sentence("{count:,.0f} images/s", count=self.images_per_second)
        return [*found, sentence("lr {rate:.3g}", rate=self.lr), speed]


@dataclasses.dataclass
class State:
    """Position of a run: with the weights and the optimizer, all that is needed to continue.

    Attributes
    ----------
    epoch : int
        Finished epochs.
    step : int
        Finished steps of the epoch after them.
    metrics : RunningMetrics
        Of those steps.
    seconds, total_seconds : float
        Time spent on those steps, and on the finished epochs.
    records : list of Epoch
        Of the finished epochs.
    """

    epoch: int = 0
    step: int = 0
    metrics: RunningMetrics = dataclasses.field(default_factory=RunningMetrics)
    seconds: float = 0.0
    total_seconds: float = 0.0
    records: list[Epoch] = dataclasses.field(default_factory=list)

    def to_json(self) -> str:
        """Return the state as text."""
        self.metrics.synchronize()
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> State:
        """Return the state from the text of `to_json`."""
        values = json.loads(text)
        metrics = values.pop("tally", None) or values.pop("metrics")  # "tally" before 0.2
        values["metrics"] = RunningMetrics(**metrics)
        values["records"] = [Epoch(**record) for record in values["records"]]
        return cls(**values)


@overload
def fit(
    model: Module,
    optimizer: Optimizer,
    train: Any,
    test: Any = None,
    *,
    epochs: int,
    validation: Any = None,
    state: State | None = None,
    every_step: Literal[False] = False,
    ranks: ProcessGroup | None = None,
) -> Iterator[Epoch]: ...


@overload
def fit(
    model: Module,
    optimizer: Optimizer,
    train: Any,
    test: Any = None,
    *,
    epochs: int,
    validation: Any = None,
    state: State | None = None,
    every_step: Literal[True],
    ranks: ProcessGroup | None = None,
) -> Iterator[Step | Epoch]: ...


def fit(
    model: Module,
    optimizer: Optimizer,
    train: Any,
    test: Any = None,
    *,
    epochs: int,
    validation: Any = None,
    state: State | None = None,
    every_step: bool = False,
    ranks: ProcessGroup | None = None,
) -> Iterator[Step | Epoch]:
    """Train a model; yield an `Epoch` after each epoch.

    The loss is the cross-entropy of the model's scores (N, classes), or the model's own
    ``loss(outputs, labels)``.

    Parameters
    ----------
    model : Module
    optimizer : Optimizer
        If its lr is a schedule, each step gets the rate that the schedule has for it.
    train : DataLoader
        Or any object with `steps` and ``batches(epoch, first)``.
    test : DataLoader or data set, optional
        Measured after each epoch. A data set is prepared as the images of `train` are, without
        what is random.
    epochs : int
        Length of the whole run; with a `state`, the epochs that are finished count.
    validation : DataLoader or data set, optional
        Images that are neither trained on nor part of the final test: a rate that waits for the
        error to fall depends on them.
    state : State, optional
        The position to start from; it is kept up to date. Stop the iteration whenever you like: a
        new ``fit(..., state=state)`` continues at the next step. `save_checkpoint` stores it.
    every_step : bool
        Yield a `Step` after each batch too: of training, then of validation, then of the test.
        On a GPU the means in it may be older than the batch; see `Step`.
    ranks : ProcessGroup, optional
        Processes that share every batch; the loaders yield this rank's part.

    Raises
    ------
    ValueError
        Where `epochs` is below 1, or differs from those of the schedule; where `state` lies within
        an epoch of batches of another size.
    ShapeError
        Where a batch of one image would reach a `BatchNorm2d` as one value per channel.
    TypeError
        Where an argument is of another kind, or a batch is not of floats and integers.
    FloatingPointError
        Where the loss is not finite; the message names the first layer that overflows.

    Examples
    --------
    >>> import numpy as np
    >>> import tinynet as tn
    >>> from tinynet import data, nn, optim
    >>> images = np.zeros((8, 1, 2, 2), np.float32)
    >>> loader = data.DataLoader((images, np.arange(8) % 2), batch_size=4, shuffle=True)
    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    >>> optimizer = optim.SGD(model.parameters(), lr=optim.Cosine(0.1, epochs=2), momentum=0.9)
    >>> [epoch.epoch for epoch in tn.fit(model, optimizer, loader, epochs=2)]
    [1, 2]
    """
    _check_run(model, optimizer, train, epochs)
    refuse_single_values(model, train)
    remember_preprocessing(model, train)
    train = on_device(train, device_of(model))
    for phase, images in (("validation", validation), ("test", test)):
        refuse_other_preparation(model, images, phase)
    held_out = {
        phase: evaluation_loader(model, images, phase)
        for phase, images in (("validation", validation), ("test", test))
        if images is not None
    }
    state = State() if state is None else state
    if ranks is None or ranks.size == 1:
        _check_position(train, state)
    events = _events(model, optimizer, train, held_out, epochs, state, ranks or SINGLE)
    return events if every_step else (event for event in events if isinstance(event, Epoch))


def _check_run(model: Any, optimizer: Any, train: Any, epochs: Any) -> None:
    """Raise before the first step where a run cannot be what its caller means."""
    if not isinstance(model, Module):
        raise TypeError(f"fit: the model must be an nn.Module, got {type(model).__name__}.")
    if not isinstance(optimizer, Optimizer):
        raise TypeError(
            f"fit: the optimizer comes after the model, got {type(optimizer).__name__}. "
            "For instance optim.SGD(model.parameters(), lr=0.01)."
        )
    check_images("fit", train)
    if not hasattr(train, "batches") or not hasattr(train, "steps"):
        raise TypeError(
            f"fit: the training images come in a DataLoader, got {type(train).__name__}. "
            "For instance data.DataLoader(images, batch_size=128, shuffle=True)."
        )
    if not is_whole(epochs, least=1):
        raise ValueError(f"fit: epochs must be a whole number, at least 1. Got {epochs!r}.")
    schedule = optimizer.schedule
    if schedule is not None and schedule.epochs not in (None, epochs):
        raise ValueError(
            f"fit: the schedule {schedule} is made for {schedule.epochs} epochs, and this run has "
            f"{epochs}. Give both the same number."
        )
    _check_parameters(model, optimizer)
    _warn_of_softmax(model)


def _warn_of_softmax(model: Module) -> None:
    """Warn where the scores would go through a softmax twice."""
    last = model
    while isinstance(last, Sequential) and len(last):
        last = last[-1]
    if isinstance(last, Softmax):
        warnings.warn(
            "fit: the model ends with Softmax, but the loss takes plain scores: cross-entropy has "
            "a softmax of its own, and so has tn.predict. Leave the layer out.",
            stacklevel=4,
        )


def _check_position(train: Any, state: State) -> None:
    """Raise where a state lies within an epoch of batches of another size."""
    state.metrics.synchronize()
    images = state.metrics.images
    size = getattr(train, "batch_size", None)
    if size is None or not images or not 0 < state.step < train.steps:
        return
    if images != state.step * size:
        raise ValueError(
            f"fit: the state lies within an epoch, after {state.step} batches with {images:,} "
            f"images; the loader has {size} in a batch. Continue with the same batch size; it "
            "may change between epochs."
        )


def _check_parameters(model: Module, optimizer: Optimizer) -> None:
    """Raise where the optimizer would not train this model."""
    own = {id(p): p.requires_grad for p in model.parameters()}
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    if not held & own.keys():
        raise ValueError(
            "fit: the optimizer has no parameter of this model, so nothing would be learned. "
            "Give it model.parameters()."
        )
    if not any(own[i] for i in held & own.keys()):
        raise ValueError(
            "fit: every parameter that the optimizer has is frozen, so nothing would be learned. "
            "model.unfreeze() lets them learn."
        )
    left_out = [i for i, trainable in own.items() if trainable and i not in held]
    if held - own.keys() and left_out:
        raise ValueError(
            f"fit: the optimizer has {len(held - own.keys())} parameters that the model no longer "
            f"has, and not the {len(left_out)} that took their place. Make the optimizer after the "
            "model is changed."
        )


def _events(
    model: Module,
    optimizer: Optimizer,
    train: Loader,
    held_out: dict[str, Loader],
    epochs: int,
    state: State,
    ranks: ProcessGroup,
) -> Iterator[Step | Epoch]:
    """Train from `state` to the end; yield a Step after each batch, an Epoch after each epoch."""
    gpu = GpuSteps(model, optimizer, ranks)
    while state.epoch < epochs:
        yield from train_one_epoch(
            model, optimizer, train, epochs=epochs, state=state, gpu=gpu, ranks=ranks
        )
        _set_rate(optimizer, state, max(0, _steps_done(state, train) - 1), epochs * train.steps)
        started = time.perf_counter()
        found = {}
        for phase, loader in held_out.items():
            found[phase] = RunningMetrics()
            for step in run_epoch(model, loader, found[phase], ranks):
                yield Step(
                    phase,
                    state.epoch + 1,
                    step,
                    loader.steps,
                    *found[phase].means,
                    lr=optimizer.lr,
                )
        yield _finish_epoch(state, found, optimizer.lr, time.perf_counter() - started)


def train_one_epoch(
    model: Module,
    optimizer: Optimizer,
    train: Loader,
    *,
    epochs: int = 1,
    state: State | None = None,
    gpu: GpuSteps | None = None,
    ranks: ProcessGroup = SINGLE,
) -> Iterator[Step]:
    """Train on what is left of the epoch that `state` is in; yield a Step after each batch."""
    state = State() if state is None else state
    model.train()
    gpu = gpu or GpuSteps(model, optimizer, ranks)
    on_cpu = device_of(model).kind == "cpu"
    before = last_read = time.perf_counter()
    for images, labels in train.batches(state.epoch, state.step):
        if state.step == train.steps:
            raise ValueError(f"fit: the loader has {train.steps} steps, and yields more batches.")
        check_batch("fit", model, images)
        number = _steps_done(state, train)
        random.at_step(number)
        _set_rate(optimizer, state, number, epochs * train.steps)
        if on_cpu:
            train_step(
                model, optimizer, images, labels, metrics=state.metrics, number=number, ranks=ranks
            )
        else:
            now = time.perf_counter()
            read = state.step + 1 == train.steps or now > last_read + READ_INTERVAL
            if gpu.run(images, labels, state.metrics, number, look=read):
                last_read = now
        now = time.perf_counter()
        state.step += 1
        state.seconds += now - before
        before = now
        yield Step(
            "train",
            state.epoch + 1,
            state.step,
            train.steps,
            *state.metrics.means,
            lr=optimizer.lr,
            images_per_second=state.metrics.images / max(1e-9, state.seconds),
        )
    if state.step < train.steps:
        raise ValueError(
            f"fit: the loader has {train.steps} steps, and yields {state.step} batches in epoch "
            f"{state.epoch + 1}."
        )


def _steps_done(state: State, train: Loader) -> int:
    return state.epoch * train.steps + state.step


def _set_rate(optimizer: Optimizer, state: State, step: int, steps: int) -> None:
    """Set the learning rate of a step by the optimizer's schedule, if it has one."""
    if optimizer.schedule is not None:
        optimizer.follow_schedule(step, steps, [record.error for record in state.records])


def _finish_epoch(
    state: State, found: dict[str, RunningMetrics], lr: float, seconds: float
) -> Epoch:
    """Move `state` to the start of the next epoch and return the record of this one."""
    means: dict[str, tuple[float | None, float | None]] = {
        phase: found[phase].means if phase in found and found[phase].images else (None, None)
        for phase in ("test", "validation")
    }
    record = Epoch(
        state.epoch + 1,
        *state.metrics.means,
        *means["test"],
        lr=lr,
        seconds=round(state.seconds + seconds, 3),
        images_per_second=round(state.metrics.images / max(1e-9, state.seconds), 1),
        validation_loss=means["validation"][0],
        validation_accuracy=means["validation"][1],
    )
    state.total_seconds += state.seconds + seconds
    state.epoch += 1
    state.step = 0
    state.metrics = RunningMetrics()
    state.seconds = 0.0
    state.records.append(record)
    return record
