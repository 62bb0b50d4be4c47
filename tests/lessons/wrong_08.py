"""Plausible wrong answers to the exercises of lesson 08, and what must be said about each."""

import numpy as np

import tinynet as tn


def forgets_the_neighbour_above(x, n, k, alpha, beta):
    squares = x * x
    total = squares.copy()
    for i in range(1, n // 2 + 1):
        total[:, i:] += squares[:, :-i]
    return x * (k + alpha * total) ** -beta


def divides_alpha_by_n(x, n, k, alpha, beta):
    return tn.kernels.lrn_forward(x, n, k, alpha / n, beta, 1)[0]


def goes_round_the_corner(x, n, k, alpha, beta):
    total = sum(np.roll(x * x, i, axis=1) for i in range(-(n // 2), n // 2 + 1))
    return x * (k + alpha * total) ** -beta


def sums_each_window_anew(v, n):
    half = n // 2
    return [sum(v[max(0, c - half) : c + half + 1], start=0.0) for c in range(len(v))]


def lets_nothing_leave(v, n):
    half, total, sums = n // 2, 0.0, []
    for value in v[:half]:
        total = total + value
    for c in range(len(v)):
        if c + half < len(v):
            total = total + v[c + half]
        sums.append(total)
    return sums


def forgets_the_other_channels(gy, x, y, scale, n, alpha, beta):
    return gy * scale**-beta


def adds_where_it_must_subtract(gy, x, y, scale, n, alpha, beta):
    gx = tn.kernels.lrn_backward(gy, x, y, scale, n, alpha, beta, 1)
    return 2 * gy * scale**-beta - gx


def forgets_the_neighbours_pull(gy, x, y, scale, n, alpha, beta):
    return gy * scale**-beta - 2 * alpha * beta * x * gy * y / scale


def asks_all_outputs(layer, x, c, h, w):
    t = tn.tensor(x, requires_grad=True)
    layer(t).sum().backward()
    return t.grad[0] != 0


def looks_only_along_the_channels(layer, x, c, h, w):
    t = tn.tensor(x, requires_grad=True)
    layer(t)[0, c, h, w].backward()
    mask = np.zeros(x.shape[1:], bool)
    mask[:, h, w] = t.grad[0, :, h, w] != 0
    return mask


WRONG = {
    "08.1": [
        (forgets_the_neighbour_above, "channel 0 sees channels 0 to 2"),
        (divides_alpha_by_n, "3 / 16**0.5 = 0.75"),
        (goes_round_the_corner, "3 / 16**0.5 = 0.75"),
    ],
    "08.2": [
        (sums_each_window_anew, "subtract what leaves"),
        (lets_nothing_leave, "16 comes in and 1 leaves"),
    ],
    "08.3": [
        (forgets_the_other_channels, "Channels 1 and 2 are in the window of channel 0"),
        (adds_where_it_must_subtract, "alpha = 0.1, gy = 1 for channel 0 alone"),
        (forgets_the_neighbours_pull, "although gy is 0 at their own place"),
    ],
    "08.4": [
        (asks_all_outputs, "Ask for the gradient of this one output"),
        (looks_only_along_the_channels, "nn.SpatialResponseNorm(n=3)"),
    ],
}
