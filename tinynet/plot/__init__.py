"""Figures: learning curves, confusion matrix, filters, what happens inside a network, its graph.

Each function returns a matplotlib Figure and, given a path, writes it to a file; `live` passes on
what it draws. The figure's attribute `description` says in words what it shows, `numbers` holds
what is drawn.
"""

from tinynet.plot.architecture import architecture
from tinynet.plot.confusion import confusion
from tinynet.plot.curves import curves
from tinynet.plot.filters import filters
from tinynet.plot.flow import gradient_flow, histograms
from tinynet.plot.graph import graph
from tinynet.plot.live import live
from tinynet.plot.maps import feature_maps, occlusion_map, saliency
from tinynet.plot.predictions import predictions
from tinynet.plot.rates import learning_rates
from tinynet.plot.responses import lrn_before_after, pool_winners
from tinynet.plot.roofline import roofline
from tinynet.plot.units import dead_units, neighbors, top_images

__all__ = [
    "architecture",
    "confusion",
    "curves",
    "dead_units",
    "feature_maps",
    "filters",
    "gradient_flow",
    "graph",
    "histograms",
    "learning_rates",
    "live",
    "lrn_before_after",
    "neighbors",
    "occlusion_map",
    "pool_winners",
    "predictions",
    "roofline",
    "saliency",
    "top_images",
]


def __dir__() -> list[str]:
    return __all__
