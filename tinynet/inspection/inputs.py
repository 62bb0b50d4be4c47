"""Inputs of a model from images, and a model that is left as it was found."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tinynet.core import random
from tinynet.core.backend import Array, to_numpy
from tinynet.core.errors import ShapeError
from tinynet.nn import Module, Parameter
from tinynet.tensors import Tensor, tensor

Prepare = Callable[[Array], Array]
"""A function from images (N, C, H, W) to the inputs of a model, such as a normalization."""

BATCH = 100  # images that go through a model at a time


def as_array(images: Any) -> Array:
    """Return the images of a data set, of a tensor or of an array, in NumPy."""
    images = getattr(images, "images", images)
    data = images.data if isinstance(images, Tensor) else images
    return to_numpy(data) if isinstance(images, Tensor) else np.asarray(data)


def batch_of(op: str, images: Any) -> Array:
    """Return images as (N, C, H, W) or (N, features); one image (C, H, W) becomes a batch of one.

    Raises
    ------
    ShapeError
        There is no image, or the array has another number of axes.
    """
    array = as_array(images)
    if array.ndim == 3:
        array = array[None]
    if array.ndim not in (2, 4) or not array.size:
        raise ShapeError(
            f"{op}: images are (N, C, H, W), or one image (C, H, W), and none of the lengths is 0; "
            f"got {array.shape}."
        )
    return array


def one_image(op: str, image: Any) -> Array:
    """Return one image as (C, H, W), also where it is given as a batch of one."""
    array = as_array(image)
    if array.ndim == 4 and len(array) == 1:
        array = array[0]
    if array.ndim != 3 or not array.size:
        raise ShapeError(f"{op}: one image is (C, H, W), got {array.shape}. Choose one: images[0].")
    return array


def prepared(op: str, model: Module, images: Array, prepare: Prepare | None = None) -> Array:
    """Return the inputs of a model for images (N, ...).

    `prepare` is applied if it is given. Without it, floats are taken as they are, and bytes are
    prepared as the training images of the model were by `tn.fit`.

    Raises
    ------
    ValueError
        The images are bytes, and their preparation is not known.
    """
    if prepare is not None:
        return np.asarray(prepare(images))
    known = vars(model).get("_preprocessing")
    if images.dtype.kind == "f" and (known is None or known.kind != "floats"):
        return images
    if known is None:
        raise ValueError(
            f"{op}: the images are {images.dtype}, and how this model's images are prepared is not "
            "known. Give prepare=, for instance a data.Normalize, or floats as the model takes "
            "them."
        )
    return np.asarray(known.transform(images))


@contextlib.contextmanager
def preserved(model: Module, *, training: bool = False) -> Iterator[None]:
    """Inside the block, set the mode; afterwards modes, gradients and buffers are as before.

    Parameters
    ----------
    model : Module
    training : bool
        The mode inside the block; False is evaluation.
    """
    modes = [(module, module.training) for module in model.modules()]
    state = [(value, value.data, value.grad) for _, value in model._named_tensors()]
    for value, data, _ in state:
        value.grad = None
        if not isinstance(value, Parameter):
            value.data = data.copy()  # running statistics are changed in place
    try:
        with random.fork(0):
            model.train(training)
            yield
    finally:
        for module, mode in modes:
            module.training = mode
        for value, data, grad in state:
            if value.data is not data:
                value.data = data
            value.grad = grad


def to_model(model: Module, x: Array, *, requires_grad: bool = False) -> Tensor:
    """Return an array as a tensor of the model's device and float type."""
    floats = [p.data.dtype for p in model.parameters() if p.data.dtype.kind == "f"]
    cast = np.ascontiguousarray(x, floats[0] if floats else np.float32)
    return tensor(cast, model.device, requires_grad=requires_grad)
