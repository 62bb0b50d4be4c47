"""Mistakes that were published, kept to be studied. Use none of them.

A layer that is wrong still trains: gradient descent makes the best of it, and no error is raised.
What gives it away is a comparison with the definition, as in `lrn_error`.
"""

from __future__ import annotations

import numpy as np

from tinynet import functions as F
from tinynet.core.autograd import no_grad
from tinynet.nn.layers import LocalResponseNorm
from tinynet.nn.module import Module
from tinynet.tensors import Tensor


class KerasPostLRN(Module):
    """WRONG: the LRN of a much copied Keras post, in place of `nn.LocalResponseNorm`.

        y[c] = x[c] / (k + alpha * total)**beta
        total = the sum over ALL channels of the mean of x**2 over n x n PIXELS

    Two things are mixed up: the paper's window runs over n neighbouring channels at one pixel; this
    one runs over pixels, and every channel is divided by the same number.
    """

    def __init__(self, n: int = 5, k: float = 2.0, alpha: float = 1e-4, beta: float = 0.75) -> None:
        self.n, self.k, self.alpha, self.beta = n, k, alpha, beta

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C, H, W)."""
        around = F.avg_pool2d(x * x, self.n, 1, padding=self.n // 2, count_include_pad=False)
        everything = around.sum(axis=1, keepdims=True)
        return x / (self.k + self.alpha * everything) ** self.beta


def lrn_error(x: Tensor, n: int = 5, alpha: float = 1e-4) -> float:
    """Return |wrong - right| / |right| of the post's LRN of x (N, C, H, W).

    The more channels there are and the larger their values, the farther.
    """
    with no_grad():
        wrong = KerasPostLRN(n, alpha=alpha)(x).data
        right = LocalResponseNorm(n, alpha=alpha)(x).data
    return float(np.linalg.norm(wrong - right) / np.linalg.norm(right))
