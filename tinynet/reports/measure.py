"""Measurements for the page of a run: its answers, its mistakes, and the time of its layers."""

from __future__ import annotations

import dataclasses
import math
import time
from typing import Any

import numpy as np

from tinynet import functions as F
from tinynet import nn
from tinynet.analysis import summary
from tinynet.core.backend import CPU, Array, to_numpy
from tinynet.core.grad_mode import no_grad
from tinynet.data import Dataset
from tinynet.inspection.inputs import preserved, to_model
from tinynet.training.evaluation import predict
from tinynet.training.predict import TrainedModel

TIMED = 50  # images of a timed batch; fewer where they are large
PIXELS = 50 * 64 * 64  # of that batch, about
SECONDS = 0.4  # of repeated measurements
FLOAT = 4  # bytes


@dataclasses.dataclass(frozen=True)
class Answers:
    """What a network answered to the images of the test.

    Attributes
    ----------
    labels, answers : (N,) int64
        True classes, and the most probable ones.
    certainty, truth : (N,) float32
        Probability of the answer, and of the true class.
    counts : (classes, classes) int
        `counts[i, j]` images of class i were answered as class j.
    """

    labels: Array
    answers: Array
    certainty: Array
    truth: Array
    counts: Array

    def worst(self, limit: int) -> Array:
        """Return the indices of wrong answers, those with the least probable true class first."""
        wrong = np.flatnonzero(self.labels != self.answers)
        return wrong[np.argsort(self.truth[wrong], kind="stable")[:limit]]

    def surest(self) -> int | None:
        """Return the index of the right answer with the highest probability."""
        right = np.flatnonzero(self.labels == self.answers)
        return int(right[self.certainty[right].argmax()]) if len(right) else None


def answers(trained: TrainedModel, test: Dataset) -> Answers:
    """Return the answers of a network to all images of its test, prepared as in that test."""
    shares = predict(trained.model, trained.loader(test))
    labels = np.asarray(test.labels)
    found = shares.argmax(axis=1)
    rows = np.arange(len(labels))
    counts = F.confusion_matrix(found, labels, len(trained.classes))
    return Answers(labels, found, shares[rows, found], shares[rows, labels], to_numpy(counts))


@dataclasses.dataclass(frozen=True)
class LayerCost:
    """Cost of one layer in a forward pass.

    Attributes
    ----------
    name, kind : str
    shape : tuple of int
        Of its output for one image.
    parameters, multiply_adds : int
        Multiply-adds of one image.
    seconds : float
        For one image, in a batch.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    multiply_adds: int
    seconds: float

    @property
    def output_bytes(self) -> int:
        """Memory of its output for one image, float32."""
        return FLOAT * math.prod(self.shape)


def layer_costs(model: nn.Module, images: Array) -> tuple[list[LayerCost], int]:
    """Return the costs of the layers, in the order of their calls, and the size of the batch.

    Each layer runs by itself, so that a ReLU is not computed together with the layer before it.
    The shortest of several passes counts: other programs only make one longer.

    Parameters
    ----------
    model : nn.Module
    images : (N, C, H, W)
        Prepared for the model; the first ones are used.
    """
    count = max(1, min(TIMED, len(images), PIXELS // math.prod(images.shape[2:])))
    batch = images[:count]
    listed = summary.layers(model, tuple(batch.shape[1:]))
    best: dict[str, float] = {}
    with preserved(model), no_grad():
        x = to_model(model, batch)
        deadline = None
        while deadline is None or time.perf_counter() < deadline:
            for name, seconds in _timed(model, x).items():
                best[name] = min(seconds, best.get(name, math.inf))
            deadline = deadline or time.perf_counter() + SECONDS
    costs = [
        LayerCost(
            layer.name,
            layer.kind,
            layer.shape,
            layer.parameters,
            layer.multiply_adds,
            best.get(layer.name, 0.0) / count,
        )
        for layer in _each_once(listed)
    ]
    return costs, count


def _each_once(layers: list[summary.Layer]) -> list[summary.Layer]:
    """Return the layers without repeated calls, whose time is counted at the first."""
    return list({layer.name: layer for layer in reversed(layers)}.values())[::-1]


def _timed(model: nn.Module, x: Any) -> dict[str, float]:
    """Return the seconds of each layer in one forward pass: from the end of the one before it."""
    names: dict[int, str] = {}
    for name, module in model.named_modules():
        names.setdefault(id(module), name or summary.MODEL)
    found: dict[str, float] = {}
    wait = x.device != CPU
    before = time.perf_counter()

    def note(module: nn.Module, _: Any, y: Any) -> None:
        nonlocal before
        if wait and hasattr(y, "data"):
            to_numpy(y.data.reshape(-1)[:1])  # waits for the kernels of a GPU
        now = time.perf_counter()
        name = names.get(id(module), "")
        found[name] = found.get(name, 0.0) + now - before
        before = time.perf_counter()

    with nn.observe(note):
        model(x)
    return found
