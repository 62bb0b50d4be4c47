"""Softmax, log-softmax and the cross-entropy loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Never

import numpy as np

from tinynet import kernels
from tinynet.core.autograd import Function, Variable, require_tensors
from tinynet.core.backend import Array, array_module, real
from tinynet.core.errors import ShapeError, refuse_keywords
from tinynet.words import sentence

if TYPE_CHECKING:
    from tinynet.tensors import Tensor


class Softmax(Function):
    """y[c] = exp(x[c]) / sum of exp(x[j]): positive numbers that sum to 1."""

    def __init__(self, axis: int) -> None:
        self.axis = axis

    def forward(self, x: Array) -> Array:
        x = real(x)
        e = array_module(x).exp(x - x.max(axis=self.axis, keepdims=True))
        self.saved = e / e.sum(axis=self.axis, keepdims=True)
        return self.saved

    def backward(self, gy: Array) -> Any:
        y = self.saved
        return y * (gy - (gy * y).sum(axis=self.axis, keepdims=True))


class LogSoftmax(Function):
    """y[c] = x[c] - log of the sum of exp(x[j]), without overflow."""

    def __init__(self, axis: int) -> None:
        self.axis = axis

    def forward(self, x: Array) -> Array:
        xp = array_module(x)
        x = real(x)
        shifted = x - x.max(axis=self.axis, keepdims=True)
        self.saved = shifted - xp.log(xp.exp(shifted).sum(axis=self.axis, keepdims=True))
        return self.saved

    def backward(self, gy: Array) -> Any:
        probability = array_module(gy).exp(self.saved)
        return gy - probability * gy.sum(axis=self.axis, keepdims=True)


class CrossEntropy(Function):
    """y = mean over n of -log softmax(scores[n])[labels[n]]."""

    def __init__(self, labels: Array) -> None:
        self.labels = labels

    def forward(self, scores: Array) -> Array:
        loss, self.saved = kernels.cross_entropy(real(scores), self.labels)
        return loss

    def backward(self, gy: Array) -> Any:
        return self.saved * gy


def softmax(x: Tensor, axis: int = -1, **unknown: Never) -> Tensor:
    """Return exp(x) / sum of exp(x) along `axis`.

    >>> import tinynet as tn
    >>> from tinynet import functions as F
    >>> F.softmax(tn.zeros(1, 4))
    tensor([[0.25, 0.25, 0.25, 0.25]])
    """
    refuse_keywords("softmax", unknown)
    return Softmax(axis)(x)


def log_softmax(x: Tensor, axis: int = -1, **unknown: Never) -> Tensor:
    """Return the logarithm of softmax(x) along `axis`, exact also where softmax underflows.

    >>> import tinynet as tn
    >>> from tinynet import functions as F
    >>> F.log_softmax(tn.tensor([[0.0, 1000.0]]))
    tensor([[-1000.,     0.]])
    """
    refuse_keywords("log_softmax", unknown)
    return LogSoftmax(axis)(x)


def cross_entropy(scores: Tensor, labels: Tensor | Array) -> Tensor:
    """Return the mean negative log-probability of the right classes (the paper's objective).

    Parameters
    ----------
    scores : (N, classes)
        Before softmax.
    labels : (N,), integers in 0 .. classes - 1

    Returns
    -------
    ()

    Raises
    ------
    ShapeError
        If the shapes do not fit together, N is 0, or a label is no class. Labels that lie on a GPU
        are not read, so their values are not checked.

    Examples
    --------
    >>> import numpy as np, tinynet as tn
    >>> from tinynet import functions as F
    >>> loss = F.cross_entropy(tn.zeros(2, 10), np.array([3, 7]))
    >>> f"{loss:.4f}"  # log(10)
    '2.3026'
    """
    require_tensors("cross_entropy", scores)
    if isinstance(labels, Variable):
        whole = labels.data.astype(np.int64)  # a Tensor holds floats: 2.0 is a label, 2.5 is not
        labels = whole if (whole == labels.data).all() else labels.data
    elif not hasattr(labels, "dtype"):
        labels = np.asarray(labels)
    _check(scores.shape, labels)
    if isinstance(labels, np.ndarray):  # they come from the data set, a few bytes per image
        labels = array_module(scores.data).asarray(labels)
    return CrossEntropy(labels)(scores)


def _check(shape: tuple[int, ...], labels: Array) -> None:
    """Raise a ShapeError where scores and labels do not fit together."""
    if len(shape) != 2 or labels.shape != shape[:1] or shape[0] == 0:
        said = sentence(
            "cross_entropy: scores must be (N, classes) and labels (N,), N at least 1; "
            "scores are {scores}, labels {labels}.",
            scores=shape,
            labels=labels.shape,
        )
        raise ShapeError(said)
    if labels.dtype.kind not in "iu":
        said = sentence(
            "cross_entropy: labels must be integers; they are {dtype}.", dtype=labels.dtype
        )
        raise ShapeError(said)
    if isinstance(labels, np.ndarray):  # on a GPU looking would mean waiting for it
        wrong = np.flatnonzero((labels < 0) | (labels >= shape[1]))
        if wrong.size:
            said = sentence(
                "cross_entropy: labels must be integers in 0..{last} for scores {scores}; "
                "found {label} at row {row}.",
                last=shape[1] - 1,
                scores=shape,
                label=labels[wrong[0]],
                row=wrong[0],
            )
            raise ShapeError(said)
