"""The exercises of lesson 14: train the small AlexNet."""

import numpy as np

from tinynet.lessons.exercise import Wrong, exercise, expect


@exercise(
    "14.1",
    "A validation set",
    hints=(
        "Mix the numbers 0 .. n - 1 first: np.random.default_rng(seed).permutation(n).",
        "The first round(share * n) of them are for validation, the others for training.",
        "return order[held:], order[:held]",
    ),
)
def split(answer):
    """Write my_split(n, share, seed): (training, validation), picture numbers, mixed by a seed.

    round(share * n) of the n pictures are for validation.
    """
    small = [(10, 0.3, 0), (8, 0.2, 0), (7, 0.2, 0)]
    for n, share, seed in small + [(50, 0.2, seed) for seed in range(5)]:
        _one_split(answer, n, share, seed)
    if all(_regular(answer(50, 0.2, seed)[1], 50) for seed in range(5)):
        told = sorted(np.asarray(answer(50, 0.2, 0)[1]).tolist())
        raise Wrong(
            f"for n = 50, share = 0.2: the validation pictures {told} are equally far apart with "
            "each seed.\n  A file may be sorted in any way: mix all numbers."
        )
    validation = answer(10, 0.3, 0)[1]
    expect(answer(10, 0.3, 0)[1], validation, "n = 10, share = 0.3 again", "One seed, one split.")
    if np.array_equal(answer(10, 0.3, 1)[1], validation):
        raise Wrong("for n = 10: seed 1 gives the same split as seed 0.")


def _one_split(answer, n, share, seed):
    """Raise Wrong unless one split is a split."""
    case, held = f"n = {n}, share = {share}, seed = {seed}", round(n * share)
    training, validation = (np.asarray(part) for part in answer(n, share, seed))
    if (len(training), len(validation)) != (n - held, held):
        raise Wrong(
            f"for {case}: expected {n - held} and {held} numbers, got {len(training)} and "
            f"{len(validation)}. Training first, then validation, which has round(share * n)."
        )
    if both := sorted(set(training.tolist()) & set(validation.tolist())):
        raise Wrong(f"for {case}: {both} are in both parts. A picture belongs to one of them.")
    if sorted([*training.tolist(), *validation.tolist()]) != list(range(n)):
        raise Wrong(f"for {case}: not every picture 0 .. {n - 1} is in one of the parts, once.")
    if n >= 10 and sorted(validation.tolist()) in (list(range(held)), list(range(n - held, n))):
        raise Wrong(
            f"for {case}: the validation pictures are {sorted(validation.tolist())}, a block. "
            "A file may be sorted by class: mix first."
        )


def _regular(numbers, n):
    """Return whether numbers on a circle of n are in steps, but for one gap."""
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
        "Only two of the entries may matter: validation, and parameters where validation is equal.",
        "max(runs, key=...) compares whatever the key returns; pairs are compared by their first "
        "members, and by their second ones if those are equal.",
        "return max(runs, key=lambda run: (run['validation'], -run['parameters']))",
    ),
)
def choose(answer):
    """Write my_choose(runs): the run with the best validation accuracy; of equals the smallest.

    runs is a list of dicts with the keys "validation", "parameters", "training" and "test"; it
    returns one of them.
    """

    def run(validation, parameters, training, test):
        return {
            "validation": validation, "parameters": parameters, "training": training, "test": test,
        }  # fmt: skip

    cases = [
        ([run(60.0, 9, 70, 61), run(62.0, 9, 65, 60), run(61.0, 9, 99, 66)], 1,
         "The last has the best training and test accuracy; neither was asked."),
        ([run(62.0, 20, 70, 61), run(62.0, 10, 70, 60), run(61.0, 5, 70, 61)], 1,
         "Two have 62: the smaller net wins, and so do its users."),
        ([run(62.0, 10, 70, 61), run(62.01, 60_000_000, 70, 60), run(61.0, 5, 70, 61)], 1,
         "62.01 is better than 62: the size counts between equals alone."),
    ]  # fmt: skip
    for runs, expected, why in cases:
        got = answer([dict(r) for r in runs])
        if got != runs[expected]:
            lines = "\n".join(f"    {r}" for r in runs)
            raise Wrong(
                f"for the runs\n{lines}\n  expected the run {expected}, got {got}.\n  {why}"
            )
        if answer([dict(r) for r in runs[::-1]]) != runs[expected]:
            raise Wrong("the order of the runs must not matter; reversed, another one is chosen.")


@choose.solution
def my_choose(runs):
    return max(runs, key=lambda run: (run["validation"], -run["parameters"]))


@exercise(
    "14.3",
    "The confusion matrix",
    hints=(
        "Begin with np.zeros((classes, classes), int) and count every picture once.",
        "A row is what it is, a column what the net said: table[truth, said].",
        "table[truth, said] += 1 would count a pair once only; np.add.at(table, (truth, said), 1) "
        "counts all.",
    ),
)
def confusion(answer):
    """Write my_confusion(truth, said, classes): how often class (row) was called (column).

    truth and said are arrays of one class for each picture; it returns (classes, classes) counts.
    """
    truth, said = np.array([0, 0, 1, 2, 2, 2]), np.array([0, 1, 1, 0, 0, 2])
    expect(
        answer(truth, said, 3), [[1, 1, 0], [0, 1, 0], [2, 0, 1]],
        "truth = [0, 0, 1, 2, 2, 2], said = [0, 1, 1, 0, 0, 2]",
        "Rows are the truth, columns the answers; class 2 was called 0 twice.",
    )  # fmt: skip
    expect(
        answer(truth, said, 4), [[1, 1, 0, 0], [0, 1, 0, 0], [2, 0, 1, 0], [0, 0, 0, 0]],
        "the same with classes = 4", "Class 3 never occurs, but it has its row and its column.",
    )  # fmt: skip


@confusion.solution
def my_confusion(truth, said, classes):
    table = np.zeros((classes, classes), int)
    np.add.at(table, (truth, said), 1)
    return table
