"""Wrong answers to the exercises of lesson 15, and the messages they must get."""

import numpy as np


def hidden(score, image, k, s, fill, change=lambda i, j: (i, j)):
    H, W = image.shape[1:]
    OH, OW = (H - k) // s + 1, (W - k) // s + 1
    copies = []
    for i in range(OH):
        for j in range(OW):
            copy, (row, column) = image.copy(), change(s * i, s * j)
            copy[:, row : row + k, column : column + k] = fill
            copies.append(copy)
    return score(np.stack(copies)).reshape(OH, OW)


def in_place(score, image, k, s, fill):
    whole = score(image[None])[0]
    drops = []
    for i in range(0, image.shape[1] - k + 1, s):
        for j in range(0, image.shape[2] - k + 1, s):
            image[:, i : i + k, j : j + k] = fill
            drops.append(whole - score(image[None])[0])
    return np.array(drops)


def what_is_left(score, image, k, s, fill):
    return hidden(score, image, k, s, fill)


def always_black(score, image, k, s, fill):
    return score(image[None])[0] - hidden(score, image, k, s, 0.0)


def rows_for_columns(score, image, k, s, fill):
    left = hidden(score, image, k, s, fill, change=lambda i, j: (j, i))
    return score(image[None])[0] - left


def strongest(drops, k, s):
    i, j = np.unravel_index(drops.argmax(), drops.shape)
    return s * i + (k - 1) / 2, s * j + (k - 1) / 2


def corner(drops, k, s):
    weights = np.maximum(drops, 0) / np.maximum(drops, 0).sum()
    i, j = np.indices(drops.shape)
    return s * (weights * i).sum(), s * (weights * j).sum()


def negative_too(drops, k, s):
    weights = drops / drops.sum()
    i, j = np.indices(drops.shape)
    return s * (weights * i).sum() + (k - 1) / 2, s * (weights * j).sum() + (k - 1) / 2


def farthest(features, query, k):
    return np.argsort(-((features - query) ** 2).sum(axis=1))[:k]


def largest_product(features, query, k):
    return np.argsort(-features @ query)[:k]


def sums_of_differences(features, query, k):
    return np.argsort((features - query).sum(axis=1))[:k]


def one_channel_hidden(score, image, k, s, fill):
    def first_only(x):
        return score(np.concatenate([x[:, :1], np.repeat(image[None, 1:], len(x), axis=0)], axis=1))

    return score(image[None])[0] - hidden(first_only, image, k, s, fill)


def half_a_window(drops, k, s):
    row, column = corner(drops, k, s)
    return row + k // 2, column + k // 2


def farthest_of_them_first(features, query, k):
    return np.argsort(((features - query) ** 2).sum(axis=1))[:k][::-1]


def by_their_numbers(features, query, k):
    return np.sort(np.argsort(((features - query) ** 2).sum(axis=1))[:k])


def largest_difference(features, query, k):
    return np.argsort(np.abs(features - query).max(axis=1), kind="stable")[:k]


WRONG = {
    "15.1": [
        (in_place, "your answer changed its argument image"),
        (what_is_left, "drops from 11 to 0"),
        (always_black, "not 0"),
        (one_channel_hidden, "hides all three channels"),
        (rows_for_columns, "Only the last window"),
    ],
    "15.2": [
        (strongest, "= 1.5"),
        (corner, "covers pixels 2 to 4"),
        (negative_too, "do not count"),
        (half_a_window, "between pixels"),
    ],
    "15.3": [
        (farthest, "expected [4, 0]"),
        (largest_product, "expected [4, 0]"),
        (by_their_numbers, "the nearest first"),
        (sums_of_differences, "the root of a sum of squares"),
        (largest_difference, "200 random rows"),
        (farthest_of_them_first, "the nearest first"),
    ],
}
