"""Plain-text tables and lists of names, for reports and error messages."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence


def table(rows: Sequence[Sequence[str]], left: int) -> str:
    """Return aligned columns with a rule under the first row.

    Parameters
    ----------
    rows : sequence of rows, all with the same number of cells
        The first row is the header.
    left : int
        How many columns, from the first, are aligned to the left; the rest go to the right.

    Examples
    --------
    >>> print(table([("layer", "parameters"), ("conv1", "34,944"), ("fc8", "10")], left=1))
    layer  parameters
    -----------------
    conv1      34,944
    fc8            10
    """
    columns = []
    for i, column in enumerate(zip(*rows, strict=True)):
        width = max(map(columns_of, column))
        gaps = [" " * (width - columns_of(cell)) for cell in column]
        pairs = zip(column, gaps, strict=True)
        columns.append([cell + gap if i < left else gap + cell for cell, gap in pairs])
    lines = ["  ".join(cells).rstrip() for cells in zip(*columns, strict=True)]
    return "\n".join([lines[0], "-" * max(map(columns_of, lines)), *lines[1:]])


def columns_of(text: str) -> int:
    """Return how many columns of a terminal a text takes: two for a syllable of Hangul.

    Examples
    --------
    >>> columns_of("layer"), columns_of("층")
    (5, 2)
    """
    return len(text) + sum(unicodedata.east_asian_width(c) in "WF" for c in text)


def first_names(names: Iterable[str], limit: int, separator: str = ", ") -> str:
    """Return the first `limit` names and the number of the others.

    Examples
    --------
    >>> first_names(["conv1", "conv2", "conv3", "fc6"], 2)
    'conv1, conv2 and 2 more'
    >>> first_names(["conv1"], 2)
    'conv1'
    """
    listed = list(names)
    shown = separator.join(listed[:limit])
    more = len(listed) - limit
    return f"{shown} and {more} more" if more > 0 else shown
