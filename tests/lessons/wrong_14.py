"""Wrong answers to the exercises of lesson 14, and the messages they must get."""

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
        (last_block, "shuffle first"),
        (overlapping, "in both parts"),
        (swapped, "training first"),
        (without_seed, "seed 1"),
        (rounded_up, "round(share * n)"),
        (drawn_with_repeats, "expected"),
        (every_few, "evenly spaced"),
        (block_somewhere, "evenly spaced"),
    ],
    "14.2": [
        (on_test, "neither may decide"),
        (on_training, "neither may decide"),
        (first_of_equals, "choose the smaller net"),
        (small_at_any_price, "only in a tie"),
    ],
    "14.3": [
        (transposed, "Rows are the true classes"),
        (once_only, "called 0 twice"),
        (as_many_as_occur, "a row and a column"),
    ],
}
