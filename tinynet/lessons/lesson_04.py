"""Exercises of lesson 04: ReLU against tanh and sigmoid."""

import math

import numpy as np

from tinynet.lessons.exercise import Wrong, exercise, expect
from tinynet.words import phrase

SLOPE_ALONE = "That is only the slope. Backward returns gy times the slope."


@exercise(
    "04.1",
    "Backward of ReLU",
    hints=(
        "The slope of max(x, 0) is 1 to the right of 0 and 0 to the left.",
        "x > 0 is an array of True and False, which count as 1 and 0: multiply gy by it.",
    ),
)
def relu_backward(answer):
    """Write my_relu_backward(gy, x): gy times the slope of max(x, 0); at x = 0 take the slope 0.

    gy and x are arrays of one shape.
    """
    why = "Above 0 the output changes with x; below 0 it does not change."
    slips = [
        ([1, 0], SLOPE_ALONE),
        ([5, 5], "x decides where the gradient passes, not gy: here the second x is below 0."),
        ([10, 0], "The slope above 0 is 1, however large x is. Do not multiply by x."),
        ([0, 5], "The other way round: above 0 the gradient passes."),
    ]
    got = answer(np.array([5.0, 5.0]), np.array([2.0, -2.0]))
    expect(got, [5, 0], "gy = [5, 5], x = [2, -2]", why, slips=slips)
    expect(
        answer(np.array([-3.0, -3.0]), np.array([2.0, -2.0])),
        [-3, 0],
        "gy = [-3, -3], x = [2, -2]",
        "x decides, not gy: a negative gradient passes too.",
    )
    expect(
        answer(np.array([1.0]), np.array([0.0])),
        [0],
        "gy = [1], x = [0]",
        "At exactly 0 there is no slope; the code of 2012 and this library take 0.",
    )


@relu_backward.solution
def my_relu_backward(gy, x):
    return gy * (x > 0)


@exercise(
    "04.2",
    "Backward of tanh",
    hints=(
        "The derivative of tanh(x) is 1 - tanh(x) ** 2.",
        "You are given y, which already is tanh(x): the formula needs no tanh.",
    ),
)
def tanh_backward(answer):
    """Write my_tanh_backward(gy, y): gy times the slope of tanh, given its output y."""
    why = "The slope is 1 in the middle, and 1 - 0.5 * 0.5 where the output is a half."
    slips = [
        ([1, 0.75], SLOPE_ALONE),
        ([2, 2 - 2 * np.tanh(0.5) ** 2], "y already is tanh(x): do not apply tanh a second time."),
        ([2, 1], "Square y: the slope is 1 - y * y."),
        ([2, 0.5], "Square only y, then subtract it from 1: 1 - y * y is not (1 - y) * (1 - y)."),
    ]
    got = answer(np.array([2.0, 2.0]), np.array([0.0, 0.5]))
    expect(got, [2, 1.5], "gy = [2, 2], y = [0, 0.5]", why, slips=slips)
    x = np.array([-3.0, -0.4, 0.2, 1.0])
    expect(
        answer(np.ones(4), np.tanh(x)),
        1 / np.cosh(x) ** 2,
        "gy = [1, 1, 1, 1], y = tanh of x = [-3, -0.4, 0.2, 1]",
        "y is the output: do not apply tanh a second time.",
    )


@tanh_backward.solution
def my_tanh_backward(gy, y):
    return gy * (1 - y * y)


@exercise(
    "04.3",
    "Backward of sigmoid",
    hints=(
        "Write y = 1 / (1 + e), with e = exp(-x). The slope is e / (1 + e) ** 2.",
        "1 / (1 + e) is y, and e / (1 + e) is 1 - y. Their product is the slope.",
    ),
)
def sigmoid_backward(answer):
    """Write my_sigmoid_backward(gy, y): gy times the slope of 1 / (1 + exp(-x)), given y."""
    why = "The slope is largest at x = 0, and there it is only a quarter."
    y = np.array([0.5, 0.25])
    again = 1 / (1 + np.exp(-y))
    slips = [
        ([0.25, 0.1875], SLOPE_ALONE),
        (8 * again * (1 - again), "y already is the output: the formula needs no exp."),
        ([6, 7.5], "That is the rule of tanh. Here one factor is y, the other 1 - y."),
        ([2, 0.5], "At y = 0.5 the factors y and 1 - y are the same; at y = 0.25 they are not."),
        ([4, 6], "One factor is missing: the slope is y * (1 - y)."),
        ([3.5, 1.75], "Put brackets around 1 - y."),
    ]
    got = answer(np.array([8.0, 8.0]), y)
    expect(got, [2, 1.5], "gy = [8, 8], y = [0.5, 0.25]", why, slips=slips)
    x = np.array([-3.0, -0.4, 0.2, 1.0])
    y = 1 / (1 + np.exp(-x))
    expect(
        answer(np.ones(4), y),
        np.exp(-x) * y * y,
        "gy = [1, 1, 1, 1], y = sigmoid of x = [-3, -0.4, 0.2, 1]",
        "y is the output of sigmoid, not its input.",
    )


@sigmoid_backward.solution
def my_sigmoid_backward(gy, y):
    return gy * y * (1 - y)


@exercise(
    "04.4",
    "When a curve reaches a level",
    hints=(
        "Go along the curve and stop at the first error that is not above the level.",
        "The level was reached between this point and the previous one. After what fraction?",
        "With a, b the two errors and s, t their epochs: s + (t - s) * (a - level) / (a - b). "
        "Where no error is low enough, math.inf.",
    ),
)
def reached(answer):
    """Write my_epochs_to(epochs, errors, level): the epoch at which the curve first falls to level.

    The curve is linear between its points. If it begins at the level or below, return its first
    epoch; if it never reaches the level, return math.inf.
    """
    why = "From 0.5 to 0.1 it passes 0.2 after three quarters of the way."
    slips = [(1.25, "After three quarters of the way, not one: the weights are swapped.")]
    case = "epochs = [0, 1, 2], errors = [0.9, 0.5, 0.1], level = 0.2"
    expect(answer([0, 1, 2], [0.9, 0.5, 0.1], 0.2), 1.75, case, why, slips=slips)
    for epochs, errors, level, right, why in (
        ([1, 2, 3], [0.8, 0.2, 0.1], 0.2, 2, "At the level counts as reached."),
        (
            [0, 1, 2, 3],
            [0.6, 0.2, 0.6, 0.2],
            0.4,
            0.5,
            "The first time counts, even if the error rises again.",
        ),
        ([0, 1, 2], [0.5, 0.25, 0.4], 0.25, 1, "It touches the level, which counts as reached."),
        (
            [1, 2],
            [0.1, 0.05],
            0.25,
            1,
            "It begins below the level: return its first epoch. (There is no previous point: "
            "errors[-1] is the last one.)",
        ),
    ):
        case = f"epochs = {epochs}, errors = {errors}, level = {level}"
        expect(answer(epochs, errors, level), right, case, why)
    never = answer([0, 1, 2], [0.9, 0.8, 0.7], 0.2)
    if never != math.inf:
        raise Wrong(
            phrase(
                "for errors = [0.9, 0.8, 0.7], level = 0.2: expected inf, got {never}.\n  "
                "The level was never reached: return math.inf, larger than any number of epochs.",
                never=never,
            )
        )


@reached.solution
def my_epochs_to(epochs, errors, level):
    for i, error in enumerate(errors):
        if error <= level:
            if i == 0:
                return epochs[0]
            part = (errors[i - 1] - level) / (errors[i - 1] - error)
            return epochs[i - 1] + part * (epochs[i] - epochs[i - 1])
    return math.inf
