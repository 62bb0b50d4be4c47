"""Curves of a run for its page: loss, accuracy, learning rate, and the numbers as a table."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from tinynet.plot.curves import best_epoch, curves_in_words, rate_drops
from tinynet.reports.charts import Line, Marks, line_chart
from tinynet.reports.html import Html, details, figure, join, table, tag
from tinynet.training.loop import Epoch

KINDS = ("train", "test", "validation")
LISTED = 400  # epochs in the table


def curve_figures(records: Sequence[Epoch], classes: int | None) -> Html:
    """Return the charts of a run, and its numbers in a table that is folded away."""
    rows = [dataclasses.asdict(record) for record in records]
    words = curves_in_words(rows)
    drops = [(place, f"lr {rate:.2g}") for place, rate in rate_drops(rows)]
    best, kind = best_epoch(rows)
    chance = _chance(classes)
    charts = [
        line_chart(
            "Loss (mean cross-entropy, nats)",
            words,
            _lines(rows, "loss", 1.0),
            form="{:.3f}",
            marks=Marks(chance["loss"], drops, _ring(best, kind, "loss", 1.0)),
        ),
        line_chart(
            "Accuracy (%)",
            words,
            _lines(rows, "accuracy", 100.0),
            form="{:.1f}",
            top=100.0,
            marks=Marks(chance["accuracy"], drops, _ring(best, kind, "accuracy", 100.0)),
        ),
    ]
    pair = tag("div", *charts, class_="pair")
    return join([figure(pair, words), _rates(records), _numbers(rows)])


def _chance(classes: int | None) -> dict[str, list[tuple[float, str]]]:
    """Return the heights that a network without knowledge has, with words."""
    if classes is None or classes < 2:
        return {"loss": [], "accuracy": []}
    equal = math.log(classes)
    return {
        "loss": [(equal, f"equal probabilities {equal:.2f}")],
        "accuracy": [(100 / classes, f"chance {100 / classes:.3g} %")],
    }


def _lines(rows: Sequence[dict[str, Any]], what: str, factor: float) -> list[Line]:
    lines = []
    for kind in KINDS:
        key = f"{kind}_{what}"
        points = [(row["epoch"], factor * row[key]) for row in rows if row[key] is not None]
        lines.append(Line("valid." if kind == "validation" else kind, kind, points))
    return lines


def _ring(best: Any, kind: str, what: str, factor: float) -> tuple[float, float, str] | None:
    value = None if best is None else best.get(f"{kind}_{what}")
    if best is None or value is None or not math.isfinite(value):
        return None
    return best["epoch"], factor * value, f"best: epoch {best['epoch']}"


def _rates(records: Sequence[Epoch]) -> Html:
    """Return a chart of the learning rate where it changes, else a sentence."""
    rates = [record.lr for record in records]
    if len(set(rates)) < 2:
        return tag("p", f"The learning rate was {rates[0]:.3g} in every epoch.", class_="soft")
    words = f"From {rates[0]:.3g} in epoch {records[0].epoch} to {rates[-1]:.3g}; the largest was "
    chart = line_chart(
        "Learning rate at the end of each epoch",
        f"{words}{max(rates):.3g}.",
        [Line("lr", "rate", [(record.epoch, record.lr) for record in records])],
        form="{:.3g}",
        height=170,
    )
    return figure(chart, f"{words}{max(rates):.3g}.", class_="half")


def _numbers(rows: Sequence[dict[str, Any]]) -> Html:
    names = {
        "epoch": ("epoch", "{}"),
        "train_loss": ("train loss", "{:.4f}"),
        "train_accuracy": ("train accuracy", "{:.2%}"),
        "validation_loss": ("validation loss", "{:.4f}"),
        "validation_accuracy": ("validation accuracy", "{:.2%}"),
        "test_loss": ("test loss", "{:.4f}"),
        "test_accuracy": ("test accuracy", "{:.2%}"),
        "lr": ("lr", "{:.3g}"),
        "seconds": ("seconds", "{:.1f}"),
        "images_per_second": ("images/s", "{:,.0f}"),
    }
    kept = [key for key in names if any(row[key] is not None for row in rows)]
    shown = rows[-LISTED:]
    cells = [["" if row[k] is None else names[k][1].format(row[k]) for k in kept] for row in shown]
    caption = f"The {len(shown)} last epochs" if len(shown) < len(rows) else "All epochs"
    found = table([names[key][0] for key in kept], cells, caption, numbers=0)
    return details("The numbers of each epoch", found)
