"""The exercises of lesson 03: a linear model and its templates."""

import numpy as np

from tinynet.functions import softmax
from tinynet.kernels import cross_entropy
from tinynet.lessons.exercise import Wrong, exercise, expect
from tinynet.tensor import tensor


@exercise(
    "03.1",
    "Softmax that cannot overflow",
    hints=(
        "One row is one picture: maxima and sums go along axis=1, with keepdims=True.",
        "exp(1000) is infinite. Subtract the largest score of the row first; the ratios stay.",
        "e = np.exp(scores - scores.max(axis=1, keepdims=True)); divide e by its row sums.",
    ),
)
def probabilities(answer):
    """Write my_softmax(scores): exp of (N, classes), each row divided by its sum."""
    expect(
        answer(np.log([[1.0, 3.0]])), [[0.25, 0.75]], "scores = [[log 1, log 3]]",
        "exp gives 1 and 3; their share of the sum is 1/4 and 3/4.",
    )  # fmt: skip
    expect(
        answer(np.zeros((2, 2))), [[0.5, 0.5], [0.5, 0.5]], "scores = [[0, 0], [0, 0]]",
        "Each row is a picture of its own and sums to 1.",
    )  # fmt: skip
    expect(
        answer(np.array([[1000.0, 1000.0]])), [[0.5, 0.5]], "scores = [[1000, 1000]]",
        "exp(1000) is infinite, and infinite / infinite is not a number. Make the scores smaller "
        "without changing their differences.",
    )  # fmt: skip
    scores = np.random.default_rng(3).normal(size=(4, 5))
    expect(answer(scores.copy()), softmax(tensor(scores)).numpy(), "random scores (4, 5)")


@probabilities.solution
def my_softmax(scores):
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


@exercise(
    "03.2",
    "The gradient of softmax and cross-entropy",
    hints=(
        "It is the probabilities, with 1 taken away at the right class of each row.",
        "gs = softmax of scores; gs[np.arange(N), labels] -= 1.",
        "The loss is a mean over N pictures, so the gradient is divided by N.",
    ),
)
def gradient(answer):
    """Write my_gscores(scores, labels): the gradient of the mean loss, (N, classes)."""
    expect(
        answer(np.log([[1.0, 3.0]]), np.array([0])), [[-0.75, 0.75]],
        "scores = [[log 1, log 3]], labels = [0]",
        "Probabilities 1/4 and 3/4, minus 1 at class 0. Going down the slope must raise the score "
        "of the right class: its gradient is negative.",
    )  # fmt: skip
    expect(
        answer(np.log([[1.0, 3.0], [1.0, 3.0]]), np.array([0, 1])),
        [[-0.375, 0.375], [0.125, -0.125]],
        "scores = [[log 1, log 3], [log 1, log 3]], labels = [0, 1]",
        "Two pictures share the loss: it is their mean. And each row has a label of its own.",
    )  # fmt: skip
    rng = np.random.default_rng(3)
    scores, labels = rng.normal(size=(6, 4)), rng.integers(0, 4, 6)
    right = cross_entropy.reference(scores, labels)[1]
    expect(answer(scores.copy(), labels), right, "random scores (6, 4)")


@gradient.solution
def my_gscores(scores, labels):
    N = len(scores)
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    gs = e / e.sum(axis=1, keepdims=True)
    gs[np.arange(N), labels] -= 1
    return gs / N


@exercise(
    "03.3",
    "Backward of a linear layer",
    hints=(
        "Write the shapes down: gy (N, out), x (N, in), weight (out, in). Which products fit?",
        "gweight must be (out, in): gy turned, times x. The product adds over the N pictures.",
        "return gy.T @ x, gy.sum(axis=0)",
    ),
)
def linear_backward(answer):
    """Write my_linear_backward(gy, x): (gweight, gbias) of y = x @ weight.T + bias."""
    gy, x = np.array([[1.0, 0.0]]), np.array([[2.0, 3.0, 4.0]])
    _pair(
        answer(gy, x), [[2, 3, 4], [0, 0, 0]], [1, 0], "gy = [[1, 0]], x = [[2, 3, 4]]",
        "gweight has the shape of weight, (out, in). Score 0 alone has a gradient, so row 0 alone "
        "moves, towards the picture.",
    )  # fmt: skip
    gy, x = np.array([[1.0], [10.0]]), np.array([[1.0, 2.0], [3.0, 4.0]])
    _pair(
        answer(gy, x), [[31, 42]], [11], "gy = [[1], [10]], x = [[1, 2], [3, 4]]",
        "All pictures used the same weights, so their gradients are added. gy has the 1 / N in it "
        "already.",
    )  # fmt: skip


def _pair(got, gweight, gbias, case, why):
    """Hold both gradients against what they should be."""
    if not isinstance(got, tuple | list) or len(got) != 2:
        raise Wrong(f"for {case}: expected two arrays, gweight and gbias.")
    expect(got[0], gweight, f"gweight of {case}", why)
    expect(got[1], gbias, f"gbias of {case}", why)


@linear_backward.solution
def my_linear_backward(gy, x):
    return gy.T @ x, gy.sum(axis=0)
