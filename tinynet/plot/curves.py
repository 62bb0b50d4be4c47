"""Learning curves: loss and accuracy over the epochs of a run."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet.core.checks import is_number
from tinynet.plot import style
from tinynet.words import Sentence, sentence

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

KINDS = {"train": style.TRAIN, "test": style.TEST, "validation": style.VALIDATION}

WORDS = 0.36  # length of the words at a line or at the best epoch, as a share of the width
LABEL_GAP = 0.065  # between two labels, as a share of the height

Record = Mapping[str, Any]


def curves(
    records: Iterable[Any],
    path: Path | str | None = None,
    *,
    title: str = "",
    classes: int | None = None,
) -> Figure:
    """Draw loss and accuracy over the epochs, with the last values at the ends of the lines.

    Dotted lines mark drops of the learning rate, a ring the epoch with the best accuracy on the
    validation images, else on the test images.

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
    classes : int, optional
        Number of classes: lines mark the loss and the accuracy of equal probabilities.

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
    >>> figure = tn.plot.curves(records, classes=10)
    >>> [axes.get_ylabel() for axes in figure.axes]
    ['loss (mean cross-entropy, nats)', 'accuracy (%)']
    """
    epochs = _epochs(records)
    figure = style.new_figure(10, 3.8)
    left, right = figure.subplots(1, 2)
    _panel(left, epochs, "loss", 1.0)
    left.set(ylabel="loss (mean cross-entropy, nats)", ylim=(0, None))
    _panel(right, epochs, "accuracy", 100.0)
    right.set(ylabel="accuracy (%)", ylim=(0, 100))
    if left.lines and classes is not None and classes > 1:
        words = f"equal probabilities {math.log(classes):.2f}"
        mark_chance(left, math.log(classes), words, _free_end(left, epochs))
        left.set_ylim(0, max(left.get_ylim()[1], 1.08 * math.log(classes)))
    if right.lines and classes is not None and classes > 1:
        words = f"chance {100 / classes:.3g} %"
        mark_chance(right, 100 / classes, words, _free_end(right, epochs))
    label_ends(left, "{:.3f}")
    label_ends(right, "{:.1f}")
    figure.suptitle(_titled(title, epochs), fontsize=11)
    return style.finish(figure, path, curves_in_words(epochs))


def _panel(axes: Axes, epochs: Sequence[Record], what: str, factor: float) -> None:
    """Draw the lines of the loss or of the accuracy, on an axis of whole epochs."""
    for kind, look in KINDS.items():
        _draw(axes, epochs, f"{kind}_{what}", factor, look)
    axes.set(xlabel="epoch")
    axes.grid(visible=True, color=style.GRID, linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    if not epochs:
        axes.set(xticks=(), yticks=())
        axes.text(0.5, 0.5, "no epoch has finished", ha="center", transform=axes.transAxes)
        return
    numbers = [record["epoch"] for record in epochs]
    axes.set_xlim(min(numbers) - 0.5, max(numbers) + 0.5)
    axes.xaxis.set_major_locator(style.whole_numbers())
    if not axes.lines:
        axes.text(0.5, 0.5, "not measured", ha="center", transform=axes.transAxes)
        return
    _mark_best(axes, epochs, what, factor)
    mark_drops(axes, epochs)


def label_ends(axes: Axes, form: str) -> None:
    """Write the name and the last value of each line beside its end, in its color.

    Parameters
    ----------
    axes : Axes
    form : str
        Format of a value, such as "{:.1f}".
    """
    lines = [line for line in axes.lines if line.get_label() in KINDS]
    ends = [(float(np.asarray(line.get_ydata())[-1]), line) for line in lines]
    bottom, top = axes.get_ylim()
    heights = spread([(value - bottom) / ((top - bottom) or 1) for value, _ in ends], LABEL_GAP)
    for height, (value, line) in zip(heights, ends, strict=True):
        axes.text(
            1.015,
            height,
            f"{line.get_label()} {form.format(value)}",
            transform=axes.transAxes,
            va="center",
            fontsize=9.5,
            color=line.get_color(),
        )


def spread(places: Sequence[float], gap: float) -> list[float]:
    """Return places in 0..1 that keep their order and a gap, near those given.

    >>> spread([0.5, 0.5, 0.9], gap=0.1)
    [0.5, 0.6, 0.9]
    """
    order = sorted(range(len(places)), key=places.__getitem__)
    found = list(places)
    for before, i in itertools.pairwise(order):
        found[i] = max(found[i], found[before] + gap)
    limit = 1.0
    for i in reversed(order):
        found[i] = min(found[i], limit)
        limit = found[i] - gap
    return found


def _mark_best(axes: Axes, epochs: Sequence[Record], what: str, factor: float) -> None:
    """Draw a ring around the epoch with the best accuracy on images that were held out."""
    best, kind = best_epoch(epochs)
    value = None if best is None else best.get(f"{kind}_{what}")
    if best is None or value is None:
        return
    look: Any = {"markersize": 11, "markerfacecolor": "none", "markeredgecolor": "black"}
    axes.plot([best["epoch"]], [factor * value], "o", clip_on=False, label="_best", **look)
    late = _share_of_width(axes, best["epoch"]) > WORDS
    axes.annotate(
        f"best: epoch {best['epoch']}",
        (best["epoch"], factor * value),
        (8 if late else -8, 12 if _words_above(axes, best, kind, what, factor) else -18),
        textcoords="offset points",
        ha="right" if late else "left",
        fontsize=8.5,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1, "alpha": 0.85},
    )


def _words_above(axes: Axes, best: Record, kind: str, what: str, factor: float) -> bool:
    """Return whether the words stand above the ring: on its free side, inside the axes."""
    value = best[f"{kind}_{what}"]
    others = [best.get(f"{other}_{what}") for other in KINDS if other != kind]
    height = factor * value / axes.get_ylim()[1]
    if any(other is not None and other > value for other in others):
        return height < 0.15
    return height < 0.85


def _share_of_width(axes: Axes, epoch: float) -> float:
    low, high = axes.get_xlim()
    return float((epoch - low) / (high - low))


def _free_end(axes: Axes, epochs: Sequence[Record]) -> float:
    """Return where the words of a line may end, as a share of the width, beside the best epoch."""
    best, _ = best_epoch(epochs)
    at = 0.0 if best is None else _share_of_width(axes, best["epoch"])
    return 1.0 if at < 1 - 1.1 * WORDS else max(1.1 * WORDS, at - 0.9 * WORDS)


def best_epoch(epochs: Sequence[Record]) -> tuple[Record | None, str]:
    """Return the record with the best held-out accuracy, and "validation" or "test".

    Of equal ones the first counts, as for best.safetensors; None if nothing was held out, or
    there is only one epoch.
    """
    for kind in ("validation", "test"):
        key = f"{kind}_accuracy"
        measured = [record for record in epochs if record.get(key) is not None]
        if len(measured) > 1:
            return max(measured, key=lambda record: float(record[key])), kind
    return None, ""


def mark_chance(axes: Axes, height: float, words: str, end: float = 1.0) -> None:
    """Draw the height that a network without knowledge reaches; its words stop at `end`, a share.

    1 is the right end of the line.
    """
    axes.axhline(height, color=style.GRAY, linestyle=(0, (1, 3)), linewidth=1, label="_chance")
    axes.annotate(
        words,
        (end, height),
        (-3, 3),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        ha="right",
        fontsize=8.5,
        color=style.GRAY,
    )


def curves_in_words(epochs: Sequence[Record]) -> str:
    """Return what the curves show, as a text alternative; it is stored in the file."""
    if not epochs:
        return sentence("No epoch has finished.")
    parts = _ends(epochs)
    *first, last = parts or [sentence("nothing was measured")]
    listed = last
    if first:
        before = sentence(", ".join(f"{{part{i}}}" for i in range(len(first))), **_numbered(first))
        listed = sentence("{before} and {after}", before=before, after=last)
    if len(epochs) == 1:
        return sentence("After 1 epoch {listed}.", listed=listed)
    best, kind = best_epoch(epochs)
    peak: str = ""
    if best is not None:
        peak = sentence(
            " The best {kind} accuracy, {percent:.1f} %, is that of epoch {epoch}.",
            kind=sentence(kind),
            percent=100 * best[f"{kind}_accuracy"],
            epoch=best["epoch"],
        )
    said = "Over {count} epochs {listed}.{peak}"
    return sentence(said, count=len(epochs), listed=listed, peak=peak)


def _ends(epochs: Sequence[Record]) -> list[Sentence]:
    """Return what is known of the ends of each curve."""
    parts: list[Sentence] = []
    for key, name, factor, form in (
        ("train_loss", "the training loss", 1, "{:.3f}"),
        ("test_loss", "the test loss", 1, "{:.3f}"),
        ("test_accuracy", "the test accuracy", 100, "{:.1f} %"),
    ):
        values = [form.format(factor * r[key]) for r in epochs if r.get(key) is not None]
        what = sentence(name)
        if len(values) > 1:
            goes = "{what} goes from {first} to {last}"
            said = "{what} from {first} to {last}" if parts else goes
            parts.append(sentence(said, what=what, first=values[0], last=values[-1]))
        elif values:
            said = "{what} {value}" if parts else "{what} is {value}"
            parts.append(sentence(said, what=what, value=values[0]))
    return parts


def _numbered(parts: Sequence[Sentence]) -> dict[str, Sentence]:
    return {f"part{i}": part for i, part in enumerate(parts)}


def rate_drops(epochs: Sequence[Record]) -> list[tuple[float, float]]:
    """Return where the learning rate fell to half or less within one epoch, and the new rate.

    Empty where it falls in every epoch, as a cosine does, whose last steps are below half.

    >>> steps = [{"epoch": 1, "lr": 0.1}, {"epoch": 2, "lr": 0.1}, {"epoch": 3, "lr": 0.01}]
    >>> rate_drops(steps), rate_drops(steps[1:])
    ([(2.5, 0.01)], [])
    """
    rates = [(record["epoch"], record["lr"]) for record in epochs if record.get("lr") is not None]
    pairs = list(itertools.pairwise(rates))
    if all(before != after for (_, before), (_, after) in pairs):
        return []
    return [(epoch + 0.5, after) for (epoch, before), (_, after) in pairs if after <= before / 2]


def mark_drops(axes: Axes, epochs: Sequence[Record]) -> None:
    """Draw a dotted line at each of the `rate_drops`, with the new rate."""
    for place, rate in rate_drops(epochs):
        axes.axvline(place, color=style.GRAY, linestyle=":", linewidth=1, label="_lr")
        axes.text(
            place,
            1.02,
            f"lr {rate:.2g}",
            transform=axes.get_xaxis_transform(),
            ha="center",
            fontsize=9,
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
        values = [factor * record[key] for record in measured]
        axes.plot(numbers, values, clip_on=False, zorder=3, **look)


def _titled(title: str, epochs: Sequence[Record]) -> str:
    accuracy = epochs[-1].get("test_accuracy") if epochs else None
    title = style.plain(title)
    if accuracy is None:
        return title
    found = f"test accuracy {100 * accuracy:.1f} %"
    return f"{title}: {found}" if title else found
