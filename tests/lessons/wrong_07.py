"""Wrong answers to the exercises of lesson 07, and the messages they must get."""

import numpy as np

from tinynet.lessons.lesson_07 import my_max_pool


def too_many_windows(x, k, s):
    rest = [(0, 0), (0, 0), (0, k - 1), (0, k - 1)]
    return my_max_pool(np.pad(x, rest, constant_values=-np.inf), k, s)


def begins_at_zero(x, k, s):
    return np.maximum(my_max_pool(x, k, s), 0)


def stride_is_the_window(x, k, s):
    return my_max_pool(x, k, k)


def begins_k_apart(x, k, s):
    y = my_max_pool(x, k, s)
    for i, j in np.ndindex(y.shape[2:]):
        y[:, :, i, j] = x[:, :, k * i : k * i + k, k * j : k * j + k].max(axis=(2, 3), initial=-99)
    return y


def s_wide(x, k, s):
    y = my_max_pool(x, k, s)
    for i, j in np.ndindex(y.shape[2:]):
        y[:, :, i, j] = x[:, :, s * i : s * i + s, s * j : s * j + s].max(axis=(2, 3))
    return y


def one_maximum_for_all(x, k, s):
    y = my_max_pool(x, k, s)
    for i, j in np.ndindex(y.shape[2:]):
        y[:, :, i, j] = x[:, :, s * i : s * i + k, s * j : s * j + k].max()
    return y


def high_for_wide(x, k, s):
    return my_max_pool(x.swapaxes(2, 3), k, s).reshape(my_max_pool(x, k, s).shape)


def in_float64(x, k, s):
    return my_max_pool(x.astype(float), k, s)


def leaves_zeros_behind(x, k, s):
    y = my_max_pool(x, k, s)
    x[:] = 0
    return y


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


def to_the_last(gy, x, k, s):
    def to_winners(part, window, g):
        part.flat[window.size - 1 - window.ravel()[::-1].argmax()] += g

    return backward(gy, x, k, s, to_winners)


def by_columns(gy, x, k, s):
    def to_winners(part, window, g):
        part.T.flat[window.T.argmax()] += g

    return backward(gy, x, k, s, to_winners)


def winners_of_the_first_channel(gy, x, k, s):
    return backward(gy, np.broadcast_to(x[:1, :1], x.shape), k, s, add)


def add(part, window, g):
    part.flat[window.argmax()] += g


def backward_in_float64(gy, x, k, s):
    return backward(gy, x.astype(float), k, s, add)


WRONG = {
    "07.1": [
        (too_many_windows, "they share column 2"),
        (begins_at_zero, "do not begin at 0"),
        (stride_is_the_window, "they share column 2"),
        (begins_k_apart, "they share column 2"),
        (s_wide, "they share column 2"),
        (one_maximum_for_all, "its own maxima"),
        (high_for_wide, "9 high and 7 wide"),
        (in_float64, "expected float32, got float64"),
        (leaves_zeros_behind, "your answer changed its argument x"),
    ],
    "07.2": [
        (overwrites, "Gradients add up"),
        (to_all_equals, "the others get 0"),
        (to_the_last, "the first one gets the gradient"),
        (by_columns, "goes row by row"),
        (winners_of_the_first_channel, "its own maxima"),
        (backward_in_float64, "expected float32, got float64"),
        (to_everybody, "Only the maximum"),
    ],
}
