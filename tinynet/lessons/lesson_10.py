"""Exercises of lesson 10: data augmentation."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinynet import data
from tinynet.lessons.exercise import Wrong, cases, exercise, expect
from tinynet.words import phrase


@exercise(
    "10.1",
    "How many pictures are in one?",
    hints=(
        "A window of `size` pixels in `side` pixels can begin at 0, 1, ..., side - size.",
        "That is side - size + 1 positions along each axis; each window may be mirrored or not.",
    ),
)
def pictures_in_one(answer: Any) -> None:
    """Write my_pictures_in_one(side, size): how many crops, mirrored or not, one picture holds."""
    expect(answer(3, 3), 2, "side 3, size 3", "One position, and its mirror image.")
    expect(
        answer(4, 3),
        8,
        "side 4, size 3",
        "Windows begin at 0 or 1: two positions on each axis, four in all, each also mirrored.",
    )
    expect(
        answer(256, 224),
        2178,
        "side 256, size 224",
        "Both ends count: 0 to 32 are 33 positions. The paper says 2048, which is 32 * 32 * 2.",
    )


@pictures_in_one.solution
def my_pictures_in_one(side, size):
    places = side - size + 1
    return places * places * 2


@exercise(
    "10.2",
    "Along which directions do colours vary?",
    hints=(
        "Make a list of pixels first: images.transpose(1, 0, 2, 3).reshape(C, -1) has a row for "
        "each channel.",
        "Subtract each row's mean; the covariance, C x C, is pixels @ pixels.T / M for M pixels.",
        "np.linalg.eigh gives eigenvalues in ascending order, and a direction in each *column*. "
        "Reverse both with [::-1] and [:, ::-1]; the deviations are the square roots.",
    ),
)
def colour_basis(answer: Any) -> None:
    """Write my_colour_basis(images): (deviations, vectors) of all pixels' colours, (N, C, H, W).

    deviations (C,), largest first, are standard deviations; vectors (C, C) has a direction in each
    column.
    """
    four = np.array([[[[13.0, 7, 11, 9]], [[13.0, 7, 9, 11]]]])
    got = _pair(answer(four))
    case = "four pixels of two channels, (13, 13), (7, 7), (11, 9), (9, 11)"
    expect(
        got[0],
        [3, 1],
        phrase("{case}: deviations", case=phrase(case)),
        "The covariance is [[5, 4], [4, 5]], with the eigenvalues 9 and 1. A deviation is the "
        "square root of one; the largest comes first. Did you subtract the mean?",
    )
    expect(
        np.abs(got[1]),
        np.full((2, 2), np.sqrt(0.5)),
        phrase("{case}: vectors, up to sign", case=phrase(case)),
        "The two channels mostly vary together: the first direction is (1, 1) / sqrt(2).",
    )
    images = cases(0).integers(0, 256, (5, 3, 4, 6)).astype(float)
    images[:, 1] = (images[:, 0] + images[:, 1]) / 2
    got = _pair(answer(images))
    wanted = data.pca_color_basis(images)
    expect(
        got[0],
        wanted[0],
        "random colours: deviations",
        "Largest first; over all pixels. A row of pixels is one channel of all pictures: move the "
        "channel axis to the front before reshape.",
    )
    expect(
        np.abs(got[1]),
        np.abs(wanted[1]),
        "random colours: vectors, up to sign",
        "A direction is a column of eigh's second result. Reverse columns with eigenvalues.",
    )


def _pair(result: Any) -> Any:
    if not isinstance(result, tuple) or len(result) != 2:
        raise Wrong("return two arrays: deviations, vectors.")
    return result


@colour_basis.solution
def my_colour_basis(images):
    C = images.shape[1]
    pixels = images.transpose(1, 0, 2, 3).reshape(C, -1).astype(float)
    pixels -= pixels.mean(axis=1, keepdims=True)
    covariance = pixels @ pixels.T / pixels.shape[1]
    eigenvalues, vectors = np.linalg.eigh(covariance)
    return np.sqrt(np.maximum(eigenvalues[::-1], 0)), vectors[:, ::-1]


@exercise(
    "10.3",
    "Ten views",
    hints=(
        "The four corners begin at row 0 or H - size, and column 0 or W - size; the centre at "
        "(H - size) // 2, (W - size) // 2.",
        "Collect five windows images[:, :, row : row + size, column : column + size] in a list.",
        "A mirrored window is window[..., ::-1]. np.stack(list) adds the views' axis in front.",
    ),
)
def ten_views(answer: Any) -> None:
    """Write my_ten_views(images, size): (10, N, C, size, size) of images (N, C, H, W).

    Top left, top right, bottom left, bottom right, centre; then the same five mirrored.
    """
    x = np.arange(16.0).reshape(1, 1, 4, 4)
    got = np.asarray(answer(x, 2))
    if got.shape != (10, 1, 1, 2, 2):
        raise Wrong(
            phrase(
                "for one 4x4 picture, size 2: the shape is {shape}, not (10, 1, 1, 2, 2).",
                shape=got.shape,
            )
        )
    names = ("top left", "top right", "bottom left", "bottom right", "centre")
    wanted = data.ten_crop(x, 2)
    for view in range(10):
        mirrored = "" if view < 5 else ", mirrored"
        expect(
            got[view, 0, 0],
            wanted[view, 0, 0],
            phrase(
                "a 4x4 picture of 0 to 15 in rows, size 2, view {view} ({name}{mirrored})",
                view=view,
                name=phrase(names[view % 5]),
                mirrored=phrase(mirrored),
            ),
            "Mirroring reverses the columns, never the rows."
            if view >= 5
            else "The five unmirrored views come first, in this order, then the five mirrored.",
        )
    images = cases(0).random((2, 3, 7, 9))
    expect(
        answer(images, 4),
        data.ten_crop(images, 4),
        "random pictures (2, 3, 7, 9), size 4",
        "The pictures are 7 high and 9 wide. The centre begins at row (7 - 4) // 2 = 1, column 2.",
    )


@ten_views.solution
def my_ten_views(images, size):
    H, W = images.shape[2:]
    bottom = H - size
    right = W - size
    corners = [(0, 0), (0, right), (bottom, 0), (bottom, right), (bottom // 2, right // 2)]
    views = [images[:, :, r : r + size, c : c + size] for r, c in corners]
    return np.stack(views + [view[..., ::-1] for view in views])
