"""Learning curves: loss and accuracy over the epochs of a run."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinynet.core.checks import is_number
from tinynet.plot import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

KINDS = {"train": style.TRAIN, "test": style.TEST, "validation": style.VALIDATION}

Record = Mapping[str, Any]


def curves(records: Iterable[Any], path: Path | str | None = None, *, title: str = "") -> Figure:
    """Draw loss and accuracy over the epochs; dotted lines mark drops of the learning rate.

    Parameters
    ----------
    records : iterable of Epoch or of dict
        What `tn.fit` yields, or the lines of a run's log.jsonl as dicts: `epoch`, `train_loss`,
        `train_accuracy` and, where they were measured, `test_...` and `validation_...`; losses in
        nats, accuracies in 0..1. The batches that `tn.fit` yields between the epochs are skipped.
    path : Path or str, optional
        A .png, .svg or .pdf file to write.
    title : str
        The last test accuracy is added to it.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError
        `records` is not a list of records, or a record is neither a dict nor a dataclass.
    ValueError
        The record of an epoch has no number `epoch`.

    Examples
    --------
    >>> import tinynet as tn
    >>> records = [{"epoch": i, "train_loss": 2 / i, "train_accuracy": 0.3 * i, "lr": 0.1}
    ...            for i in (1, 2, 3)]
    >>> figure = tn.plot.curves(records)
    >>> [axes.get_ylabel() for axes in figure.axes]
    ['loss (mean cross-entropy, nats)', 'accuracy (%)']
    """
    epochs = _epochs(records)
    figure = style.new_figure(9, 3.6)
    left, right = figure.subplots(1, 2)
    for kind, look in KINDS.items():
        _draw(left, epochs, f"{kind}_loss", 1.0, look)
        _draw(right, epochs, f"{kind}_accuracy", 100.0, look)
    left.set(ylabel="loss (mean cross-entropy, nats)", ylim=(0, None))
    right.set(ylabel="accuracy (%)")
    for axes in (left, right):
        mark_drops(axes, epochs)
        axes.set(xlabel="epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(visible=True, color=style.GRID, linewidth=0.8)
        axes.spines[["top", "right"]].set_visible(False)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(frameon=False)
        elif epochs:
            axes.text(0.5, 0.5, "not measured", ha="center", transform=axes.transAxes)
        else:
            axes.set(xticks=(), yticks=())
            axes.text(0.5, 0.5, "no epoch has finished", ha="center", transform=axes.transAxes)
    figure.suptitle(_titled(title, epochs))
    return style.finish(figure, path, curves_in_words(epochs))


def curves_in_words(epochs: Sequence[Record]) -> str:
    """Return what the curves show, as a text alternative; it is stored in the file."""
    if not epochs:
        return "No epoch has finished."
    parts = []
    for key, name, factor, form in (
        ("train_loss", "the training loss goes", 1, "{:.3f}"),
        ("test_loss", "the test loss", 1, "{:.3f}"),
        ("test_accuracy", "the test accuracy", 100, "{:.1f} %"),
    ):
        values = [factor * r[key] for r in epochs if r.get(key) is not None]
        if values:
            parts.append(f"{name} from {form.format(values[0])} to {form.format(values[-1])}")
    *first, last = parts or ["nothing was measured"]
    listed = f"{', '.join(first)} and {last}" if first else last
    return f"Over {len(epochs)} epochs {listed}."


def mark_drops(axes: Axes, epochs: Sequence[Record]) -> None:
    """Draw a dotted line where the learning rate fell to half or less within one epoch."""
    rates = [(record["epoch"], record["lr"]) for record in epochs if record.get("lr") is not None]
    for (epoch, before), (_, after) in itertools.pairwise(rates):
        if after <= before / 2:  # a smooth decay would fill the figure with lines
            axes.axvline(epoch + 0.5, color=style.GRAY, linestyle=":", linewidth=1)
            axes.text(
                epoch + 0.5,
                1.02,
                f"lr {after:.2g}",
                transform=axes.get_xaxis_transform(),
                ha="center",
                color=style.GRAY,
            )


def _epochs(records: Iterable[Any]) -> list[Record]:
    """Return the records of whole epochs as dicts."""
    found: list[Record] = []
    if isinstance(records, Mapping) or not isinstance(records, Iterable):
        raise TypeError(
            f"curves: it draws a list of records, such as state.records or list(tn.fit(...)), not "
            f"{type(records).__name__}."
        )
    for record in records:
        if dataclasses.is_dataclass(record) and not isinstance(record, type):
            values: Any = vars(record)
        else:
            values = record
        if not isinstance(values, Mapping):
            raise TypeError(
                f"curves: each record is an Epoch of tn.fit or a dict with its fields, not "
                f"{type(record).__name__}."
            )
        if "train_loss" not in values:  # a batch
            continue
        if not is_number(values.get("epoch")):
            raise ValueError(
                f"curves: the record of an epoch has its number, epoch; got {dict(values)}."
            )
        found.append(values)
    return found


def _draw(axes: Axes, epochs: Sequence[Record], key: str, factor: float, look: Any) -> None:
    measured = [record for record in epochs if record.get(key) is not None]
    if measured:
        numbers = [record["epoch"] for record in measured]
        axes.plot(numbers, [factor * record[key] for record in measured], **look)


def _titled(title: str, epochs: Sequence[Record]) -> str:
    accuracy = epochs[-1].get("test_accuracy") if epochs else None
    if accuracy is None:
        return title
    found = f"test accuracy {100 * accuracy:.1f} %"
    return f"{title}: {found}" if title else found
