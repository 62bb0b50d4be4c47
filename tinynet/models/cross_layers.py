"""Cross layers: the layers of a two-tower AlexNet that see the maps of both towers.

Section 3.2 and figure 2 of the paper: conv3, fc6 and fc7. The code of 2012 also has nets that cross
at conv4, or at no convolution.
"""

from __future__ import annotations

CROSS_LAYERS = {
    "conv3": ("conv3", "fc6", "fc7"),  # the paper
    "conv4": ("conv4", "fc6", "fc7"),
    "nowhere": ("fc6", "fc7"),
}
"""Layers that see the maps of both towers, by the convolution among them."""


def check_cross_at(cross_at: str) -> None:
    """Refuse a name that is not in `CROSS_LAYERS`.

    Raises
    ------
    ValueError : for such a name

    Examples
    --------
    >>> from tinynet.models.cross_layers import check_cross_at
    >>> check_cross_at("conv3")
    >>> check_cross_at("conv5")
    Traceback (most recent call last):
    ValueError: two towers: cross_at is one of conv3, conv4, nowhere, not 'conv5'.
    """
    if cross_at not in CROSS_LAYERS:
        known = ", ".join(CROSS_LAYERS)
        raise ValueError(f"two towers: cross_at is one of {known}, not {cross_at!r}.")


def groups(layer: str, cross_at: str) -> int:
    """Return the number of groups of a convolution behind conv1, on one device.

    Raises
    ------
    ValueError : if `cross_at` is not in `CROSS_LAYERS`

    Examples
    --------
    >>> from tinynet.models.cross_layers import groups
    >>> groups("conv3", cross_at="conv3"), groups("conv4", cross_at="conv3")
    (1, 2)
    """
    check_cross_at(cross_at)
    return 1 if layer in CROSS_LAYERS[cross_at] else 2
