"""Plausible wrong answers to the exercises of lesson 06, and what their messages must say."""

import numpy as np

from tinynet.kernels import im2col
from tinynet.lessons.lesson_06 import my_conv2d


def windows_first(strides, stride):
    n, c, h, w = strides
    return n, c, stride * h, stride * w, h, w


def stride_forgotten(strides, stride):
    n, c, h, w = strides
    return n, c, h, w, h, w


def too_few(strides, stride):
    _, _, h, w = strides
    return h, w, stride * h, stride * w


def channels_last(x, weight, stride, padding):
    (OC, C, KH, KW) = weight.shape
    rows = weight.transpose(0, 2, 3, 1).reshape(OC, C, KH, KW)
    return my_conv2d(x, rows, stride, padding)


def not_put_in_shape(x, weight, stride, padding):
    both = (padding, padding)
    columns = im2col(x, weight.shape[2:], (stride, stride), (both, both), (1, 1))
    return weight.reshape(len(weight), -1) @ columns


def unpadded(x, weight, stride, padding):
    return my_conv2d(x, weight, stride, 0)


def put_back(columns, shape, K, stride, add=True):
    (N, C, H, W), step = shape, stride
    OH, OW = (H - K) // stride + 1, (W - K) // stride + 1
    columns, gx = columns.reshape(N, C, K, K, OH, OW), np.zeros(shape)
    for p, q in np.ndindex(K, K):
        at = (..., slice(p, p + step * OH, step), slice(q, q + step * OW, step))
        gx[at] = columns[:, :, p, q] + (gx[at] if add else 0)
    return gx


def overwritten(columns, shape, K, stride):
    return put_back(columns, shape, K, stride, add=False)


def averaged(columns, shape, K, stride):
    counts = put_back(np.ones_like(columns), shape, K, stride)
    return put_back(columns, shape, K, stride) / np.maximum(counts, 1)


def turned(columns, shape, K, stride):
    N, C = shape[:2]
    columns = columns.reshape(N, C, K, K, -1).swapaxes(2, 3)
    return put_back(columns, shape, K, stride)


WRONG = {
    "06.1": [
        (windows_first, "inside a window"),
        (stride_forgotten, "starts stride rows further down"),
        (too_few, "expected six numbers"),
    ],
    "06.2": [
        (channels_last, "order of your weights"),
        (not_put_in_shape, "(1, 1, 4), (1, 1, 2, 2) is wanted"),
        (unpadded, "counted from the padded picture"),
    ],
    "06.3": [
        (overwritten, "gets four terms"),
        (averaged, "gets four terms"),
        (turned, "not the transpose"),
    ],
}
