"""Exercises of lesson 00: top-k classes and top-k error."""

import numpy as np

from tinynet.lessons.exercise import cases, exercise, expect


@exercise(
    "00.1",
    "The k best classes",
    hints=(
        "np.argsort(scores, axis=1) gives, for each row, the classes from the lowest score to the "
        "highest. You want the other direction.",
        "Sort -scores instead: the highest score comes first. Then keep k columns.",
        'Ties: argsort keeps the original order of equal scores only with kind="stable".',
    ),
)
def topk(answer):
    """Write my_topk(scores, k): the k best classes of each row; ties: the lower class first."""
    scores = np.array([[1.0, 7.0, 3.0]])
    case = "scores = [[1, 7, 3]], k = 2"
    why = "The best class comes first: the score 7, then the score 3."
    slips = [
        ([[7, 3]], "These are the scores. Return their indices: the classes."),
        (np.argsort(-scores, axis=1), "Keep k columns: for each picture its k best classes."),
        (np.argsort(-scores, axis=0), "Sort along axis 1: a row is a picture, a column a class."),
        (np.argsort(-scores, axis=0)[:, :2], "Sort along axis 1: each row separately."),
    ]
    expect(answer(scores, 2), [[1, 2]], case, why, slips=slips)
    two = np.array([[1.0, 7.0, 3.0], [5.0, 2.0, 4.0]])
    case = "scores = [[1, 7, 3], [5, 2, 4]], k = 1"
    expect(answer(two, 1), [[1], [0]], case, "Each row is one picture and is sorted separately.")
    ties = np.array([[2.0, 9.0, 2.0, 9.0, 2.0]])
    case = "scores = [[2, 9, 2, 9, 2]], k = 4"
    why = "Ties go to the lower class: otherwise the result depends on the sort algorithm."
    expect(answer(ties, 4), [[1, 3, 0, 2]], case, why)
    many = cases(0).integers(0, 4, (3, 40)).astype(float)
    right = np.argsort(-many, axis=1, kind="stable")[:, :5]
    expect(answer(many, 5), right, "3 rows of 40 scores that are 0, 1, 2 or 3, k = 5", why)


@topk.solution
def my_topk(scores, k):
    return np.argsort(-scores, axis=1, kind="stable")[:, :k]


@exercise(
    "00.2",
    "Top-k error",
    hints=(
        "Ask for the k best classes of each picture first: you have just written that.",
        "labels[:, None] has one column, so `best == labels[:, None]` compares each label with "
        "all k guesses of its picture.",
        "A picture is right if any of its k comparisons is true: .any(axis=1). The error is the "
        "fraction of the others.",
    ),
)
def top_error(answer):
    """Write my_top_error(scores, labels, k): the fraction of rows whose label is not in the top k.

    A fraction lies between 0 and 1. labels (N,) has one class for each row; my_topk may help.
    """
    scores = np.array([[1.0, 7.0, 3.0], [5.0, 2.0, 4.0], [2.0, 4.0, 9.0]])
    labels = np.array([2, 0, 2])
    case = "scores = [[1, 7, 3], [5, 2, 4], [2, 4, 9]], labels = [2, 0, 2]"
    why = "The first picture is a 2 but class 1 has the best score; the two others are right."
    slips = [
        (2 / 3, "That is the accuracy. The error is the fraction of wrong answers."),
        (1, "One of three is wrong, a fraction of 1/3: divide by the number of pictures."),
        (100 / 3, "The error is a fraction between 0 and 1, not a percentage."),
    ]
    expect(answer(scores, labels, 1), 1 / 3, f"{case}, k = 1", why, slips=slips)
    why = "With two guesses the first picture is right as well, and nothing is wrong."
    slips = [
        (
            1,
            "One of the two guesses is wrong in each row. One right guess is enough: any, not all.",
        ),
        (0.5, "Count pictures, not guesses: a picture is right if one of its k guesses is."),
    ]
    expect(answer(scores, labels, 2), 0.0, f"{case}, k = 2", why, slips=slips)
    why = "Ties go to the lower class, so the one guess is class 0."
    ties = np.full((1, 3), 5.0), np.array([2])
    expect(answer(*ties, 1), 1.0, "scores = [[5, 5, 5]], labels = [2], k = 1", why)
    rng = cases(0)
    many = rng.standard_normal((200, 10))
    labels = rng.integers(0, 10, 200)
    best = np.argsort(-many, axis=1, kind="stable")[:, :5]
    right = 1 - (best == labels[:, None]).any(axis=1).mean()
    why = "Compare each label with the guesses of its own row: labels[:, None] has one column."
    expect(answer(many, labels, 5), right, "200 rows of random scores, k = 5", why)


@top_error.solution
def my_top_error(scores, labels, k):
    best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return 1 - (best == labels[:, None]).any(axis=1).mean()
