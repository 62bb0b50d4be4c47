"""The exercises of lesson 02: tensors, broadcasting, gradient checks."""

import numpy as np

from tinynet.functions.elementwise import unbroadcast
from tinynet.lessons.exercise import Wrong, exercise, expect


@exercise(
    "02.1",
    "Undo a broadcast",
    hints=(
        "Broadcasting repeats; the gradient of what was repeated is the sum over its copies.",
        "Axes that stand in g but not in `shape` are in front: sum them away first.",
        "Where `shape` has a 1 and g has more, sum with keepdims=True.",
    ),
)
def undo(answer):
    """Write my_unbroadcast(g, shape): g added up until it has the shape that was repeated.

    shape is a tuple. It may be that of g: then nothing was repeated. And both rules may be at work.
    """
    g, case = np.arange(6.0).reshape(2, 3), "g = [[0, 1, 2], [3, 4, 5]], shape = "
    expect(answer(g.copy(), (2, 3)), g, f"{case}(2, 3)", "Nothing was repeated: g stays as it is.")
    slips = [
        (g.mean(axis=0), "Both uses count: add, do not average."),
        (g[0], "That is the first row alone. The other use of the row counts as well: add."),
        (g[-1], "That is the last row alone. The other use of the row counts as well: add."),
        (g.sum(axis=1), "Sum the axes in front: by rule 1 it is there that (3,) got a new one."),
        (g.sum(axis=0, keepdims=True), "An axis that came in front goes away again."),
    ]
    why = "The row was used twice, once for each row of g. Both uses count: add them."
    expect(answer(g.copy(), (3,)), [3, 5, 7], f"{case}(3,)", why, slips=slips)
    why = "The column was used three times. Its axis of length 1 stays."
    expect(answer(g.copy(), (2, 1)), [[3], [12]], f"{case}(2, 1)", why)
    expect(answer(g.copy(), ()), 15, f"{case}()", "A single number was used six times.")
    square = np.array([[1.0, 2.0], [3.0, 4.0]])
    expect(
        answer(square, (2,)), [4, 6], "g = [[1, 2], [3, 4]], shape = (2,)",
        "New axes come in front: a shape (2,) meets the last axis, not the first.",
    )  # fmt: skip
    g = np.random.default_rng(2).normal(size=(4, 2, 3, 5))
    why = "Both rules at once: the axes in front go, those of length 1 stay."
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
        "Begin with g = np.zeros(x.shape); go through all places: for at in np.ndindex(x.shape).",
        "Copy x, add h at this place, ask f; then the same with h taken away.",
        "g[at] = (f(ahead) - f(behind)) / (2 * h).",
    ),
)
def two_steps(answer):
    """Write my_gradient(f, x, h): the central difference of f, a number, for every element of x.

    x may have any shape, the result has the same, and x must be afterwards what it was.
    """
    x = np.array([2.0, 3.0])
    slips = [
        ([2, 20], "Twice too large: from x - h to x + h are two steps."),
        ([0, 0], "f was asked twice at the same place: a = x makes no copy, x.copy() does."),
        ([-1, -10], "The sign is flipped: take what f says behind from what it says ahead."),
    ]
    case = "f = x0 + 10 * x1, x = [2, 3], h = 0.5"
    got = answer(lambda x: float(x[0] + 10 * x[1]), x.copy(), 0.5)
    expect(got, [1, 10], case, "Move one element at a time.", slips=slips)
    expect(
        answer(lambda x: float((x * x).sum()), x.copy(), 0.5), [4, 6],
        "f = x0 * x0 + x1 * x1, x = [2, 3], h = 0.5",
        "A step ahead alone gives 4.5 and 6.5. Half a step too much ahead and half a step too "
        "little behind cancel.",
    )  # fmt: skip
    x = np.random.default_rng(2).normal(size=(2, 3))
    expect(
        answer(lambda x: float(np.sin(x).sum()), x, 1e-5), np.cos(x),
        "f = the sum of sin(x), x (2, 3), h = 0.00001",
        "The result has the shape of x.", tolerance=1e-6,
    )  # fmt: skip


@two_steps.solution
def my_gradient(f, x, h):
    g = np.zeros(x.shape)
    for at in np.ndindex(x.shape):
        ahead, behind = x.copy(), x.copy()
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
        "Ask the judge about each of the six; it is silent, or says what is wrong.",
        "A judge sees only where you look. Which values make a difference to Clip?",
        "Give Clip an array with elements below 0, between 0 and 1, and above 1.",
    ),
)
def guilty(answer):
    """Name the ops among the six whose backward is wrong: a set such as {"Plus", "Cube"}."""
    named = {answer} if isinstance(answer, str) else set(answer)
    if strangers := named - set(SUSPECTS):
        raise Wrong(f"{min(strangers)} is none of the six: {', '.join(SUSPECTS)}.")
    if innocent := named - GUILTY:
        raise Wrong(f"{min(innocent)} is innocent: its backward is the derivative of its forward.")
    if missed := len(GUILTY - named):
        raise Wrong(
            f"expected three names, got {len(named)}: {missed} {'is' if missed == 1 else 'are'} "
            "missing.\n  Did you ask every op at values below 0, between 0 and 1, and above 1?"
        )


@guilty.solution
def my_guilty():
    return {"Plus", "Ratio", "Clip"}
