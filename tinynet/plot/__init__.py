"""Figures."""

from tinynet.plot.figures import curves, filters

__all__ = ["curves", "filters"]
