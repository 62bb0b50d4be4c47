"""Exercises of lesson 07: overlapping max-pooling."""

import numpy as np

from tinynet import kernels
from tinynet.lessons.exercise import Wrong, cases, exercise, expect
from tinynet.words import phrase


def _truth(x, k, s):
    """Return the library's outputs and argmax indices."""
    return kernels.max_pool2d_forward(x, kernels.Geometry.of(k, s), False)


@exercise(
    "07.1",
    "Max-pooling, forward",
    hints=(
        "How many windows fit? The last one begins at row H - k at most; they begin s rows apart.",
        "OH, OW = (H - k) // s + 1, (W - k) // s + 1. Then two loops: for i over OH, j over OW.",
        "The window of (i, j) is x[:, :, s*i : s*i + k, s*j : s*j + k]; take .max(axis=(2, 3)).",
    ),
)
def max_pool(answer):
    """Write my_max_pool(x, k, s): the maximum of every k x k window, windows s pixels apart.

    x is (N, C, H, W); return a new array (N, C, OH, OW) with the dtype of x.
    """
    row = np.array([[[[1.0, 3.0, 5.0, 0.0, 4.0]] * 3]])
    expect(
        answer(row, 3, 2),
        [[[[5, 5]]]],
        "three rows of 1 3 5 0 4, k = 3, s = 2",
        "The windows are columns 0-2 and 2-4: they share column 2.",
    )
    x = np.array([[[[1.0, 2.0, 9.0], [3.0, 1.0, 9.0]]]])
    expect(
        answer(x, 2, 2),
        [[[[3]]]],
        "x = [[1, 2, 9], [3, 1, 9]], k = 2, s = 2",
        "A window that would extend beyond the image is left out.",
    )
    expect(
        answer(x, 2, 1),
        [[[[3, 9]]]],
        "x = [[1, 2, 9], [3, 1, 9]], k = 2, s = 1",
        "The windows are columns 0-1 and 1-2: they are k wide and begin s apart.",
    )
    expect(
        answer(-x, 2, 1),
        [[[[-1, -1]]]],
        "x = [[-1, -2, -9], [-3, -1, -9]], k = 2, s = 1",
        "The largest of negative numbers is negative: do not begin at 0.",
    )
    four = np.array([1.0, 2.0, 3.0, 4.0]).reshape(2, 2, 1, 1)
    expect(
        answer(four, 1, 1),
        four,
        "two pictures of two channels of one pixel, k = 1, s = 1",
        "Each picture and each channel has its own maxima: .max(axis=(2, 3)).",
    )
    rng = cases(0)
    x = rng.standard_normal((2, 3, 9, 7))
    expect(
        answer(x, 3, 2),
        _truth(x, 3, 2)[0],
        "random images (2, 3, 9, 7), k = 3, s = 2",
        "The images are 9 high and 7 wide: OH is 4, OW is 3.",
    )
    _same_type(answer(x.astype(np.float32), 3, 2))


def _same_type(got):
    """Raise Wrong unless a float32 input gave a float32 output."""
    if (found := np.asarray(got).dtype) != np.float32:
        raise Wrong(
            phrase(
                "for x of float32: expected float32, got {found}.\n  np.zeros without a dtype "
                "makes float64: np.zeros(shape, x.dtype).",
                found=found,
            )
        )


@max_pool.solution
def my_max_pool(x, k, s):
    N, C, H, W = x.shape
    OH = (H - k) // s + 1
    OW = (W - k) // s + 1
    y = np.empty((N, C, OH, OW), x.dtype)
    for i in range(OH):
        for j in range(OW):
            y[:, :, i, j] = x[:, :, s * i : s * i + k, s * j : s * j + k].max(axis=(2, 3))
    return y


@exercise(
    "07.2",
    "Max-pooling, backward",
    hints=(
        "Begin with gx = np.zeros_like(x) and walk over the windows as forward did.",
        "In window (i, j), window.reshape(N, C, k * k).argmax(axis=2) is the winner, the first "
        "one of equal values; its row is winner // k, its column winner % k.",
        "With n, c = np.ogrid[:N, :C]: gx[n, c, s*i + winner // k, s*j + winner % k] += "
        "gy[:, :, i, j]. A pixel may be the maximum of two windows: +=, not =.",
    ),
)
def max_pool_backward(answer):
    """Write my_max_pool_backward(gy, x, k, s): a window's gradient goes to its first maximum.

    gy is (N, C, OH, OW), x (N, C, H, W); return a new array gx with the shape and dtype of x.
    """
    x = np.array([[[[1.0, 2.0], [3.0, 1.0]]]])
    expect(
        answer(np.array([[[[5.0]]]]), x, 2, 2),
        [[[[0, 0], [5, 0]]]],
        "x = [[1, 2], [3, 1]], gy = [[5]], k = 2, s = 2",
        "Only the maximum affects the output: it gets all of gy, the others get 0.",
    )
    row = np.array([[[[1.0, 0.0, 9.0, 0.0, 1.0], [0] * 5, [0] * 5]]])
    expect(
        answer(np.array([[[[2.0, 5.0]]]]), row, 3, 2)[..., :1, :],
        [[[[0, 0, 7, 0, 0]]]],
        "top row 1 0 9 0 1, zeros below, gy = [[2, 5]], k = 3, s = 2",
        "The 9 is the maximum of both windows, so it gets 2 + 5. Gradients add up.",
    )
    one = np.array([[[[1.0]]]])
    expect(
        answer(one, np.ones((1, 1, 2, 2)), 2, 2),
        [[[[1, 0], [0, 0]]]],
        "x = [[1, 1], [1, 1]], gy = [[1]], k = 2, s = 2",
        "Four equal values: the first one gets the gradient, once; the others get 0.",
    )
    expect(
        answer(one, np.array([[[[0.0, 7.0], [7.0, 0.0]]]]), 2, 2),
        [[[[0, 1], [0, 0]]]],
        "x = [[0, 7], [7, 0]], gy = [[1]], k = 2, s = 2",
        "Row-major order goes row by row: the 7 in the upper row comes first.",
    )
    two = np.array([[[[1.0, 2.0], [1.0, 2.0]], [[4.0, 3.0], [4.0, 3.0]]]])
    expect(
        answer(np.array([[[[5.0]], [[6.0]]]]), two, 2, 2),
        [[[[0, 5], [0, 0]], [[6, 0], [0, 0]]]],
        "two channels, [[1, 2], [1, 2]] and [[4, 3], [4, 3]], gy = 5 and 6, k = 2, s = 2",
        "Each picture and each channel has its own maxima.",
    )
    rng = cases(0)
    x = rng.integers(-4, 5, (2, 3, 9, 7)).astype(float)
    y, argmax = _truth(x, 3, 2)
    gy = rng.standard_normal(y.shape)
    truth = kernels.max_pool2d_backward(gy, argmax, x.shape, kernels.Geometry.of(3, stride=2))
    expect(
        answer(gy, x, 3, 2),
        truth,
        "random integers (2, 3, 9, 7), k = 3, s = 2",
        "Many values are equal here, and the images are 9 high and 7 wide.",
    )
    _same_type(answer(gy.astype(np.float32), x.astype(np.float32), 3, 2))


@max_pool_backward.solution
def my_max_pool_backward(gy, x, k, s):
    N, C, OH, OW = gy.shape
    n, c = np.ogrid[:N, :C]
    gx = np.zeros_like(x)
    for i in range(OH):
        for j in range(OW):
            window = x[:, :, s * i : s * i + k, s * j : s * j + k]
            winner = window.reshape(N, C, k * k).argmax(axis=2)
            gx[n, c, s * i + winner // k, s * j + winner % k] += gy[:, :, i, j]
    return gx
