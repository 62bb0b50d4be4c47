"""Small run of many kinds of state, and what it leaves behind when nothing happens to it.

Momentum, batch norm, dropout, drawn flips and a learning rate that changes at every step: a resumed
run that forgets one of them computes other losses.
"""

import dataclasses
import functools
import json
import os
import tempfile
from pathlib import Path

import numpy as np

from tinynet import data, nn
from tinynet.training import presets, run_dir, runs
from tinynet.training.loop import Epoch, Step
from tinynet.weights import checkpoint

RECIPE = dataclasses.replace(
    presets.find("demo"),
    epochs=4,
    batch_size=16,
    lr=1.0,
    schedule="cosine",
    horizontal_flip=True,
    validation=0.25,
    seed=6,
)
CLOCKS = ("seconds", "images_per_second")  # what differs between equal runs


class KilledError(BaseException):
    """Stands for kill -9: nothing is cleaned up."""


def net(classes):
    """Return a network with a buffer (batch norm) and with draws (dropout)."""
    return nn.Sequential(
        nn.Conv2d(3, 4, 8, stride=8),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(64, classes),
    )


@functools.cache
def sets():
    train = data.Shapes(train=True)
    test = data.Shapes(train=False)
    return train[:48], test[:20], train[48:72]


def assembled(folder, recipe=RECIPE):
    return runs.assemble(folder, recipe, sets())


def bits(arrays):
    return {name: np.asarray(array).tobytes() for name, array in arrays.items()}


def weights_of(run):
    return bits({**run.model.state_dict(), **run.optimizer.state_dict()})


def step_of(run):
    """Return how many training steps the run has done."""
    return run.state.epoch * run.train.steps + run.state.step


def timeless(record):
    """Return a record as log.jsonl holds it, without what a clock measured."""
    row = record if isinstance(record, dict) else dataclasses.asdict(record)
    return {k: v for k, v in row.items() if k not in CLOCKS and v is not None}


@dataclasses.dataclass
class Undisturbed:
    """What a run does that nothing happens to."""

    weights: dict[int, dict[str, bytes]]  # after so many steps
    losses: dict[int, tuple[float, float, float]]  # loss, accuracy and rate that a step reports
    log: list[dict]
    errors: list[float]
    steps: int  # of an epoch
    result: dict
    best: dict[str, bytes]  # what best.safetensors holds in the end

    def end_of(self, epoch):
        """Return the weights of the network at the end of an epoch, 1 for the first."""
        return self.weights[epoch * self.steps]


@functools.cache
def undisturbed():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run = assembled(folder)
        weights = {0: weights_of(run)}
        losses = {}
        for event in runs.advance(run):
            if isinstance(event, Step) and event.phase == "train":
                weights[step_of(run)] = weights_of(run)
                losses[step_of(run)] = reported(event)
            if isinstance(event, Epoch):
                weights[step_of(run)] = weights_of(run)
        errors = [record.error for record in run.state.records]
        best = bits(checkpoint.load(folder / run_dir.BEST).model)
        found = Undisturbed(
            weights,
            losses,
            [timeless(record) for record in run.state.records],
            errors,
            run.train.steps,
            timeless(json.loads((folder / run_dir.RESULT).read_text())),
            best,
        )
    assert errors[0] < errors[2] < errors[1], "the third epoch is better, but not the best"
    assert best.items() <= found.end_of(1 + int(np.argmin(errors))).items()
    return found


def reported(event):
    return event.loss, event.accuracy, event.lr


class Saboteur:
    """In place of a function of `os` while files are written: kills before or after the n-th call.

    A file that is killed while it is flushed is on the disk by half.
    """

    def __init__(self, function, at, after):
        self.left = at
        self.after = after
        self.real = getattr(os, function)

    def __call__(self, *arguments):
        self.left -= 1
        if self.left == 0 and not self.after:
            if self.real is os.fsync:
                os.ftruncate(arguments[0], os.fstat(arguments[0]).st_size // 2)
            raise KilledError
        self.real(*arguments)
        if self.left == 0:
            raise KilledError
