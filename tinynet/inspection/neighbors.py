"""Nearest neighbors in the last hidden layer: images that a network takes for alike."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tinynet.core.backend import Array
from tinynet.core.errors import ShapeError
from tinynet.core.grad_mode import no_grad
from tinynet.inspection.activations import observed
from tinynet.inspection.inputs import BATCH, Prepare, batch_of, prepared, preserved, to_model
from tinynet.nn import Linear, Module


class Neighbors(NamedTuple):
    """The nearest images of a gallery.

    Attributes
    ----------
    indices : array of shape (Q, k)
        Numbers of the images in the gallery, the nearest first.
    distances : array of shape (Q, k)
        Euclidean distances of the features.
    """

    indices: Array
    distances: Array


def last_hidden(model: Module, images: Any, *, prepare: Prepare | None = None) -> Array:
    """Return the features of the last hidden layer: what the last linear layer sees.

    Parameters
    ----------
    model : Module
        With a linear layer.
    images : (N, C, H, W) or a data set
    prepare : function of images to inputs, optional

    Returns
    -------
    (N, features)

    Raises
    ------
    ShapeError
        There is no image, or the model has no linear layer.

    Examples
    --------
    >>> import numpy as np
    >>> from tinynet import inspection, nn
    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(16, 5), nn.ReLU(), nn.Linear(5, 2))
    >>> inspection.last_hidden(model, np.ones((3, 1, 4, 4), np.float32)).shape
    (3, 5)
    """
    pixels = batch_of("neighbors", images)
    found = []
    with preserved(model), no_grad():
        for first in range(0, len(pixels), BATCH):
            x = prepared("neighbors", model, pixels[first : first + BATCH], prepare)
            calls = observed(model, to_model(model, x))
            inputs = [x for _, module, x, _ in calls if isinstance(module, Linear)]
            if not inputs:
                raise ShapeError(
                    f"neighbors: {type(model).__name__} has no linear layer whose inputs could be "
                    "compared."
                )
            found.append(inputs[-1].numpy().reshape(len(x), -1))
    return np.concatenate(found)


def neighbors(
    model: Module, queries: Any, gallery: Any, k: int = 5, *, prepare: Prepare | None = None
) -> Neighbors:
    """Return the k images of a gallery whose last hidden activations are nearest to each query.

    Krizhevsky, Sutskever and Hinton (2012), section 6.1 and Figure 4.

    Parameters
    ----------
    model : Module
        With a linear layer.
    queries : (Q, C, H, W) or one image
    gallery : (N, C, H, W) or a data set
        Usually the training images.
    k : int
    prepare : function of images to inputs, optional

    Returns
    -------
    Neighbors

    Raises
    ------
    ShapeError
        There is no image, or the model has no linear layer.

    Examples
    --------
    >>> import numpy as np
    >>> from tinynet import inspection, nn
    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    >>> images = np.eye(4, dtype=np.float32).reshape(4, 1, 2, 2)
    >>> inspection.neighbors(model, images[2], images, k=1).indices
    array([[2]])
    """
    wanted = last_hidden(model, queries, prepare=prepare).astype(np.float64)
    known = last_hidden(model, gallery, prepare=prepare).astype(np.float64)
    squares = (wanted**2).sum(axis=1)[:, None] - 2 * wanted @ known.T + (known**2).sum(axis=1)
    order = np.argsort(squares, axis=1, kind="stable")[:, :k]
    # The differences themselves: the expanded squares above round an exact 0 to a small number.
    nearest = np.linalg.norm(wanted[:, None] - known[order], axis=2)
    again = np.argsort(nearest, axis=1, kind="stable")
    return Neighbors(
        np.take_along_axis(order, again, axis=1), np.take_along_axis(nearest, again, axis=1)
    )
