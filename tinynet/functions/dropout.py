"""Dropout with its derivative; the arithmetic is in `kernels/dropout.py`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tinynet import kernels
from tinynet.core import random
from tinynet.core.autograd import Function
from tinynet.core.backend import Array

if TYPE_CHECKING:
    from tinynet.tensors import Tensor


class Dropout(Function):
    """y = x / (1 - p) where the bits say so, else 0. Backward draws the same bits again."""

    takes_bfloat16 = True

    def __init__(self, p: float, key: random.Key) -> None:
        self.p = p
        self.key = key

    def forward(self, x: Array) -> Array:
        return kernels.dropout(x, self.p, self.key)

    def backward(self, gy: Array) -> Any:
        return kernels.dropout(gy, self.p, self.key)


def dropout(x: Tensor, p: float = 0.5, *, training: bool = True) -> Tensor:
    """Set each element to zero with probability p, and divide the others by 1 - p.

    The paper (section 4.2) multiplies by 1 - p at test time instead. The mask depends on the seed,
    the training step and how many masks were drawn in this step before, which is the number of the
    layer: see `tinynet.core.random`.

    Parameters
    ----------
    x : (N, ...)
    p : float
        The probability of a zero, 0 to 1.
    training : bool
        False returns x as it is.

    Raises
    ------
    ValueError
        If p is not a probability.

    Examples
    --------
    >>> import tinynet as tn
    >>> from tinynet import functions as F
    >>> F.dropout(tn.ones(3), p=0.5, training=False)
    tensor([1., 1., 1.])
    """
    if not 0 <= p <= 1:
        raise ValueError(f"dropout: p is a probability, 0 to 1. Got p={p}.")
    if not training or p == 0:
        return x
    return Dropout(float(p), random.next_draw(math.prod(x.shape[1:])))(x)
