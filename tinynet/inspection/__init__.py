"""Measurements inside a network: activations, saliency, occlusion, units, gradients.

Each function runs a model, leaves it as it was (mode, gradients, running statistics, random
streams) and returns numbers; `tinynet.plot` draws them.
"""

from tinynet.inspection.activations import Activation, activations
from tinynet.inspection.attribution import occlusion_map, probabilities, saliency
from tinynet.inspection.gradients import GradientFlow, gradient_flow
from tinynet.inspection.neighbors import Neighbors, last_hidden, neighbors
from tinynet.inspection.normalization import NormalizedMaps, lrn_before_after
from tinynet.inspection.pooling import PoolWinners, pool_winners
from tinynet.inspection.units import TopImages, dead_units, top_images

__all__ = [
    "Activation",
    "GradientFlow",
    "Neighbors",
    "NormalizedMaps",
    "PoolWinners",
    "TopImages",
    "activations",
    "dead_units",
    "gradient_flow",
    "last_hidden",
    "lrn_before_after",
    "neighbors",
    "occlusion_map",
    "pool_winners",
    "probabilities",
    "saliency",
    "top_images",
]


def __dir__() -> list[str]:
    return __all__
