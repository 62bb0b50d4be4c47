r"""Softmax cross-entropy: the mean negative log-probability of the correct classes.

    probability[n, c] = exp(s[n, c] - m[n]) / sum over j of exp(s[n, j] - m[n])
    m[n]              = max of s[n]
    loss              = -mean over n of log probability[n, label[n]]
    gs[n, c]          = (probability[n, c] - (c == label[n])) / N

Subtracting the maximum does not change the result but keeps exp from overflowing. The gradient is
a by-product of the forward pass, so both are returned together.
"""

from __future__ import annotations

import numpy as np

from tinynet.core.backend import Array, array_module
from tinynet.kernels.cuda.launch import Grid, in_rows, launch
from tinynet.kernels.dispatch import Kernel, fallback_if


@Kernel
def cross_entropy(scores: Array, labels: Array) -> tuple[Array, Array]:
    """Return (loss, gscores) of scores (N, classes), labels (N,): a 0-d array and (N, classes)."""
    xp = array_module(scores)
    rows = array_module(scores).arange(len(scores))
    shifted = scores - scores.max(axis=1, keepdims=True)
    exponential = xp.exp(shifted)
    total = exponential.sum(axis=1, keepdims=True)
    losses = xp.log(total[:, 0]) - shifted[rows, labels]
    gradient = exponential / total
    gradient[rows, labels] -= 1
    return xp.asarray(losses.mean()), gradient / len(scores)


# ---- CUDA: softmax.cu (on a CPU, loops would not be faster than NumPy)


def _is_out_of_range(scores: Array, labels: Array) -> bool:
    on_cpu = isinstance(labels, np.ndarray)  # on a GPU the check would wait for the device
    return on_cpu and bool(labels.size and (labels.min() < 0 or labels.max() >= scores.shape[1]))


@cross_entropy.cuda
@fallback_if("no scores", lambda scores, labels: scores.size == 0)
@fallback_if("labels on a CPU that are out of range", _is_out_of_range)
def cross_entropy_cuda(scores: Array, labels: Array) -> tuple[Array, Array]:
    """One block per row. If a label is out of range, the loss is NaN: a GPU cannot raise."""
    xp = array_module(scores)
    N, classes = scores.shape
    losses = xp.empty(N, xp.float64)
    gradient = xp.empty((N, classes), scores.dtype)
    loss = xp.empty((), scores.dtype)
    threads = min(256, -(-classes // 32) * 32)  # whole warps
    labels = xp.ascontiguousarray(labels, xp.int64)
    rows = Grid((N,), (threads,))
    launch(
        "softmax", "cross_entropy_rows", rows, in_rows(scores), labels, N, classes, losses, gradient
    )
    launch("softmax", "mean", Grid((1,)), loss, losses, N)
    return loss, gradient
