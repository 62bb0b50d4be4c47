"""Plausible wrong answers to the exercises of lesson 03, and what their messages must say."""

import numpy as np

from tinynet.lessons.lesson_03 import my_gscores, my_softmax


def overflowing(scores):
    return np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)


def over_everything(scores):
    e = np.exp(scores - scores.max())
    return e / e.sum()


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


WRONG = {
    "03.1": [
        (overflowing, "exp(1000) is infinite"),
        (over_everything, "Each row is a picture of its own"),
        (over_pictures, "1/4 and 3/4"),
        (logarithms, "expected [[0.25, 0.75]]"),
    ],
    "03.2": [
        (not_a_mean, "it is their mean"),
        (uphill, "its gradient is negative"),
        (without_labels, "minus 1 at class 0"),
        (every_label_everywhere, "each row has a label of its own"),
    ],
    "03.3": [
        (turned, "the shape of weight"),
        (averaged, "gradients are added"),
        (bias_of_each, "gbias of"),
    ],
}
