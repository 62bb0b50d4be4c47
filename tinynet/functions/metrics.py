"""Classification metrics: accuracy, top-k accuracy, confusion matrix.

They take NumPy arrays, arrays of a GPU or tensors, return plain numbers, and record no graph.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinynet.core.autograd import Variable
from tinynet.core.backend import is_array, to_numpy
from tinynet.core.checks import is_whole
from tinynet.core.errors import ShapeError

LARGEST = 2**31 - 1  # a larger label is not the number of a class

_Host = np.ndarray[Any, Any]


def accuracy(scores: Any, labels: Any) -> float:
    """Return the fraction of rows whose highest score belongs to the right class.

    Of equal highest scores the first one counts, as in NumPy's argmax.

    Parameters
    ----------
    scores : (N, classes)
    labels : (N,), integers in 0 .. classes - 1

    Returns
    -------
    float, 0 to 1

    Raises
    ------
    ShapeError
        If the shapes do not fit together, N is 0, a label is no class, or a score is NaN.

    Examples
    --------
    >>> from tinynet import functions as F
    >>> F.accuracy([[0.1, 0.9], [0.8, 0.2]], [1, 1])
    0.5
    """
    rows = _scores("accuracy", scores)
    right = _labels("accuracy", labels, len(rows), rows.shape[1])
    return float((rows.argmax(axis=1) == right).mean())


def top_k_accuracy(scores: Any, labels: Any, k: int = 5) -> float:
    """Return the fraction of rows whose right class is among the k highest scores.

    Of equal scores those of lower class numbers come first, so k=1 is `accuracy`.

    Parameters
    ----------
    scores : (N, classes)
    labels : (N,), integers in 0 .. classes - 1
    k : int, 1 .. classes

    Returns
    -------
    float, 0 to 1

    Raises
    ------
    ShapeError
        If the shapes do not fit together, N is 0, a label is no class, or a score is NaN.
    ValueError
        If k is not in 1 .. classes.

    Examples
    --------
    >>> from tinynet import functions as F
    >>> F.top_k_accuracy([[0.1, 0.3, 0.6], [0.8, 0.2, 0.0]], [1, 2], k=2)
    0.5
    """
    rows = _scores("top_k_accuracy", scores)
    right = _labels("top_k_accuracy", labels, len(rows), rows.shape[1])
    if not is_whole(k, 1) or k > rows.shape[1]:
        raise ValueError(
            f"top_k_accuracy: k must be a whole number in 1..{rows.shape[1]}, the number of "
            f"classes; got {k!r}."
        )
    best = (-rows).argsort(axis=1, kind="stable")[:, :k]
    return float((best == right[:, None]).any(axis=1).mean())


def confusion_matrix(scores_or_predictions: Any, labels: Any, classes: int | None = None) -> _Host:
    """Return how often each true class (row) was predicted as each class (column).

    Parameters
    ----------
    scores_or_predictions : (N, classes) scores, or (N,) predicted classes
    labels : (N,), integers in 0 .. classes - 1
    classes : int, optional
        The number of classes. By default that of the scores; of predictions, the largest class
        that occurs plus 1.

    Returns
    -------
    (classes, classes), int64 counts

    Raises
    ------
    ShapeError
        If the shapes do not fit together, or a label or a prediction is no class.
    ValueError
        If `classes` is not a whole number, at least 1.

    Examples
    --------
    >>> from tinynet import functions as F
    >>> F.confusion_matrix([0, 1, 1, 0], [0, 1, 0, 0])
    array([[2, 1],
           [0, 1]])
    """
    if classes is not None and not is_whole(classes, 1):
        raise ValueError(
            f"confusion_matrix: classes is the number of classes, at least 1; got {classes!r}."
        )
    given = _host(scores_or_predictions)
    if given.ndim == 2:
        predicted = _scores("confusion_matrix", given).argmax(axis=1)
        width = given.shape[1]
        if classes is not None and classes != width:
            raise ShapeError(
                f"confusion_matrix: the scores {given.shape} have {width} classes, not {classes}."
            )
        count = width
    else:
        predicted = _integers("confusion_matrix", "predictions", given)
        true = _integers("confusion_matrix", "labels", _host(labels))
        largest = max(predicted.max(initial=0), true.max(initial=0))
        count = int(largest) + 1 if classes is None else classes
        _in_range("confusion_matrix", "predictions", predicted, count)
    true = _labels("confusion_matrix", labels, len(predicted), count)
    places = (true * count + predicted).astype(np.intp)  # 32 bits in a browser
    cells = np.bincount(places, minlength=count * count)
    return cells.astype(np.int64).reshape(count, count)


def _host(x: Any) -> _Host:
    """Return a tensor, an array or a list as a NumPy array."""
    data = x.data if isinstance(x, Variable) else x
    try:
        return to_numpy(data) if is_array(data) else np.asarray(data)
    except ValueError as error:
        raise ShapeError("metrics: the rows of a list must have equal lengths.") from error


def _scores(op: str, scores: Any) -> _Host:
    """Return scores as an array (N, classes) of numbers."""
    rows = _host(scores)
    if rows.ndim != 2 or 0 in rows.shape:
        raise ShapeError(
            f"{op}: scores must be (N, classes), N and classes at least 1; they are {rows.shape}."
        )
    if rows.dtype.kind not in "fiub" or np.isnan(rows).any():
        raise ShapeError(f"{op}: scores must be numbers, and none of them NaN.")
    return rows.astype(np.float64) if rows.dtype.kind != "f" else rows


def _labels(op: str, labels: Any, n: int, classes: int) -> _Host:
    """Return n labels in 0 .. classes - 1."""
    found = _host(labels)
    if found.shape != (n,):
        raise ShapeError(f"{op}: labels must be ({n},), one per row; they are {found.shape}.")
    whole = _integers(op, "labels", found)
    _in_range(op, "labels", whole, classes)
    return whole


def _integers(op: str, what: str, values: _Host) -> _Host:
    """Return class numbers as int64; a tensor holds floats, so 2.0 is a class, and 2.5 is not."""
    if values.ndim != 1 or values.dtype.kind not in "fiu":
        raise ShapeError(
            f"{op}: {what} must be (N,) integers; they are {values.dtype} {values.shape}."
        )
    if not np.isfinite(values).all() or (values != np.trunc(values)).any():
        raise ShapeError(f"{op}: {what} must be integers, the numbers of classes.")
    if values.max(initial=0) > LARGEST:
        raise ShapeError(f"{op}: {what} are the numbers of classes; found {values.max()}.")
    return values.astype(np.int64)


def _in_range(op: str, what: str, values: _Host, classes: int) -> None:
    """Raise at the first value that is no class."""
    wrong = np.flatnonzero((values < 0) | (values >= classes))
    if wrong.size:
        raise ShapeError(
            f"{op}: {what} must be in 0..{classes - 1} for {classes} classes; "
            f"found {values[wrong[0]]} at row {wrong[0]}."
        )
