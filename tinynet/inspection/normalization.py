"""Local response normalization before and after: what the channels of a place do to each other."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from tinynet.core.backend import Array
from tinynet.core.grad_mode import no_grad
from tinynet.inspection.activations import no_layer, observed
from tinynet.inspection.inputs import Prepare, batch_of, prepared, preserved, to_model
from tinynet.nn import LocalResponseNorm, Module


@dataclasses.dataclass(frozen=True)
class NormalizedMaps:
    """One layer of local response normalization.

    Attributes
    ----------
    name : str
        Of the layer.
    layer : LocalResponseNorm
    x, y : arrays of shape (N, C, H, W)
        Its input and its output.
    """

    name: str
    layer: LocalResponseNorm
    x: Array
    y: Array

    @property
    def gain(self) -> Array:
        """Output divided by input (N, C, H, W); NaN where the input is 0."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.x == 0, np.nan, self.y / self.x)


def lrn_before_after(
    model: Module, images: Any, *, prepare: Prepare | None = None
) -> list[NormalizedMaps]:
    """Return input and output of each layer of local response normalization.

    Parameters
    ----------
    model : Module
        A network, or a layer by itself.
    images : (N, C, H, W) or one image (C, H, W)
    prepare : function of images to inputs, optional

    Returns
    -------
    list of NormalizedMaps

    Raises
    ------
    ShapeError
        There is no image, or no layer nn.LocalResponseNorm.

    Examples
    --------
    >>> import numpy as np
    >>> from tinynet import inspection, nn
    >>> layer = nn.LocalResponseNorm(n=1, k=1.0, alpha=1.0, beta=1.0)
    >>> (found,) = inspection.lrn_before_after(layer, np.full((1, 2, 1, 1), 2, np.float32))
    >>> found.gain.ravel()
    array([0.2, 0.2], dtype=float32)
    """
    x = prepared("lrn_before_after", model, batch_of("lrn_before_after", images), prepare)
    with preserved(model), no_grad():
        calls = observed(model, to_model(model, x))
    found = [
        NormalizedMaps(name, module, x.numpy(), y.numpy())
        for name, module, x, y in calls
        if isinstance(module, LocalResponseNorm)
    ]
    if not found:
        raise no_layer("lrn_before_after", model, "nn.LocalResponseNorm")
    return found
