"""Checks of batches: their dtype, and their size where batch normalization needs two values."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import numpy as np

from tinynet import kernels
from tinynet.core.errors import ShapeError
from tinynet.core.grad_mode import no_grad
from tinynet.distributed.data_parallel import DistributedLoader
from tinynet.nn import BatchNorm2d, Module, observe
from tinynet.tensors import Tensor, tensor
from tinynet.training.device_loader import DeviceLoader
from tinynet.training.steps import device_of
from tinynet.words import sentence


def check_images(purpose: str, loader: Any) -> None:
    """Raise TypeError unless the images of a loader's data set are integers or floats."""
    images = getattr(getattr(loader, "dataset", None), "images", None)
    dtype = getattr(images, "dtype", None)
    if dtype is not None and np.dtype(dtype).kind not in "uif":
        raise TypeError(f"{purpose}: images are integers or floats, got {dtype}.")


def check_batch(purpose: str, model: Module, images: Any) -> None:
    """Raise TypeError unless the images of a batch are floats, no wider than the weights.

    Wider ones would make the whole step wider, and slow: float64 images, float32 weights.
    """
    found = getattr(images, "dtype", None)
    needed = next(iter(model.parameters())).dtype
    if found is not None and found.kind == "f" and found.itemsize <= needed.itemsize:
        return
    got = type(images).__name__ if found is None else found
    raise TypeError(
        f"{purpose}: the images of a batch must be floats, no wider than the weights ({needed}); "
        f"got {got}. Convert them: images.astype(np.{needed})."
    )


def refuse_single_values(model: Module, train: Any) -> None:
    """Raise if a batch of one image would reach a `BatchNorm2d` as one value per channel.

    The variance of one value is 0, so `batch_norm` refuses such a batch, in the middle of an epoch;
    this check finds it before the first step. It computes nothing unless there is such a batch.

    Parameters
    ----------
    model : Module
    train : DataLoader
        Of other objects the batch sizes are not known; they pass.

    Raises
    ------
    ShapeError
        The message gives the remainder, and a batch size that works.

    Examples
    --------
    >>> import numpy as np
    >>> from tinynet import data, nn
    >>> from tinynet.training.batch_check import refuse_single_values
    >>> model = nn.Sequential(nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(3, 2))
    >>> images = np.zeros((17, 3, 1, 1), np.float32)
    >>> train = data.DataLoader((images, np.zeros(17, int)), batch_size=8)
    >>> refuse_single_values(model, train)
    Traceback (most recent call last):
    ...
    tinynet.core.errors.ShapeError: fit: batch normalization needs at least 2 values per channel, \
and the layer 0 would get 1 in a batch of one image. 17 images in batches of 8 leave a last batch \
of 1. Choose a batch size of 7.
    """
    ranks = train.group.size if isinstance(train, DistributedLoader) else 1
    loader = train.loader if isinstance(train, DistributedLoader) else train
    loader = loader.loader if isinstance(loader, DeviceLoader) else loader
    if not hasattr(loader, "dataset") or not hasattr(loader, "drop_last"):
        return
    images = len(loader.dataset.labels)
    smallest = _smallest(images, loader.batch_size, loader.drop_last, ranks)
    if smallest > 1:
        return
    layer = _layer_of_one_value(model, loader)
    if layer:
        said = (
            "fit: batch normalization needs at least 2 values per channel, and the layer {layer} "
            "would get 1 in a batch of one image. {facts} {way_out}"
        )
        facts = _facts(loader, ranks)
        raise ShapeError(sentence(said, layer=layer, facts=facts, way_out=_way_out(loader, ranks)))


def _smallest(images: int, batch_size: int, drop_last: bool, ranks: int = 1) -> int:
    """Return the number of images that a rank computes in the smallest batch of an epoch."""
    rest = images % batch_size
    last = rest if rest and not drop_last else min(images, batch_size)
    return max(1, last // ranks)


def _layer_of_one_value(model: Module, loader: Any) -> str:
    """Return the name of the first batch normalization with one value per channel and image."""
    if not any(isinstance(module, BatchNorm2d) for _, module in model.named_modules()):
        return ""
    names = {id(module): name for name, module in model.named_modules()}
    found: list[str] = []

    def note(module: Module, x: Tensor, y: Tensor) -> None:
        learns = isinstance(module, BatchNorm2d) and not module.frozen
        if learns and y.shape[2:] == (1, 1):
            found.append(names.get(id(module), type(module).__name__))

    images = loader.dataset.images
    example = np.zeros((1, *images.shape[1:]), images.dtype)
    prepared = loader.transform.apply(example, loader.sample(0, 0, 1)).astype(np.float32)
    where = device_of(model)
    on_cpu = where.kind == "cpu"
    modes = [(module, module.training) for _, module in model.named_modules()]
    try:
        with no_grad(), observe(note), kernels.use("reference") if on_cpu else nullcontext():
            model.eval()(tensor(prepared[:0] if on_cpu else prepared, device=where))
    finally:
        for module, training in modes:
            module.training = training
    return found[0] if found else ""


def _facts(loader: Any, ranks: int) -> str:
    """Return the sizes in words."""
    images = len(loader.dataset.labels)
    rest = images % loader.batch_size
    shared = sentence(", shared by {ranks} ranks", ranks=ranks) if ranks > 1 else ""
    size = loader.batch_size
    if rest and not loader.drop_last:
        said = "{images:,} images in batches of {size} leave a last batch of {rest}{shared}."
        return sentence(said, images=images, size=size, rest=rest, shared=shared)
    return sentence("The batches have {size}{shared}.", size=min(images, size), shared=shared)


def _way_out(loader: Any, ranks: int) -> str:
    """Return the nearest batch size that works."""
    images = len(loader.dataset.labels)
    for distance in range(1, images + loader.batch_size):
        for size in (loader.batch_size - distance, loader.batch_size + distance):
            if size > 0 and _smallest(images, size, loader.drop_last, ranks) > 1:
                return sentence("Choose a batch size of {size}.", size=size)
    return sentence("More images are needed.")
