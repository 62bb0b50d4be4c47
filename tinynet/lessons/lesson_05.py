"""Exercises of lesson 05: convolution by hand."""

import numpy as np

from tinynet.kernels import Geometry, conv2d_forward
from tinynet.lessons.exercise import Wrong, cases, exercise, expect
from tinynet.words import phrase

SIZES = {  # (size, kernel, stride, padding): what it teaches
    (7, 3, 1, 0): "The window starts at 0, 1, 2, 3 and 4: five starts, four steps.",
    (5, 5, 1, 0): "A window as large as the image fits once.",
    (8, 3, 2, 0): "It starts at 0, 2 and 4; from 6 it would hang over the edge. Round down.",
    (14, 3, 4, 0): "11 / 4 is 2.75; three quarters of a step do not fit. Round down.",
    (4, 3, 1, 1): "Padding is added on both sides: the image is 4 + 1 + 1 wide.",
    (227, 11, 4, 0): "The last start is 227 - 11 = 216, which is 54 steps of 4 after the first.",
    (224, 11, 4, 0): "213 / 4 is 53.25: the last quarter of a step does not fit.",
}


@exercise(
    "05.1",
    "How many windows fit",
    hints=(
        "Along one axis the padded image has size + 2 * padding pixels.",
        "The first window starts at 0, the last at size + 2 * padding - kernel or a little before.",
        "Starts are stride pixels apart; // rounds down. Count the window at 0 too.",
    ),
)
def output_size(answer):
    """Write my_output_size(size, kernel, stride, padding): how many windows fit along one axis.

    Arguments and result are whole numbers (int).
    """
    for (size, kernel, stride, padding), why in SIZES.items():
        right = my_output_size(size, kernel, stride, padding)
        case = f"size = {size}, kernel = {kernel}, stride = {stride}, padding = {padding}"
        expect(got := answer(size, kernel, stride, padding), right, case, why)
    if not isinstance(got, int | np.integer):
        raise Wrong(
            phrase(
                "for {case}: expected {right}, got {got!r}.\n  A number of windows is a whole "
                "number: range(5.0) is an error. // of two whole numbers is whole, / is not.",
                case=case,
                right=right,
                got=got,
            )
        )


@output_size.solution
def my_output_size(size, kernel, stride, padding):
    return (size + 2 * padding - kernel) // stride + 1


def _defined(x, weight, bias, stride, padding):
    """Return the result of the library."""
    windows = Geometry.of(weight.shape[2:], stride, padding)
    return conv2d_forward.reference(x, weight, bias, windows)


@exercise(
    "05.2",
    "Convolution in four loops",
    hints=(
        "Pad first: np.pad(x, [(0, 0), (0, 0), (padding, padding), (padding, padding)]).",
        "Loop over n, o, i, j. The window of (i, j) has its corner at row stride * i, "
        "column stride * j: window = x[n, :, h : h + KH, w : w + KW].",
        "y[n, o, i, j] = (window * weight[o]).sum() + bias[o].",
    ),
)
def convolution(answer):
    """Write my_conv2d(x, weight, bias, stride, padding), the equation above, in four loops.

    x is (N, C, H, W), weight (OC, C, KH, KW), bias (OC,); it returns y (N, OC, OH, OW).
    """
    x = np.arange(9.0).reshape(1, 1, 3, 3)
    corner = np.array([[[[1.0, 0.0], [0.0, 0.0]]]])
    _judge(
        answer,
        x,
        corner,
        [0.0],
        1,
        0,
        "x = 0..8 in three rows, weight = [[1, 0], [0, 0]]",
        "This filter copies the upper left pixel of every window. Did you flip the filter? "
        "In this library, as in the paper, it is not flipped.",
    )
    _judge(
        answer,
        x,
        corner,
        [10.0],
        1,
        0,
        "x = 0..8 in three rows, weight = [[1, 0], [0, 0]], bias = [10]",
        "The bias is added once to every output.",
    )
    _judge(
        answer,
        np.arange(25.0).reshape(1, 1, 5, 5),
        corner,
        [0.0],
        2,
        0,
        "x = 0..24 in five rows, weight = [[1, 0], [0, 0]], stride = 2",
        "With stride 2 the windows start at rows and columns 0 and 2; at 4 they would not fit.",
    )
    _judge(
        answer,
        np.ones((1, 1, 2, 2)),
        np.ones((1, 1, 3, 3)),
        [0.0],
        1,
        1,
        "x = four ones, weight = nine ones, padding = 1",
        "Padding adds zeros along the last two axes only; each window sees all four ones.",
    )
    _judge(
        answer,
        np.array([1.0, 10.0]).reshape(1, 2, 1, 1),
        np.ones((1, 2, 1, 1)),
        [0.0],
        1,
        0,
        "two channels, x = [1, 10], weight = [1, 1]",
        "A filter has weights for every channel; sum the products over channels.",
    )
    two = np.array([1.0, 2.0]).reshape(2, 1, 1, 1)
    _judge(
        answer,
        two,
        10 * two,
        [100.0, 200.0],
        1,
        0,
        "two pictures of one pixel, 1 and 2, filters of one weight, 10, 20, bias = [100, 200]",
        "Each filter is applied to each picture and has its own bias.",
    )
    rng = cases(5)
    x = rng.normal(size=(2, 3, 6, 7))
    weight = rng.normal(size=(4, 3, 3, 2))
    _judge(
        answer,
        x,
        weight,
        rng.normal(size=4),
        2,
        1,
        "x (2, 3, 6, 7), weight (4, 3, 3, 2), stride = 2, padding = 1",
        "The window is 3 high and 2 wide: did you swap KH and KW, or i and j?",
    )


def _judge(answer, x, weight, bias, stride, padding, case, why):
    """Compare an answer with the definition."""
    arguments = x, weight, np.array(bias), stride, padding
    expect(answer(*arguments), _defined(*arguments), case, why)


@convolution.solution
def my_conv2d(x, weight, bias, stride, padding):
    (N, _, H, W) = x.shape
    (OC, _, KH, KW) = weight.shape
    OH = (H + 2 * padding - KH) // stride + 1
    OW = (W + 2 * padding - KW) // stride + 1
    x = np.pad(x, [(0, 0), (0, 0), (padding, padding), (padding, padding)])
    y = np.zeros((N, OC, OH, OW), x.dtype)
    for n in range(N):
        for o in range(OC):
            for i in range(OH):
                for j in range(OW):
                    h = stride * i
                    w = stride * j
                    window = x[n, :, h : h + KH, w : w + KW]
                    y[n, o, i, j] = (window * weight[o]).sum() + bias[o]
    return y


QUIZ: dict[str, tuple[int, str, str]] = {  # the number, a nudge without it, the explanation
    "a": (5, "Where does the window start first, where last?", "It starts at 0, 1, 2, 3, 4."),
    "b": (
        28,
        "The window covers all 3 channels and does not slide along them.",
        "32 - 5 + 1, whatever the number of channels.",
    ),
    "c": (76, "A filter is as deep as its input.", "5 * 5 * 3 weights and one bias."),
    "d": (
        73_728,
        "Each filter has weights for every channel.",
        "3 * 3 * 128 weights in a filter, and 64 filters.",
    ),
    "e": (
        54,
        "Count whole steps only, and the first window.",
        "(224 - 11) / 4 is 53.25: 53 whole steps, plus the first window.",
    ),
    "f": (
        55,
        "Count the steps, and the first window.",
        "(227 - 11) / 4 is exactly 54: 54 steps, plus the first window.",
    ),
    "g": (
        2,
        "How many pixels does the window cost? Padding is added on each side.",
        "A window of 5 makes the output 4 pixels smaller; 2 on each side compensate.",
    ),
    "h": (
        105_415_200,
        "How many outputs are there in all, and how many products make one?",
        "55 * 55 * 96 outputs, each of 11 * 11 * 3 products.",
    ),
}


@exercise(
    "05.3",
    "Eight sizes",
    value=True,
    hints=(
        "Outputs: (size + 2 * padding - kernel) // stride + 1 along each axis.",
        "A filter has KH * KW * C weights. A layer has OC filters, and one bias for each.",
        "Multiply-adds: each of the OH * OW * OC outputs takes KH * KW * C.",
    ),
)
def sizes(answer):
    """Answer the eight questions a to h with whole numbers: {"a": ..., "b": ...}."""
    for letter, (right, nudge, _) in QUIZ.items():
        got = answer.get(letter)
        if got is not None and got != right:
            raise Wrong(
                phrase(
                    "for question {letter}: {got!r} is not right.\n  {nudge}",
                    letter=letter,
                    got=got,
                    nudge=phrase(nudge),
                )
            )
    missing = [letter for letter in QUIZ if answer.get(letter) is None]
    if missing:
        raise Wrong(phrase("right so far; no answer yet to {missing}.", missing=", ".join(missing)))
    return [f"{letter}: {phrase(why)}" for letter, (_, _, why) in QUIZ.items()]


@sizes.solution
def my_sizes():
    return {
        "a": 7 - 3 + 1,
        "b": 32 - 5 + 1,
        "c": 5 * 5 * 3 + 1,
        "d": 3 * 3 * 128 * 64,
        "e": (224 - 11) // 4 + 1,
        "f": (227 - 11) // 4 + 1,
        "g": (5 - 1) // 2,
        "h": 55 * 55 * 96 * 11 * 11 * 3,
    }
