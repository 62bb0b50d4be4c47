"""Published mistakes, kept to be studied. None of them is to be used.

A wrong layer still trains: gradient descent does what it can with it, and no error is raised. A
comparison with the definition shows the mistake, as in `lrn_error`.
"""

from __future__ import annotations

import numpy as np

from tinynet import functions as F
from tinynet.core.grad_mode import no_grad
from tinynet.nn.guidance import call_as
from tinynet.nn.module import Module
from tinynet.nn.normalization import LocalResponseNorm
from tinynet.tensors import Tensor


class KerasPostLRN(Module):
    """WRONG: the LRN of a widely copied Keras post, in place of `nn.LocalResponseNorm`.

        y[c] = x[c] / (k + alpha * total)**beta
        total = the mean over n x n PIXELS of the sum of x**2 over ALL channels

    It confuses two things: the paper's window runs over n neighbouring channels at one pixel; this
    one runs over pixels, and every channel is divided by the same number.

    Parameters
    ----------
    n : int, odd
        Side of the window in pixels.
    k, alpha, beta : float
        Constants of the equation.

    Examples
    --------
    >>> import tinynet as tn
    >>> from tinynet.nn.mistakes import KerasPostLRN
    >>> KerasPostLRN(n=1, k=0.0, alpha=1.0, beta=1.0)(tn.ones(1, 4, 1, 1)).numpy().ravel()
    array([0.25, 0.25, 0.25, 0.25], dtype=float32)
    """

    @call_as("Only n is positional: write KerasPostLRN(n=5, k=2.0, alpha=1e-4, beta=0.75).")
    def __init__(
        self, n: int = 5, *, k: float = 2.0, alpha: float = 1e-4, beta: float = 0.75
    ) -> None:
        self.n = n
        self.k = k
        self.alpha = alpha
        self.beta = beta

    def extra_repr(self) -> str:
        """Return the constants."""
        return f"n={self.n}, k={self.k}, alpha={self.alpha}, beta={self.beta}"

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C, H, W)."""
        squares = (x * x).sum(axis=1, keepdims=True)
        total = F.avg_pool2d(squares, self.n, 1, padding=self.n // 2, count_include_pad=False)
        return x / (self.k + self.alpha * total) ** self.beta


def lrn_error(x: Tensor, n: int = 5, *, alpha: float = 1e-4) -> float:
    """Return |wrong - right| / |right| of the post's LRN of x (N, C, H, W).

    It grows with the number of channels and with the size of their values.

    Examples
    --------
    >>> import tinynet as tn
    >>> from tinynet.nn.mistakes import lrn_error
    >>> round(lrn_error(tn.ones(1, 96, 7, 7), alpha=1.0), 2)
    0.86
    """
    with no_grad():
        wrong = KerasPostLRN(n, alpha=alpha)(x).data
        right = LocalResponseNorm(n, alpha=alpha)(x).data
    return float(np.linalg.norm(wrong - right) / np.linalg.norm(right))
