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
    """Write my_split(n, share, seed): (training, validation), picture numbers, mixed by a seed."""
    for n, share in ((10, 0.3), (50, 0.2)):
        case, held = f"n = {n}, share = {share}, seed = 0", round(n * share)
        training, validation = (np.asarray(part) for part in answer(n, share, 0))
        if (len(training), len(validation)) != (n - held, held):
            raise Wrong(
                f"for {case}: expected {n - held} and {held} numbers, got {len(training)} and "
                f"{len(validation)}. Training first, then validation."
            )
        if both := sorted(set(training.tolist()) & set(validation.tolist())):
            raise Wrong(f"for {case}: {both} are in both parts. A picture belongs to one of them.")
        if sorted([*training.tolist(), *validation.tolist()]) != list(range(n)):
            raise Wrong(f"for {case}: not every picture 0 .. {n - 1} is in one of the parts.")
        if sorted(validation.tolist()) in (list(range(held)), list(range(n - held, n))):
            raise Wrong(
                f"for {case}: the validation pictures are {sorted(validation.tolist())}, a block. "
                "A file may be sorted by class: mix first."
            )
        expect(answer(n, share, 0)[1], validation, f"{case} again", "One seed, one split.")
        if np.array_equal(answer(n, share, 1)[1], validation):
            raise Wrong(f"for n = {n}: seed 1 gives the same split as seed 0.")


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
    """Write my_choose(runs): the run with the best validation accuracy; of equals the smallest."""

    def run(validation, parameters, training, test):
        return {
            "validation": validation, "parameters": parameters, "training": training, "test": test,
        }  # fmt: skip

    cases = [
        ([run(60.0, 9, 70, 61), run(62.0, 9, 65, 60), run(61.0, 9, 99, 66)], 1,
         "The last has the best training and test accuracy; neither was asked."),
        ([run(62.0, 20, 70, 61), run(62.0, 10, 70, 60), run(61.0, 5, 70, 61)], 1,
         "Two have 62: the smaller net wins, and so do its users."),
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
    """Write my_confusion(truth, said, classes): how often class (row) was called (column)."""
    truth, said = np.array([0, 0, 1, 2, 2, 2]), np.array([0, 1, 1, 0, 0, 2])
    expect(
        answer(truth, said, 3), [[1, 1, 0], [0, 1, 0], [2, 0, 1]],
        "truth = [0, 0, 1, 2, 2, 2], said = [0, 1, 1, 0, 0, 2]",
        "Rows are the truth, columns the answers; class 2 was called 0 twice.",
    )  # fmt: skip
    expect(answer(truth, said, 4).sum(), 6, "the same with classes = 4", "No picture is lost.")
    expect(answer(truth, said, 4)[3], [0] * 4, "the same, the row of class 3", "It never occurs.")


@confusion.solution
def my_confusion(truth, said, classes):
    table = np.zeros((classes, classes), int)
    np.add.at(table, (truth, said), 1)
    return table
