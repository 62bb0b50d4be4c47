"""Learning curves that grow while a network is trained, in a notebook."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from tinynet.plot.curves import curves

Event = TypeVar("Event")

EVERY = 0.5  # seconds between two drawings, at least
SHARE = 0.1  # of the time that drawing may take


def live(
    events: Iterable[Event],
    path: Path | str | None = None,
    *,
    title: str = "",
    classes: int | None = None,
    every: float = EVERY,
) -> Iterator[Event]:
    """Yield the records of a training loop, and redraw their curves meanwhile.

    In a notebook one figure is replaced in place, at most twice a second, and drawing takes a tenth
    of the time at most, apart from the first one. Elsewhere nothing is shown; with a path, the file
    is redrawn. The last record is always drawn.

    Parameters
    ----------
    events : iterable of Epoch or of dict
        What `tn.fit` yields; the batches in between are passed on.
    path : Path or str, optional
        A .png, .svg or .pdf file to write.
    title : str
        The last test accuracy is added to it.
    classes : int, optional
        Number of classes, to mark chance; see `curves`.
    every : float
        Seconds between two drawings, at least.

    Yields
    ------
    The records, unchanged and in their order.

    Examples
    --------
    >>> import numpy as np
    >>> import tinynet as tn
    >>> from tinynet import data, nn, optim
    >>> images = np.zeros((8, 1, 2, 2), np.float32)
    >>> loader = data.DataLoader((images, np.arange(8) % 2), batch_size=4)
    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    >>> optimizer = optim.SGD(model.parameters(), lr=0.1)
    >>> for epoch in tn.plot.live(tn.fit(model, optimizer, loader, epochs=2), classes=2):
    ...     print(epoch.epoch)
    1
    2
    """
    seen: list[Any] = []
    show = _notebook_cell()
    due = 0.0
    drawn = 0
    for event in events:
        if _is_epoch(event):
            seen.append(event)
        began = time.monotonic()
        if len(seen) > drawn and began >= due:
            _draw(seen, path, title, classes, show)
            ended = time.monotonic()
            lasted = ended - began if drawn else 0.0  # the first loads matplotlib and its fonts
            due = ended + max(every, lasted / SHARE)
            drawn = len(seen)
        yield event
    if len(seen) > drawn:
        _draw(seen, path, title, classes, show)


def _is_epoch(event: Any) -> bool:
    if isinstance(event, dict):
        return "train_loss" in event
    return hasattr(event, "train_loss")


def _draw(
    seen: list[Any],
    path: Path | str | None,
    title: str,
    classes: int | None,
    show: Callable[[Any], None] | None,
) -> None:
    if path is not None or show is not None:
        figure = curves(seen, path, title=title, classes=classes)
        if show is not None:
            show(figure)


def _notebook_cell() -> Callable[[Any], None] | None:
    """Return a function that shows a figure in the current cell, in place of the one before.

    None outside a notebook: IPython is not imported there.
    """
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    if shell is None or not hasattr(shell, "kernel"):
        return None
    display: Any = sys.modules["IPython.display"].display
    handle: Any = None

    def show(figure: Any) -> None:
        nonlocal handle
        if handle is None:
            handle = display(figure, display_id=True)
        else:
            handle.update(figure)

    return show
