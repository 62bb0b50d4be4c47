"""Evaluation and prediction: loss and accuracy of a model, and its probabilities."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple

import numpy as np

from tinynet import data
from tinynet import functions as F
from tinynet.core.backend import Array, current, to_numpy
from tinynet.core.grad_mode import no_grad
from tinynet.data.dataset import as_dataset
from tinynet.distributed.process_group import SINGLE, ProcessGroup
from tinynet.nn import Module
from tinynet.tensors import Tensor, tensor
from tinynet.training.batch_check import check_batch, check_images
from tinynet.training.device_loader import on_device
from tinynet.training.metrics import RunningMetrics, batch_sums
from tinynet.training.steps import device_of, on

BATCH = 250  # images at a time; a larger batch is no faster and takes more memory
AsTrained = Callable[..., Any] | Literal["training"] | None
"""A transform; "training": the one of the model's training by `tn.fit`, without what is random."""


class Preprocessing(NamedTuple):
    """The transform of a model's training images without what is random, and their kind."""

    transform: Any
    kind: str  # "bytes" (integers) or "floats"


class Evaluation(NamedTuple):
    """Mean loss (cross-entropy) and accuracy (0..1) of a model on a data set."""

    loss: float
    accuracy: float

    def __str__(self) -> str:
        return f"loss {self.loss:.4f}  accuracy {100 * self.accuracy:.2f} %"


def evaluate(model: Module, images: Any, *, transform: AsTrained = "training") -> Evaluation:
    """Measure a model; dropout is off, and nothing is learned.

    Parameters
    ----------
    model : Module
    images : DataLoader or data set
        A DataLoader is used as it is. A data set is prepared as in the model's training
        by `tn.fit`, without what is random.
    transform : Transform, "training" or None
        What prepares the images of a data set; None takes them as they are.

    Returns
    -------
    Evaluation
        (loss, accuracy)

    Raises
    ------
    TypeError
        Where an argument is of another kind, or the images are not of the model's dtype.
    ValueError
        Where the images are bytes and their preparation is not known.

    Examples
    --------
    >>> import numpy as np
    >>> import tinynet as tn
    >>> from tinynet import nn
    >>> images = np.eye(4, dtype=np.float32).reshape(4, 1, 2, 2)
    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 4))
    >>> model[1].weight.data[:] = np.eye(4)
    >>> tn.evaluate(model, (images, np.arange(4))).accuracy
    1.0
    """
    _check_model("evaluate", model)
    loader = evaluation_loader(model, images, "evaluate", transform)
    metrics = RunningMetrics()
    for _ in run_epoch(model, loader, metrics):
        pass
    return Evaluation(*metrics.means)


def predict(
    model: Module,
    images: Array | Tensor,
    *,
    transform: AsTrained = "training",
    batch_size: int = BATCH,
) -> Array:
    """Return the probability of each class for each image.

    ``predict(model, images).argmax(axis=1)`` are the most probable classes.

    Parameters
    ----------
    model : Module
    images : (N, C, H, W), a data set or a DataLoader
        A DataLoader is used as it is. Images of the kind of the training images (bytes or
        floats) are prepared as they were by `tn.fit`; floats for a model that was trained on bytes
        are taken as they are.
    transform : Transform, "training" or None
        What prepares the images instead; None takes them as they are.
    batch_size : int
        Images at a time.

    Returns
    -------
    (N, classes) float32
        Each row sums to 1: the softmax of the scores.

    Raises
    ------
    TypeError
        Where an argument is of another kind, or the images are not of the model's dtype.
    ValueError
        Where the images are bytes and their preparation is not known, or where they are one
        image without the axis N.

    Examples
    --------
    >>> import numpy as np
    >>> import tinynet as tn
    >>> from tinynet import nn
    >>> images = np.eye(4, dtype=np.float32).reshape(4, 1, 2, 2)
    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 4))
    >>> model[1].weight.data[:] = np.eye(4)
    >>> tn.predict(model, images).argmax(axis=1)
    array([0, 1, 2, 3])
    """
    _check_model("predict", model)
    if hasattr(images, "batches") and hasattr(images, "steps"):
        return _probabilities(model, images)
    images = getattr(images, "images", images)
    pixels = to_numpy(images.data) if isinstance(images, Tensor) else np.asarray(images)
    if pixels.dtype.kind not in "uif" or not pixels.ndim:
        raise TypeError(
            f"predict: images are an array (N, C, H, W) of integers or floats, got {pixels.dtype} "
            f"{pixels.shape} from {type(images).__name__}."
        )
    if pixels.ndim == 3 and "Conv" in repr(model):
        raise ValueError(
            f"predict: images are (N, C, H, W), got {pixels.shape}. One image: images[None]."
        )
    if not len(pixels):
        raise ValueError("predict: there is no image to classify; got an array without rows.")
    labels = np.zeros(len(pixels), np.int64)
    loader = evaluation_loader(model, (pixels, labels), "predict", transform, batch_size)
    return _probabilities(model, loader)


def _probabilities(model: Module, loader: Any) -> Array:
    """Return (N, classes) for the images of a loader, in its order."""
    found = [
        F.softmax(scores).numpy()
        for scores, _ in _answers(model, loader, purpose="predict")
        if scores is not None  # None is for a rank without images, and there is one process here
    ]
    return np.concatenate(found)


def _check_model(purpose: str, model: Any) -> None:
    if not isinstance(model, Module):
        raise TypeError(f"{purpose}: the model must be an nn.Module, got {type(model).__name__}.")


def remember_preprocessing(model: Module, train: Any) -> None:
    """Store in the model how its training images are prepared, for `evaluate` and `predict`."""
    if hasattr(train, "transform") and hasattr(train, "dataset"):
        kind = _kind(train.dataset.images.dtype)
        vars(model)["_preprocessing"] = Preprocessing(train.transform.evaluation(), kind)


def stored_preprocessing(model: Module) -> dict[str, Array]:
    """Return the arrays of the model's normalization; none if there is more or nothing to store."""
    known = vars(model).get("_preprocessing")
    members = [] if known is None else list(known.transform.transforms)
    if len(members) != 1 or not isinstance(members[0], data.Normalize):
        return {}
    return members[0].arrays()


def preprocessing_kind(model: Module) -> str:
    """Return the kind of the model's training images: bytes or floats."""
    return str(vars(model)["_preprocessing"].kind)


def restore_preprocessing(model: Module, arrays: dict[str, Array], kind: str) -> None:
    """Store a normalization from a file in the model, as `fit` does."""
    transform = data.Compose([data.Normalize.from_arrays(arrays)])
    vars(model)["_preprocessing"] = Preprocessing(transform, kind)


def _kind(dtype: np.dtype[Any]) -> str:
    return "floats" if dtype.kind == "f" else "bytes"


def refuse_other_preparation(model: Module, images: Any, phase: str) -> None:
    """Raise where a held-out loader has no transform, and the training images are normalized."""
    known = vars(model).get("_preprocessing")
    if known is None or not isinstance(images, data.DataLoader):
        return
    same_kind = _kind(images.dataset.images.dtype) == known.kind
    if same_kind and len(known.transform) and not len(images.transform):
        raise ValueError(
            f"fit: the {phase} loader has no transform, but the training images go through "
            f"{', '.join(map(repr, known.transform.transforms))}. Give the data set itself, or a "
            "loader with that transform."
        )


def evaluation_loader(
    model: Module,
    images: Any,
    purpose: str,
    transform: AsTrained = "training",
    batch_size: int = BATCH,
) -> Any:
    """Return a loader that reads the images in their order: a data set is wrapped in one."""
    where = device_of(model)
    if hasattr(images, "batches") and hasattr(images, "steps"):
        check_images(purpose, images)
        return on_device(images, where)
    loader = data.DataLoader(as_dataset(images, purpose), batch_size)
    check_images(purpose, loader)
    if transform == "training":
        kind = _kind(loader.dataset.images.dtype)
        known = vars(model).get("_preprocessing")
        if known is not None and kind == known.kind:
            transform = known.transform
        elif kind == "floats":
            return on_device(loader, where)
    if transform == "training":
        raise ValueError(
            f"{purpose}: the images are bytes (0 to 255), and it is not known how they were "
            "prepared in training. Give transform= the same data.Normalize; transform=None takes "
            "the bytes as they are."
        )
    return on_device(data.DataLoader(loader.dataset, batch_size, transform=transform), where)


def run_epoch(
    model: Module, loader: Any, metrics: RunningMetrics, ranks: ProcessGroup = SINGLE
) -> Iterator[int]:
    """Add every batch of a loader to `metrics`; yield 1, 2, ... after each."""
    on_cpu = device_of(model).kind == "cpu"
    for step, (scores, labels) in enumerate(_answers(model, loader, ranks), start=1):
        if scores is not None and on_cpu:
            metrics.add(scores, F.cross_entropy(scores, labels), labels)
        elif scores is not None:
            loss = F.cross_entropy(scores, labels)
            metrics.add_async(batch_sums(scores, loss, labels), len(labels))
        if step == loader.steps:
            metrics.all_reduce(ranks)
        yield step


def _answers(
    model: Module, loader: Any, ranks: ProcessGroup = SINGLE, purpose: str = "evaluate"
) -> Iterator[tuple[Tensor | None, Array]]:
    """Yield the scores and the labels of each batch; None where this rank has no images."""
    where = device_of(model)
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        for images, labels in loader.batches(0):
            check_batch(purpose, model, images)
            with no_grad(), np.errstate(over="ignore", invalid="ignore"), current(where):
                if ranks.size > 1 and not ranks.images:
                    yield None, labels
                elif where.kind == "cpu":
                    yield model(tensor(images, device=where)), labels
                else:
                    yield model(Tensor(on(images, where), where)), on(labels, where)
    finally:
        for module, training in modes:
            module.training = training
