"""Wrong answers to the exercises of lesson 04, and the messages they must get."""

import math

import numpy as np

from tinynet.lessons.lesson_04 import my_epochs_to


def forward_again(gy, x):
    return np.maximum(gy, 0)


def gradient_cut(gy, x):
    return np.maximum(gy, 0) * (x > 0)


def times_x(gy, x):
    return gy * np.maximum(x, 0)


def one_at_zero(gy, x):
    return gy * (x >= 0)


def not_squared(gy, y):
    return gy * (1 - y)


def tanh_twice(gy, y):
    return gy * (1 - np.tanh(y) ** 2)


def plus(gy, y):
    return gy * (1 + y * y)


def without_y(gy, y):
    return gy * (1 - y)


def as_tanh(gy, y):
    return gy * (1 - y * y)


def sigmoid_twice(gy, y):
    s = 1 / (1 + np.exp(-y))
    return gy * s * (1 - s)


def whole_epochs(epochs, errors, level):
    return next((t for t, error in zip(epochs, errors, strict=True) if error <= level), math.inf)


def last_time(epochs, errors, level):
    above = [i for i, error in enumerate(errors) if error > level]
    i = above[-1] if above else 0
    return my_epochs_to(epochs[i:], errors[i:], level)


def the_last_epoch_if_never(epochs, errors, level):
    return min(my_epochs_to(epochs, errors, level), epochs[-1])


def below_only(epochs, errors, level):
    return my_epochs_to(epochs, errors, level - 1e-3)


def slope_of_relu(gy, x):
    return 1.0 * (x > 0)


def below_passes(gy, x):
    return gy * (x < 0)


def in_place(gy, x):
    gy[x <= 0] = 0
    return gy


def slope_of_tanh(gy, y):
    return 1 - y * y


def difference_squared(gy, y):
    return gy * (1 - y) ** 2


def slope_of_sigmoid(gy, y):
    return y * (1 - y)


def squared(gy, y):
    return gy * y * y


def without_brackets(gy, y):
    return gy * y * 1 - y


def crossing(epochs, errors, level, low, first=0):
    """Return where two neighbours lie on both sides of a level; `low` says what is low enough."""
    for i in range(first, len(errors)):
        if low(errors[i], level):
            part = (errors[i - 1] - level) / (errors[i - 1] - errors[i])
            return epochs[i - 1] + part * (epochs[i] - epochs[i - 1])
    return math.inf


def wraps_around(epochs, errors, level):
    return crossing(epochs, errors, level, lambda error, level: error <= level)


def strictly_below(epochs, errors, level):
    if errors[0] <= level:
        return epochs[0]
    return crossing(epochs, errors, level, lambda error, level: error < level)


def swapped_weights(epochs, errors, level):
    found = my_epochs_to(epochs, errors, level)
    return found if found % 1 == 0 or found == math.inf else 2 * math.floor(found) + 1 - found


WRONG = {
    "04.1": [
        (forward_again, "x decides where the gradient passes"),
        (gradient_cut, "a negative gradient passes too"),
        (times_x, "Do not multiply by x"),
        (one_at_zero, "take 0"),
        (slope_of_relu, "only the slope"),
        (below_passes, "The other way round"),
        (in_place, "changed its argument gy"),
    ],
    "04.2": [
        (not_squared, "Square y: the slope"),
        (tanh_twice, "a second time"),
        (plus, "The slope is 1 in the middle"),
        (slope_of_tanh, "only the slope"),
        (difference_squared, "Square only y"),
    ],
    "04.3": [
        (without_y, "One factor is missing"),
        (as_tanh, "the rule of tanh"),
        (sigmoid_twice, "needs no exp"),
        (slope_of_sigmoid, "only the slope"),
        (squared, "at y = 0.25 they are not"),
        (without_brackets, "brackets"),
        (plus, "only a quarter"),
    ],
    "04.4": [
        (whole_epochs, "three quarters of the way"),
        (last_time, "The first time counts"),
        (the_last_epoch_if_never, "The level was never reached"),
        (below_only, "expected 1.75"),
        (wraps_around, "It begins below the level"),
        (strictly_below, "It touches the level"),
        (swapped_weights, "the weights are swapped"),
    ],
}
