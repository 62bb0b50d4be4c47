"""The exercises of lesson 04: ReLU against tanh and sigmoid."""

import math

import numpy as np

from tinynet.lessons.exercise import Wrong, exercise, expect


@exercise(
    "04.1",
    "Backward of ReLU",
    hints=(
        "The slope of max(x, 0) is 1 to the right of 0 and 0 to the left.",
        "x > 0 is an array of True and False, which count as 1 and 0.",
        "return gy * (x > 0)",
    ),
)
def relu_backward(answer):
    """Write my_relu_backward(gy, x): gy times the slope of max(x, 0)."""
    expect(
        answer(np.array([5.0, 5.0]), np.array([2.0, -2.0])), [5, 0], "gy = [5, 5], x = [2, -2]",
        "Above 0 the output moves with x, below it does not move.",
    )  # fmt: skip
    expect(
        answer(np.array([-3.0, -3.0]), np.array([2.0, -2.0])), [-3, 0],
        "gy = [-3, -3], x = [2, -2]",
        "It is x that decides, not gy: a negative gradient passes too.",
    )  # fmt: skip
    expect(
        answer(np.array([1.0]), np.array([0.0])), [0], "gy = [1], x = [0]",
        "At exactly 0 there is no slope; the code of 2012 and this library take 0.",
    )  # fmt: skip


@relu_backward.solution
def my_relu_backward(gy, x):
    return gy * (x > 0)


@exercise(
    "04.2",
    "Backward of tanh",
    hints=(
        "The derivative of tanh(x) is 1 - tanh(x) ** 2.",
        "You are given y, which is tanh(x) already.",
        "return gy * (1 - y * y)",
    ),
)
def tanh_backward(answer):
    """Write my_tanh_backward(gy, y): gy times the slope of tanh, given its output y."""
    expect(
        answer(np.array([2.0, 2.0]), np.array([0.0, 0.5])), [2, 1.5], "gy = [2, 2], y = [0, 0.5]",
        "The slope is 1 in the middle, and 1 - 0.5 * 0.5 where the output is a half.",
    )  # fmt: skip
    x = np.array([-3.0, -0.4, 0.2, 1.0])
    expect(
        answer(np.ones(4), np.tanh(x)), 1 / np.cosh(x) ** 2, "gy = [1, 1, 1, 1], y = tanh of x = "
        "[-3, -0.4, 0.2, 1]", "y is the output; tanh of it would be taken twice.",
    )  # fmt: skip


@tanh_backward.solution
def my_tanh_backward(gy, y):
    return gy * (1 - y * y)


@exercise(
    "04.3",
    "Backward of sigmoid",
    hints=(
        "Write y = 1 / (1 + e), with e = exp(-x). The slope is e / (1 + e) ** 2.",
        "1 / (1 + e) is y, and e / (1 + e) is 1 - y.",
        "return gy * y * (1 - y)",
    ),
)
def sigmoid_backward(answer):
    """Write my_sigmoid_backward(gy, y): gy times the slope of 1 / (1 + exp(-x)), given y."""
    expect(
        answer(np.array([8.0, 8.0]), np.array([0.5, 0.25])), [2, 1.5], "gy = [8, 8], y = [0.5, "
        "0.25]", "The slope is largest in the middle, and there it is only a quarter.",
    )  # fmt: skip
    x = np.array([-3.0, -0.4, 0.2, 1.0])
    y = 1 / (1 + np.exp(-x))
    expect(
        answer(np.ones(4), y), np.exp(-x) * y * y, "gy = [1, 1, 1, 1], y = sigmoid of x = "
        "[-3, -0.4, 0.2, 1]", "y is the output of sigmoid, not its input.",
    )  # fmt: skip


@sigmoid_backward.solution
def my_sigmoid_backward(gy, y):
    return gy * y * (1 - y)


@exercise(
    "04.4",
    "When a curve reaches a level",
    hints=(
        "Walk along the curve and stop at the first error that is not above the level.",
        "It was reached between this point and the one before. Which part of the way was needed?",
        "With a, b the two errors and s, t their epochs: s + (t - s) * (a - level) / (a - b). "
        "Where no error is low enough, math.inf.",
    ),
)
def reached(answer):
    """Write my_epochs_to(epochs, errors, level): where the curve first comes down to level."""
    why = "From 0.5 to 0.1 it passes 0.2 after three quarters of the way."
    expect(
        answer([0, 1, 2], [0.9, 0.5, 0.1], 0.2), 1.75,
        "epochs = [0, 1, 2], errors = [0.9, 0.5, 0.1], level = 0.2", why,
    )  # fmt: skip
    expect(
        answer([1, 2, 3], [0.8, 0.2, 0.1], 0.2), 2,
        "epochs = [1, 2, 3], errors = [0.8, 0.2, 0.1], level = 0.2",
        "At the level counts as reached.",
    )  # fmt: skip
    expect(
        answer([0, 1, 2, 3], [0.6, 0.2, 0.6, 0.2], 0.4), 0.5,
        "epochs = [0, 1, 2, 3], errors = [0.6, 0.2, 0.6, 0.2], level = 0.4",
        "The first time counts, also if the error rises again.",
    )  # fmt: skip
    never = answer([0, 1, 2], [0.9, 0.8, 0.7], 0.2)
    if never != math.inf:
        raise Wrong(
            f"for errors = [0.9, 0.8, 0.7], level = 0.2: expected inf, got {never}.\n  "
            "It was never reached. math.inf says so, and is larger than any number of epochs."
        )


@reached.solution
def my_epochs_to(epochs, errors, level):
    for i, error in enumerate(errors):
        if error <= level:
            if i == 0:
                return epochs[0]
            part = (errors[i - 1] - level) / (errors[i - 1] - error)
            return epochs[i - 1] + part * (epochs[i] - epochs[i - 1])
    return float("inf")
