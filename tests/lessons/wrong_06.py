"""Wrong answers to the exercises of lesson 06, and the messages they must get."""

import numpy as np

from tinynet.kernels import Geometry, im2col
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
    columns = im2col(x, Geometry.of(weight.shape[2:], stride, padding))
    return weight.reshape(len(weight), -1) @ columns


def the_product(x, weight, stride, padding):
    """Return weights as rows, columns, and the shape of the result."""
    (N, _, H, W), (OC, _, KH, KW) = x.shape, weight.shape
    columns = im2col(x, Geometry.of((KH, KW), stride, padding))
    OH, OW = (H + 2 * padding - KH) // stride + 1, (W + 2 * padding - KW) // stride + 1
    return weight.reshape(OC, -1), columns, (N, OC, OH, OW)


def filters_as_columns(x, weight, stride, padding):
    rows, columns, shape = the_product(x, weight, stride, padding)
    return (rows.reshape(-1, shape[1]).T @ columns).reshape(shape)


def places_before_filters(x, weight, stride, padding):
    rows, columns, shape = the_product(x, weight, stride, padding)
    return (columns.transpose(0, 2, 1) @ rows.T).reshape(shape)


def pictures_behind_filters(x, weight, stride, padding):
    rows, columns, (N, OC, OH, OW) = the_product(x, weight, stride, padding)
    return (rows @ columns).reshape(OC, N, OH, OW).transpose(1, 0, 2, 3)


def steps_of_one(x, weight, stride, padding):
    return my_conv2d(x, weight, 1, padding)


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


def windows_before_places(columns, shape, K, stride):
    N, C, H, W = shape
    OH, OW = (H - K) // stride + 1, (W - K) // stride + 1
    columns = columns.reshape(N, C, OH, OW, K, K).transpose(0, 1, 4, 5, 2, 3)
    return put_back(columns, shape, K, stride)


def channels_last_of_all(columns, shape, K, stride):
    columns = columns.reshape(shape[0], K, K, shape[1], -1).transpose(0, 3, 1, 2, 4)
    return put_back(columns, shape, K, stride)


def index_arrays(columns, shape, K, stride):
    N, C, H, W = shape
    OH, OW = (H - K) // stride + 1, (W - K) // stride + 1
    p, q, i, j = np.ogrid[:K, :K, :OH, :OW]
    gx = np.zeros(shape)
    gx[:, :, stride * i + p, stride * j + q] += columns.reshape(N, C, K, K, OH, OW)
    return gx


def steps_of_one_back(columns, shape, K, stride):
    OH, OW = (shape[2] - K) // stride + 1, (shape[3] - K) // stride + 1
    columns, gx = columns.reshape(*shape[:2], K, K, OH, OW), np.zeros(shape)
    for p, q in np.ndindex(K, K):
        gx[:, :, p : p + OH, q : q + OW] += columns[:, :, p, q]
    return gx


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
        (channels_last, "Are your weights in that order"),
        (not_put_in_shape, "(1, 1, 4); the expected shape is (1, 1, 2, 2)"),
        (filters_as_columns, "A filter is one row"),
        (places_before_filters, "filters before positions"),
        (pictures_behind_filters, "Each picture gets its own two channels"),
        (unpadded, "from the padded picture"),
        (steps_of_one, "With stride 2"),
    ],
    "06.3": [
        (overwritten, "gets four terms"),
        (averaged, "gets four terms"),
        (index_arrays, "np.add.at adds it every time"),
        (steps_of_one_back, "The windows lie side by side"),
        (windows_before_places, "A column is one window"),
        (channels_last_of_all, "in the order (c, p, q)"),
        (turned, "in the order (c, p, q)"),
    ],
}
