"""Attribution: the pixels on which a prediction depends, by occlusion and by gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinynet import functions as F
from tinynet.core.backend import Array, to_numpy
from tinynet.core.checks import is_whole
from tinynet.core.errors import ShapeError
from tinynet.core.grad_mode import no_grad
from tinynet.inspection.inputs import (
    BATCH,
    Prepare,
    batch_of,
    one_image,
    prepared,
    preserved,
    to_model,
)
from tinynet.nn import Module


def occlusion_map(
    model: Module,
    image: Any,
    label: int | None = None,
    *,
    window: int | None = None,
    stride: int | None = None,
    fill: float = 0.0,
    prepare: Prepare | None = None,
) -> Array:
    """Return how much the probability of a class drops where a window of the image is hidden.

        map[i, j] = p(label | x) - p(label | x with window (i, j) filled)

    Zeiler and Fergus (2014), section 4.2.

    Parameters
    ----------
    model : Module
    image : (C, H, W)
        Floats as the model takes them, or bytes of the kind that `tn.fit` trained on.
    label : int, optional
        Number of the class; None is the one that the model predicts.
    window : int, optional
        Side of the hidden square, in pixels; None is a quarter of the shorter side.
    stride : int, optional
        Pixels from one window to the next; None is a quarter of the window.
    fill : float
        Value of the hidden inputs, after the preparation. With standardized images 0 is the mean.
    prepare : function of images to inputs, optional

    Returns
    -------
    (OH, OW)
        With OH = (H - window) // stride + 1. Positive where hiding hurts.

    Raises
    ------
    ShapeError
        The image is not (C, H, W), or the window does not fit into it.
    ValueError
        There is no such class, or a length is not a positive integer.

    Examples
    --------
    >>> import numpy as np
    >>> from tinynet import inspection, nn
    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
    >>> image = np.ones((1, 4, 4), np.float32)
    >>> inspection.occlusion_map(model, image, 1, window=2, stride=2).shape
    (2, 2)
    """
    pixels = one_image("occlusion_map", image)
    x = prepared("occlusion_map", model, pixels[None], prepare)[0]
    k, s, OH, OW = occlusion_windows(x.shape, window, stride)
    corners = [(s * i, s * j) for i in range(OH) for j in range(OW)]
    with preserved(model), no_grad():
        whole = _probabilities(model, x[None])[0]
        label = _label("occlusion_map", label, whole)
        found = []
        for first in range(0, len(corners), BATCH):
            copies = np.stack([x] * len(corners[first : first + BATCH]))
            for copy, (h, w) in zip(copies, corners[first : first + BATCH], strict=True):
                copy[:, h : h + k, w : w + k] = fill
            found.append(_probabilities(model, copies)[:, label])
    return whole[label] - np.concatenate(found).reshape(OH, OW)


def occlusion_windows(
    shape: tuple[int, ...], window: int | None = None, stride: int | None = None
) -> tuple[int, int, int, int]:
    """Return window, stride, OH and OW of the occlusion map of an input (C, H, W)."""
    H, W = shape[1:]
    k = max(1, min(H, W) // 4) if window is None else window
    s = max(1, k // 4) if stride is None else stride
    for name, value in (("window", k), ("stride", s)):
        if not is_whole(value, least=1):
            raise ValueError(f"occlusion_map: {name} is a positive integer, got {value!r}.")
    if k > min(H, W):
        raise ShapeError(
            f"occlusion_map: a window of {k}x{k} pixels does not fit into an image of {H}x{W}."
        )
    return k, s, (H - k) // s + 1, (W - k) // s + 1


def saliency(
    model: Module, image: Any, label: int | None = None, *, prepare: Prepare | None = None
) -> Array:
    """Return how much the score of a class changes with each pixel.

        map[h, w] = max over c of |d score[label] / d x[c, h, w]|

    Simonyan, Vedaldi and Zisserman (2014), section 3.

    Parameters
    ----------
    model : Module
    image : (C, H, W)
        Floats as the model takes them, or bytes of the kind that `tn.fit` trained on.
    label : int, optional
        Number of the class; None is the one that the model predicts.
    prepare : function of images to inputs, optional

    Returns
    -------
    (H, W)
        At least 0, in scores per unit of the prepared input.

    Raises
    ------
    ShapeError
        The image is not (C, H, W).
    ValueError
        There is no such class.

    Examples
    --------
    >>> import numpy as np
    >>> from tinynet import inspection, nn
    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    >>> model[1].weight.data[...] = [[1, -2, 0, 0], [0, 0, 0, 0]]
    >>> inspection.saliency(model, np.ones((1, 2, 2), np.float32), label=0)
    array([[1., 2.],
           [0., 0.]], dtype=float32)
    """
    pixels = one_image("saliency", image)
    inputs = prepared("saliency", model, pixels[None], prepare)
    with preserved(model):
        x = to_model(model, inputs, requires_grad=True)
        scores = model(x)
        label = _label("saliency", label, scores.numpy()[0])
        scores[0, label].backward()
    if x.grad is None:
        return np.zeros(inputs.shape[2:], np.float32)
    return np.abs(to_numpy(x.grad)[0]).max(axis=0)


def probabilities(model: Module, images: Any, *, prepare: Prepare | None = None) -> Array:
    """Return the probabilities (N, classes) of images, with the model in evaluation mode.

    Parameters
    ----------
    model : Module
    images : (N, C, H, W) or one image (C, H, W)
    prepare : function of images to inputs, optional

    Examples
    --------
    >>> import numpy as np
    >>> from tinynet import inspection, nn
    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    >>> inspection.probabilities(model, np.ones((1, 2, 2), np.float32)).shape
    (1, 2)
    """
    x = prepared("probabilities", model, batch_of("probabilities", images), prepare)
    with preserved(model), no_grad():
        return _probabilities(model, x)


def _probabilities(model: Module, x: Array) -> Array:
    return F.softmax(model(to_model(model, x))).numpy()


def _label(op: str, label: int | None, scores: Array) -> int:
    """Return the number of a class that exists; None is the one with the largest score."""
    if label is None:
        return int(scores.argmax())
    if not is_whole(label, least=0) or label >= len(scores):
        raise ValueError(f"{op}: label is a class from 0 to {len(scores) - 1}, got {label!r}.")
    return int(label)
