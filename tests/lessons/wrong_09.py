"""Wrong answers to the exercises of lesson 09, and the messages they must get."""

import numpy as np


def multiplies_by_the_rate(x, p, u, training):
    return np.where(u >= p, x, 0) if training else x * p


def keeps_with_the_rate(x, p, u, training):
    return np.where(u < p, x, 0) if training else x * (1 - p)


def forgets_the_test(x, p, u, training):
    return np.where(u >= p, x, 0) if training else x


def divides_by_the_rate(x, p, u, training):
    return np.where(u >= p, x / p, 0) if training else x


def corrects_twice(x, p, u, training):
    return np.where(u >= p, x / (1 - p), 0) if training else x * (1 - p)


def forgets_to_divide(x, p, u, training):
    return np.where(u >= p, x, 0) if training else x


WRONG = {
    "09.1": [
        (multiplies_by_the_rate, "the same only at 0.5"),
        (keeps_with_the_rate, "A unit is zeroed where u < p"),
        (forgets_the_test, "not training"),
    ],
    "09.2": [
        (lambda x, p, u, training: x, "the others are doubled"),
        (divides_by_the_rate, "the kept units are divided by 0.8"),
        (corrects_twice, "Testing changes nothing"),
        (forgets_to_divide, "the others are doubled"),
    ],
    "09.3": [
        (lambda w, lr, wd, p: (w / (1 - p), lr, wd), "half as large"),
        (lambda w, lr, wd, p: ((1 - p) * w, (1 - p) * lr, wd), "lr / 4"),
        (lambda w, lr, wd, p: ((1 - p) * w, (1 - p) ** 2 * lr, wd), "expected [0.0025, 0.002]"),
        (lambda w, lr, wd, p: (p * w, p**2 * lr, wd / p**2), "the same only at 0.5"),
        (lambda w, lr, wd, p: ((1 - p) * w, lr / 4, 4 * wd), "the whole step must be 1 - p times"),
    ],
}
