"""Learning curves of a run for other programs: CSV, and event files for TensorBoard."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from tinynet.core.atomic_file import write_atomically
from tinynet.training.event_file import event_file
from tinynet.training.loop import Epoch
from tinynet.training.run_list import SavedRun

FIELDS = tuple(field.name for field in dataclasses.fields(Epoch))
TAGS = {  # of TensorBoard, where a slash makes a group
    "train_loss": "loss/train",
    "test_loss": "loss/test",
    "validation_loss": "loss/validation",
    "train_accuracy": "accuracy/train",
    "test_accuracy": "accuracy/test",
    "validation_accuracy": "accuracy/validation",
    "lr": "learning rate",
    "images_per_second": "images per second",
}
LARGEST = float(np.finfo(np.float32).max)  # an event has 32 bits
NAME = "events.out.tfevents.{}.tinynet"


def csv_text(run: SavedRun) -> str:
    """Return the records of the epochs as CSV, with a header; a value not measured is empty.

    Losses are in nats, accuracies in 0..1, times in seconds.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, FIELDS, lineterminator="\n")
    writer.writeheader()
    for record in run.records:
        writer.writerow(dataclasses.asdict(record))
    return text.getvalue()


def write_events(run: SavedRun, folder: Path) -> Path:
    """Write an event file of the epochs to a folder that TensorBoard is given; return its path.

    The wall times end when the log of the run was last written. Writing again replaces the file.
    """
    begin = run.changed - sum(record.seconds for record in run.records)
    path = folder / NAME.format(int(begin))
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(path, event_file(_scalars(run, begin), begin))
    return path


def _scalars(run: SavedRun, begin: float) -> Iterator[tuple[float, int, Mapping[str, float]]]:
    """Yield wall time, epoch and values of each record."""
    when = begin
    for record in run.records:
        when += record.seconds
        measured = {tag: getattr(record, name) for name, tag in TAGS.items()}
        yield (
            when,
            record.epoch,
            {tag: v for tag, v in measured.items() if v is not None and not abs(v) > LARGEST},
        )
