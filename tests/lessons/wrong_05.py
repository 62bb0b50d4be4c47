"""Wrong answers to the exercises of lesson 05, and the messages they must get."""

import numpy as np

from tinynet.lessons.lesson_05 import my_conv2d, my_sizes


def without_the_first(size, kernel, stride, padding):
    return (size + 2 * padding - kernel) // stride


def padded_once(size, kernel, stride, padding):
    return (size + padding - kernel) // stride + 1


def rounded_up(size, kernel, stride, padding):
    return -(-(size + 2 * padding - kernel) // stride) + 1


def rounded_to_the_nearest(size, kernel, stride, padding):
    return round((size + 2 * padding - kernel) / stride) + 1


def a_float(size, kernel, stride, padding):
    return np.floor((size + 2 * padding - kernel) / stride) + 1


def a_fraction(size, kernel, stride, padding):
    return (size + 2 * padding - kernel) / stride + 1


def convolve(x, weight, bias, stride, padding, *, channels=slice(None), step=None, biased=True):
    (N, _, H, W), (OC, _, KH, KW) = x.shape, weight.shape
    OH, OW = (H + 2 * padding - KH) // stride + 1, (W + 2 * padding - KW) // stride + 1
    x = np.pad(x, [(0, 0), (0, 0), (padding, padding), (padding, padding)])
    y, step = np.zeros((N, OC, OH, OW)), stride if step is None else step
    for n, o, i, j in np.ndindex(y.shape):
        window = x[n, channels, step * i : step * i + KH, step * j : step * j + KW]
        y[n, o, i, j] = (window * weight[o, channels]).sum() + biased * bias[o]
    return y


def flipped(x, weight, bias, stride, padding):
    return convolve(x, weight[:, :, ::-1, ::-1], bias, stride, padding)


def no_bias(x, weight, bias, stride, padding):
    return convolve(x, weight, bias, stride, padding, biased=False)


def steps_of_one(x, weight, bias, stride, padding):
    return convolve(x, weight, bias, stride, padding, step=1)


def first_channel(x, weight, bias, stride, padding):
    return convolve(x, weight, bias, stride, padding, channels=slice(1))


def no_padding(x, weight, bias, stride, padding):
    return convolve(x, weight, bias, stride, 0)


def padded_on_all_axes(x, weight, bias, stride, padding):
    return (
        convolve(np.pad(x, padding), weight, bias, stride, 0)
        if padding
        else convolve(x, weight, bias, stride, 0)
    )


def in_place(x, weight, bias, stride, padding):
    y = my_conv2d(x, weight, bias, stride, padding)
    x *= 0
    return y


def one_bias_for_all(x, weight, bias, stride, padding):
    return convolve(x, weight, bias, stride, padding, biased=False) + bias[0]


def hangs_over_the_edge(x, weight, bias, stride, padding):
    behind = [(0, 0), (0, 0), (0, stride - 1), (0, stride - 1)]
    return convolve(np.pad(x, behind), weight, bias, stride, padding)


def turned(x, weight, bias, stride, padding):
    return convolve(x, weight.transpose(0, 1, 3, 2), bias, stride, padding)


WRONG = {
    "05.1": [
        (without_the_first, "expected 5, got 4"),
        (padded_once, "both sides"),
        (rounded_up, "Round down"),
        (rounded_to_the_nearest, "three quarters of a step"),
        (a_float, "a whole number"),
        (a_fraction, "expected 3, got 3.5"),
    ],
    "05.2": [
        (flipped, "flip the filter"),
        (no_bias, "The bias is added once"),
        (steps_of_one, "stride 2"),
        (one_bias_for_all, "its own bias"),
        (hangs_over_the_edge, "at 4 they would not fit"),
        (no_padding, "Padding adds zeros"),
        (first_channel, "weights for every channel"),
        (turned, "3 high and 2 wide"),
        (padded_on_all_axes, "along the last two axes only"),
        (in_place, "your answer changed its argument x"),
    ],
    "05.3": [
        ({**my_sizes(), "e": 55}, "55 is not right.\n  Count whole steps only"),
        ({**my_sizes(), "c": 26}, "as deep as its input"),
        ({**my_sizes(), "g": 4}, "on each side"),
        ({"a": 5, "g": 4}, "on each side"),
        ({**my_sizes(), "b": None, "e": None}, "no answer yet to b, e"),
        ({**my_sizes(), "b": "28"}, "'28' is not right"),
    ],
}
