"""Exercises of lesson 14: training the small AlexNet."""

import numpy as np

from tinynet.lessons.exercise import Wrong, exercise, expect
from tinynet.words import phrase


@exercise(
    "14.1",
    "A validation set",
    hints=(
        "Shuffle the numbers 0 .. n - 1 first: np.random.default_rng(seed).permutation(n).",
        "The first round(share * n) of them are for validation, the others for training.",
        "return order[held:], order[:held]",
    ),
)
def split(answer):
    """Write my_split(n, share, seed): (training, validation), shuffled picture numbers.

    round(share * n) of the n pictures are for validation; seed decides which.
    """
    small = [(10, 0.3, 0), (8, 0.2, 0), (7, 0.2, 0)]
    for n, share, seed in small + [(50, 0.2, seed) for seed in range(5)]:
        _one_split(answer, n, share, seed)
    if all(_regular(answer(50, 0.2, seed)[1], 50) for seed in range(5)):
        told = sorted(np.asarray(answer(50, 0.2, 0)[1]).tolist())
        raise Wrong(
            phrase(
                "for n = 50, share = 0.2: the validation pictures {told} are evenly spaced for "
                "every seed.\n  A file may be sorted in any way: shuffle all numbers.",
                told=told,
            )
        )
    validation = answer(10, 0.3, 0)[1]
    expect(
        answer(10, 0.3, 0)[1],
        validation,
        "n = 10, share = 0.3 again",
        "The same seed must give the same split.",
    )
    if np.array_equal(answer(10, 0.3, 1)[1], validation):
        raise Wrong("for n = 10: seed 1 gives the same split as seed 0.")


def _one_split(answer, n, share, seed):
    """Raise Wrong unless the two parts are a valid split."""
    case = f"n = {n}, share = {share}, seed = {seed}"
    held = round(n * share)
    training, validation = (np.asarray(part) for part in answer(n, share, seed))
    if (len(training), len(validation)) != (n - held, held):
        raise Wrong(
            phrase(
                "for {case}: expected {rest} and {held} numbers, got {training} and {validation}. "
                "Return training first, then round(share * n) for validation.",
                case=case,
                rest=n - held,
                held=held,
                training=len(training),
                validation=len(validation),
            )
        )
    if both := sorted(set(training.tolist()) & set(validation.tolist())):
        raise Wrong(
            phrase(
                "for {case}: {both} are in both parts. A picture belongs in only one.",
                case=case,
                both=both,
            )
        )
    if sorted([*training.tolist(), *validation.tolist()]) != list(range(n)):
        raise Wrong(
            phrase(
                "for {case}: each picture 0 .. {last} must be in one of the parts, once.",
                case=case,
                last=n - 1,
            )
        )
    if n >= 10 and sorted(validation.tolist()) in (list(range(held)), list(range(n - held, n))):
        raise Wrong(
            phrase(
                "for {case}: the validation pictures are {validation}, a block. "
                "A file may be sorted by class: shuffle first.",
                case=case,
                validation=sorted(validation.tolist()),
            )
        )


def _regular(numbers, n):
    """Return whether numbers on a circle of n are evenly spaced, except for one gap."""
    ordered = np.sort(np.asarray(numbers))
    gaps = np.diff(ordered, append=ordered[0] + n)
    return len(np.unique(gaps)) <= 2


@split.solution
def my_split(n, share, seed):
    order = np.random.default_rng(seed).permutation(n)
    held = round(share * n)
    return order[held:], order[:held]


@exercise(
    "14.2",
    "Choose",
    hints=(
        "Use only two of the entries: validation, and, where validation is equal, parameters.",
        "max(runs, key=...) compares whatever the key returns; pairs are compared by their first "
        "elements, then, if those are equal, by their second ones.",
        "return max(runs, key=lambda run: (run['validation'], -run['parameters']))",
    ),
)
def choose(answer):
    """Write my_choose(runs): the run with the best validation accuracy; ties: the smallest net.

    runs is a list of dicts with the keys "validation", "parameters", "training" and "test". Return
    one of them.
    """

    def run(validation, parameters, training, test):
        return {
            "validation": validation,
            "parameters": parameters,
            "training": training,
            "test": test,
        }

    cases = [
        (
            [run(60.0, 9, 70, 61), run(62.0, 9, 65, 60), run(61.0, 9, 99, 66)],
            1,
            "Run 2 has the best training and test accuracy; neither may decide.",
        ),
        (
            [run(62.0, 20, 70, 61), run(62.0, 10, 70, 60), run(61.0, 5, 70, 61)],
            1,
            "Two runs have 62: choose the smaller net.",
        ),
        (
            [run(62.0, 10, 70, 61), run(62.01, 60_000_000, 70, 60), run(61.0, 5, 70, 61)],
            1,
            "62.01 is better than 62: the size counts only in a tie.",
        ),
    ]
    for runs, expected, why in cases:
        got = answer([dict(r) for r in runs])
        if got != runs[expected]:
            lines = "\n".join(f"    {r}" for r in runs)
            raise Wrong(
                phrase(
                    "for the runs\n{lines}\n  expected the run {expected}, got {got}.\n  {why}",
                    lines=lines,
                    expected=expected,
                    got=got,
                    why=phrase(why),
                )
            )
        if answer([dict(r) for r in runs[::-1]]) != runs[expected]:
            raise Wrong("the order of the runs must not matter; reversed, your answer differs.")


@choose.solution
def my_choose(runs):
    return max(runs, key=lambda run: (run["validation"], -run["parameters"]))


@exercise(
    "14.3",
    "The confusion matrix",
    hints=(
        "Begin with np.zeros((classes, classes), int) and count every picture once.",
        "The row is the true class, the column the net's answer: table[truth, said].",
        "table[truth, said] += 1 counts a repeated pair only once; np.add.at(table, (truth, said), "
        "1) counts all.",
    ),
)
def confusion(answer):
    """Write my_confusion(truth, said, classes): how often class (row) was called (column).

    truth and said hold one class for each picture; return counts (classes, classes).
    """
    truth = np.array([0, 0, 1, 2, 2, 2])
    said = np.array([0, 1, 1, 0, 0, 2])
    expect(
        answer(truth, said, 3),
        [[1, 1, 0], [0, 1, 0], [2, 0, 1]],
        "truth = [0, 0, 1, 2, 2, 2], said = [0, 1, 1, 0, 0, 2]",
        "Rows are the true classes, columns the answers; class 2 was called 0 twice.",
    )
    expect(
        answer(truth, said, 4),
        [[1, 1, 0, 0], [0, 1, 0, 0], [2, 0, 1, 0], [0, 0, 0, 0]],
        "the same with classes = 4",
        "Class 3 never occurs, but it still has a row and a column.",
    )


@confusion.solution
def my_confusion(truth, said, classes):
    table = np.zeros((classes, classes), int)
    np.add.at(table, (truth, said), 1)
    return table
