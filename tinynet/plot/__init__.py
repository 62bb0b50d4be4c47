"""Figures: learning curves, confusion matrix, first-layer filters, autograd graph.

Each function returns a matplotlib Figure and, given a path, writes it to a file.
"""

from tinynet.plot.confusion import confusion
from tinynet.plot.curves import curves
from tinynet.plot.filters import filters
from tinynet.plot.graph import graph

__all__ = ["confusion", "curves", "filters", "graph"]


def __dir__() -> list[str]:
    return __all__
