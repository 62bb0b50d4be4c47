"""Wrong answers to the exercises of lesson 00, and the messages they must get."""

import numpy as np

from tinynet.lessons.lesson_00 import my_top_error, my_topk


def worst_first(scores, k):
    return np.argsort(scores, axis=1)[:, :k]


def best_last(scores, k):
    return np.argsort(scores, axis=1, kind="stable")[:, -k:]


def last_of_equals(scores, k):
    return np.argsort(scores, axis=1, kind="stable")[:, ::-1][:, :k]


def over_all_rows(scores, k):
    return np.argsort(-scores, axis=0, kind="stable")[:, :k]


def accuracy(scores, labels, k):
    return 1 - my_top_error(scores, labels, k)


def first_guess_only(scores, labels, k):
    return (my_topk(scores, k)[:, 0] != labels).mean()


def counts_guesses(scores, labels, k):
    return 1 - (my_topk(scores, k) == labels[:, None]).mean()


def counts_pictures(scores, labels, k):
    return my_top_error(scores, labels, k) * len(labels)


def values(scores, k):
    return -np.sort(-scores, axis=1)[:, :k]


def uncut(scores, k):
    return np.argsort(-scores, axis=1, kind="stable")


def cut_rows(scores, k):
    return np.argsort(-scores, axis=1, kind="stable")[:k]


def percent(scores, labels, k):
    return 100 * my_top_error(scores, labels, k)


def any_guess_wrong(scores, labels, k):
    return (my_topk(scores, k) != labels[:, None]).any(axis=1).mean()


def label_anywhere(scores, labels, k):
    best = my_topk(scores, k)
    return 1 - np.mean([label in best for label in labels])


def ties_are_right(scores, labels, k):
    true = scores[np.arange(len(labels)), labels]
    return ((scores > true[:, None]).sum(axis=1) >= k).mean()


WRONG = {
    "00.1": [
        (worst_first, "best class comes first"),
        (best_last, "best class comes first"),
        (last_of_equals, "Ties go to the lower class"),
        (over_all_rows, "Sort along axis 1"),
        (values, "These are the scores"),
        (uncut, "Keep k columns"),
        (cut_rows, "Yours has the shape (1, 3); the expected shape is (1, 2)."),
    ],
    "00.2": [
        (first_guess_only, "With two guesses"),
        (ties_are_right, "Ties go to the lower class"),
        (counts_guesses, "Count pictures, not guesses"),
        (counts_pictures, "divide by the number of pictures"),
        (accuracy, "That is the accuracy"),
        (percent, "not a percentage"),
        (any_guess_wrong, "any, not all"),
        (label_anywhere, "class 1 has the best score"),
        (lambda scores, labels, k: -accuracy(scores, labels, k), "class 1 has the best score"),
    ],
}
