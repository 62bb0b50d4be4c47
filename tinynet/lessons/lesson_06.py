"""Exercises of lesson 06: im2col, convolution as a matrix product."""

import numpy as np

import tinynet as tn
from tinynet.kernels import Geometry, col2im, conv2d_forward
from tinynet.lessons.exercise import Wrong, cases, exercise, expect
from tinynet.words import phrase

AXES = {
    "N": "The distance to the next picture is unchanged.",
    "C": "The distance to the next channel is unchanged.",
    "KH": "One row down inside a window is one row down in the picture: h.",
    "KW": "One pixel to the right inside a window is one pixel to the right in the picture: w.",
    "OH": "The next window below starts stride rows further down: stride * h.",
    "OW": "The next window on the right starts stride pixels further on: stride * w.",
}


@exercise(
    "06.1",
    "Fill the strides",
    hints=(
        "A stride is the distance, in memory, to the next element along an axis.",
        "Going one step inside a window (KH, KW) moves one pixel in the picture.",
        "Going to the next window (OH, OW) moves stride pixels.",
    ),
)
def strides(answer):
    """Write my_strides(strides, stride): the six strides of all windows of a picture."""
    for given, stride in (((1000, 100, 10, 1), 1), ((1000, 100, 10, 1), 2), ((640, 320, 64, 8), 3)):
        right = my_strides(given, stride)
        got = answer(given, stride)
        case = f"strides = {given}, stride = {stride}"
        if not isinstance(got, tuple | list) or len(got) != 6:
            raise Wrong(phrase("for {case}: expected six numbers, got {got}.", case=case, got=got))
        for (axis, why), a, b in zip(AXES.items(), got, right, strict=True):
            if a != b:
                text = phrase(
                    "for {case}: the stride of axis {axis} is {b}, got {a}.",
                    case=case,
                    axis=axis,
                    b=b,
                    a=a,
                )
                raise Wrong(f"{text}\n  {phrase(why)}")


@strides.solution
def my_strides(strides, stride):
    n, c, h, w = strides
    return n, c, h, w, stride * h, stride * w


@exercise(
    "06.2",
    "A convolution as one matrix product",
    hints=(
        "columns = tn.kernels.im2col(x, tn.kernels.Geometry.of(weight.shape[2:], stride, padding)) "
        "has the shape (N, C*KH*KW, OH*OW).",
        "As one row, a filter has C*KH*KW numbers in the same order: weight.reshape(OC, -1).",
        "weight.reshape(OC, -1) @ columns is (N, OC, OH*OW). Reshape it to OH and OW.",
    ),
)
def product(answer):
    """Write my_conv2d(x, weight, stride, padding) with im2col, reshape and one @, without loops.

    x is (N, C, H, W), weight (OC, C, KH, KW), stride and padding are whole numbers; it returns
    (N, OC, OH, OW). There is no bias.
    """
    ones = np.ones((1, 1, 2, 2))
    _judge(
        answer,
        np.arange(9.0).reshape(1, 1, 3, 3),
        ones,
        1,
        0,
        "x = 0..8 in three rows, weight = four ones",
        "0 + 1 + 3 + 4 is the first output.",
    )
    x = np.array([1.0, 2, 3, 4, 10, 20, 30, 40])
    weight = np.array([1.0, 0, 0, 0, 0, 1, 0, 0])
    _judge(
        answer,
        x.reshape(1, 2, 2, 2),
        weight.reshape(1, 2, 2, 2),
        1,
        0,
        "x = [[1, 2], [3, 4]] and [[10, 20], [30, 40]], weight = [[1, 0], [0, 0]] and "
        "[[0, 1], [0, 0]]",
        "The rows of the columns are in the order (c, p, q). Are your weights in that order?",
    )
    _judge(
        answer,
        np.array([[[[1.0, 2, 3]]]]),
        np.array([1.0, 2, 0, 10]).reshape(2, 1, 1, 2),
        1,
        0,
        "one picture of one row, 1 2 3, and two filters of one row, 1 2 and 0 10",
        "Channel o of y belongs to filter o. A filter is one row of weight.reshape(OC, -1), and "
        "the product is (N, OC, OH*OW): filters before positions.",
    )
    _judge(
        answer,
        np.arange(1.0, 5).reshape(2, 1, 1, 2),
        np.array([1.0, 10]).reshape(2, 1, 1, 1),
        1,
        0,
        "two pictures of one row, 1 2 and 3 4, and two filters of one weight, 1 and 10",
        "Each picture gets its own two channels. The product of a matrix and a stack of N "
        "matrices is a stack of N: its first axis already is the picture.",
    )
    _judge(
        answer,
        np.ones((1, 1, 2, 2)),
        ones,
        1,
        1,
        "x = four ones, weight = four ones, padding = 1",
        "Compute OH and OW from the padded picture.",
    )
    _judge(
        answer,
        np.arange(4.0).reshape(1, 1, 1, 4),
        np.ones((1, 1, 1, 1)),
        2,
        0,
        "one row 0 1 2 3, one weight 1, stride = 2",
        "With stride 2 the windows begin at 0 and 2.",
    )
    rng = cases(6)
    _judge(
        answer,
        rng.normal(size=(2, 3, 5, 7)),
        rng.normal(size=(4, 3, 3, 2)),
        2,
        1,
        "x (2, 3, 5, 7), weight (4, 3, 3, 2), stride = 2, padding = 1",
        "The windows are 3 high and 2 wide: did you swap KH and KW, or OH and OW?",
    )


def _judge(answer, x, weight, stride, padding, case, why):
    """Compare an answer with the definition."""
    windows = Geometry.of(weight.shape[2:], stride, padding)
    right = conv2d_forward.reference(x, weight, None, windows)
    expect(answer(x, weight, stride, padding), right, case, why)


@product.solution
def my_conv2d(x, weight, stride, padding):
    (N, _, H, W) = x.shape
    (OC, _, KH, KW) = weight.shape
    OH = (H + 2 * padding - KH) // stride + 1
    OW = (W + 2 * padding - KW) // stride + 1
    columns = tn.kernels.im2col(x, Geometry.of((KH, KW), stride, padding))
    return (weight.reshape(OC, -1) @ columns).reshape(N, OC, OH, OW)


@exercise(
    "06.3",
    "The way back: col2im",
    hints=(
        "Begin with gx = np.zeros(shape), and columns.reshape(N, C, K, K, OH, OW).",
        "Loop over p and q, the positions inside a window. columns[:, :, p, q] is (N, C, OH, OW): "
        "the values of all windows at their pixel (p, q).",
        "Those pixels are gx[:, :, p : p + stride * OH : stride, q : q + stride * OW : stride]. "
        "Use +=, because windows overlap.",
    ),
)
def way_back(answer):
    """Write my_col2im(columns, shape, K, stride): add every number to the pixel it was copied from.

    columns is (N, C*K*K, OH*OW), made from windows of K x K without padding; it returns gx of
    `shape`, (N, C, H, W).
    """
    expect(
        answer(np.arange(8.0).reshape(1, 8, 1), (1, 2, 2, 2), 2, 1),
        [[[[0, 1], [2, 3]], [[4, 5], [6, 7]]]],
        "one column 0..7, shape (1, 2, 2, 2), K = 2, stride = 1",
        "There is one window, as large as the picture, through both channels: the rows of the "
        "columns are in the order (c, p, q).",
    )
    expect(
        answer(np.array([[[0.0, 2], [1, 3], [4, 6], [5, 7]]]), (1, 1, 2, 4), 2, 2),
        [[[[0, 1, 2, 3], [4, 5, 6, 7]]]],
        "columns = [[0, 2], [1, 3], [4, 6], [5, 7]], shape (1, 1, 2, 4), K = 2, stride = 2",
        "The windows lie side by side. A column is one window; a row is one position (p, q) in "
        "all windows. A slice that begins at p ends at p + stride * OH.",
    )
    expect(
        answer(np.ones((1, 4, 4)), (1, 1, 3, 3), 2, 1),
        [[[[1, 2, 1], [2, 4, 2], [1, 2, 1]]]],
        "columns of ones, shape (1, 1, 3, 3), K = 2, stride = 1",
        "The centre pixel lies in four windows and gets four terms. If you wrote += with an "
        "array of indices: += adds a repeated index only once, np.add.at adds it every time.",
    )
    expect(
        answer(np.ones((1, 4, 2)), (1, 1, 2, 5), 2, 2),
        [[[[1, 1, 1, 1, 0], [1, 1, 1, 1, 0]]]],
        "columns of ones, shape (1, 1, 2, 5), K = 2, stride = 2",
        "The windows start at columns 0 and 2; the last pixel of a row is in no window.",
    )
    rng = cases(6)
    for shape, K, stride in (((2, 3, 5, 4), 3, 1), ((1, 2, 7, 6), 3, 2)):
        OH = (shape[2] - K) // stride + 1
        OW = (shape[3] - K) // stride + 1
        columns = rng.normal(size=(shape[0], shape[1] * K * K, OH * OW))
        right = col2im.reference(columns, shape, Geometry.of(K, stride))
        expect(
            answer(columns, shape, K, stride),
            right,
            phrase(
                "random columns, shape {shape}, K = {K}, stride = {stride}",
                shape=shape,
                K=K,
                stride=stride,
            ),
            phrase(
                "There are {OH} rows of {OW} windows, in each picture and each channel.",
                OH=OH,
                OW=OW,
            ),
        )


@way_back.solution
def my_col2im(columns, shape, K, stride):
    N, C, H, W = shape
    OH = (H - K) // stride + 1
    OW = (W - K) // stride + 1
    columns = columns.reshape(N, C, K, K, OH, OW)
    gx = np.zeros(shape, columns.dtype)
    for p in range(K):
        for q in range(K):
            rows = slice(p, p + stride * OH, stride)
            cols = slice(q, q + stride * OW, stride)
            gx[:, :, rows, cols] += columns[:, :, p, q]
    return gx
