"""Confusion matrix: which classes a model takes for which."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet.core.backend import Array, to_numpy
from tinynet.core.errors import ShapeError
from tinynet.plot import style
from tinynet.tensors import Tensor
from tinynet.words import sentence

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COUNTED = 20  # classes up to which every cell shows its count
NAMED = 40  # classes up to which every row has its name
CELL = 0.48  # inches
UNNAMED = 7.0  # inches: the side of a matrix without names


def confusion(
    matrix: Array | Tensor | Sequence[Sequence[int]],
    classes: Sequence[str] | None = None,
    path: Path | str | None = None,
    *,
    title: str = "",
) -> Figure:
    """Draw a confusion matrix: a row for each true class, a column for each predicted one.

    The shade of a cell is its share of the row, so a rare class can be read like a frequent one.
    The numbers are counts; above 20 classes they are left out.

    Parameters
    ----------
    matrix : array of shape (K, K)
        Counts: `matrix[i, j]` images of class i were predicted as class j, as
        `F.confusion_matrix` returns them.
    classes : sequence of K str, optional
        Names of the classes; by default their numbers.
    path : Path or str, optional
        A .png, .svg or .pdf file to write.
    title : str
        The accuracy and the most frequent mistake are added to it.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ShapeError
        The matrix is not square, is empty, or has another number of classes than `classes`.
    TypeError
        `classes` is one str.
    ValueError
        A count is negative or not finite.

    Examples
    --------
    >>> import tinynet as tn
    >>> figure = tn.plot.confusion([[8, 2], [1, 9]], classes=["cat", "dog"])
    >>> print(figure.axes[0].get_title())
    accuracy 85.0 % on 20 images
    most frequent mistake: cat taken for dog, 2 images
    """
    counts = _counts(matrix)
    names = _names(classes, len(counts))
    totals = counts.sum(axis=1, keepdims=True)
    shares = counts / np.where(totals > 0, totals, 1)
    named = len(counts) <= NAMED
    side = CELL * max(len(counts), 6) if named else UNNAMED
    longest = 0.08 * max(map(len, names)) if named else 0.3
    figure = style.new_figure(side + longest + 1.6, side + longest + 0.9)
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
    figure.colorbar(image, ax=axes, label="share of the true class", shrink=0.8)
    _label(axes, names)
    if len(counts) <= COUNTED:
        _write_counts(axes, counts, shares)
    correct = counts.trace() / (counts.sum() or 1)
    accuracy = f"accuracy {100 * correct:.1f} %"
    if (counts == counts.round()).all():  # not shares
        accuracy += f" on {_images(counts.sum())}"
    said = f"{title}: {accuracy}" if title else accuracy
    worst = _worst(counts)
    if worst is not None:
        i, j, count = worst
        said += f"\nmost frequent mistake: {names[i]} taken for {names[j]}, {_images(count)}"
    axes.set_title(said, fontsize=11)
    return style.finish(figure, path, confusion_in_words(counts, names))


def confusion_in_words(counts: Array, names: Sequence[str]) -> str:
    """Return the accuracy and the most frequent confusion, as a text alternative to the figure."""
    total = counts.sum()
    said = "{right:,.0f} of {total:,.0f} images are predicted correctly."
    words = sentence(said, right=counts.trace(), total=total)
    worst = _worst(counts)
    if worst is None:
        return words
    i, j, count = worst
    pair = {"words": words, "true": names[i], "answer": names[j]}
    if count == 1:
        said = "{words} The most frequent confusion: 1 image of {true} is predicted as {answer}."
        return sentence(said, **pair)
    return sentence(
        "{words} The most frequent confusion: {count:,.0f} images of {true} are predicted as "
        "{answer}.",
        count=count,
        **pair,
    )


def _images(count: float) -> str:
    return "1 image" if count == 1 else f"{count:,.0f} images"


def _worst(counts: Array) -> tuple[int, int, float] | None:
    """Return the most frequent mistake: true class, predicted class and count; None of none."""
    wrong = counts * (1 - np.eye(len(counts)))
    if not wrong.any():
        return None
    i, j = np.unravel_index(wrong.argmax(), wrong.shape)
    return int(i), int(j), float(wrong.max())


def _counts(matrix: Any) -> Array:
    data = matrix.data if isinstance(matrix, Tensor) else matrix
    try:
        counts = np.asarray(to_numpy(data) if hasattr(data, "shape") else data, np.float64)
    except (TypeError, ValueError) as error:
        raise ShapeError(
            "confusion: the matrix is square, (classes, classes), and holds counts; got rows of "
            "different lengths, or something else than numbers."
        ) from error
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or not counts.size:
        raise ShapeError(
            f"confusion: the matrix is square, (classes, classes), with the true classes in its "
            f"rows; got {counts.shape}."
        )
    if not np.isfinite(counts).all() or (counts < 0).any():
        raise ValueError("confusion: the matrix holds counts: finite numbers from 0 on.")
    return counts


def _names(classes: Sequence[str] | None, count: int) -> list[str]:
    if classes is None:
        return [str(i) for i in range(count)]
    if isinstance(classes, (str, Path)):
        raise TypeError(
            f"confusion: classes are names, one for each row, got {str(classes)!r}. A file is "
            "named by path=."
        )
    if len(classes) != count:
        raise ShapeError(
            f"confusion: there are {len(classes)} names in `classes` for the {count} rows of the "
            "matrix."
        )
    return [style.plain(str(name)) for name in classes]


def _label(axes: Axes, names: Sequence[str]) -> None:
    axes.set(xlabel="predicted class", ylabel="true class")
    if len(names) <= NAMED:
        places = range(len(names))
        upright = max(map(len, names)) <= 3
        axes.set_yticks(places, names, fontsize=9)
        axes.set_xticks(places, names, fontsize=9, rotation=0 if upright else 45)
        if not upright:
            for text in axes.get_xticklabels():
                text.set(ha="right", rotation_mode="anchor")
    axes.tick_params(length=0)


def _write_counts(axes: Axes, counts: Array, shares: Array) -> None:
    for (row, column), count in np.ndenumerate(counts):
        if count:
            color = "white" if shares[row, column] > 0.5 else "black"
            text = f"{count:,.0f}" if count == round(count) else f"{count:.2g}"
            axes.text(column, row, text, ha="center", va="center", color=color, fontsize=8)
