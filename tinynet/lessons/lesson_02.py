"""Exercises of lesson 02: tensors, broadcasting, gradient checks."""

import numpy as np

from tinynet.functions.elementwise import unbroadcast
from tinynet.lessons.exercise import Wrong, cases, exercise, expect
from tinynet.words import phrase


@exercise(
    "02.1",
    "Undo a broadcast",
    hints=(
        "Broadcasting repeats; the gradient of what was repeated is the sum over its copies.",
        "Axes that g has and `shape` does not are the leading ones: sum over them first.",
        "Where `shape` has a 1 and g has more, sum with keepdims=True.",
    ),
)
def undo(answer):
    """Write my_unbroadcast(g, shape): sum g over the broadcast axes, so that it has this shape.

    shape is a tuple. If it is g's own shape, nothing was repeated. Both rules may apply at once.
    """
    g = np.arange(6.0).reshape(2, 3)
    case = "g = [[0, 1, 2], [3, 4, 5]], shape = "
    expect(answer(g.copy(), (2, 3)), g, f"{case}(2, 3)", "Nothing was repeated: g stays as it is.")
    slips = [
        (g.mean(axis=0), "Both uses count: add, do not average."),
        (g[0], "That is the first row alone. The other use of the row counts as well: add."),
        (g[-1], "That is the last row alone. The other use of the row counts as well: add."),
        (g.sum(axis=1), "Sum over the leading axes: rule 1 adds the new axis of (3,) in front."),
        (g.sum(axis=0, keepdims=True), "A leading axis that broadcasting added is removed again."),
    ]
    why = "The row was used twice, once for each row of g. Both uses count: add them."
    expect(answer(g.copy(), (3,)), [3, 5, 7], f"{case}(3,)", why, slips=slips)
    why = "The column was used three times. Its axis of length 1 stays."
    expect(answer(g.copy(), (2, 1)), [[3], [12]], f"{case}(2, 1)", why)
    expect(answer(g.copy(), ()), 15, f"{case}()", "A single number was used six times.")
    square = np.array([[1.0, 2.0], [3.0, 4.0]])
    expect(
        answer(square, (2,)),
        [4, 6],
        "g = [[1, 2], [3, 4]], shape = (2,)",
        "New axes are added in front: a shape (2,) is aligned with the last axis, not the first.",
    )
    g = cases(2).normal(size=(4, 2, 3, 5))
    why = "Both rules at once: leading axes are removed, axes of length 1 stay."
    for shape in ((1, 3, 1), (2, 1, 5), (4, 2, 1, 1)):
        right = unbroadcast(g, shape)
        expect(answer(g.copy(), shape), right, f"g (4, 2, 3, 5), shape = {shape}", why)


@undo.solution
def my_unbroadcast(g, shape):
    g = g.sum(axis=tuple(range(g.ndim - len(shape))))
    for axis, length in enumerate(shape):
        if length == 1:
            g = g.sum(axis=axis, keepdims=True)
    return g


@exercise(
    "02.2",
    "A derivative by two steps",
    hints=(
        "Begin with g = np.zeros(x.shape); loop over all elements: for at in np.ndindex(x.shape).",
        "Copy x, add h to this element, call f; then the same with h subtracted.",
        "g[at] = (f(ahead) - f(behind)) / (2 * h).",
    ),
)
def two_steps(answer):
    """Write my_gradient(f, x, h): the central difference of f, a number, for every element of x.

    x may have any shape; the result has the same shape. x must not be changed.
    """
    x = np.array([2.0, 3.0])
    slips = [
        ([2, 20], "Twice too large: from x - h to x + h is a distance of 2 * h, two steps."),
        ([0, 0], "f was called twice at the same point: a = x makes no copy, x.copy() does."),
        ([-1, -10], "The sign is flipped: compute f(x + h) - f(x - h)."),
    ]
    case = "f = x0 + 10 * x1, x = [2, 3], h = 0.5"
    got = answer(lambda x: float(x[0] + 10 * x[1]), x.copy(), 0.5)
    expect(got, [1, 10], case, "Move one element at a time.", slips=slips)
    expect(
        answer(lambda x: float((x * x).sum()), x.copy(), 0.5),
        [4, 6],
        "f = x0 * x0 + x1 * x1, x = [2, 3], h = 0.5",
        "A forward difference gives 4.5 and 6.5. In the central difference the errors of the two "
        "steps cancel.",
    )
    x = cases(2).normal(size=(2, 3))
    expect(
        answer(lambda x: float(np.sin(x).sum()), x, 1e-5),
        np.cos(x),
        "f = the sum of sin(x), x (2, 3), h = 0.00001",
        "The result has the shape of x.",
        tolerance=1e-6,
    )


@two_steps.solution
def my_gradient(f, x, h):
    g = np.zeros(x.shape)
    for at in np.ndindex(x.shape):
        ahead = x.copy()
        behind = x.copy()
        ahead[at] += h
        behind[at] -= h
        g[at] = (f(ahead) - f(behind)) / (2 * h)
    return g


SUSPECTS = ("Plus", "Times", "Ratio", "Cube", "Clip", "Softplus")
GUILTY = {"Plus", "Ratio", "Clip"}


@exercise(
    "02.3",
    "Find the wrong ops",
    value=True,
    hints=(
        "Run the judge on each of the six; it passes silently or says what is wrong.",
        "A judge tests only the values it is given. Which values make a difference to Clip?",
        "Give Clip an array with elements below 0, between 0 and 1, and above 1.",
    ),
)
def guilty(answer):
    """Name the ops among the six whose backward is wrong: a set such as {"Plus", "Cube"}."""
    named = {answer} if isinstance(answer, str) else set(answer)
    if strangers := named - set(SUSPECTS):
        raise Wrong(
            phrase(
                "{stranger} is not one of the six: {suspects}.",
                stranger=min(strangers),
                suspects=", ".join(SUSPECTS),
            )
        )
    if innocent := len(named - GUILTY):
        raise Wrong(
            phrase(
                "{innocent} of the {count} ops that you name {be} correct: "
                "the backward is the derivative of the forward. What did the judge say?",
                innocent=innocent,
                count=len(named),
                be="is" if innocent == 1 else "are",
            )
        )
    if missed := len(GUILTY - named):
        raise Wrong(
            phrase(
                "expected three names, got {count}: {missed} {be} missing.\n"
                "  Did you test every op at values below 0, between 0 and 1, and above 1?",
                count=len(named),
                missed=missed,
                be="is" if missed == 1 else "are",
            )
        )


@guilty.solution
def my_guilty():
    return {"Plus", "Ratio", "Clip"}
