"""Wrong answers to the exercises of lesson 16, and the messages they must get."""

import numpy as np
from numba import njit

from tinynet.lessons.lesson_16 import compiled_max_pool


def plain_python(x, k, s):
    return compiled_max_pool().py_func(x, k, s)


@njit
def begins_at_zero(x, k, s):
    y = np.zeros((1, 1, 1, 2), x.dtype)
    for j in range(2):
        for q in range(k):
            y[0, 0, 0, j] = max(y[0, 0, 0, j], x[0, 0, 0, s * j + q])
    return y


def in_float64(x, k, s):
    return plain_python(x.astype(np.float64), k, s)


def six_multiplications(d, g):
    return tuple(d[i] * g[0] + d[i + 1] * g[1] + d[i + 2] * g[2] for i in range(2))


def wrong_sign(d, g):
    m1, m4 = (d[0] - d[2]) * g[0], (d[1] - d[3]) * g[2]
    m2, m3 = (d[1] + d[2]) * (g[0] + g[1] + g[2]) / 2, (d[2] - d[1]) * (g[0] - g[1] + g[2]) / 2
    return m1 + m2 + m3, m2 - m3 + m4


def halves_the_data(d, g):
    m1, m4 = (d[0] - d[2]) * g[0], (d[1] - d[3]) * g[2]
    m2, m3 = (d[1] + d[2]) / 2 * (g[0] + g[1] + g[2]), (d[2] - d[1]) / 2 * (g[0] - g[1] + g[2])
    return m1 + m2 + m3, m2 - m3 - m4


def no_warm_up(layers, x, clock):
    seconds = []
    for layer in layers:
        begin = clock()
        x = layer(x)
        seconds.append(clock() - begin)
    return seconds


def same_input(layers, x, clock):
    return [layer(x) for layer in layers]


def since_the_beginning(layers, x, clock):
    first = x
    for layer in layers:
        x = layer(x)
    x, begin, seconds = first, clock(), []
    for layer in layers:
        x = layer(x)
        seconds.append(clock() - begin)
    return seconds


@njit
def begins_k_apart(x, k, s):
    y = np.zeros((x.shape[0], x.shape[1], (x.shape[2] - k) // s + 1, (x.shape[3] - k) // s + 1))
    for n, c, i, j in np.ndindex(y.shape):
        y[n, c, i, j] = x[n, c, k * i : k * i + k, k * j : k * j + k].max()
    return y


WRONG = {
    "16.1": [
        (plain_python, "Put @njit above"),
        (begins_at_zero, "begin with the first pixel"),
        (begins_k_apart, "share column 2"),
        (in_float64, "half as many numbers in a register"),
    ],
    "16.2": [
        (six_multiplications, "with 6 multiplications"),
        (wrong_sign, "a sign is wrong"),
        (halves_the_data, "with 6 multiplications"),
    ],
    "16.3": [
        (no_warm_up, "The first call compiles"),
        (same_input, "each layer applied to"),
        (since_the_beginning, "before and after each layer"),
    ],
}
