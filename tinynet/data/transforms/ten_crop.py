"""Ten-crop evaluation: five windows and their mirror images, answers averaged.

Krizhevsky et al. 2012, section 4.1: "extracting five 224x224 patches (the four corner patches and
the center patch) as well as their horizontal reflections", and the mean of the ten softmax outputs.
"""

from __future__ import annotations

import numpy as np

from tinynet.core.backend import Array
from tinynet.data.transforms.base import check_batch
from tinynet.data.transforms.crop import check_window

VIEWS = 10


def ten_crop(images: Array, size: int) -> Array:
    """Return four corners and the center of each image, then the five mirrored.

    Parameters
    ----------
    images : (N, C, H, W)
    size : side of a window in pixels

    Returns
    -------
    (10, N, C, size, size), in the order top left, top right, bottom left, bottom right, center

    Raises
    ------
    ShapeError : if a window does not fit in the images

    Examples
    --------
    >>> from tinynet import data
    >>> data.ten_crop(data.Shapes().images[:2], 24).shape
    (10, 2, 3, 24, 24)
    """
    N, C, H, W = check_batch(images, "ten_crop")
    check_window(size, H, W, 0)
    bottom = H - size
    right = W - size
    corners = [(0, 0), (0, right), (bottom, 0), (bottom, right), (bottom // 2, right // 2)]
    out = np.empty((VIEWS, N, C, size, size), images.dtype)
    for view, (row, column) in enumerate(corners):
        out[view] = images[:, :, row : row + size, column : column + size]
    out[VIEWS // 2 :] = out[: VIEWS // 2, ..., ::-1]
    return out


def average_views(scores: Array) -> Array:
    """Return the mean over the views of each view's softmax: probabilities, not scores.

    Parameters
    ----------
    scores : (views, N, classes), the model's scores for each view

    Returns
    -------
    (N, classes); each row sums to 1
    """
    exponentials = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return (exponentials / exponentials.sum(axis=-1, keepdims=True)).mean(axis=0)
