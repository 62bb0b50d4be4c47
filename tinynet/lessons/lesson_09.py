"""The exercises of lesson 09: dropout."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinynet.lessons.exercise import exercise, expect

X = np.array([1.0, 2.0, 3.0, 4.0])
U = np.array([0.1, 0.9, 0.2, 0.5])  # one uniform number for each unit
DRAWN = "x = [1, 2, 3, 4], u = [0.1, 0.9, 0.2, 0.5]"


def _mean(answer: Any, p: float) -> Any:
    """Return the mean of what 20,000 units of value 1 give in training."""
    u = (np.arange(20_000) + 0.5) / 20_000
    return np.asarray(answer(np.ones(20_000), p, u, True)).mean()


@exercise(
    "09.1",
    "Dropout, the paper's way",
    hints=(
        "In training a unit stays where its number u is at least p: then its chance to go is p.",
        "np.where(u >= p, x, 0) in training. In tests nothing is random.",
        "In tests every unit is there, but the next layer is used to a share of 1 - p of them: "
        "return x * (1 - p).",
    ),
)
def paper_dropout(answer: Any) -> None:
    """Write my_paper_dropout(x, p, u, training): zero units with probability p in training.

    u holds a uniform random number in [0, 1) for each unit of x. A unit goes where u < p. In tests
    all stay, and everything is multiplied by what the paper says.
    """
    expect(
        answer(X, 0.5, U, True), [0, 2, 0, 4], f"{DRAWN}, p = 0.5, training",
        "A unit goes where u < p. Those that stay are as they were.",
    )  # fmt: skip
    expect(
        answer(X, 0.2, U, True), [0, 2, 3, 4], f"{DRAWN}, p = 0.2, training",
        "p is the chance to go: only the first unit has u < 0.2.",
    )  # fmt: skip
    expect(
        answer(X, 0.2, U, False), [0.8, 1.6, 2.4, 3.2], f"{DRAWN}, p = 0.2, not training",
        "In training a share of 0.8 was there on average; p and 1 - p are the same only at 0.5.",
    )  # fmt: skip
    expect(
        answer(X, 0.0, U, True), X, f"{DRAWN}, p = 0, training", "Nobody goes."
    )  # fmt: skip
    expect(
        _mean(answer, 0.3), 0.7, "20,000 units of value 1, p = 0.3, training: their mean",
        "A share of 0.7 stays, and as it was: in this form training divides by nothing.",
    )  # fmt: skip


@paper_dropout.solution
def my_paper_dropout(x, p, u, training):
    return np.where(u >= p, x, 0) if training else x * (1 - p)


@exercise(
    "09.2",
    "Dropout, inverted",
    hints=(
        "Now a test returns x as it is. So training has to make up for the units that go.",
        "If a share of 1 - p stays, those that stay must count 1 / (1 - p) times.",
    ),
)
def inverted_dropout(answer: Any) -> None:
    """Write my_inverted_dropout(x, p, u, training): in tests x comes back as it is.

    In training a unit goes where u < p, as before; those that stay make up for it.
    """
    expect(
        answer(X, 0.2, U, False), X, f"{DRAWN}, p = 0.2, not training", "A test changes nothing."
    )
    expect(
        answer(X, 0.5, U, True), [0, 4, 0, 8], f"{DRAWN}, p = 0.5, training",
        "Half of them go, so the others count twice.",
    )  # fmt: skip
    expect(
        answer(X, 0.2, U, True), [0, 2.5, 3.75, 5], f"{DRAWN}, p = 0.2, training",
        "A share of 0.8 stays, so those that stay are divided by 0.8.",
    )  # fmt: skip
    expect(
        _mean(answer, 0.3), 1.0, "20,000 units of value 1, p = 0.3, training: their mean",
        "On average a test and a training step must see the same.",
    )  # fmt: skip


@inverted_dropout.solution
def my_inverted_dropout(x, p, u, training):
    return np.where(u >= p, x / (1 - p), 0) if training else x


@exercise(
    "09.3",
    "From one form to the other",
    hints=(
        "With keep = 1 - p: the inverted form hands on values that are 1 / keep times as large. "
        "The products stay the same if the weights are keep times as large.",
        "The gradient of a weight is then 1 / keep times as large, but its step must be keep times "
        "as large: lr * keep * keep.",
        "The decay's step lr * decay * weight must be keep times as large too. lr has keep**2 in "
        "it and the weight has keep, so decay must be divided by keep**2.",
    ),
)
def convert(answer: Any) -> None:
    """Write my_convert(weight, lr, weight_decay, p): the same three for inverted dropout.

    They belong to the layer behind the dropout, and were chosen for the paper's form. With those
    that it returns, (weight, lr, weight_decay), training with inverted dropout must take the very
    same course.
    """
    expect(
        answer(np.array([2.0, 4.0]), 0.01, 0.0005, 0.5)[0], [1, 2],
        "weight = [2, 4], p = 0.5: the new weight",
        "The inputs are twice as large, so the weights must be half as large.",
    )  # fmt: skip
    expect(
        answer(np.array([2.0, 4.0]), 0.01, 0.0005, 0.5)[1:], (0.0025, 0.002),
        "lr = 0.01, weight_decay = 0.0005, p = 0.5: the new lr and weight decay",
        "The gradient becomes twice as large and the step must become half as large: lr / 4.",
        1e-9,
    )  # fmt: skip
    expect(
        answer(np.array([2.0, 4.0]), 0.01, 0.0005, 0.2)[0], [1.6, 3.2],
        "weight = [2, 4], p = 0.2: the new weight",
        "keep = 1 - p = 0.8: p and 1 - p are the same only at 0.5.",
    )  # fmt: skip
    for p in (0.2, 0.8):
        _same_course(answer, p)


def _same_course(answer: Any, p: float) -> None:
    """Train one layer both ways for five steps and compare the weights."""
    rng = np.random.default_rng(0)
    theirs, lr, decay = rng.standard_normal(4), 0.1, 0.05
    mine, my_lrate, my_decay = answer(theirs.copy(), lr, decay, p)
    for step in range(5):
        x, u = rng.standard_normal(4), rng.random(4)
        for form in ("paper", "inverted"):
            w, rate, wd = (theirs, lr, decay) if form == "paper" else (mine, my_lrate, my_decay)
            seen = np.where(u >= p, x if form == "paper" else x / (1 - p), 0)
            g = 2 * (w @ seen - 1) * seen  # of the loss (output - 1)**2
            w = w - rate * (g + wd * w)
            theirs, mine = (w, mine) if form == "paper" else (theirs, w)
        expect(
            mine / (1 - p), theirs, f"p = {p}, after step {step + 1}, the new weight / (1 - p)",
            "The step of a weight is lr * (g + decay * weight): all of it must be 1 - p times the "
            "old one, and g is 1 / (1 - p) times the old one.",
        )  # fmt: skip


@convert.solution
def my_convert(weight, lr, weight_decay, p):
    keep = 1 - p
    return keep * weight, keep**2 * lr, weight_decay / keep**2
