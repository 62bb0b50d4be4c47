"""Wrong answers to the exercises of lesson 02, and the messages they must get."""

import numpy as np

from tinynet.lessons.lesson_02 import my_unbroadcast


def averaged(g, shape):
    return my_unbroadcast(g, shape) * (np.prod(shape, dtype=int) / g.size)


def dropped(g, shape):
    g = g.sum(axis=tuple(range(g.ndim - len(shape))))
    return g.sum(axis=tuple(i for i, n in enumerate(shape) if n == 1))


def only_in_front(g, shape):
    return g.sum(axis=tuple(range(g.ndim - len(shape))))


def from_behind(g, shape):
    while g.ndim > len(shape):
        g = g.sum(axis=-1)
    return my_unbroadcast(g, shape)


def ahead_only(f, x, h):
    g = np.zeros(x.shape)
    for at in np.ndindex(x.shape):
        ahead = x.copy()
        ahead[at] += h
        g[at] = (f(ahead) - f(x)) / h
    return g


def one_h(f, x, h):
    g = np.zeros(x.shape)
    for at in np.ndindex(x.shape):
        step = np.zeros(x.shape)
        step[at] = h
        g[at] = (f(x + step) - f(x - step)) / h
    return g


def all_at_once(f, x, h):
    return np.full(x.shape, (f(x + h) - f(x - h)) / (2 * h))


def in_place(f, x, h):
    g = np.zeros(x.shape)
    for at in np.ndindex(x.shape):
        x[at] += h
        ahead = f(x)
        x[at] -= 2 * h
        g[at] = (ahead - f(x)) / (2 * h)
    return g


def first_row(g, shape):
    return g[(0,) * (g.ndim - len(shape))]


def keeps_the_front(g, shape):
    g = my_unbroadcast(g, shape)
    return g[None] if len(shape) == 1 else g


def no_copy(f, x, h):
    g = np.zeros(x.shape)
    for at in np.ndindex(x.shape):
        ahead = behind = x
        ahead[at] += h
        behind[at] -= h
        g[at] = (f(ahead) - f(behind)) / (2 * h)
    return g


def flipped(f, x, h):
    g = np.zeros(x.shape)
    for at in np.ndindex(x.shape):
        step = np.zeros(x.shape)
        step[at] = h
        g[at] = (f(x - step) - f(x + step)) / (2 * h)
    return g


WRONG = {
    "02.1": [
        (averaged, "do not average"),
        (dropped, "Its axis of length 1 stays"),
        (only_in_front, "used three times"),
        (from_behind, "Sum over the leading axes"),
        (first_row, "the first row alone"),
        (keeps_the_front, "is removed again"),
    ],
    "02.2": [
        (ahead_only, "got [4.5, 6.5]"),
        (one_h, "two steps"),
        (no_copy, "x.copy() does"),
        (flipped, "The sign is flipped"),
        (all_at_once, "one element at a time"),
        (in_place, "Work on a copy"),
    ],
    "02.3": [
        ({"Plus", "Ratio"}, "1 is missing.\n  Did you test every op at values below 0"),
        ({"Plus", "Ratio", "Clip", "Cube"}, "1 of the 4 ops that you name is correct"),
        ("Ratio", "2 are missing"),
    ],
}
