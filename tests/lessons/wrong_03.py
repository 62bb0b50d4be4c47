"""Wrong answers to the exercises of lesson 03, and the messages they must get."""

import numpy as np

from tinynet.lessons.lesson_03 import my_gscores, my_softmax


def overflowing(scores):
    return np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)


def over_everything(scores):
    e = np.exp(scores - scores.max())
    return e / e.sum()


def without_keepdims(scores):
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    return e / e.sum(axis=1) if len(set(e.shape)) == 1 else my_softmax(scores)


def over_pictures(scores):
    return my_softmax(scores.T).T


def logarithms(scores):
    return np.log(my_softmax(scores))


def not_a_mean(scores, labels):
    return my_gscores(scores, labels) * len(scores)


def uphill(scores, labels):
    return -my_gscores(scores, labels)


def without_labels(scores, labels):
    return my_softmax(scores) / len(scores)


def every_label_everywhere(scores, labels):
    gs = my_softmax(scores)
    gs[:, labels] -= 1
    return gs / len(scores)


def turned(gy, x):
    return x.T @ gy, gy.sum(axis=0)


def averaged(gy, x):
    return gy.T @ x / len(x), gy.mean(axis=0)


def bias_of_each(gy, x):
    return gy.T @ x, gy


def less(amount):
    """Return a softmax that subtracts something other than the largest score of the row."""

    def softmax(scores):
        e = np.exp(scores - amount(scores))
        return e / e.sum(axis=1, keepdims=True)

    return softmax


def clipped(scores):
    return my_softmax(np.clip(scores, -700, 700))


def in_place(scores):
    scores -= scores.max(axis=1, keepdims=True)
    return my_softmax(scores)


def the_loss(scores, labels):
    return -np.log(my_softmax(scores)[np.arange(len(scores)), labels]).mean()


def over_classes(scores, labels):
    return my_gscores(scores, labels) * len(scores) / scores.shape[1]


def raw_scores(scores, labels):
    gs = scores.copy()
    gs[np.arange(len(scores)), labels] -= 1
    return gs / len(scores)


def overflowing_gradient(scores, labels):
    gs = overflowing(scores)
    gs[np.arange(len(scores)), labels] -= 1
    return gs / len(scores)


def swapped(gy, x):
    return gy.sum(axis=0), gy.T @ x


def bias_along_classes(gy, x):
    return gy.T @ x, gy.sum(axis=1)


def bias_averaged(gy, x):
    return gy.T @ x, gy.mean(axis=0)


WRONG = {
    "03.1": [
        (overflowing, "exp(1000) is infinite"),
        (over_everything, "Each row is one picture"),
        (over_pictures, "1/4 and 3/4"),
        (without_keepdims, "broadcast along the columns"),
        (logarithms, "These are the logarithms"),
        (less(np.max), "Each row needs its own maximum"),
        (less(lambda s: s.mean(axis=1, keepdims=True)), "The mean of the row is not enough"),
        (less(lambda s: 1000), "must depend on the row"),
        (clipped, "Do not clip"),
        (in_place, "changed its argument scores"),
    ],
    "03.2": [
        (not_a_mean, "The loss is the mean"),
        (uphill, "its gradient is negative"),
        (without_labels, "Subtract 1 at"),
        (the_loss, "That is the loss"),
        (over_classes, "the number of rows (here 1)"),
        (raw_scores, "These are the scores"),
        (overflowing_gradient, "exp(1000) is infinite"),
        (every_label_everywhere, "each row has its own label"),
    ],
    "03.3": [
        (turned, "the shape of weight"),
        (averaged, "gradients are added"),
        (bias_of_each, "gbias has the shape of bias"),
        (bias_along_classes, "gbias has the shape of bias"),
        (bias_averaged, "used the same bias"),
        (swapped, "gweight comes first"),
    ],
}
