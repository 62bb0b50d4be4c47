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
from tinynet.words import phrase, spoken

KINDS = ("train", "test", "validation")
LISTED = 400  # epochs in the table


def curve_figures(records: Sequence[Epoch], classes: int | None) -> Html:
    """Return the charts of a run, and its numbers in a table that is folded away."""
    rows = [dataclasses.asdict(record) for record in records]
    words = spoken(curves_in_words(rows))
    drops = [(place, f"lr {rate:.2g}") for place, rate in rate_drops(rows)]
    best, kind = best_epoch(rows)
    chance = _chance(classes)
    charts = [
        line_chart(
            phrase("Loss (mean cross-entropy, nats)"),
            words,
            _lines(rows, "loss", 1.0),
            form="{:.3f}",
            marks=Marks(chance["loss"], drops, _ring(best, kind, "loss", 1.0)),
        ),
        line_chart(
            phrase("Accuracy (%)"),
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
        "loss": [(equal, phrase("equal probabilities {loss:.2f}", loss=equal))],
        "accuracy": [(100 / classes, phrase("chance {percent:.3g} %", percent=100 / classes))],
    }


def _lines(rows: Sequence[dict[str, Any]], what: str, factor: float) -> list[Line]:
    lines = []
    for kind in KINDS:
        key = f"{kind}_{what}"
        points = [(row["epoch"], factor * row[key]) for row in rows if row[key] is not None]
        lines.append(Line(phrase("valid." if kind == "validation" else kind), kind, points))
    return lines


def _ring(best: Any, kind: str, what: str, factor: float) -> tuple[float, float, str] | None:
    value = None if best is None else best.get(f"{kind}_{what}")
    if best is None or value is None or not math.isfinite(value):
        return None
    return best["epoch"], factor * value, phrase("best: epoch {epoch}", epoch=best["epoch"])


def _rates(records: Sequence[Epoch]) -> Html:
    """Return a chart of the learning rate where it changes, else a sentence."""
    rates = [record.lr for record in records]
    if len(set(rates)) < 2:
        said = phrase("The learning rate was {lr:.3g} in every epoch.", lr=rates[0])
        return tag("p", said, class_="soft")
    words = phrase(
        "From {first:.3g} in epoch {epoch} to {last:.3g}; the largest was {largest:.3g}.",
        first=rates[0],
        epoch=records[0].epoch,
        last=rates[-1],
        largest=max(rates),
    )
    chart = line_chart(
        phrase("Learning rate at the end of each epoch"),
        words,
        [Line("lr", "rate", [(record.epoch, record.lr) for record in records])],
        form="{:.3g}",
        height=170,
    )
    return figure(chart, words, class_="half")


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
    said = "The {count} last epochs" if len(shown) < len(rows) else "All epochs"
    caption = phrase(said, count=len(shown))
    found = table([phrase(names[key][0]) for key in kept], cells, caption, numbers=0)
    return details(phrase("The numbers of each epoch"), found)
