"""Wrong answers to the exercises of lesson 08, and the messages they must get."""

import numpy as np

import tinynet as tn
from tinynet.lessons.lesson_08 import my_lrn, my_lrn_backward, my_sees


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


def returns_the_scale_too(x, n, k, alpha, beta):
    return tn.kernels.lrn_forward(x, n, k, alpha, beta, 1)


def multiplies_by_the_scale(x, n, k, alpha, beta):
    return x * x / my_lrn(x, n, k, alpha, beta)


def sums_along_the_row(x, n, k, alpha, beta):
    return my_lrn(x.swapaxes(1, 3), n, k, alpha, beta).swapaxes(1, 3)


def mixes_the_pictures(x, n, k, alpha, beta):
    N, C, H, W = x.shape
    return my_lrn(x.reshape(1, N * C, H, W), n, k, alpha, beta).reshape(x.shape)


def works_in_place(x, n, k, alpha, beta):
    y = my_lrn(x, n, k, alpha, beta)
    x *= x
    return y


def window_sum(x, n):
    return tn.kernels.lrn.window_sum(x, n, 1)


def backward(mistake):
    """Return a backward whose second term is mistake(gy, x, y, scale, n) times alpha beta."""

    def wrong(gy, x, y, scale, n, alpha, beta):
        return gy * scale**-beta - alpha * beta * mistake(gy, x, y, scale, n)

    return wrong


def turns_the_power_round(gy, x, y, scale, n, alpha, beta):
    return gy * scale**beta - 2 * alpha * beta * x * window_sum(gy * y / scale, n)


def changes_y(gy, x, y, scale, n, alpha, beta):
    gx = my_lrn_backward(gy, x, y, scale, n, alpha, beta)
    y /= scale
    return gx


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


def turns_the_places_round(layer, x, c, h, w):
    return my_sees(layer, x, h, w, c)


def height_for_width(layer, x, c, h, w):
    return my_sees(layer, x, c, w, h)


def looks_only_along_the_channels(layer, x, c, h, w):
    t = tn.tensor(x, requires_grad=True)
    layer(t)[0, c, h, w].backward()
    mask = np.zeros(x.shape[1:], bool)
    mask[:, h, w] = t.grad[0, :, h, w] != 0
    return mask


def only_rising(layer, x, c, h, w):
    t = tn.tensor(x, requires_grad=True)
    layer(t)[0, c, h, w].backward()
    return t.grad[0] > 0


def with_the_batch(layer, x, c, h, w):
    return my_sees(layer, x, c, h, w)[None]


WRONG = {
    "08.1": [
        (forgets_the_neighbour_above, "channel 0 sums channels 0 to 2"),
        (divides_alpha_by_n, "it is not divided by n"),
        (goes_round_the_corner, "neither wraps around"),
        (returns_the_scale_too, "expected one array of that shape, y, got a tuple of 2"),
        (multiplies_by_the_scale, "3 / 16**0.5 = 0.75"),
        (sums_along_the_row, "Yours are 1, 4, 9, 16, 25, 36."),
        (mixes_the_pictures, "Pictures and pixels are independent"),
        (works_in_place, "your answer changed its argument x"),
    ],
    "08.2": [
        (sums_each_window_anew, "subtract what leaves"),
        (lets_nothing_leave, "16 enters and 1 leaves"),
    ],
    "08.3": [
        (forgets_the_other_channels, "here 2 * 0.25 * 0.25 * 4 * (2 * 2 / 16) = 0.125"),
        (adds_where_it_must_subtract, "expected [0.875], got [1.125]"),
        (forgets_the_neighbours_pull, "although their own gy is 0"),
        (turns_the_power_round, "Note the minus sign of beta"),
        (backward(lambda gy, x, y, s, n: x * window_sum(gy * y / s, n)), "got [0.9375]"),
        (backward(lambda gy, x, y, s, n: 2 * x * window_sum(gy * x / s, n)), "got [0.75]"),
        (backward(lambda gy, x, y, s, n: 2 * x * window_sum(gy * y, n)), "got [-1]"),
        (backward(lambda gy, x, y, s, n: 2 * window_sum(x * gy * y / s, n)), "the factor x in"),
        (backward(lambda gy, x, y, s, n: 2 * x * gy * window_sum(y / s, n)), "affect y[0]"),
        (
            backward(lambda gy, x, y, s, n: 2 * x / s * window_sum(gy * y, n)),
            "are those of channel 0",
        ),
        (changes_y, "your answer changed its argument y"),
    ],
    "08.4": [
        (asks_all_outputs, "Take the gradient of one output"),
        (only_rising, "!= 0, not > 0"),
        (with_the_batch, "x has one picture"),
        (turns_the_places_round, "for nn.ReLU()"),
        (height_for_width, "for nn.ReLU()"),
        (looks_only_along_the_channels, "nn.SpatialResponseNorm(n=3)"),
    ],
}
