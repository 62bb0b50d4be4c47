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


def rounded_up(n, share, seed):
    order, held = np.random.default_rng(seed).permutation(n), int(np.ceil(share * n))
    return order[held:], order[:held]


def drawn_with_repeats(n, share, seed):
    drawn = np.random.default_rng(seed).integers(0, n, round(share * n))
    return np.setdiff1d(np.arange(n), drawn), drawn


def every_few(n, share, seed):
    drawn = (np.arange(n)[:: round(1 / share)][: round(share * n)] + seed) % n
    return np.setdiff1d(np.arange(n), drawn), drawn


def block_somewhere(n, share, seed):
    order = np.roll(np.arange(n), 4 * seed + 5)
    return order[round(share * n) :], order[: round(share * n)]


def small_at_any_price(runs):
    return max(runs, key=lambda run: run["validation"] - 1e-9 * run["parameters"])


def as_many_as_occur(truth, said, classes):
    return transposed(said, truth, 1 + max(truth.max(), said.max()))


WRONG = {
    "14.1": [
        (last_block, "mix first"),
        (overlapping, "in both parts"),
        (swapped, "Training first"),
        (without_seed, "seed 1"),
        (rounded_up, "round(share * n)"),
        (drawn_with_repeats, "expected"),
        (every_few, "equally far apart"),
        (block_somewhere, "equally far apart"),
    ],
    "14.2": [
        (on_test, "neither was asked"),
        (on_training, "neither was asked"),
        (first_of_equals, "the smaller net wins"),
        (small_at_any_price, "between equals alone"),
    ],
    "14.3": [
        (transposed, "Rows are the truth"),
        (once_only, "called 0 twice"),
        (as_many_as_occur, "its row and its column"),
    ],
}
