"""Plausible wrong answers to the exercises of lesson 04, and what their messages must say."""

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


WRONG = {
    "04.1": [
        (forward_again, "expected [5, 0], got [5, 5]"),
        (gradient_cut, "a negative gradient passes too"),
        (times_x, "got [10, 0]"),
        (one_at_zero, "take 0"),
    ],
    "04.2": [
        (not_squared, "1 - 0.5 * 0.5"),
        (tanh_twice, "expected [2, 1.5]"),
        (plus, "The slope is 1 in the middle"),
    ],
    "04.3": [
        (without_y, "only a quarter"),
        (as_tanh, "only a quarter"),
        (sigmoid_twice, "expected [2, 1.5]"),
    ],
    "04.4": [
        (whole_epochs, "three quarters of the way"),
        (last_time, "The first time counts"),
        (the_last_epoch_if_never, "It was never reached"),
        (below_only, "expected 1.75"),
    ],
}
