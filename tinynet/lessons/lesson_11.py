"""Exercises of lesson 11: momentum SGD."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinynet.lessons.exercise import Wrong, exercise, expect
from tinynet.words import phrase

RATES = (0.01, 0.01, 0.01, 0.001, 0.001)  # of five steps by hand; the gradient is 0.5 throughout
AT = "w = 1, v = 0, g = 0.5, momentum 0.9, weight decay 0.0005"


def _walk(step: Any) -> list[float]:
    """Return the weights after each of five steps from w = 1."""
    w = 1.0
    v = 0.0
    path = []
    for lr in RATES:
        w, v = step(w, v, 0.5, lr, 0.9, 0.0005)
        path.append(w)
    return path


@exercise(
    "11.1",
    "One step, as the paper writes it",
    hints=(
        "First the gradient with weight decay: g + weight_decay * w, with the old w.",
        "Then the velocity: momentum * v - lr * (that). The lr is inside.",
        "Then w + v, with the new v. Return both: (w, v).",
    ),
)
def momentum_step(answer: Any) -> None:
    """Write my_momentum_step(w, v, g, lr, momentum, weight_decay): the new (w, v)."""
    expect(
        answer(1.0, 0.0, 0.5, 0.1, 0.0, 0.0),
        (0.95, -0.05),
        "w = 1, v = 0, g = 0.5, lr = 0.1, no momentum, no decay",
        "Without momentum and decay a step is -lr * g: downhill.",
    )
    expect(
        answer(1.0, 0.2, 0.5, 0.1, 0.9, 0.0),
        (1.13, 0.13),
        "w = 1, v = 0.2, g = 0.5, lr = 0.1, momentum 0.9, no decay",
        "0.9 * 0.2 - 0.1 * 0.5 = 0.13, and w moves by the *new* v.",
    )
    expect(
        answer(1.0, 0.0, 0.0, 0.1, 0.9, 0.5),
        (0.95, -0.05),
        "w = 1, v = 0, g = 0, lr = 0.1, momentum 0.9, decay 0.5",
        "Without a gradient the decay pulls w towards 0: v = -lr * decay * w.",
    )
    expect(
        _walk(answer),
        [0.994995, 0.985485525, 0.9719220701, 0.9592144747, 0.9472771593],
        phrase("five steps from {at}, lr = {rates}", at=AT, rates=", ".join(map(str, RATES))),
        "After the third step lr falls to a tenth, but the velocity keeps its old size.",
        tolerance=1e-9,
    )


@momentum_step.solution
def my_momentum_step(w, v, g, lr, momentum, weight_decay):
    v = momentum * v - lr * (g + weight_decay * w)
    return w + v, v


@exercise(
    "11.2",
    "The same in PyTorch's order",
    hints=(
        "Here v is a sum of gradients: momentum * v + (g + weight_decay * w), without lr.",
        "The lr is applied when w is updated: w - lr * v, with the new v.",
    ),
)
def torch_step(answer: Any) -> None:
    """Write my_torch_step(w, v, g, lr, momentum, weight_decay): the new (w, v).

    v sums gradients; lr is applied when w is updated.
    """
    expect(
        answer(1.0, 0.0, 0.5, 0.1, 0.9, 0.0),
        (0.95, 0.5),
        "w = 1, v = 0, g = 0.5, lr = 0.1, momentum 0.9, no decay",
        "v is a sum of gradients, so it points uphill; w moves against it.",
    )
    expect(
        answer(1.0, 0.2, 0.5, 0.1, 0.9, 0.0),
        (0.932, 0.68),
        "w = 1, v = 0.2, g = 0.5, lr = 0.1, momentum 0.9, no decay",
        "v becomes 0.9 * 0.2 + 0.5, and w moves by lr times the *new* v.",
    )
    expect(
        answer(1.0, 0.0, 0.0, 0.1, 0.9, 0.5),
        (0.95, 0.5),
        "w = 1, v = 0, g = 0, lr = 0.1, momentum 0.9, decay 0.5",
        "The decay is part of the gradient, weight_decay * w, so it goes into v as well.",
    )
    expect(
        _walk(answer),
        [0.994995, 0.985485525, 0.9719220701, 0.9702008732, 0.9681513109],
        phrase("five steps from {at}, lr = {rates}", at=AT, rates=", ".join(map(str, RATES))),
        "With a constant lr the path equals the paper's. When lr falls, the whole step falls.",
        tolerance=1e-9,
    )


@torch_step.solution
def my_torch_step(w, v, g, lr, momentum, weight_decay):
    v = momentum * v + (g + weight_decay * w)
    return w - lr * v, v


@exercise(
    "11.3",
    "What Keras called decay",
    hints=(
        "It is a division: the more steps, the larger the divisor.",
        "After 1 / decay steps the rate is half of lr: lr / (1 + decay * step).",
    ),
)
def keras_rate(answer: Any) -> None:
    """Write my_keras_rate(lr, decay, step): the rate of a step under SGD(lr, decay=decay)."""
    expect(
        answer(0.01, 0.5, 0),
        0.01,
        "lr = 0.01, decay = 0.5, step 0",
        "At step 0 the rate is still lr.",
        1e-12,
    )
    expect(
        answer(0.01, 0.5, 2),
        0.005,
        "lr = 0.01, decay = 0.5, step 2",
        "The divisor is 1 + 0.5 * 2 = 2.",
        1e-12,
    )
    expect(
        answer(1.0, 0.5, 18),
        0.1,
        "lr = 1, decay = 0.5, step 18",
        "The divisor is 1 + 0.5 * 18 = 10: it grows by the same amount each step, and the rate "
        "never becomes 0 or negative.",
    )


@keras_rate.solution
def my_keras_rate(lr, decay, step):
    return lr / (1 + decay * step)


@exercise(
    "11.4",
    "A learning rate range test",
    hints=(
        "Loop over the rates and call step(rate) once for each; collect what it returns.",
        "Stop before appending a loss that is not finite, or larger than twice the lowest so far.",
        "np.isfinite(loss) is False for nan and infinity. The first loss has nothing to be "
        "compared with.",
    ),
)
def range_test(answer: Any) -> None:
    """Write my_range_test(step, rates): the losses of step(rate) for rising rates.

    Training diverges where a loss is not finite, or more than twice the lowest so far. Leave that
    loss out, and do not call step again.
    """

    def asked(losses: list[float], calls: int, why: str) -> None:
        called: list[float] = []
        rates = [10.0 ** (i - 5) for i in range(len(losses))]

        def step(rate: float) -> float:
            called.append(rate)
            return losses[rates.index(rate)]

        case = phrase(
            "losses {losses} at rates {rates}",
            losses=losses,
            rates=[f"{rate:g}" for rate in rates],
        ).replace("'", "")
        wanted = losses[: calls if calls == len(losses) else calls - 1]
        expect(answer(step, rates), wanted, case, why)
        if called != rates[:calls]:
            told = ", ".join(f"{rate:g}" for rate in called)
            raise Wrong(
                phrase(
                    "for {case}: step was called with the rates {told}; expected one call for each "
                    "of the first {calls}, in their order.\n"
                    "  Every call of step moves the weights.",
                    case=case,
                    told=told,
                    calls=calls,
                )
            )

    asked([3.0, 2.0, 1.0], 3, "No divergence: all losses are returned.")
    asked([3.0, 2.0, 3.5, 4.5, 1.0], 4, "4.5 is more than twice 2; 3.5 was not.")
    asked([3.0, math.nan, 1.0], 2, "A loss that is not finite means divergence.")
    asked([math.inf, 1.0], 1, "Even the first loss may be infinite; then the list is empty.")
    asked([2.0, 4.0, 1.0], 3, "4 is exactly twice 2, not more.")
    asked([2.0, 5.0, 1.0], 2, "The first loss is the lowest so far: 5 is more than twice 2.")


@range_test.solution
def my_range_test(step, rates):
    losses = []
    for rate in rates:
        loss = step(rate)
        if not np.isfinite(loss) or (losses and loss > 2 * min(losses)):
            break
        losses.append(loss)
    return losses
