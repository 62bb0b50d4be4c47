"""Exercises of lesson 09: dropout."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinynet.lessons.exercise import cases, exercise, expect
from tinynet.words import phrase

X = np.array([1.0, 2.0, 3.0, 4.0])
U = np.array([0.1, 0.9, 0.2, 0.5])  # one uniform number for each unit
DRAWN = "x = [1, 2, 3, 4], u = [0.1, 0.9, 0.2, 0.5]"


def _mean(answer: Any, p: float) -> Any:
    """Return the mean output of 20,000 units of value 1 in training."""
    u = (np.arange(20_000) + 0.5) / 20_000
    return np.asarray(answer(np.ones(20_000), p, u, True)).mean()


@exercise(
    "09.1",
    "Dropout, the paper's way",
    hints=(
        "In training a unit is kept where its u is at least p: it is dropped with probability p.",
        "np.where(u >= p, x, 0) in training. At test time nothing is random.",
        "At test time all units are kept, but the next layer was trained with a fraction 1 - p of "
        "them: return x * (1 - p).",
    ),
)
def paper_dropout(answer: Any) -> None:
    """Write my_paper_dropout(x, p, u, training): zero units with probability p in training.

    u holds a uniform random number in [0, 1) for each unit of x. A unit is zeroed where u < p. At
    test time all units are kept and multiplied by the paper's factor.
    """
    expect(
        answer(X, 0.5, U, True),
        [0, 2, 0, 4],
        f"{phrase(DRAWN)}, p = 0.5, {phrase('training')}",
        "A unit is zeroed where u < p. The others are unchanged.",
    )
    expect(
        answer(X, 0.2, U, True),
        [0, 2, 3, 4],
        f"{phrase(DRAWN)}, p = 0.2, {phrase('training')}",
        "p is the probability of zeroing a unit: only the first unit has u < 0.2.",
    )
    expect(
        answer(X, 0.2, U, False),
        [0.8, 1.6, 2.4, 3.2],
        f"{phrase(DRAWN)}, p = 0.2, {phrase('not training')}",
        "In training a fraction of 0.8 was kept on average; p and 1 - p are the same only at 0.5.",
    )
    expect(
        answer(X, 0.0, U, True),
        X,
        f"{phrase(DRAWN)}, p = 0, {phrase('training')}",
        "No unit is zeroed.",
    )
    expect(
        _mean(answer, 0.3),
        0.7,
        "20,000 units of value 1, p = 0.3, training: their mean",
        "A fraction of 0.7 is kept unchanged: this form does not divide in training.",
    )


@paper_dropout.solution
def my_paper_dropout(x, p, u, training):
    return np.where(u >= p, x, 0) if training else x * (1 - p)


@exercise(
    "09.2",
    "Dropout, inverted",
    hints=(
        "At test time x is returned unchanged. So training must compensate for the zeroed units.",
        "If a fraction 1 - p is kept, multiply the kept units by 1 / (1 - p).",
    ),
)
def inverted_dropout(answer: Any) -> None:
    """Write my_inverted_dropout(x, p, u, training): at test time return x unchanged.

    In training a unit is zeroed where u < p, as before; the kept units are scaled to compensate.
    """
    expect(
        answer(X, 0.2, U, False),
        X,
        f"{phrase(DRAWN)}, p = 0.2, {phrase('not training')}",
        "Testing changes nothing.",
    )
    expect(
        answer(X, 0.5, U, True),
        [0, 4, 0, 8],
        f"{phrase(DRAWN)}, p = 0.5, {phrase('training')}",
        "Half of the units are zeroed, so the others are doubled.",
    )
    expect(
        answer(X, 0.2, U, True),
        [0, 2.5, 3.75, 5],
        f"{phrase(DRAWN)}, p = 0.2, {phrase('training')}",
        "A fraction of 0.8 is kept, so the kept units are divided by 0.8.",
    )
    expect(
        _mean(answer, 0.3),
        1.0,
        "20,000 units of value 1, p = 0.3, training: their mean",
        "The mean in training must equal the mean at test time.",
    )


@inverted_dropout.solution
def my_inverted_dropout(x, p, u, training):
    return np.where(u >= p, x / (1 - p), 0) if training else x


@exercise(
    "09.3",
    "From one form to the other",
    hints=(
        "With keep = 1 - p: the inverted form passes on values that are 1 / keep times as large. "
        "The products stay the same if the weights are keep times as large.",
        "The gradient of a weight is then 1 / keep times as large, but its step must be keep times "
        "as large: lr * keep * keep.",
        "The decay's step lr * decay * weight must be keep times as large too. lr contains "
        "keep**2 and the weight contains keep, so decay must be divided by keep**2.",
    ),
)
def convert(answer: Any) -> None:
    """Write my_convert(weight, lr, weight_decay, p): the same three for inverted dropout.

    They belong to the layer after the dropout and were chosen for the paper's form. Return the
    (weight, lr, weight_decay) with which inverted dropout gives exactly the same training.
    """
    expect(
        answer(np.array([2.0, 4.0]), 0.01, 0.0005, 0.5)[0],
        [1, 2],
        "weight = [2, 4], p = 0.5: the new weight",
        "The inputs are twice as large, so the weights must be half as large.",
    )
    expect(
        answer(np.array([2.0, 4.0]), 0.01, 0.0005, 0.5)[1:],
        (0.0025, 0.002),
        "lr = 0.01, weight_decay = 0.0005, p = 0.5: the new lr and weight decay",
        "The gradient becomes twice as large and the step must become half as large: lr / 4.",
        1e-9,
    )
    expect(
        answer(np.array([2.0, 4.0]), 0.01, 0.0005, 0.2)[0],
        [1.6, 3.2],
        "weight = [2, 4], p = 0.2: the new weight",
        "keep = 1 - p = 0.8: p and 1 - p are the same only at 0.5.",
    )
    for p in (0.2, 0.8):
        _same_course(answer, p)


def _same_course(answer: Any, p: float) -> None:
    """Train one layer both ways for five steps and compare the weights."""
    rng = cases(0)
    theirs = rng.standard_normal(4)
    lr = 0.1
    decay = 0.05
    mine, my_lrate, my_decay = answer(theirs.copy(), lr, decay, p)
    for step in range(5):
        x = rng.standard_normal(4)
        u = rng.random(4)
        for form in ("paper", "inverted"):
            w, rate, wd = (theirs, lr, decay) if form == "paper" else (mine, my_lrate, my_decay)
            seen = np.where(u >= p, x if form == "paper" else x / (1 - p), 0)
            g = 2 * (w @ seen - 1) * seen  # of the loss (output - 1)**2
            w = w - rate * (g + wd * w)
            theirs, mine = (w, mine) if form == "paper" else (theirs, w)
        expect(
            mine / (1 - p),
            theirs,
            phrase("p = {p}, after step {step}, the new weight / (1 - p)", p=p, step=step + 1),
            "The step of a weight is lr * (g + decay * weight): the whole step must be 1 - p times "
            "the old one, and g is 1 / (1 - p) times the old one.",
        )


@convert.solution
def my_convert(weight, lr, weight_decay, p):
    keep = 1 - p
    return keep * weight, keep**2 * lr, weight_decay / keep**2
