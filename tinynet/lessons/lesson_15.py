"""Exercises of lesson 15: looking inside a trained network."""

import numpy as np

from tinynet.lessons.exercise import cases, exercise, expect


@exercise(
    "15.1",
    "An occlusion map",
    hints=(
        "The map has one value for each window: (H - k) // s + 1 rows of them, as in pooling.",
        "For each (i, j) take image.copy() and set [:, s*i : s*i + k, s*j : s*j + k] to fill. "
        "Collect the copies and call score once, for all of them.",
        "return score(image[None])[0] - score(np.stack(copies)).reshape(OH, OW)",
    ),
)
def occlusion_map(answer):
    """Write my_occlusion_map(score, image, k, s, fill): the drop of the score for each window.

    image is (C, H, W); score takes pictures (N, C, H, W) and returns N numbers. Return the drops
    (OH, OW): the score of the picture minus the score of the picture with that window filled.
    """
    image = np.arange(12.0).reshape(1, 3, 4)

    def bottom_right(x):  # the score is one pixel: row 2, column 3
        return x[:, 0, 2, 3]

    got = answer(bottom_right, image, 2, 1, 0.0)
    expect(
        got,
        [[0, 0, 0], [0, 0, 11]],
        "a 3x4 picture, score = its last pixel (11), k = 2, s = 1",
        "Only the last window covers that pixel: there the score drops from 11 to 0.",
    )
    expect(
        answer(bottom_right, image, 1, 1, 5.0)[2],
        [0, 0, 0, 6],
        "the same with k = 1, fill = 5, last row",
        "Hidden pixels are set to fill, here 5, not 0.",
    )
    rng = cases(0)
    image = rng.standard_normal((3, 9, 7))
    weight = rng.standard_normal((3, 9, 7))
    truth = np.array(
        [
            [
                ((image - 0.5) * weight)[:, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3].sum()
                for j in range(3)
            ]
            for i in range(4)
        ]
    )
    got = answer(lambda x: (x * weight).sum(axis=(1, 2, 3)), image, 3, 2, 0.5)
    expect(
        got,
        truth,
        "a random picture (3, 9, 7), k = 3, s = 2, fill = 0.5",
        "There are 4 rows of 3 windows; a window hides all three channels.",
    )


@occlusion_map.solution
def my_occlusion_map(score, image, k, s, fill):
    _, H, W = image.shape
    OH = (H - k) // s + 1
    OW = (W - k) // s + 1
    copies = []
    for i in range(OH):
        for j in range(OW):
            copy = image.copy()
            copy[:, s * i : s * i + k, s * j : s * j + k] = fill
            copies.append(copy)
    return score(image[None])[0] - score(np.stack(copies)).reshape(OH, OW)


@exercise(
    "15.2",
    "Where does the map point?",
    hints=(
        "The centre is a weighted mean of positions; the weights are drops divided by their sum.",
        "A negative drop means that hiding helped. Leave it out of the mean: np.maximum(drops, 0).",
        "Window (i, j) begins at row s*i; its middle is (k - 1) / 2 further down.",
    ),
)
def centre(answer):
    """Write my_centre(drops, k, s): (row, column), the centre of mass of the drops, in pixels.

    drops is (OH, OW), one number for each window of k x k pixels, s apart.
    """
    cases = [
        (
            [[0.0, 0.0], [0.0, 1.0]],
            1,
            1,
            (1, 1),
            "The only positive drop is a window of one pixel.",
        ),
        (
            [[0.0, 0.0], [0.0, 1.0]],
            3,
            2,
            (3, 3),
            "Window (1, 1) covers pixels 2 to 4 on both axes.",
        ),
        ([[0.0, 0.0, 1.0]], 2, 3, (0.5, 6.5), "Rows 0 and 1, columns 6 and 7: between pixels."),
        ([[1.0, 0.0, 3.0]], 1, 1, (0, 1.5), "(1 * 0 + 3 * 2) / 4 = 1.5."),
        ([[3.0, -2.0, 1.0]], 1, 1, (0, 0.5), "Negative drops do not count."),
    ]
    for drops, k, s, expected, why in cases:
        expect(answer(np.array(drops), k, s), expected, f"drops = {drops}, k = {k}, s = {s}", why)


@centre.solution
def my_centre(drops, k, s):
    weights = np.maximum(drops, 0)
    weights = weights / weights.sum()
    i, j = np.indices(drops.shape)
    return s * (weights * i).sum() + (k - 1) / 2, s * (weights * j).sum() + (k - 1) / 2


@exercise(
    "15.3",
    "Nearest neighbours",
    hints=(
        "features - query subtracts the query from every row, by broadcasting.",
        "The sum of squares over axis 1 is the squared distance. A square root would not change "
        "the order.",
        "return np.argsort(((features - query) ** 2).sum(axis=1), kind='stable')[:k]",
    ),
)
def nearest(answer):
    """Write my_nearest(features, query, k): the numbers of the k nearest rows, nearest first.

    features is (M, D), query (D,). The distance is Euclidean: the root of the sum of the squares.
    """
    features = np.array([[0.0, 2.5], [3.0, 4.0], [9.0, 9.0], [0.0, 6.0], [1.0, 1.0]])
    expect(
        answer(features, np.zeros(2), 2),
        [4, 0],
        "rows [0, 2.5], [3, 4], [9, 9], [0, 6], [1, 1] and query [0, 0], k = 2",
        "Their distances are 2.5, 5, 12.7, 6 and 1.41. Return row numbers, the nearest first.",
    )
    expect(
        answer(features, np.zeros(2), 3),
        [4, 0, 1],
        "the same with k = 3",
        "A distance is the root of a sum of squares: [3, 4] is 5 away, [0, 6] is 6 away.",
    )
    rng = cases(0)
    features = rng.standard_normal((200, 8))
    query = rng.standard_normal(8)
    truth = np.argsort(np.linalg.norm(features - query, axis=1))[:12]
    expect(
        answer(features, query, 12),
        truth,
        "200 random rows of 8 numbers, k = 12",
        "Are all twelve in order, the nearest first?",
    )


@nearest.solution
def my_nearest(features, query, k):
    distances = ((features - query) ** 2).sum(axis=1)
    return np.argsort(distances, kind="stable")[:k]
