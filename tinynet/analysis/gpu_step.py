"""Training step of a network on a GPU: its launches and an estimate of its time, without a GPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinynet import models, nn
from tinynet.core.backend import Array
from tinynet.core.table import table
from tinynet.graph_capture import graph
from tinynet.kernels.cuda.launch import observer
from tinynet.kernels.dispatch import use
from tinynet.kernels.gemm import precision as multiplied_in
from tinynet.kernels.profiler.gpus import find
from tinynet.kernels.profiler.profiles import Profile, check_precision, following, summarized
from tinynet.kernels.profiler.record import Pass, Record
from tinynet.optim import SGD
from tinynet.tensors import Tensor, tensor
from tinynet.words import phrase, phrases, spoken

LIBRARY = "array library: sums, copies, scaling"
SHOWN = 24  # rows of the table


def profile_model(
    name: str, batch: int = 128, *, gpu: str = "h200", precision: str = "float32"
) -> Profile:
    """Return the profile of one training step of a named network.

    Parameters
    ----------
    name : a name of `tinynet.models`
    batch : images
    gpu, precision : see `tinynet.kernels.profile`

    Raises
    ------
    ValueError
        There is no such network, GPU or precision.
    DeviceError
        NVIDIA's compiler library is not installed.
    """
    check_precision(precision)
    record = Record(find(gpu))
    model = models.build(name)
    classes = 10
    draw = np.random.default_rng(0)
    images = tensor(draw.standard_normal((batch, *models.INPUT_SHAPES[name]), np.float32))
    labels = draw.integers(0, classes, batch)
    return profile_step(training_step(model, images, labels), record, precision)


def training_step(model: Any, images: Tensor, labels: Any) -> Callable[[], Tensor]:
    """Return a step of SGD with momentum on one batch."""
    optimizer = SGD(model.parameters(), 0.01, momentum=0.9, weight_decay=5e-4)

    def step() -> Tensor:
        loss = nn.forward_with_loss(model, images, labels).objective
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return step


def profile_step(step: Callable[[], Any], record: Record, precision: str) -> Profile:
    """Return the profile of a step that `tn.graph` can record.

    What the array library does between the kernels is counted from the record of the step: each
    such operation is a node. Its bytes are not counted.
    """
    with following(record) as follower, multiplied_in(precision):
        step()
    recorded = graph(step)
    token = observer.set(_Idle())
    try:
        ignored = np.errstate(all="ignore")  # results were never written
        with use("cuda_on_cpu"), multiplied_in(precision), ignored:
            for _ in range(2):  # the second call is recorded
                recorded()
    finally:
        observer.reset(token)
    record.events += [Pass(LIBRARY, 0)] * max(0, recorded.nodes - follower.calls)
    return summarized(record, precision)


class _Idle:
    """An observer under which nothing is launched: a step goes as on a GPU, without its numbers."""

    def on_launch(self, *_: Any) -> bool:
        """Leave a launch out."""
        return False

    def on_product(self, *_: Any) -> bool:
        """Leave a matrix product out."""
        return False

    def on_copy(self, x: Array) -> None:
        """See a copy."""


def page(found: Profile, what: str) -> str:
    """Return a profile as text."""
    rows = [
        phrases(
            "kernel",
            "launches",
            "blocks",
            "regs",
            "occupancy",
            "MB",
            "coalesced",
            "lanes",
            "us",
            "bound",
        )
    ]
    for k in found.kernels[:SHOWN]:
        own = k.blocks > 0
        rows.append(
            (
                k.name,
                str(k.launches),
                f"{k.blocks:,}" if own else "-",
                str(k.registers) if own else "-",
                f"{k.occupancy:.0%}" if own else "-",
                f"{k.bytes / 1e6:.2f}",
                f"{k.coalescing:.0%}" if own else "-",
                f"{k.active_lanes:.0%}" if own else "-",
                f"{k.estimate_us * k.launches:.1f}",
                phrase(k.bound),
            )
        )
    lines = [
        phrase(
            "{what} on {gpu}, products in {precision}: estimated, not measured",
            what=what,
            gpu=found.gpu.name,
            precision=found.precision,
        ),
        phrase(
            "{count} nodes, {total:.2f} ms, {gaps:.2f} ms between nodes",
            count=found.nodes,
            total=found.estimate_ms,
            gaps=found.gaps_ms,
        ),
        "",
        table(rows, left=1),
    ]
    more = len(found.kernels) - SHOWN
    if more > 0:
        lines.append(phrase("and {count} more rows, which --json lists", count=more))
    lines += ["", phrase("Assumed:"), *(f"- {spoken(each)}" for each in found.assumptions)]
    return "\n".join(lines)
