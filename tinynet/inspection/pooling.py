"""Winners of max pooling: the pixels that pass, and the only ones that get a gradient."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from tinynet.core.backend import Array, to_numpy
from tinynet.inspection.activations import no_layer, observed
from tinynet.inspection.inputs import Prepare, batch_of, prepared, preserved, to_model
from tinynet.nn import MaxPool2d, Module
from tinynet.tensors import Tensor


@dataclasses.dataclass(frozen=True)
class PoolWinners:
    """One max-pooling layer.

    Attributes
    ----------
    name : str
        Of the layer.
    x, y : arrays of shape (N, C, H, W) and (N, C, OH, OW)
        Its input and its output.
    wins : array of int, shape (N, C, H, W)
        Windows whose maximum each input pixel is; windows overlap, so it may be several.
    """

    name: str
    x: Array
    y: Array
    wins: Array

    @property
    def share(self) -> float:
        """Share of the input pixels that win at least one window."""
        return float((self.wins > 0).mean())


def pool_winners(
    model: Module, images: Any, *, prepare: Prepare | None = None
) -> list[PoolWinners]:
    """Return which input pixels win in each max-pooling layer.

    The number of windows that a pixel wins is the gradient of the sum of all maxima with respect
    to this pixel: the layer's own backward pass is what counts them. In a tie the first pixel in
    row-major order wins.

    Parameters
    ----------
    model : Module
        A network, or a pooling layer by itself.
    images : (N, C, H, W) or one image (C, H, W)
    prepare : function of images to inputs, optional

    Returns
    -------
    list of PoolWinners

    Raises
    ------
    ShapeError
        There is no image, or no layer nn.MaxPool2d.

    Examples
    --------
    >>> import numpy as np
    >>> from tinynet import inspection, nn
    >>> x = np.array([[1, 2, 0], [0, 9, 0], [3, 0, 4]], np.float32)
    >>> inspection.pool_winners(nn.MaxPool2d(2, stride=1), x[None])[0].wins[0, 0]
    array([[0, 0, 0],
           [0, 4, 0],
           [0, 0, 0]])
    """
    x = prepared("pool_winners", model, batch_of("pool_winners", images), prepare)
    found = []
    with preserved(model):
        calls = observed(model, to_model(model, x))
        for name, module, before, after in calls:
            if isinstance(module, MaxPool2d):
                found.append(_winners(name, module, before, after))
    if not found:
        raise no_layer("pool_winners", model, "nn.MaxPool2d")
    return found


def _winners(name: str, module: MaxPool2d, before: Tensor, after: Tensor) -> PoolWinners:
    x = Tensor(before.data, before.device, None, True)
    module(x).sum().backward()
    grad = np.zeros(x.shape) if x.grad is None else to_numpy(x.grad)
    return PoolWinners(name, before.numpy(), after.numpy(), np.rint(grad).astype(np.int64))
