"""Wrong answers to the exercises of lesson 07, and what they must be told."""

import numpy as np

from tinynet.lessons.lesson_07 import my_max_pool


def too_many_windows(x, k, s):
    rest = [(0, 0), (0, 0), (0, k - 1), (0, k - 1)]
    return my_max_pool(np.pad(x, rest, constant_values=-np.inf), k, s)


def begins_at_zero(x, k, s):
    return np.maximum(my_max_pool(x, k, s), 0)


def stride_is_the_window(x, k, s):
    return my_max_pool(x, k, k)


def backward(gy, x, k, s, to_winners):
    gx = np.zeros_like(x)
    N, C, OH, OW = gy.shape
    for n, c, i, j in np.ndindex(N, C, OH, OW):
        window = x[n, c, s * i : s * i + k, s * j : s * j + k]
        to_winners(gx[n, c, s * i : s * i + k, s * j : s * j + k], window, gy[n, c, i, j])
    return gx


def overwrites(gy, x, k, s):
    def to_winners(part, window, g):
        part.flat[window.argmax()] = g

    return backward(gy, x, k, s, to_winners)


def to_all_equals(gy, x, k, s):
    def to_winners(part, window, g):
        part += g * (window == window.max())

    return backward(gy, x, k, s, to_winners)


def to_everybody(gy, x, k, s):
    def to_winners(part, window, g):
        part += g / window.size

    return backward(gy, x, k, s, to_winners)


WRONG = {
    "07.1": [
        (too_many_windows, "they share column 2"),
        (begins_at_zero, "do not begin at 0"),
        (stride_is_the_window, "they share column 2"),
    ],
    "07.2": [
        (overwrites, "Paths add up"),
        (to_all_equals, "the first one wins"),
        (to_everybody, "Only the winner"),
    ],
}
