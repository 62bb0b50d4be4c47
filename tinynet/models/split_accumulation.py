"""Split accumulation: sums of one device in the order in which two towers would add them.

A layer that both towers see gets its input gradient as the sum of two sums, one per tower. The
marked layers of a model on one device do the same, so that all numbers equal those of its two-tower
form bit for bit (docs/decisions/0032).
"""

from __future__ import annotations

from tinynet import nn
from tinynet.nn.layers import split_accumulation


def split_where_towers_meet(model: nn.Module) -> None:
    """Mark every layer that sees the maps of both towers, except the last one (the scores).

    These are the convolutions with ``groups=1`` and the fully connected layers.

    Parameters
    ----------
    model : AlexNet or a relative, whose last layer with weights makes the scores
    """
    *layers, _ = [m for _, m in model.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    for layer in layers:
        if isinstance(layer, nn.Linear) or layer.groups == 1:
            split_accumulation(layer)


def is_split(model: nn.Module) -> bool:
    """Return whether any layer of the model is marked."""
    return any(getattr(module, "_split", False) for _, module in model.named_modules())
