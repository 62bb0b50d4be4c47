"""Wrong answers to the exercises of lesson 10, and the messages they must get."""

import numpy as np

from tinynet import data


def forgets_the_last_place(side, size):
    return (side - size) ** 2 * 2


def forgets_the_mirror(side, size):
    return (side - size + 1) ** 2


def moves_along_one_axis(side, size):
    return (side - size + 1) * 2


def keeps_eigenvalues(images):
    deviations, vectors = data.pca_color_basis(images)
    return deviations**2, vectors


def takes_rows(images):
    deviations, vectors = data.pca_color_basis(images)
    return deviations, vectors.T


def forgets_the_mean(images):
    C = images.shape[1]
    pixels = images.transpose(1, 0, 2, 3).reshape(C, -1)
    eigenvalues, vectors = np.linalg.eigh(pixels @ pixels.T / pixels.shape[1])
    return np.sqrt(np.maximum(eigenvalues[::-1], 0)), vectors[:, ::-1]


def rising(images):
    deviations, vectors = data.pca_color_basis(images)
    return deviations[::-1], vectors[:, ::-1]


def turns_upside_down(images, size):
    views = data.ten_crop(images, size)
    views[5:] = views[:5, ..., ::-1, :]
    return views


def mirrors_after_each(images, size):
    return data.ten_crop(images, size)[[0, 5, 1, 6, 2, 7, 3, 8, 4, 9]]


def takes_only_five(images, size):
    return data.ten_crop(images, size)[:5]


def pixels_in_rows(images):
    return data.pca_color_basis(images.reshape(1, images.shape[1], 1, -1))


def centre_rounded_up(images, size):
    views, (H, W) = data.ten_crop(images, size), images.shape[2:]
    i, j = -(-(H - size) // 2), -(-(W - size) // 2)
    views[4] = images[:, :, i : i + size, j : j + size]
    views[9] = views[4][..., ::-1]
    return views


WRONG = {
    "10.1": [
        (forgets_the_last_place, "One position, and its mirror image"),
        (forgets_the_mirror, "its mirror image"),
        (moves_along_one_axis, "two positions on each axis"),
    ],
    "10.2": [
        (keeps_eigenvalues, "A deviation is the square root"),
        (takes_rows, "A direction is a column of eigh's"),
        (forgets_the_mean, "Did you subtract the mean?"),
        (rising, "deviations"),
        (pixels_in_rows, "move the channel axis"),
    ],
    "10.3": [
        (turns_upside_down, "never the rows"),
        (mirrors_after_each, "views come first, in this order"),
        (centre_rounded_up, "The centre begins at row (7 - 4) // 2 = 1"),
        (takes_only_five, "(10, 1, 1, 2, 2)"),
    ],
}
