r"""Softmax and cross-entropy in one: the mean negative log-probability of the right classes.

    probability[n, c] = exp(s[n, c] - m[n]) / sum over j of exp(s[n, j] - m[n])      m[n] = max of s[n]
    loss              = -mean over n of log probability[n, label[n]]
    gs[n, c]          = (probability[n, c] - (c == label[n])) / N

Subtracting the maximum changes nothing but keeps exp from overflowing. The gradient falls out of
the forward pass, so it is returned with it.
"""

from __future__ import annotations

from tinynet.backend import Array, array_module
from tinynet.kernels._kernel import Kernel


@Kernel
def cross_entropy(scores: Array, labels: Array) -> tuple[Array, Array]:
    """Return (loss, gscores) of scores (N, classes), labels (N,): a 0-d array and (N, classes)."""
    xp, rows = array_module(scores), array_module(scores).arange(len(scores))
    shifted = scores - scores.max(axis=1, keepdims=True)
    exponential = xp.exp(shifted)
    total = exponential.sum(axis=1, keepdims=True)
    losses = xp.log(total[:, 0]) - shifted[rows, labels]
    gradient = exponential / total
    gradient[rows, labels] -= 1
    return xp.asarray(losses.mean()), gradient / len(scores)
