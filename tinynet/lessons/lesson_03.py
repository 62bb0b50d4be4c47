"""Exercises of lesson 03: softmax, cross-entropy and a linear layer."""

import numpy as np

from tinynet.functions import softmax
from tinynet.kernels import cross_entropy
from tinynet.lessons.exercise import Wrong, cases, exercise, expect, small
from tinynet.tensors import tensor
from tinynet.words import phrase


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
    """Write my_softmax(scores): exp of (N, classes), each row divided by its sum.

    It must work for scores of 1000 as well.
    """
    why = "exp gives 1 and 3; divided by their sum they are 1/4 and 3/4."
    forgot = (
        "The row sums were broadcast along the columns: keepdims=True keeps them as a column, "
        "(2, 1), which is broadcast along each row."
    )
    lost = "exp(-1000) is 0, and 0 / 0 is not a number: what you subtract must depend on the row."
    slips = [
        ([[np.nan, np.nan]], lost),
        (np.log([[0.25, 0.75]]), "These are the logarithms. Probabilities lie between 0 and 1."),
    ]
    case = "scores = [[log 1, log 3]]"
    expect(answer(np.log([[1.0, 3.0]])), [[0.25, 0.75]], case, why, slips=slips)
    rows = [[0.25, 0.75], [0.5, 0.5]]
    expect(
        answer(np.log([[1.0, 3.0], [4.0, 4.0]])),
        rows,
        "scores = [[log 1, log 3], [log 4, log 4]]",
        "Each row is one picture and sums to 1. The second has two equal scores.",
        slips=[([[0.25, 0.5], [0.75, 0.5]], forgot), ([[0.25, 0.375], [1, 0.5]], forgot)],
    )
    expect(
        answer(np.zeros((2, 2))),
        [[0.5, 0.5], [0.5, 0.5]],
        "scores = [[0, 0], [0, 0]]",
        "Each row is one picture and sums to 1.",
    )
    why = (
        "exp(1000) is infinite, and infinite / infinite is not a number. Make the scores smaller "
        "without changing their differences."
    )
    expect(answer(np.array([[1000.0, 1000.0]])), [[0.5, 0.5]], "scores = [[1000, 1000]]", why)
    _far_apart(answer)
    scores = cases(3).normal(size=(4, 5))
    expect(answer(scores.copy()), softmax(tensor(scores)).numpy(), "random scores (4, 5)")


def _far_apart(answer):
    """Check scores that differ a lot, within a row and between rows."""
    for scores, right, why in (
        (
            [[1000.0, 0.0], [0.0, 0.0]],
            [[1, 0], [0.5, 0.5]],
            "Each row needs its own maximum. The maximum of one row may be far too large for "
            "another: then each exp is 0, and so is their sum.",
        ),
        (
            [[2000.0, 0.0]],
            [[1, 0]],
            "After subtracting no score may be above 0, or its exp can be infinite. The mean of "
            "the row is not enough; its largest score is.",
        ),
        (
            [[1000.0, 900.0]],
            [[1, 0]],
            "Only differences count, and this one is 100: a ratio of e ** 100. Do not clip; "
            "subtract the same number from the whole row.",
        ),
    ):
        case = f"scores = {small(np.array(scores))}"
        expect(answer(np.array(scores)), right, case, why)


@probabilities.solution
def my_softmax(scores):
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


@exercise(
    "03.2",
    "The gradient of softmax and cross-entropy",
    hints=(
        "It is the probabilities, minus 1 at the right class of each row.",
        "gs = softmax of scores; gs[np.arange(N), labels] -= 1.",
        "The loss is a mean over N pictures, so the gradient is divided by N.",
    ),
)
def gradient(answer):
    """Write my_gscores(scores, labels): the gradient of the mean loss, (N, classes).

    You may call your my_softmax.
    """
    why = (
        "Probabilities 1/4 and 3/4, minus 1 at class 0. Gradient descent must raise the score "
        "of the right class: its gradient is negative."
    )
    slips = [
        (np.log(4), "That is the loss. Its gradient has the shape of scores: one for each score."),
        ([[-0.375, 0.375]], "Divide by N, the number of rows (here 1), not of classes."),
        ([[-1, np.log(3)]], "These are the scores minus 1: subtract it from the probabilities."),
        ([[0.25, 0.75]], "These are the probabilities. Subtract 1 at the right class, class 0."),
    ]
    case = "scores = [[log 1, log 3]], labels = [0]"
    got = answer(np.log([[1.0, 3.0]]), np.array([0]))
    expect(got, [[-0.75, 0.75]], case, why, slips=slips)
    expect(
        answer(np.log([[1.0, 3.0], [1.0, 3.0]]), np.array([0, 1])),
        [[-0.375, 0.375], [0.125, -0.125]],
        "scores = [[log 1, log 3], [log 1, log 3]], labels = [0, 1]",
        "The loss is the mean over two pictures, and each row has its own label.",
    )
    expect(
        answer(np.array([[1000.0, 0.0]]), np.array([1])),
        [[1, -1]],
        "scores = [[1000, 0]], labels = [1]",
        "exp(1000) is infinite: subtract the largest score of the row first, as in softmax.",
    )
    rng = cases(3)
    scores = rng.normal(size=(6, 4))
    labels = rng.integers(0, 4, 6)
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
        "gweight must be (out, in): gy transposed, times x. The product sums over the N pictures. "
        "gbias must be (out,): gy, summed over the N pictures.",
    ),
)
def linear_backward(answer):
    """Write my_linear_backward(gy, x): (gweight, gbias) of y = x @ weight.T + bias."""
    bias = "gbias has the shape of bias, (out,): gy, summed over the pictures."
    gy = np.array([[1.0, 0.0]])
    x = np.array([[2.0, 3.0, 4.0]])
    _pair(
        answer(gy, x),
        [[2, 3, 4], [0, 0, 0]],
        [1, 0],
        "gy = [[1, 0]], x = [[2, 3, 4]]",
        "gweight has the shape of weight, (out, in). Only score 0 has a gradient, so only row 0 "
        "changes, in the direction of the picture.",
        bias,
    )
    gy = np.array([[1.0], [10.0]])
    x = np.array([[1.0, 2.0], [3.0, 4.0]])
    why = "All pictures used the same {}, so their gradients are added. gy already contains 1 / N."
    _pair(
        answer(gy, x),
        [[31, 42]],
        [11],
        "gy = [[1], [10]], x = [[1, 2], [3, 4]]",
        phrase(why).format(phrase("weights")),
        f"{phrase(bias)} {phrase(why).format(phrase('bias'))}",
    )


def _pair(got, gweight, gbias, case, why, why_bias):
    """Compare both gradients with the expected ones."""
    if not isinstance(got, tuple | list) or len(got) != 2:
        raise Wrong(
            phrase("for {case}: expected two arrays, gweight and gbias.", case=phrase(case))
        )
    swapped = [(gbias, "That is gbias: gweight comes first.")]
    expect(got[0], gweight, phrase("gweight of {case}", case=phrase(case)), why, slips=swapped)
    expect(got[1], gbias, phrase("gbias of {case}", case=phrase(case)), why_bias)


@linear_backward.solution
def my_linear_backward(gy, x):
    return gy.T @ x, gy.sum(axis=0)
