"""Plausible wrong answers to the exercises of lesson 14, and what the checks must say to them."""

import numpy as np


def last_block(n, share, seed):
    held = round(share * n)
    return np.arange(n - held), np.arange(n - held, n)


def overlapping(n, share, seed):
    order = np.random.default_rng(seed).permutation(n)
    held = round(share * n)
    return order[: n - held], order[:held]


def swapped(n, share, seed):
    order = np.random.default_rng(seed).permutation(n)
    held = round(share * n)
    return order[:held], order[held:]


def without_seed(n, share, seed):
    order = np.random.default_rng(7).permutation(n)
    held = round(share * n)
    return order[held:], order[:held]


def on_test(runs):
    return max(runs, key=lambda run: run["test"])


def on_training(runs):
    return max(runs, key=lambda run: run["training"])


def first_of_equals(runs):
    return max(runs, key=lambda run: run["validation"])


def transposed(truth, said, classes):
    table = np.zeros((classes, classes), int)
    np.add.at(table, (said, truth), 1)
    return table


def once_only(truth, said, classes):
    table = np.zeros((classes, classes), int)
    table[truth, said] += 1
    return table


WRONG = {
    "14.1": [
        (last_block, "mix first"),
        (overlapping, "in both parts"),
        (swapped, "Training first"),
        (without_seed, "seed 1"),
    ],
    "14.2": [
        (on_test, "neither was asked"),
        (on_training, "neither was asked"),
        (first_of_equals, "the smaller net wins"),
    ],
    "14.3": [(transposed, "Rows are the truth"), (once_only, "called 0 twice")],
}
