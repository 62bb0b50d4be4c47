"""Units: the images that excite them most, and the units that never fire."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from tinynet.core.backend import Array, to_numpy
from tinynet.inspection.activations import Activation, activations, chosen, no_layer, observed
from tinynet.inspection.inputs import BATCH, Prepare, batch_of, prepared, preserved, to_model
from tinynet.nn import Module


@dataclasses.dataclass(frozen=True)
class TopImages:
    """The images that excite units of a layer most.

    Attributes
    ----------
    layer : str
        Name and class of the layer.
    units : array of shape (U,)
        Numbers of the units: channels, or outputs of a linear layer.
    indices : array of shape (U, k)
        Numbers of the images, the most exciting first.
    values : array of shape (U, k)
        Largest activation of the unit in each of them.
    boxes : array of shape (U, k, 4)
        (top, left, bottom, right) of the pixels on which that activation depends; bottom and right
        are the first rows and columns outside.
    """

    layer: str
    units: Array
    indices: Array
    values: Array
    boxes: Array


def top_images(
    model: Module,
    images: Any,
    layer: str | None = None,
    *,
    units: Any = None,
    k: int = 6,
    boxes: bool = True,
    prepare: Prepare | None = None,
) -> TopImages:
    """Return, for units of a layer, the k images that excite each one most, and where.

    Parameters
    ----------
    model : Module
    images : (N, C, H, W) or a data set
        Floats as the model takes them, or bytes of the kind that `tn.fit` trained on.
    layer : str, optional
        Its name, as `activations` lists it; None is the last layer with maps (N, C, H, W).
    units : sequence of int, optional
        Numbers of the units; None are all of them.
    k : int
        Images for each unit; fewer if there are fewer.
    boxes : bool
        Whether to look for the pixels too, by a backward pass for each unit; else the boxes are
        empty, (U, 0, 4).
    prepare : function of images to inputs, optional

    Returns
    -------
    TopImages

    Raises
    ------
    ShapeError
        There is no such layer, or no image.
    ValueError
        There is no such unit.

    Examples
    --------
    >>> import numpy as np
    >>> from tinynet import inspection, nn
    >>> model = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False))
    >>> model[0].weight.data[...] = 1.0
    >>> images = np.zeros((3, 1, 4, 4), np.float32)
    >>> images[1, 0, 2, 3] = 5.0
    >>> found = inspection.top_images(model, images, k=1)
    >>> int(found.indices[0, 0]), float(found.values[0, 0]), found.boxes[0, 0].tolist()
    (1, 5.0, [2, 3, 3, 4])
    """
    pixels = batch_of("top_images", images)
    name = _layer_with_maps(model, pixels[:1], layer, prepare)
    peaks = []
    for first in range(0, len(pixels), BATCH):
        found = activations(model, pixels[first : first + BATCH], prepare=prepare)
        here = chosen("top_images", found, name)
        peaks.append(here.output.reshape(*here.output.shape[:2], -1).max(axis=2))
    values = np.concatenate(peaks)  # (N, units)
    which = np.arange(values.shape[1]) if units is None else np.asarray(units).reshape(-1)
    if not ((which >= 0) & (which < values.shape[1])).all():
        raise ValueError(
            f"top_images: units are numbers from 0 to {values.shape[1] - 1}, got {which.tolist()}."
        )
    order = np.argsort(-values[:, which], axis=0, kind="stable")[:k].T
    best = np.take_along_axis(values[:, which].T, order, axis=1)
    if not boxes:
        return TopImages(here.label, which, order, best, np.zeros((len(which), 0, 4), np.int64))
    frames = [
        _boxes(model, pixels[rows], name, int(unit), prepare)
        for unit, rows in zip(which, order, strict=True)
    ]
    return TopImages(here.label, which, order, best, np.stack(frames))


def _layer_with_maps(
    model: Module, image: Array, layer: str | None, prepare: Prepare | None
) -> str:
    """Return the name of the layer, or of the last one with maps."""
    found = activations(model, image, prepare=prepare)
    if layer is None:
        maps = [each for each in found if each.output.ndim == 4] or found
        return maps[-1].name
    return chosen("top_images", found, layer).name


def _boxes(model: Module, images: Array, layer: str, unit: int, prepare: Prepare | None) -> Array:
    """Return (n, 4): the bounding box of the gradient of the unit's peak in each image."""
    x = prepared("top_images", model, images, prepare)
    H, W = x.shape[2:] if x.ndim == 4 else (1, x.shape[1])
    with preserved(model):
        inputs = to_model(model, x, requires_grad=True)
        outputs = {name: y for name, _, _, y in observed(model, inputs)}
        y = outputs[layer]
        maps = y[:, unit].reshape(len(x), -1)
        peak = np.asarray(maps.numpy().argmax(axis=1))
        maps[np.arange(len(x)), peak].sum().backward()
    grad = np.zeros(x.shape) if inputs.grad is None else to_numpy(inputs.grad)
    touched = (grad != 0).any(axis=1) if grad.ndim == 4 else (grad != 0)[:, None]
    return np.array([_box(each, H, W) for each in touched])


def _box(touched: Array, H: int, W: int) -> tuple[int, int, int, int]:
    """Return the smallest box around what is touched; the whole image if nothing is."""
    rows = np.flatnonzero(touched.any(axis=1))
    columns = np.flatnonzero(touched.any(axis=0))
    if not len(rows):
        return 0, 0, H, W
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def dead_units(model: Module, images: Any, *, prepare: Prepare | None = None) -> dict[str, Array]:
    """Return how often each unit of each ReLU fires: a unit with 0 is dead on these images.

    Parameters
    ----------
    model : Module
    images : (N, C, H, W) or a data set
        Some hundreds are enough.
    prepare : function of images to inputs, optional

    Returns
    -------
    dict of str to array of shape (units,)
        By the name of the layer: the share, 0..1, of images and places where the output is
        positive.

    Raises
    ------
    ShapeError
        There is no image, or the model has no ReLU layer.

    Examples
    --------
    >>> import numpy as np
    >>> from tinynet import inspection, nn
    >>> model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    >>> model[0].weight.data[...] = 1.0
    >>> model[0].bias.data[...] = [0.0, -100.0]
    >>> inspection.dead_units(model, np.ones((5, 2), np.float32))
    {'1': array([1., 0.])}
    """
    pixels = batch_of("dead_units", images)
    fired: dict[str, Array] = {}
    seen: dict[str, int] = {}
    for first in range(0, len(pixels), BATCH):
        for each in activations(model, pixels[first : first + BATCH], prepare=prepare):
            if each.kind == "ReLU":
                _count(each, fired, seen)
    if not fired:
        raise no_layer("dead_units", model, "nn.ReLU")
    return {name: fired[name] / seen[name] for name in fired}


def _count(each: Activation, fired: dict[str, Array], seen: dict[str, int]) -> None:
    """Add the places where the units of a layer are positive, and the number of places."""
    y = each.output
    others = tuple(axis for axis in range(y.ndim) if axis != 1)
    fired[each.name] = fired.get(each.name, 0) + (y > 0).sum(axis=others)
    seen[each.name] = seen.get(each.name, 0) + y.size // y.shape[1]
