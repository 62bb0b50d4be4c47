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
    """Write my_unbroadcast(g, shape): g added up until it has the shape that was repeated."""
    g = np.arange(6.0).reshape(2, 3)
    expect(
        answer(g.copy(), (2, 3)), g, "g = [[0, 1, 2], [3, 4, 5]], shape = (2, 3)",
        "Nothing was repeated: g stays as it is.",
    )  # fmt: skip
    expect(
        answer(g.copy(), (3,)), [3, 5, 7], "g = [[0, 1, 2], [3, 4, 5]], shape = (3,)",
        "The row was used twice, once for each row of g. Both uses count: add, do not average.",
    )  # fmt: skip
    expect(
        answer(g.copy(), (2, 1)), [[3], [12]], "g = [[0, 1, 2], [3, 4, 5]], shape = (2, 1)",
        "The column was used three times. Its axis of length 1 stays.",
    )  # fmt: skip
    expect(
        answer(g.copy(), ()), 15, "g = [[0, 1, 2], [3, 4, 5]], shape = ()",
        "A single number was used six times.",
    )  # fmt: skip
    square = np.array([[1.0, 2.0], [3.0, 4.0]])
    expect(
        answer(square, (2,)), [4, 6], "g = [[1, 2], [3, 4]], shape = (2,)",
        "New axes come in front: a shape (2,) meets the last axis, not the first.",
    )  # fmt: skip
    g = np.random.default_rng(2).normal(size=(4, 2, 3, 5))
    for shape in ((1, 3, 1), (2, 1, 5), (4, 2, 1, 1)):
        expect(answer(g.copy(), shape), unbroadcast(g, shape), f"g (4, 2, 3, 5), shape = {shape}")


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
    """Write my_gradient(f, x, h): the central difference of f, a number, for every element of x."""
    x = np.array([2.0, 3.0])
    expect(
        answer(lambda x: float(x[0] + 10 * x[1]), x.copy(), 0.5), [1, 10],
        "f = x0 + 10 * x1, x = [2, 3], h = 0.5", "Move one element at a time.",
    )  # fmt: skip
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


SUSPECTS = {
    "Plus": "b is repeated for every row; its gradient is the sum over the rows, not their mean.",
    "Times": "",
    "Ratio": "d(a / b) / db is -a / b**2; one b is missing.",
    "Cube": "",
    "Clip": "Above 1 the output does not move, so the gradient is 0 there too. Did your inputs "
    "reach beyond 1?",
    "Softplus": "",
}


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
    if strangers := named - SUSPECTS.keys():
        raise Wrong(f"{min(strangers)} is none of the six: {', '.join(SUSPECTS)}.")
    for name, crime in SUSPECTS.items():
        if name in named and not crime:
            raise Wrong(f"{name} is innocent: its backward is the derivative of its forward.")
    missed = [name for name, crime in SUSPECTS.items() if crime and name not in named]
    if missed:
        raise Wrong(
            f"expected {len(missed) + len(named)} names, got {len(named)}: {missed[0]} is "
            f"missing.\n  {SUSPECTS[missed[0]]}"
        )


@guilty.solution
def my_guilty():
    return {"Plus", "Ratio", "Clip"}
